//! Small trees, and what they look like afterwards.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use deploy_core::evidence::{Ask, Entry, EntryKind, Evidence, Listing, PassedOver, Walk};
use deploy_core::port::{OpenSource, Sources};
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::{Profile, Source};
use deploy_source::SourceReader;
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

/// Opens with the default limits.
pub(crate) async fn open(path: &Path, profile: &Profile) -> Result<Box<dyn OpenSource>, Vec<Reason>> {
    SourceReader::default().open(&source(path), profile).await
}

/// Opens and asks.
pub(crate) async fn ask(path: &Path, asks: &[Ask]) -> Evidence {
    ask_with(&SourceReader::default(), path, asks).await
}

/// Opens with these limits and asks.
pub(crate) async fn ask_with(sources: &SourceReader, path: &Path, asks: &[Ask]) -> Evidence {
    let mut opened = sources.open(&source(path), &Profile::default()).await.unwrap();
    let mut evidence = Evidence { commit: opened.commit(), ..Evidence::default() };
    opened.look(&asks.iter().cloned().collect(), &mut evidence).await.unwrap();
    evidence
}

/// The entries of a directory, as `name`, `name/` and `name!`, with `~` before what git ignores.
pub(crate) async fn list(path: &Path, directory: &str) -> Vec<String> {
    let listing = ask(path, &[Ask::List(directory.to_owned())]).await.listings.remove(directory).unwrap();
    let Listing::Present(entries) = listing else { panic!("{listing:?}") };
    let shown = |(name, entry): (String, Entry)| {
        let ignored = if entry.git_ignored { "~" } else { "" };
        let kind = match entry.kind {
            EntryKind::File => "",
            EntryKind::Directory => "/",
            EntryKind::PassedOver(_) => "!",
        };
        format!("{ignored}{name}{kind}")
    };
    entries.into_iter().map(shown).collect()
}

/// What publishing a directory would meet.
pub(crate) async fn walk(path: &Path, directory: &str) -> (Vec<String>, Vec<(String, PassedOver)>) {
    let walk = ask(path, &[Ask::Walk(directory.to_owned())]).await.walks.remove(directory).unwrap();
    let Walk::Walked { files, passed_over } = walk else { panic!("{walk:?}") };
    (files.into_iter().collect(), passed_over.into_iter().collect())
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
