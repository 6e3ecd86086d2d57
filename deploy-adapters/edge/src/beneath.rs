//! Opening files below a directory so that nothing on the way can lead out of it.
//!
//! The kernel resolves the path (`openat2(2)` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`), so there is no moment
//! between a check and the open in which a component could be swapped for a link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;

/// How often an open is repeated when the kernel could not decide because of a concurrent rename (`EAGAIN`).
const RENAME_RACE_RETRIES: usize = 16;

/// Opens `dir` itself as an anchor for the functions below. Links in `dir`'s own path are followed: the caller
/// chose that path.
pub(crate) fn anchor(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(open(dir, flags, Mode::empty())?)
}

/// Opens the directory `path` below `root`, refusing any link on the way. An empty path is `root` itself.
pub(crate) fn open_dir(root: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    let path = if path.is_empty() { "." } else { path };
    open_beneath(root, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Opens the regular file `path` below `root` for reading, refusing any link on the way and anything that is not a
/// regular file. Returns the file and its length in bytes.
pub(crate) fn open_file(root: impl AsFd, path: &str) -> io::Result<(File, u64)> {
    // Without O_NONBLOCK a fifo put in the file's place would block here for ever.
    let fd = open_beneath(root, path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let stat = fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::LOOP.into());
    }
    Ok((File::from(fd), u64::try_from(stat.st_size).unwrap_or(0)))
}

/// Makes the entries of the directory `path` (names added, renamed, removed) durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::fsync(anchor(path)?)?)
}

/// Whether an error of this module means "something else stands where a plain file or directory was expected".
pub(crate) fn is_swapped(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    [Errno::LOOP, Errno::XDEV, Errno::NOTDIR, Errno::AGAIN, Errno::NXIO]
        .iter()
        .any(|swapped| errno == Some(*swapped))
}

fn open_beneath(root: impl AsFd, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    for _ in 0..RENAME_RACE_RETRIES {
        match openat2(&root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
    Err(Errno::AGAIN.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn threat_f09_no_link_or_parent_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("dir")).unwrap();
        std::fs::write(root.path().join("dir/file"), "content").unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        symlink("file", root.path().join("dir/inner")).unwrap();
        let anchor = anchor(root.path()).unwrap();

        assert_eq!(open_file(&anchor, "dir/file").unwrap().1, 7);
        for path in ["out/secret", "dir/inner", "../x", "/etc/passwd", "dir"] {
            let error = open_file(&anchor, path).expect_err(path);
            assert!(is_swapped(&error), "{path}: {error}");
        }
        assert!(open_dir(&anchor, "out").is_err());
    }
}
