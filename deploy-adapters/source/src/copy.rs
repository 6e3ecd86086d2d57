//! A private copy of a source, for builds: what ignore files leave out stays behind, links that leave the source are
//! refused, and nothing below the source is ever written.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use deploy_core::cancel::Cancel;
use deploy_core::failure::{Failure, FailureCode};
use rustix::fs::{Mode, OFlags, Stat, fstat, mkdirat, openat, readlinkat, symlinkat};
use rustix::io::Errno;

use crate::beneath::{self, Trouble, trouble};
use crate::entries::{Entry, Kind, entries, join};
use crate::ignores::{Counted, Ignores, above};
use crate::limits::Limits;

/// How many bytes are copied before the request to stop is looked at again.
const CHUNK_BYTES: u64 = 16 * 1024 * 1024;

/// Copies the source `root`, which is at `path`, into `target`, an empty directory.
pub(crate) fn copy(
    root: &OwnedFd,
    path: &Path,
    counted: Counted,
    target: &OwnedFd,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<(), Failure> {
    let itself = fstat(target).map_err(|error| unwritable("", &error.into()))?;
    let (prefix, ignores) = above(path, counted, limits.text_bytes);
    let mut copy = Copy {
        root: root.as_fd(),
        prefix,
        ignores,
        counted,
        limits,
        cancel,
        itself: (itself.st_dev, itself.st_ino),
        entries: 0,
        bytes: 0,
    };
    copy.directory(root.as_fd(), target.as_fd(), "", 0)
}

struct Copy<'a> {
    root: BorrowedFd<'a>,
    prefix: String,
    ignores: Ignores,
    counted: Counted,
    limits: &'a Limits,
    cancel: &'a Cancel,
    /// The device and number of the copy: it may lie below the source, and must not be copied into itself.
    itself: (u64, u64),
    entries: usize,
    bytes: u64,
}

