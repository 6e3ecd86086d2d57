//! The archive's files: pieces of some hundred lines, each packed by itself and known by its digest.
//!
//! A file holds the pieces of one log one behind the other; unpacked (`zstdcat` does it, too) it is one JSON
//! line per line of the log.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use deploy_core::log::LogLine;
use rusqlite::{Connection, Row, params};
use sha2::{Digest as _, Sha256};

use crate::chain::Hash;
use crate::fault::Fault;
use crate::open::sync_dir;
use crate::rows::{RowId, signed, unsigned};

/// The directory of the archive, in the store's own.
pub(crate) const ARCHIVE: &str = "logs";
/// A file that is being written; never one of the archive.
pub(super) const STAGING: &str = ".staging-";
/// Lines of one piece.
const CHUNK_LINES: usize = 512;
/// Bytes of one piece before it is packed, at which no further line is added: 1 MiB.
const CHUNK_BYTES: usize = 1 << 20;
/// More than any piece holds; a number beyond is damage, not a reason to take memory.
const RAW_MAX: u64 = 64 << 20;
/// How hard lines are packed: zstd's own default.
const LEVEL: i32 = 3;

/// A piece of an archived log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(super) first: u64,
    pub(super) last: u64,
    file: String,
    offset: u64,
    length: u64,
    raw: u64,
    digest: Hash,
}

/// Writes a file of the archive; nothing has its name until it is whole and durable.
pub(super) struct Packer {
    dir: PathBuf,
    name: String,
    staged: PathBuf,
    file: File,
    offset: u64,
    waiting: Vec<u8>,
    lines: usize,
    first: u64,
    last: u64,
    chunks: Vec<Chunk>,
}

impl Packer {
    pub(super) fn new(store: &Path, name: String) -> io::Result<Self> {
        let dir = store.join(ARCHIVE);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        sync_dir(store)?;
        let staged = dir.join(format!("{STAGING}{name}"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        let (waiting, chunks) = (Vec::new(), Vec::new());
        Ok(Self { dir, name, staged, file, offset: 0, waiting, lines: 0, first: 0, last: 0, chunks })
    }

    /// Adds a line; they come in order.
    pub(super) fn add(&mut self, line: &LogLine) -> io::Result<()> {
        if self.lines == 0 {
            self.first = line.sequence.0;
        }
        serde_json::to_writer(&mut self.waiting, line)?;
        self.waiting.push(b'\n');
        (self.lines, self.last) = (self.lines + 1, line.sequence.0);
        if self.lines >= CHUNK_LINES || self.waiting.len() >= CHUNK_BYTES { self.pack() } else { Ok(()) }
    }

    fn pack(&mut self) -> io::Result<()> {
        if self.lines == 0 {
            return Ok(());
        }
        let packed = zstd::bulk::compress(&self.waiting, LEVEL)?;
        self.file.write_all(&packed)?;
        let length = packed.len() as u64;
        self.chunks.push(Chunk {
            first: self.first,
            last: self.last,
            file: self.name.clone(),
            offset: self.offset,
            length,
            raw: self.waiting.len() as u64,
            digest: Sha256::digest(&packed).into(),
        });
        self.offset += length;
        self.lines = 0;
        self.waiting.clear();
        Ok(())
    }

    /// Makes the file durable under its name.
    pub(super) fn finish(mut self) -> io::Result<Vec<Chunk>> {
        self.pack()?;
        self.file.sync_all()?;
        fs::rename(&self.staged, self.dir.join(&self.name))?;
        sync_dir(&self.dir)?;
        Ok(self.chunks)
    }
}

impl Chunk {
    /// The pieces of a deployment's log from a number on, in order.
    pub(crate) fn of(db: &Connection, deployment: RowId, after: u64) -> Result<Vec<Self>, Fault> {
        let sql = "SELECT first, last, file, offset, length, raw, digest FROM log_chunks
                   WHERE deployment = ?1 AND last > ?2 ORDER BY first";
        let mut select = db.prepare_cached(sql)?;
        select.query_and_then(params![deployment, signed(after)], Self::read)?.collect()
    }

    fn read(row: &Row<'_>) -> Result<Self, Fault> {
        let number = |column: usize| row.get(column).map(unsigned);
        Ok(Self {
            first: number(0)?,
            last: number(1)?,
            file: row.get(2)?,
            offset: number(3)?,
            length: number(4)?,
            raw: number(5)?,
            digest: row.get(6)?,
        })
    }

    pub(super) fn insert(&self, db: &Connection, deployment: RowId) -> Result<(), Fault> {
        let sql = "INSERT INTO log_chunks (deployment, first, last, file, offset, length, raw, digest)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let [first, last, offset, length, raw] =
            [self.first, self.last, self.offset, self.length, self.raw].map(signed);
        let values = params![deployment, first, last, self.file, offset, length, raw, self.digest];
        db.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// The bytes as they were written, or what is wrong with them.
    pub(crate) fn packed(&self, store: &Path) -> Result<Vec<u8>, Fault> {
        let damaged = |what: String| {
            Fault::corrupt(format!(
                "lines {} to {} in {ARCHIVE}/{}: {what}",
                self.first, self.last, self.file
            ))
        };
        // A name is one of ours, or it is no path at all.
        if self.file.contains('/') || self.length.max(self.raw) > RAW_MAX {
            return Err(damaged("its record is not what was written".to_owned()));
        }
        let mut bytes = Vec::new();
        let read = File::open(store.join(ARCHIVE).join(&self.file)).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(self.length).read_to_end(&mut bytes)
        });
        read.map_err(|error| damaged(error.to_string()))?;
        if Hash::from(Sha256::digest(&bytes)) != self.digest {
            return Err(damaged("they are not what was written".to_owned()));
        }
        Ok(bytes)
    }

    /// The lines.
    pub(super) fn lines(&self, store: &Path) -> Result<Vec<LogLine>, Fault> {
        let damaged =
            |error: &dyn std::fmt::Display| Fault::corrupt(format!("{ARCHIVE}/{}: {error}", self.file));
        let raw = usize::try_from(self.raw).unwrap_or(usize::MAX);
        let text = zstd::bulk::decompress(&self.packed(store)?, raw).map_err(|error| damaged(&error))?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(|error| damaged(&error))).collect()
    }
}
