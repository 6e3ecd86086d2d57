//! Writing what an archive or a commit holds below a directory, and nowhere else.
//!
//! Links are made last, so nothing is ever written through one; every directory on the way is opened by its parent and
//! must be no link. Whatever is counted is counted as it is written, never as a header states it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use deploy_core::reason::ReasonCode;
use rustix::fs::{AtFlags, Mode, OFlags, linkat, mkdirat, openat, symlinkat};
use rustix::io::Errno;

use crate::beneath::{self, Trouble, trouble};
use crate::copy::climbs_out;
use crate::fault::{Fault, Stop};
use crate::limits::Limits;

/// The most bytes a path may have.
const PATH_BYTES: usize = 4096;
/// The most bytes one part of it may have.
const NAME_BYTES: usize = 255;
/// The most bytes that the paths and targets of all links may have.
const LINK_BYTES: usize = 16 * 1024 * 1024;
/// Below this many bytes no ratio is suspicious.
const RATIO_FREE_BYTES: u64 = 64 * 1024 * 1024;
/// How many times its own size an archive may unpack to.
const RATIO: u64 = 250;
const BUFFER_BYTES: usize = 64 * 1024;

/// Who made the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Anybody: an entry that is out of the ordinary is refused.
    Archive {
        /// How large the archive is.
        bytes: u64,
    },
    /// Git: names and links are whatever people committed, and are judged where they are used, as in a directory.
    Commit,
}

/// Writes entries below a directory.
pub(crate) struct Unpack<'a> {
    root: OwnedFd,
    /// The directories that lead to the entry before, open.
    stack: Vec<(Vec<u8>, OwnedFd)>,
    links: Vec<(Vec<u8>, Vec<u8>)>,
    link_bytes: usize,
    origin: Origin,
    limits: &'a Limits,
    stop: &'a Stop,
    entries: usize,
    bytes: u64,
    /// What lies at the top, as far as it matters whether it is one directory.
    top: BTreeSet<Vec<u8>>,
    top_has_files: bool,
}

impl<'a> Unpack<'a> {
    /// Into `target`, an empty directory.
    pub(crate) fn new(target: &Path, origin: Origin, limits: &'a Limits, stop: &'a Stop) -> io::Result<Self> {
        Ok(Self {
            root: beneath::root(target)?,
            stack: Vec::new(),
            links: Vec::new(),
            link_bytes: 0,
            origin,
            limits,
            stop,
            entries: 0,
            bytes: 0,
            top: BTreeSet::new(),
            top_has_files: false,
        })
    }

    /// A directory.
    pub(crate) fn directory(&mut self, path: &[u8]) -> Result<(), Fault> {
        let Some(parts) = self.enter(path)? else { return Ok(()) };
        self.parent(&parts).map(|_| ())
    }

    /// A regular file; only whether it may be executed is kept of its mode.
    pub(crate) fn file(
        &mut self,
        path: &[u8],
        executable: bool,
        content: &mut impl Read,
    ) -> Result<(), Fault> {
        let Some(parts) = self.enter(path)? else { return Ok(()) };
        let Some((name, above)) = parts.split_last() else {
            return Err(self.refuse(path, "it has no name"));
        };
        self.top_has_files |= above.is_empty();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
        let made = openat(self.parent(above)?, OsStr::from_bytes(name), flags, mode);
        let made = made.map_err(|error| self.unmade(path, error))?;
        self.contents(path, content, &mut File::from(made))
    }

