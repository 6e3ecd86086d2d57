//! Replacing one small file so that a crash at any instant leaves the old content or the new, never neither.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::beneath::sync_dir;

/// How far a replacement got when it failed.
#[derive(Debug)]
pub(crate) enum ReplaceError {
    /// The old content is still in place.
    NotReplaced(io::Error),
    /// The new content is in place and visible, but a power cut may still bring the old one back.
    NotSettled(io::Error),
}

/// Writes `bytes` to a temporary file beside `path`, makes it durable, calls `before_rename`, and renames it over
/// `path`; returns once the rename itself is durable. The file gets mode 0600.
///
/// Two callers must not replace the same path at once: the temporary name is fixed so that leftovers of a crash are
/// reused instead of piling up.
pub(crate) fn replace(
    path: &Path,
    bytes: &[u8],
    before_rename: impl FnOnce() -> io::Result<()>,
) -> Result<(), ReplaceError> {
    let temporary = sibling(path, ".tmp");
    write_synced(&temporary, bytes)
        .and_then(|()| before_rename())
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(ReplaceError::NotReplaced)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    sync_dir(dir).map_err(ReplaceError::NotSettled)
}

/// `path` with `suffix` added to its file name.
pub(crate) fn sibling(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: File =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
