//! Listing what a source directory would serve, without reading any file.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;

use super::{LeaveOut, PublishError, PublishLimits, PublishRequest};
use crate::beneath;
use crate::manifest::MAX_PATH_BYTES;

/// What a scan found.
pub(super) struct Scan {
    /// The source directory; every file is opened beneath it.
    pub(super) root: OwnedFd,
    /// Files in no particular order.
    pub(super) files: Vec<SourceFile>,
    /// Directories that hold them, parents before children.
    pub(super) dirs: Vec<String>,
}

/// One file to publish.
pub(super) struct SourceFile {
    /// Path in the release.
    pub(super) path: String,
    /// Path without any link below the source root; differs from `path` where a link was followed.
    pub(super) real: String,
}

/// Lists the source of `request`.
pub(super) fn scan(request: &PublishRequest<'_>) -> Result<Scan, PublishError> {
    let unusable = |error: io::Error| PublishError::SourceUnusable {
        path: request.source.to_owned(),
        reason: error.to_string(),
    };
    let root_path = request.source.canonicalize().map_err(unusable)?;
    let root = beneath::anchor(&root_path).map_err(unusable)?;
    let mut walk = Walk {
        root: &root,
        root_path: &root_path,
        leave_out: request.leave_out,
        limits: request.limits,
        cancel: request.cancel,
        entries: 0,
        chain: Vec::new(),
        files: Vec::new(),
        dirs: Vec::new(),
    };
    walk.directory("", "")?;
    let Walk { files, dirs, .. } = walk;
    if files.is_empty() {
        return Err(PublishError::SourceEmpty);
    }
    Ok(Scan { root, files, dirs })
}

struct Walk<'a> {
    root: &'a OwnedFd,
    root_path: &'a Path,
    leave_out: Option<LeaveOut<'a>>,
    limits: PublishLimits,
    cancel: Option<&'a AtomicBool>,
    /// Everything seen so far, left-out entries included, so that no tree keeps the walk busy for long.
    entries: usize,
    /// Real paths of the directories the walk is in: meeting one again means a loop.
    chain: Vec<String>,
    files: Vec<SourceFile>,
    dirs: Vec<String>,
}

impl Walk<'_> {
    /// Lists the directory `real`, which appears in the release as `path`. Recursion is bounded by the depth limit.
    fn directory(&mut self, path: &str, real: &str) -> Result<(), PublishError> {
        if self.chain.len() > self.limits.depth {
            return Err(PublishError::TooDeep { path: path.to_owned(), limit: self.limits.depth });
        }
        let names = self.read_directory(path, real)?;
        self.chain.push(real.to_owned());
        if !path.is_empty() {
            self.dirs.push(path.to_owned());
        }
        for (name, kind) in names {
            self.entry(join(path, &name), join(real, &name), kind)?;
        }
        self.chain.pop();
        Ok(())
    }

    /// The names worth publishing in one directory, with their types.
    fn read_directory(&mut self, path: &str, real: &str) -> Result<Vec<(String, FileType)>, PublishError> {
        let failed = |error: &io::Error| PublishError::reading(path, error);
        let fd = beneath::open_dir(self.root, real).map_err(|e| failed(&e))?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd).map_err(|e| failed(&e.into()))? {
            let entry = entry.map_err(|e| failed(&e.into()))?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            self.count_entry()?;
            let Some(name) = published_name(path, entry.file_name())? else {
                continue;
            };
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                // Not every filesystem reports types while listing.
                let stat = statat(&fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|e| failed(&e.into()))?;
                kind = FileType::from_raw_mode(stat.st_mode);
            }
            names.push((name, kind));
        }
        Ok(names)
    }

    fn count_entry(&mut self) -> Result<(), PublishError> {
        self.entries += 1;
        if self.entries > self.limits.files {
            return Err(PublishError::TooManyFiles { limit: self.limits.files });
        }
        if self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(PublishError::Cancelled);
        }
        Ok(())
    }

    fn entry(&mut self, path: String, real: String, kind: FileType) -> Result<(), PublishError> {
        let limit = self.limits.path_bytes.min(MAX_PATH_BYTES);
        if path.len() > limit {
            return Err(PublishError::PathTooLong { path, limit });
        }
        if self.leave_out.is_some_and(|leave_out| leave_out(&path, kind == FileType::Directory)) {
            return Ok(());
        }
        match kind {
            FileType::RegularFile => self.files.push(SourceFile { path, real }),
            FileType::Directory => self.directory(&path, &real)?,
            FileType::Symlink => self.link(path, &real)?,
            FileType::Fifo => return Err(unsupported(path, "pipe")),
            FileType::Socket => return Err(unsupported(path, "socket")),
            FileType::CharacterDevice | FileType::BlockDevice => return Err(unsupported(path, "device")),
            FileType::Unknown => return Err(unsupported(path, "thing of unknown type")),
        }
        Ok(())
    }

    /// Follows a link. What it resolves to is only a name here; reading it later goes through the resolved path
    /// without following anything, so a link changed meanwhile is an error and never a way out.
    fn link(&mut self, path: String, real: &str) -> Result<(), PublishError> {
        let resolved = match self.root_path.join(real).canonicalize() {
            Ok(resolved) => resolved,
            Err(error) => return Err(unresolved_link(path, &error)),
        };
        let Some(target) = self.inside_root(&resolved) else {
            return Err(PublishError::LinkOutsideRoot { path });
        };
        let stat = statat(self.root, non_empty(&target), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| PublishError::reading(&path, &e.into()))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Symlink {
            return Err(PublishError::SourceChanged { path });
        }
        if kind == FileType::Directory && self.chain.contains(&target) {
            return Err(PublishError::LinkLoop { path });
        }
        self.entry(path, target, kind)
    }

    fn inside_root(&self, resolved: &Path) -> Option<String> {
        let relative = resolved.strip_prefix(self.root_path).ok()?;
        relative.to_str().map(str::to_owned)
    }
}

/// The name as it will be published; `None` if it is left out.
fn published_name(dir: &str, name: &CStr) -> Result<Option<String>, PublishError> {
    if name.to_bytes().starts_with(b".") && name.to_bytes() != b".well-known" {
        return Ok(None);
    }
    let Ok(name) = name.to_str() else {
        return Err(PublishError::NameNotUtf8 {
            dir: dir.to_owned(),
            name: name.to_string_lossy().into_owned(),
        });
    };
    if name.contains('\\') || name.chars().any(char::is_control) {
        return Err(PublishError::NameNotAllowed { path: join(dir, name) });
    }
    Ok(Some(name.to_owned()))
}

fn unresolved_link(path: String, error: &io::Error) -> PublishError {
    if Errno::from_io_error(error) == Some(Errno::LOOP) {
        PublishError::LinkLoop { path }
    } else if matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR)) {
        PublishError::LinkBroken { path }
    } else {
        PublishError::reading(&path, error)
    }
}

fn unsupported(path: String, kind: &'static str) -> PublishError {
    PublishError::UnsupportedFileType { path, kind }
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

fn non_empty(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}