impl Copy<'_> {
    fn directory(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        path: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        if depth > self.limits.depth {
            let message = format!("{path}: directories are nested more than {} deep", self.limits.depth);
            return Err(Failure::new(FailureCode::TooLarge, message));
        }
        let left = self.limits.entries - self.entries;
        let found = entries(from, left).map_err(|error| unreadable(path, &error))?;
        self.entries += found.len();
        if found.len() > left {
            let message = format!("the source has more than {} files and directories", self.limits.entries);
            return Err(Failure::new(FailureCode::TooLarge, message));
        }
        let top = join(&self.prefix, path);
        if self.counted != Counted::Ours {
            self.ignores.enter_git(from, &top, ".gitignore", depth, self.limits.text_bytes);
        }
        self.ignores.enter_deploy(from, &top, depth, self.limits.text_bytes);
        for entry in found {
            self.entry(from, to, path, entry, depth)?;
        }
        self.ignores.leave(depth);
        Ok(())
    }

    fn entry(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        parent: &str,
        entry: Entry,
        depth: usize,
    ) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let name = match entry.name {
            Ok(name) => name,
            Err(printable) => {
                let path = join(parent, &printable);
                return Err(unsafe_entry(&path, "its name is not UTF-8"));
            }
        };
        let path = join(parent, &name);
        let ignored = self.ignores.ignores(&join(&self.prefix, &path), entry.kind == Kind::Directory);
        if name.eq_ignore_ascii_case(".git") || ignored {
            return Ok(());
        }
        match entry.kind {
            Kind::Directory => self.subdirectory(from, to, &name, &path, depth),
            Kind::File => self.file(from, to, &name, &path),
            Kind::Link => self.link(from, to, &name, &path),
            Kind::Special => Err(unsafe_entry(&path, "it is a device, a pipe or a socket")),
        }
    }

    fn subdirectory(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &str,
        path: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        let child = beneath::child(from, name).map_err(|error| unreadable(path, &error))?;
        let stat = fstat(&child).map_err(|error| unreadable(path, &error.into()))?;
        if (stat.st_dev, stat.st_ino) == self.itself {
            return Ok(());
        }
        let mode = permissions(&stat) | Mode::RWXU;
        let made = mkdirat(to, name, mode).map_err(io::Error::from).and_then(|()| beneath::child(to, name));
        let made = made.map_err(|error| unwritable(path, &error))?;
        self.directory(child.as_fd(), made.as_fd(), path, depth + 1)
    }

    fn file(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &str,
        path: &str,
    ) -> Result<(), Failure> {
        let (source, stat) = beneath::child_file(from, name).map_err(|error| unreadable(path, &error))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = permissions(&stat) | Mode::RUSR | Mode::WUSR;
        let target = openat(to, name, flags, mode).map_err(|error| unwritable(path, &error.into()))?;
        self.contents(&source, &File::from(target), path)
    }

    /// The kernel copies (and shares blocks where the file system can); this only counts.
    fn contents(&mut self, mut source: &File, mut target: &File, path: &str) -> Result<(), Failure> {
        loop {
            let copied = io::copy(&mut (&mut source).take(CHUNK_BYTES), &mut target);
            let copied = copied.map_err(|error| unwritable(path, &error))?;
            self.bytes = self.bytes.saturating_add(copied);
            if self.bytes > self.limits.copy_bytes {
                let message = format!("the source has more than {} bytes", self.limits.copy_bytes);
                return Err(
                    Failure::new(FailureCode::TooLarge, message).because(path, "the file that was too much")
                );
            }
            if self.cancel.is_cancelled() {
                return Err(cancelled());
            }
            if copied < CHUNK_BYTES {
                return Ok(());
            }
        }
    }

    fn link(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &str,
        path: &str,
    ) -> Result<(), Failure> {
        let target = readlinkat(from, name, Vec::new()).map_err(|error| unreadable(path, &error.into()))?;
        let Ok(text) = target.to_str() else {
            return Err(unsafe_entry(path, "it is a link to a name that is not UTF-8"));
        };
        if text.starts_with('/') {
            let message = format!("it is an absolute link ({text}), which leaves the copy");
            return Err(unsafe_entry(path, &message));
        }
        if let Err(error) = beneath::look(self.root, path) {
            match trouble(&error) {
                // What is missing may be made by the build, but not outside.
                Trouble::Missing if !climbs_out(path, text) => {}
                Trouble::Loop => {
                    return Err(unsafe_entry(
                        path,
                        &format!("it is a link ({text}) that leads back to itself"),
                    ));
                }
                Trouble::Missing | Trouble::NotADirectory | Trouble::LeadsOut | Trouble::Other => {
                    return Err(unsafe_entry(path, &format!("it is a link ({text}) that leaves the source")));
                }
            }
        }
        symlinkat(text, to, name).map_err(|error| unwritable(path, &error.into()))
    }
}

/// Whether `target`, read from the directory of `link`, has more `..` than there are directories above it.
pub(crate) fn climbs_out(link: &str, target: &str) -> bool {
    let mut depth = link.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// Read, write and execute; never setuid, setgid or sticky.
fn permissions(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO)
}

fn unsafe_entry(path: &str, what: &str) -> Failure {
    let message = format!("{path} can't be copied: {what}; remove it, or leave it out with .deployignore");
    Failure::new(FailureCode::SourceUnsafe, message).because(path, what)
}

fn unreadable(path: &str, error: &io::Error) -> Failure {
    let path = if path.is_empty() { "the source" } else { path };
    Failure::new(FailureCode::SourceUnavailable, format!("{path} can't be read: {error}"))
        .because(path, error.to_string())
}

/// A failure to write, or one of which it is not known whether reading or writing failed.
pub(crate) fn unwritable(path: &str, error: &io::Error) -> Failure {
    let path = if path.is_empty() { "the workspace" } else { path };
    let full = [Errno::NOSPC, Errno::DQUOT].iter().any(|errno| Errno::from_io_error(error) == Some(*errno));
    let code = if full { FailureCode::DiskFull } else { FailureCode::SourceUnavailable };
    Failure::new(code, format!("{path} can't be copied: {error}")).because(path, error.to_string())
}

/// The answer to a request to stop.
pub(crate) fn cancelled() -> Failure {
    Failure::new(FailureCode::Cancelled, "copying the source was stopped on request")
}