    /// A symbolic link; made when everything else is.
    pub(crate) fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), Fault> {
        let Some(parts) = self.enter(path)? else { return Ok(()) };
        self.top_has_files |= parts.len() == 1;
        self.link_bytes += path.len() + target.len();
        if target.is_empty() || target.contains(&0) || target.len() > PATH_BYTES {
            return Err(self.refuse(path, "it is a link to nothing that has a name"));
        }
        if self.link_bytes > LINK_BYTES {
            return Err(self.too_large(format!("its links take more than {LINK_BYTES} bytes")));
        }
        self.links.push((parts.join(&b'/'), target.to_owned()));
        Ok(())
    }

    /// Another name of a file that came before.
    pub(crate) fn hard_link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Fault> {
        let Some(parts) = self.enter(path)? else { return Ok(()) };
        let (Some((name, above)), Some(from)) = (parts.split_last(), self.parts(target)?) else {
            return Err(self.refuse(path, "it is a link to nothing that was unpacked"));
        };
        self.top_has_files |= above.is_empty();
        let Some((from_name, from_above)) = from.split_last() else {
            return Err(self.refuse(path, "it is a link to the archive itself"));
        };
        // There are no symbolic links yet, so this path leads where it says.
        let from_parent = self.parent(from_above)?.try_clone_to_owned();
        let from_parent = from_parent.map_err(|error| self.unwritable(path, &error))?;
        let to = self.parent(above)?;
        let linked =
            linkat(&from_parent, OsStr::from_bytes(from_name), to, OsStr::from_bytes(name), AtFlags::empty());
        linked.map_err(|error| match error {
            Errno::NOENT | Errno::PERM => {
                self.refuse(path, "it is a link to something that is not before it")
            }
            error => self.unmade(path, error),
        })
    }

    /// Something that is neither a file, a directory nor a link.
    pub(crate) fn special(&self, path: &[u8]) -> Fault {
        self.refuse(path, "it is neither a file, a directory nor a link")
    }

    /// Makes the links. Gives the one directory at the top, if everything is in one.
    pub(crate) fn finish(mut self) -> Result<Option<String>, Fault> {
        let links = std::mem::take(&mut self.links);
        for (path, target) in &links {
            self.stop.check()?;
            let parts: Vec<Vec<u8>> = path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
            let Some((name, above)) = parts.split_last() else { continue };
            let made = symlinkat(OsStr::from_bytes(target), self.parent(above)?, OsStr::from_bytes(name));
            made.map_err(|error| self.unmade(path, error))?;
        }
        if self.origin != Origin::Commit {
            links.iter().try_for_each(|(path, target)| self.judge(path, target))?;
        }
        let single = self.top.pop_first().filter(|_| self.top.is_empty() && !self.top_has_files);
        Ok(single.and_then(|name| String::from_utf8(name).ok()))
    }

    /// A link of an archive stays inside; what it leads to may be made later.
    fn judge(&self, path: &[u8], target: &[u8]) -> Result<(), Fault> {
        let (Ok(link), Ok(text)) = (std::str::from_utf8(path), std::str::from_utf8(target)) else {
            return Err(self.refuse(path, "it is a link to a name that is not UTF-8"));
        };
        if text.starts_with('/') || climbs_out(link, text) {
            return Err(self.refuse(path, "it is a link that leaves the archive"));
        }
        match beneath::look(&self.root, link).map_err(|error| trouble(&error)) {
            Ok(_) | Err(Trouble::Missing | Trouble::NotADirectory) => Ok(()),
            Err(Trouble::Loop) => Err(self.refuse(path, "it is a link that leads back to itself")),
            Err(Trouble::LeadsOut | Trouble::Other) => {
                Err(self.refuse(path, "it is a link that leaves the archive"))
            }
        }
    }

    /// Counts an entry and takes its path apart; none if it is not unpacked.
    fn enter(&mut self, path: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Fault> {
        self.stop.check()?;
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(
                self.too_large(format!("it has more than {} files and directories", self.limits.entries))
            );
        }
        let parts = self.parts(path)?;
        if let Some(first) = parts.as_ref().and_then(|parts| parts.first())
            && self.top.len() < 2
        {
            self.top.insert(first.clone());
        }
        Ok(parts)
    }

    /// The parts of a path; none for what is git's own.
    fn parts(&self, path: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Fault> {
        if path.starts_with(b"/") {
            return Err(self.refuse(path, "its path is absolute"));
        }
        if path.contains(&0) || path.len() > PATH_BYTES {
            return Err(self.refuse(path, "its path is no path"));
        }
        let odd = path.contains(&b'\\')
            || path.iter().any(u8::is_ascii_control)
            || std::str::from_utf8(path).is_err();
        if odd && self.origin != Origin::Commit {
            return Err(self.refuse(path, "its path holds a backslash, a control character, or is not UTF-8"));
        }
        let parts: Vec<Vec<u8>> = path
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
            .map(<[u8]>::to_vec)
            .collect();
        if parts.iter().any(|part| part == b"..") {
            return Err(self.refuse(path, "its path holds .."));
        }
        if parts.iter().any(|part| part.len() > NAME_BYTES) {
            return Err(self.refuse(path, "its path is no path"));
        }
        if parts.len() > self.limits.depth + 1 {
            return Err(
                self.too_large(format!("its directories are nested more than {} deep", self.limits.depth))
            );
        }
        Ok((!parts.iter().any(|part| part.eq_ignore_ascii_case(b".git"))).then_some(parts))
    }

    /// The directory with these parts, made as far as it is not there.
    fn parent(&mut self, parts: &[Vec<u8>]) -> Result<BorrowedFd<'_>, Fault> {
        let common = self.stack.iter().zip(parts).take_while(|((name, _), part)| name == *part).count();
        self.stack.truncate(common);
        for part in &parts[common..] {
            let above = self.stack.last().map_or(self.root.as_fd(), |(_, directory)| directory.as_fd());
            let name = OsStr::from_bytes(part);
            let made = match mkdirat(above, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    openat(above, name, flags, Mode::empty())
                }
                Err(error) => Err(error),
            };
            let made = made.map_err(|error| self.unmade(&parts.join(&b'/'), error))?;
            self.stack.push((part.clone(), made));
        }
        Ok(self.stack.last().map_or(self.root.as_fd(), |(_, directory)| directory.as_fd()))
    }

    fn contents(&mut self, path: &[u8], from: &mut impl Read, to: &mut File) -> Result<(), Fault> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.damaged(&error)),
            };
            self.stop.check()?;
            self.count(read)?;
            to.write_all(&buffer[..read]).map_err(|error| self.unwritable(path, &error))?;
        }
    }

    fn count(&mut self, more: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(more as u64);
        if self.bytes > self.limits.copy_bytes {
            return Err(self.too_large(format!("it has more than {} bytes", self.limits.copy_bytes)));
        }
        match self.origin {
            Origin::Archive { bytes } if self.bytes > RATIO_FREE_BYTES.max(bytes.saturating_mul(RATIO)) => {
                Err(self.too_large(format!("it unpacks to more than {RATIO} times its size")))
            }
            Origin::Archive { .. } | Origin::Commit => Ok(()),
        }
    }

    fn what(&self) -> &'static str {
        match self.origin {
            Origin::Archive { .. } => "the archive",
            Origin::Commit => "the commit",
        }
    }

    fn refuse(&self, path: &[u8], why: &str) -> Fault {
        let code = match self.origin {
            Origin::Archive { .. } => ReasonCode::UnsafeArchiveEntry,
            Origin::Commit => ReasonCode::SourceUnsafe,
        };
        let shown: String = path.escape_ascii().to_string().chars().take(200).collect();
        let message = format!("{} holds {shown}, which is not unpacked: {why}", self.what());
        Fault::new(code, message)
    }

    #[expect(clippy::needless_pass_by_value, reason = "what is too large is always made for this message")]
    fn too_large(&self, why: String) -> Fault {
        let code = match self.origin {
            Origin::Archive { .. } => ReasonCode::ArchiveTooLarge,
            Origin::Commit => ReasonCode::SourceTooLarge,
        };
        Fault::new(code, format!("{} is too large: {why}", self.what()))
    }

    /// It can't be read on.
    pub(crate) fn damaged(&self, error: &io::Error) -> Fault {
        let code = match self.origin {
            Origin::Archive { .. } => ReasonCode::ArchiveInvalid,
            Origin::Commit => ReasonCode::SourceUnavailable,
        };
        Fault::new(code, format!("{} is damaged: {error}", self.what()))
    }

    fn unmade(&self, path: &[u8], error: Errno) -> Fault {
        match error {
            Errno::EXIST | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP => {
                self.refuse(path, "the same name was there before")
            }
            error => self.unwritable(path, &error.into()),
        }
    }

    fn unwritable(&self, path: &[u8], error: &io::Error) -> Fault {
        let message = format!("{} of {} can't be written here: {error}", path.escape_ascii(), self.what());
        Fault::new(ReasonCode::InsufficientDisk, message)
    }
}
