//! Releases on disk: where they are, whether they are whole, and taking one away.
//!
//! A release is `<releases>/<64 hex>/` with `manifest.json` and the directory `files`.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::beneath;
use crate::digest::{ContentHash, Digest};
use crate::manifest::{FileEntry, MAX_MANIFEST_BYTES, Manifest, ManifestError};
use crate::publish::STAGING_PREFIX;

pub(crate) const MANIFEST_FILE: &str = "manifest.json";
pub(crate) const FILES_DIR: &str = "files";

/// How thoroughly [`verify_release`] looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The manifest matches the digest; every file is there, is a regular file and has the right size.
    Sizes,
    /// Also every file's content has the right hash. Reads the whole release.
    Content,
}

/// Why a release cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// There is no release with this digest.
    #[error("there is no release {digest}")]
    Missing {
        /// The release.
        digest: Digest,
    },
    /// The release is not what its digest promises.
    #[error("release {digest} is damaged: {what}")]
    Damaged {
        /// The release.
        digest: Digest,
        /// What is wrong, naming the file.
        what: String,
    },
    /// The system did not let us look.
    #[error("release {digest} could not be read: {reason}")]
    Io {
        /// The release.
        digest: Digest,
        /// What the system said.
        reason: String,
    },
}

impl ReleaseError {
    /// Stable, machine-readable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "artifact_missing",
            Self::Damaged { .. } => "artifact_damaged",
            Self::Io { .. } => "artifact_unreadable",
        }
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::Damaged { .. } => "Publish it again from its source.",
            Self::Io { .. } => "Check the disk and the permissions of the releases directory.",
        }
    }
}

/// Checks that the release `digest` is whole. Blocking.
///
/// # Errors
/// [`ReleaseError`] naming what is wrong.
pub fn verify_release(releases: &Path, digest: &Digest, depth: Depth) -> Result<Manifest, ReleaseError> {
    verify(releases, digest, depth).map(|(manifest, _)| manifest)
}

/// Takes the release `digest` away. Blocking. Idempotent: a release that is not there is fine.
///
/// The directory is renamed first, so a half-removed release never looks like one. Downloads in flight have their
/// file open and go on.
///
/// # Errors
/// [`ReleaseError::Io`] if the directory could not be renamed or emptied.
pub fn remove_release(releases: &Path, digest: &Digest) -> Result<(), ReleaseError> {
    let going = releases.join(format!("{STAGING_PREFIX}removed-{}", digest.dir_name()));
    remove_tree(&going)
        .and_then(|()| match fs::rename(dir(releases, digest), &going) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        })
        .and_then(|()| remove_tree(&going))
        .map_err(|e| unreadable(digest, &e))
}

/// The directory of a release.
pub(crate) fn dir(releases: &Path, digest: &Digest) -> PathBuf {
    releases.join(digest.dir_name())
}

/// Reads and checks the manifest of a release, without looking at its files.
pub(crate) fn read_manifest(releases: &Path, digest: &Digest) -> Result<Manifest, ReleaseError> {
    let dir = match beneath::anchor(&dir(releases, digest)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ReleaseError::Missing { digest: *digest });
        }
        result => result.map_err(|e| unreadable(digest, &e))?,
    };
    let damaged = |what: String| ReleaseError::Damaged { digest: *digest, what };
    let (file, size) =
        beneath::open_file(&dir, MANIFEST_FILE).map_err(|e| damaged(format!("no manifest: {e}")))?;
    if size > MAX_MANIFEST_BYTES {
        return Err(damaged(format!("the manifest has {size} bytes")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(MAX_MANIFEST_BYTES).read_to_end(&mut bytes).map_err(|e| unreadable(digest, &e))?;
    Manifest::from_canonical(&bytes, digest).map_err(|e: ManifestError| damaged(e.to_string()))
}

/// [`verify_release`], also returning the open directory the files are in.
pub(crate) fn verify(
    releases: &Path,
    digest: &Digest,
    depth: Depth,
) -> Result<(Manifest, OwnedFd), ReleaseError> {
    let manifest = read_manifest(releases, digest)?;
    let files = beneath::anchor(&dir(releases, digest).join(FILES_DIR))
        .map_err(|e| ReleaseError::Damaged { digest: *digest, what: format!("no files: {e}") })?;
    for entry in &manifest.files {
        verify_file(&files, entry, depth).map_err(|what| ReleaseError::Damaged {
            digest: *digest,
            what: format!("{:?}: {what}", entry.path),
        })?;
    }
    Ok((manifest, files))
}

fn verify_file(files: &OwnedFd, entry: &FileEntry, depth: Depth) -> Result<(), String> {
    let (file, size) = beneath::open_file(files, &entry.path).map_err(|e| e.to_string())?;
    if size != entry.size {
        return Err(format!("{size} bytes instead of {}", entry.size));
    }
    match depth {
        Depth::Sizes => Ok(()),
        Depth::Content => match hash(file) {
            Ok(found) if found == entry.sha256 => Ok(()),
            Ok(_) => Err("its content has changed".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    }
}

fn hash(mut file: File) -> io::Result<ContentHash> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(ContentHash::finish(hasher)),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn unreadable(digest: &Digest, error: &io::Error) -> ReleaseError {
    ReleaseError::Io { digest: *digest, reason: error.to_string() }
}
