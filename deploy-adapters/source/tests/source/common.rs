//! Small trees, and what they look like afterwards.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use deploy_core::evidence::Evidence;
use deploy_core::port::Sources;
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::{Profile, Source};
use deploy_source::Directories;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A tree with these files; a path that ends with `/` is an empty directory.
pub(crate) fn tree(files: &[(&str, &str)]) -> TempDir {
    let top = tempfile::tempdir().unwrap();
    fill(top.path(), files);
    top
}

/// Adds files to a tree.
pub(crate) fn fill(top: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = top.join(path);
        if path.to_string_lossy().ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}

/// A directory as a source.
pub(crate) fn source(path: &Path) -> Source {
    Source::Directory { path: path.to_str().unwrap().to_owned() }
}

/// A profile with a base directory.
pub(crate) fn base(path: &str) -> Profile {
    let mut profile = Profile::default();
    profile.source.base_directory = Some(path.to_owned());
    profile
}

/// A profile with a publish directory.
pub(crate) fn publish(path: &str) -> Profile {
    let mut profile = Profile::default();
    profile.runtime.publish_directory = Some(path.to_owned());
    profile
}

/// Reads with the default limits and a few wanted files.
pub(crate) async fn read(path: &Path, profile: &Profile) -> Result<Evidence, Vec<Reason>> {
    Directories::default().read(&source(path), profile, &["index.html", "package.json"]).await
}

/// The codes of reasons.
pub(crate) fn codes(reasons: &[Reason]) -> Vec<ReasonCode> {
    reasons.iter().map(|reason| reason.code).collect()
}

/// A digest over every path, mode, time and content of a tree.
pub(crate) fn snapshot(top: &Path) -> String {
    let mut hash = Sha256::new();
    let mut left = vec![top.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
        hash.update(format!("{path:?} {} {} {times:?}\n", metadata.mode(), metadata.ino()));
        if metadata.is_dir() {
            let mut below: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
            below.sort();
            left.extend(below);
        } else if metadata.is_file() {
            hash.update(fs::read(&path).unwrap());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
