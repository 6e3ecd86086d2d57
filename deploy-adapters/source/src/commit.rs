//! The commit a directory is at, read by hand: no `git` runs, so no hook, filter or configured program does.
//!
//! Only for information. Whatever is missing, damaged or in a format unknown here gives no commit, never an error.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::beneath;

/// Bounds: how many directories upward are looked at, how many bytes `HEAD` or a reference may have, how many
/// `packed-refs`, and how often a reference may refer to another.
const LEVELS: usize = 64;
const REFERENCE_BYTES: u64 = 4 * 1024;
const PACKED_BYTES: u64 = 16 * 1024 * 1024;
const HOPS: usize = 5;

/// A repository that a directory belongs to.
#[derive(Debug)]
pub(crate) struct Repository {
    /// The directory that holds `.git`.
    pub(crate) work_tree: PathBuf,
    /// What belongs to this work tree: `HEAD`.
    git_directory: PathBuf,
    /// What all work trees share: references, `info/exclude`.
    pub(crate) common_directory: PathBuf,
}

impl Repository {
    /// The repository that `directory`, an absolute path without links, belongs to.
    pub(crate) fn of(directory: &Path) -> Option<Self> {
        directory.ancestors().take(LEVELS).find_map(Self::at)
    }

    fn at(work_tree: &Path) -> Option<Self> {
        let marker = work_tree.join(".git");
        let kind = std::fs::symlink_metadata(&marker).ok()?;
        let git_directory = if kind.is_dir() {
            marker
        } else {
            // A linked work tree or a submodule: `gitdir: PATH`.
            work_tree.join(read(&marker, REFERENCE_BYTES)?.strip_prefix("gitdir:")?.trim())
        };
        let common = read(&git_directory.join("commondir"), REFERENCE_BYTES);
        let common_directory = match common {
            Some(path) => git_directory.join(path.trim()),
            None => git_directory.clone(),
        };
        Some(Self { work_tree: work_tree.to_owned(), git_directory, common_directory })
    }

    /// The commit that `HEAD` names.
    pub(crate) fn commit(&self) -> Option<String> {
        let mut value = read(&self.git_directory.join("HEAD"), REFERENCE_BYTES)?;
        for _ in 0..HOPS {
            let value_trimmed = value.trim();
            let Some(name) = value_trimmed.strip_prefix("ref:") else {
                return is_object_id(value_trimmed).then(|| value_trimmed.to_owned());
            };
            value = self.reference(name.trim())?;
        }
        None
    }

    fn reference(&self, name: &str) -> Option<String> {
        let plain = name.starts_with("refs/") && !name.split('/').any(|part| matches!(part, "" | "." | ".."));
        if !plain {
            return None;
        }
        read(&self.git_directory.join(name), REFERENCE_BYTES)
            .or_else(|| read(&self.common_directory.join(name), REFERENCE_BYTES))
            .or_else(|| packed(&self.common_directory.join("packed-refs"), name))
    }
}

/// `packed-refs` has lines `ID NAME`; others are comments and peeled tags.
fn packed(file: &Path, name: &str) -> Option<String> {
    let text = read(file, PACKED_BYTES)?;
    text.lines().find_map(|line| {
        let (id, packed_name) = line.split_once(' ')?;
        (packed_name == name).then(|| id.to_owned())
    })
}

/// SHA-1 or SHA-256.
fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn read(path: &Path, limit: u64) -> Option<String> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).ok()?;
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    String::from_utf8(beneath::read_whole(file, limit).ok()??).ok()
}
