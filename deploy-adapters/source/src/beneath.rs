//! Opening what lies below a directory so that nothing on the way can lead out of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat, openat2};
use rustix::io::Errno;

/// How often an open is repeated when the kernel could not decide because of a concurrent rename (`EAGAIN`).
const RENAME_RACE_RETRIES: usize = 16;

/// Opens the source itself. Links in its own path are followed: whoever deploys chose that path.
pub(crate) fn root(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens a directory below `root`. Links on the way are followed as long as they stay below it.
pub(crate) fn directory(root: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    let path = if path.is_empty() { "." } else { path };
    resolve(root, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Opens an entry of `parent` that must be a directory and no link.
pub(crate) fn child(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

/// Opens an entry of `parent` that must be a regular file and no link.
pub(crate) fn child_file(parent: impl AsFd, name: &str) -> io::Result<(File, Stat)> {
    // Without NONBLOCK a pipe put in the file's place would block here for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    regular(openat(parent, name, flags, Mode::empty())?)
}

/// What `path` below `root` leads to, without opening it for reading.
pub(crate) fn look(root: impl AsFd, path: &str) -> io::Result<Stat> {
    Ok(fstat(resolve(root, path, OFlags::PATH)?)?)
}

/// Reads a regular file below `root` whole, or `None` if it has more than `limit` bytes.
pub(crate) fn read(root: impl AsFd, path: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let (file, _) = regular(resolve(root, path, OFlags::RDONLY | OFlags::NONBLOCK)?)?;
    read_whole(file, limit)
}

/// Reads the first bytes of a regular file below `root`.
pub(crate) fn head(root: impl AsFd, path: &str, limit: u64) -> io::Result<Vec<u8>> {
    let (file, _) = regular(resolve(root, path, OFlags::RDONLY | OFlags::NONBLOCK)?)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file whole, or `None` if it has more than `limit` bytes. What it grows by meanwhile counts as well.
pub(crate) fn read_whole(file: File, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= limit);
    Ok(fits.then_some(bytes))
}

/// What is wrong with a path that can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is not there, or a link on the way leads to something that is not.
    Missing,
    /// A component of it is not a directory.
    NotADirectory,
    /// A link on the way leads out of the root.
    LeadsOut,
    /// Links on the way go round in a circle.
    Loop,
    /// Something else, which the system's words say best.
    Other,
}

/// What an error of this module means.
pub(crate) fn trouble(error: &io::Error) -> Trouble {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => Trouble::Missing,
        Some(Errno::NOTDIR) => Trouble::NotADirectory,
        Some(Errno::XDEV) => Trouble::LeadsOut,
        Some(Errno::LOOP) => Trouble::Loop,
        _ => Trouble::Other,
    }
}

fn regular(fd: OwnedFd) -> io::Result<(File, Stat)> {
    let stat = fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        Ok((File::from(fd), stat))
    } else {
        Err(Errno::NXIO.into())
    }
}

fn resolve(root: impl AsFd, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RENAME_RACE_RETRIES {
        match openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), beneath) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
    Err(Errno::AGAIN.into())
}
