//! Packed directories: what format one is, and unpacking it once.
//!
//! Tar streams are read in one pass, so the digest is of exactly the bytes that were unpacked. A zip is read at its
//! end first, so it is copied before, while it is digested.

pub(crate) mod tarball;
mod zipped;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use deploy_core::id::Digest;
use deploy_core::reason::ReasonCode;
use sha2::{Digest as _, Sha256};

use crate::beneath::{Trouble, trouble};
use crate::fault::{Fault, Stop};
use crate::limits::Limits;
use crate::unpack::{Origin, Unpack};

/// The largest window of a zstd stream, as a power of two: 32 MiB. More is only made with `--ultra` or `--long`.
const ZSTD_WINDOW: u32 = 25;

/// The directory that an archive became.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// What the archive held.
    pub(crate) digest: Digest,
    /// The one directory that everything in it is in.
    pub(crate) single: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Tar,
    TarGzip,
    TarZstd,
    Zip,
}

/// Unpacks the archive at `path` into `target`, an empty directory, with `beside` for what is needed meanwhile.
pub(crate) fn unpack(
    path: &Path,
    target: &Path,
    beside: &Path,
    limits: &Limits,
    stop: &Stop,
) -> Result<Unpacked, Fault> {
    let (mut file, bytes) = open(path)?;
    if bytes > limits.fetch_bytes {
        let message = format!("the archive is too large: it has more than {} bytes", limits.fetch_bytes);
        return Err(Fault::new(ReasonCode::ArchiveTooLarge, message));
    }
    let format = format(&mut file).map_err(|error| unreadable(path, &error))?;
    let Some(format) = format else {
        let message = format!("{} is no tar, tar.gz, tar.zst or zip archive", path.display());
        return Err(Fault::new(ReasonCode::ArchiveInvalid, message));
    };
    let unpacking = Unpack::new(target, Origin::Archive { bytes }, limits, stop)
        .map_err(|error| Fault::new(ReasonCode::InsufficientDisk, error.to_string()))?;
    // One more byte than it had: what grows meanwhile is not the same archive.
    let mut digesting = Digesting { inner: file.take(bytes.saturating_add(1)), hash: Sha256::new() };
    let single = match format {
        Format::Zip => {
            let copy = private_copy(&mut digesting, beside, stop)?;
            zipped::unpack(copy, unpacking)?
        }
        Format::Tar => tarball::unpack(&mut digesting, unpacking)?,
        Format::TarGzip => {
            tarball::unpack(flate2::bufread::MultiGzDecoder::new(BufReader::new(&mut digesting)), unpacking)?
        }
        Format::TarZstd => {
            let mut plain = zstd::Decoder::new(&mut digesting).map_err(|error| damaged(&error))?;
            plain.window_log_max(ZSTD_WINDOW).map_err(|error| damaged(&error))?;
            tarball::unpack(plain, unpacking)?
        }
    };
    Ok(Unpacked { digest: digesting.finish(stop)?, single })
}

fn open(path: &Path) -> Result<(File, u64), Fault> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
    let file = file.map_err(|error| match trouble(&error) {
        Trouble::Missing | Trouble::NotADirectory => {
            Fault::new(ReasonCode::SourceNotFound, format!("the archive {} does not exist", path.display()))
        }
        Trouble::Loop | Trouble::LeadsOut | Trouble::Other => unreadable(path, &error),
    })?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if !metadata.is_file() {
        let message = format!("{} is not a file", path.display());
        return Err(Fault::new(ReasonCode::ArchiveInvalid, message));
    }
    Ok((file, metadata.len()))
}

/// What the first bytes say; names don't count.
fn format(file: &mut File) -> io::Result<Option<Format>> {
    let mut head = Vec::new();
    file.take(512).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(match head.as_slice() {
        [0x1f, 0x8b, ..] => Some(Format::TarGzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Format::TarZstd),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Format::Zip),
        head if tarball::begins(head) => Some(Format::Tar),
        _ => None,
    })
}

fn private_copy(from: &mut impl Read, beside: &Path, stop: &Stop) -> Result<File, Fault> {
    let unwritable = |error: io::Error| Fault::new(ReasonCode::InsufficientDisk, error.to_string());
    let path: PathBuf = beside.join("archive.zip");
    let mut copy = File::options().read(true).write(true).create_new(true).open(path).map_err(unwritable)?;
    loop {
        stop.check()?;
        let copied = io::copy(&mut from.take(16 * 1024 * 1024), &mut copy).map_err(unwritable)?;
        if copied == 0 {
            break;
        }
    }
    copy.seek(SeekFrom::Start(0)).map_err(unwritable)?;
    Ok(copy)
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::new(ReasonCode::SourceUnreadable, format!("{} can't be read: {error}", path.display()))
}

fn damaged(error: &io::Error) -> Fault {
    Fault::new(ReasonCode::ArchiveInvalid, format!("the archive is damaged: {error}"))
}

/// Reads and digests.
struct Digesting<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Digesting<R> {
    /// The digest of everything, what the unpacking did not need included.
    fn finish(mut self, stop: &Stop) -> Result<Digest, Fault> {
        let mut rest = vec![0; 64 * 1024];
        while self.read(&mut rest).map_err(|error| damaged(&error))? > 0 {
            stop.check()?;
        }
        let hex: String = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}").parse().map_err(|_| damaged(&io::Error::other("no digest")))
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
