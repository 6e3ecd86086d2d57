//! The table's file: JSON with a checksum.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::RouteTable;
use crate::digest::Digest;

/// The file format this version writes. It also reads 1, which had no log of changes beside it.
pub(super) const SCHEMA: u32 = 2;

/// The oldest file format this version reads.
const OLDEST_SCHEMA: u32 = 1;

/// Largest file of a table in bytes.
const MAX_FILE_BYTES: u64 = 128 * 1024 * 1024;

/// Why a table file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The content is not a table, or not the one that was written.
    #[error("the route table {path:?} is damaged: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version wrote it. The previous file is not used instead: it would silently undo changes.
    #[error("the route table {path:?} has format {found}, this version reads {SCHEMA}")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The system did not let us read it.
    #[error("the route table {path:?} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl TableError {
    /// Stable, machine-readable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "route_table_corrupt",
            Self::TooNew { .. } => "route_table_too_new",
            Self::Unreadable { .. } => "route_table_unreadable",
        }
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "Move the file away and deploy again, or restore it from a backup.",
            Self::TooNew { .. } => "Run the newer version again.",
            Self::Unreadable { .. } => "Check the permissions of the state directory and the disk.",
        }
    }
}

/// The file's outer shape. The checksum covers the exact bytes of `table`.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    schema: u32,
    checksum: Digest,
    #[serde(borrow)]
    table: &'a RawValue,
}

/// A table as a file has it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) table: RouteTable,
    pub(super) schema: u32,
    pub(super) bytes: u64,
}

pub(super) fn encode(table: &RouteTable) -> Vec<u8> {
    let raw = serde_json::value::to_raw_value(table).expect("maps with string keys always serialize");
    let envelope = Envelope { schema: SCHEMA, checksum: Digest::of(raw.get().as_bytes()), table: &raw };
    serde_json::to_vec(&envelope).expect("strings and integers always serialize")
}

/// Reads the table at `path`; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Stored>, TableError> {
    read_bytes(path)?.map(|bytes| decode(path, &bytes)).transpose()
}

/// The content of a file; `None` if there is no such file.
pub(super) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, TableError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TableError::Unreadable { path: path.to_owned(), reason: error.to_string() }),
    }
}

pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Stored, TableError> {
    let corrupt = |reason: String| TableError::Corrupt { path: path.to_owned(), reason };
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(|e| corrupt(e.to_string()))?;
    if !(OLDEST_SCHEMA..=SCHEMA).contains(&envelope.schema) {
        return Err(TableError::TooNew { path: path.to_owned(), found: envelope.schema });
    }
    if Digest::of(envelope.table.get().as_bytes()) != envelope.checksum {
        return Err(corrupt("the checksum does not match".to_owned()));
    }
    let table: RouteTable = serde_json::from_str(envelope.table.get()).map_err(|e| corrupt(e.to_string()))?;
    if !table.is_consistent() {
        return Err(corrupt("its routes and epochs contradict each other".to_owned()));
    }
    Ok(Stored { table, schema: envelope.schema, bytes: bytes.len() as u64 })
}
