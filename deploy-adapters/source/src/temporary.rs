//! Directories that go away when nobody looks into them any more, also after a crash.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// What their names begin with.
const PREFIX: &str = "deploy-source-";
/// How old one must be before it can count as left behind: between making and locking it, it looks like one.
const LEFT_BEHIND: Duration = Duration::from_secs(600);
/// How many entries of the temporary directory are looked at for one that was left behind.
const LOOKED_AT: usize = 10_000;

/// A directory of this process alone.
#[derive(Debug)]
pub(crate) struct Temporary {
    directory: TempDir,
    /// Locked as long as it is used, so that others can tell.
    _lock: File,
}

impl Temporary {
    /// Makes one, and removes those that processes which are gone left behind.
    pub(crate) fn new() -> io::Result<Self> {
        sweep(&std::env::temp_dir());
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let lock = File::open(directory.path())?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { directory, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes ours that nobody holds. What can't be removed is somebody's trouble later, not ours now.
fn sweep(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.take(LOOKED_AT).flatten() {
        if !entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        let ours = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
        let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
        let held = |lock: File| flock(lock, FlockOperation::NonBlockingLockExclusive).is_err();
        if ours
            && age.is_some_and(|age| age > LEFT_BEHIND)
            && File::open(entry.path()).is_ok_and(|lock| !held(lock))
        {
            let _ = crate::remove::remove(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_that_is_gone_left_behind_is_removed_and_what_is_used_stays() {
        let top = tempfile::tempdir().unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * LEFT_BEHIND;
        let make = |name: &str| {
            let path = top.path().join(name);
            std::fs::create_dir_all(path.join("x")).unwrap();
            let directory = File::open(&path).unwrap();
            directory.set_modified(long_ago).unwrap();
            (path, directory)
        };
        let (left, _) = make("deploy-source-left");
        let (used, lock) = make("deploy-source-used");
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        let (other, _) = make("somebody-else");
        std::fs::create_dir(top.path().join("deploy-source-new")).unwrap();
        sweep(top.path());
        assert!(!left.exists() && used.exists() && other.exists());
        assert!(top.path().join("deploy-source-new").exists());
    }
}
