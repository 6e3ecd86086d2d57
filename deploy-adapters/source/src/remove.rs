//! Removing a copy, also one whose modes stand in the way.

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Removes a directory and everything below it, following no link. It is fine if it is not there.
///
/// A build may leave directories that not even their owner may write; those are made writable on a second try.
pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let metadata = std::fs::symlink_metadata(directory)?;
            open_up(directory, &metadata)?;
            std::fs::remove_dir_all(directory)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => std::fs::remove_file(directory),
        result => result,
    }
}

fn open_up(directory: &Path, metadata: &Metadata) -> io::Result<()> {
    if metadata.mode() & 0o700 != 0o700 {
        std::fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    }
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            open_up(&entry.path(), &metadata)?;
        }
    }
    Ok(())
}
