//! The staging directory of one attempt: created, filled, made durable, renamed to its digest.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, RenameFlags, mkdirat, renameat_with, syncfs};
use rustix::io::Errno;

use super::PublishError;
use crate::beneath;
use crate::digest::Digest;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest};
use crate::release::{self, Depth, FILES_DIR, MANIFEST_FILE};

/// Names in the releases directory that begin like this are work in progress, never a release.
pub(crate) const STAGING_PREFIX: &str = ".staging-";

/// A staging directory, removed when dropped.
pub(super) struct Staging {
    releases: PathBuf,
    dir: PathBuf,
    /// The directory the release's files go into.
    pub(super) files: OwnedFd,
}

/// A release that reached its final place.
pub(super) struct Committed {
    pub(super) digest: Digest,
    pub(super) already_there: bool,
}

impl Staging {
    /// Creates the directory of attempt `key`, removing what an earlier try of the same attempt left.
    pub(super) fn create(releases: &Path, key: &str) -> Result<Self, PublishError> {
        if !is_key(key) {
            return Err(PublishError::InvalidKey { key: key.to_owned() });
        }
        let failed = |e: io::Error| PublishError::writing("create the staging directory", &e);
        fs::create_dir_all(releases).map_err(failed)?;
        let dir = releases.join(format!("{STAGING_PREFIX}{key}"));
        remove_if_there(&dir).map_err(failed)?;
        fs::create_dir_all(dir.join(FILES_DIR)).map_err(failed)?;
        let files = beneath::anchor(&dir.join(FILES_DIR)).map_err(failed)?;
        Ok(Self { releases: releases.to_owned(), dir, files })
    }

    /// Creates directories for the release's files; parents must come before children.
    pub(super) fn make_dirs(&self, dirs: &[String]) -> Result<(), PublishError> {
        for dir in dirs {
            mkdirat(&self.files, dir.as_str(), Mode::from_raw_mode(0o755))
                .map_err(|e| PublishError::writing("create a release directory", &e.into()))?;
        }
        Ok(())
    }

    /// Writes the manifest, makes everything durable and renames the directory to its digest.
    pub(super) fn commit(self, manifest: &Manifest) -> Result<Committed, PublishError> {
        let bytes = manifest.to_canonical();
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(PublishError::TooManyFiles { limit: manifest.files.len().saturating_sub(1) });
        }
        let digest = Digest::of(&bytes);
        let failed = |e: io::Error| PublishError::writing("store the release", &e);
        if release::verify(&self.releases, &digest, Depth::Sizes).is_ok() {
            // Whoever put it there may have died between the rename and this.
            beneath::sync_dir(&self.releases).map_err(failed)?;
            return Ok(Committed { digest, already_there: true });
        }
        File::create_new(self.dir.join(MANIFEST_FILE))
            .and_then(|mut file| file.write_all(&bytes))
            .map_err(failed)?;
        // One flush of the filesystem costs about as much as a single fsync, however many files were written.
        syncfs(&self.files).map_err(|e| failed(e.into()))?;
        let already_there = self.rename_to(&digest).map_err(failed)?;
        beneath::sync_dir(&self.releases).map_err(failed)?;
        Ok(Committed { digest, already_there })
    }

    /// Moves the directory to its final name. A damaged release of that name is swapped out atomically, so the name
    /// never leads nowhere. `true` if an intact one appeared meanwhile and was kept.
    fn rename_to(&self, digest: &Digest) -> io::Result<bool> {
        let to = release::dir(&self.releases, digest);
        match renameat_with(CWD, &self.dir, CWD, &to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(false),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        if release::verify(&self.releases, digest, Depth::Sizes).is_ok() {
            return Ok(true);
        }
        renameat_with(CWD, &self.dir, CWD, &to, RenameFlags::EXCHANGE)?;
        Ok(false)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After a successful commit nothing, or a replaced damaged release, is left under this name.
        if let Err(error) = remove_if_there(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "a staging directory could not be removed");
        }
    }
}

/// Removes the staging directories of all attempts but those in `keep` (the keys of attempts that still run).
/// Returns how many were removed.
///
/// # Errors
/// The first directory that could not be removed or listed; a missing releases directory is not an error.
pub fn sweep_staging(releases: &Path, keep: &[&str]) -> Result<usize, PublishError> {
    let failed = |e: io::Error| PublishError::writing("remove an old staging directory", &e);
    let entries = match fs::read_dir(releases) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(key) = name.to_str().and_then(|name| name.strip_prefix(STAGING_PREFIX)) else {
            continue;
        };
        if !keep.contains(&key) {
            remove_if_there(&entry.path()).map_err(failed)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_key(key: &str) -> bool {
    (1..=128).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn remove_if_there(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
