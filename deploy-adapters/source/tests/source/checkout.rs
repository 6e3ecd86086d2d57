//! The private copy that builds run in.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::common::{base, fill, snapshot, source, tree};
use deploy_core::cancel::Cancel;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::port::{Layout, Sources};
use deploy_core::spec::Profile;
use deploy_source::{Limits, SourceReader};

async fn copy(from: &Path, to: &Path, profile: &Profile) -> Result<PathBuf, Failure> {
    SourceReader::default().checkout(&source(from), profile, Layout::Workspace, to, &Cancel::new()).await
}

fn files(top: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![top.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                left.push(path);
            } else {
                found.push(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_copy_has_what_ignore_files_leave_in() {
    let (workspace, top) = (
        tree(&[]),
        tree(&[
            (".git/HEAD", "ref: refs/heads/main"),
            (".git/info/exclude", "private\n"),
            (".gitignore", "dist/\n*.log\n"),
            (".deployignore", "!keep.log\nraw\n"),
            ("sub/.git", "gitdir: elsewhere"),
            ("dist/x", ""),
            ("a.log", ""),
            ("keep.log", ""),
            ("private", ""),
            ("raw/x", ""),
            ("node_modules/x", ""),
            ("src/main.js", "main"),
        ]),
    );
    let before = snapshot(top.path());
    let path = copy(top.path(), workspace.path(), &Profile::default()).await.unwrap();
    assert_eq!(path, workspace.path().join("src"));
    assert_eq!(files(&path), [".deployignore", ".gitignore", "keep.log", "node_modules/x", "src/main.js"]);
    assert_eq!(fs::read_to_string(path.join("src/main.js")).unwrap(), "main");
    assert_eq!(snapshot(top.path()), before);
}

#[tokio::test]
async fn a_part_of_a_repository_obeys_the_files_above_it() {
    let (workspace, top) = (
        tree(&[]),
        tree(&[
            (".git/HEAD", ""),
            (".gitignore", "dist/\n/apps/web/only-here\n"),
            ("apps/.gitignore", "*.tmp\n"),
            ("apps/web/dist/x", ""),
            ("apps/web/only-here", ""),
            ("apps/web/x.tmp", ""),
            ("apps/web/index.html", ""),
        ]),
    );
    let path = copy(&top.path().join("apps/web"), workspace.path(), &Profile::default()).await.unwrap();
    assert_eq!(files(&path), ["index.html"]);
}

#[tokio::test]
async fn the_base_directory_of_the_copy_has_its_neighbours() {
    let (workspace, top) = (tree(&[]), tree(&[("apps/web/index.html", ""), ("packages/ui/x", "")]));
    let path = copy(top.path(), workspace.path(), &base("apps/web")).await.unwrap();
    assert_eq!(path, workspace.path().join("src/apps/web"));
    assert!(path.join("../../packages/ui/x").exists());

    fill(top.path(), &[(".deployignore", "apps\n")]);
    let failure = copy(top.path(), workspace.path(), &base("apps/web")).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::SourceUnavailable);
}

#[tokio::test]
async fn an_older_copy_is_replaced_even_if_it_resists() {
    let (workspace, top) = (tree(&[("src/old/x", "")]), tree(&[("new", "")]));
    fs::set_permissions(workspace.path().join("src/old"), Permissions::from_mode(0o000)).unwrap();
    let path = copy(top.path(), workspace.path(), &Profile::default()).await.unwrap();
    assert_eq!(files(&path), ["new"]);
}

#[tokio::test]
async fn modes_are_kept_but_no_privileges() {
    let (workspace, top) = (tree(&[]), tree(&[("run", "x"), ("dir/x", "x"), ("plain", "x")]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for (path, mode) in [("run", 0o6755), ("dir", 0o2550), ("plain", 0o440)] {
        fs::set_permissions(top.path().join(path), Permissions::from_mode(mode)).unwrap();
    }
    let path = copy(top.path(), workspace.path(), &Profile::default()).await.unwrap();
    assert_eq!(mode(&path.join("run")), 0o755);
    assert_eq!(mode(&path.join("dir")), 0o750, "the copy can be removed again");
    assert_eq!(mode(&path.join("plain")), 0o640);
}

#[tokio::test]
async fn threat_f07_links_stay_inside_or_are_refused() {
    let (workspace, top) = (tree(&[]), tree(&[("a/x", "x"), ("b/", "")]));
    let inside = [("b/x", "../a/x"), ("b/dir", "../a"), ("b/later", "made-by-the-build"), ("top", "a/x")];
    for (link, target) in inside {
        symlink(target, top.path().join(link)).unwrap();
    }
    let path = copy(top.path(), workspace.path(), &Profile::default()).await.unwrap();
    for (link, target) in inside {
        assert_eq!(fs::read_link(path.join(link)).unwrap(), Path::new(target));
    }

    let absolute = top.path().join("a/x");
    for target in
        ["/etc/passwd", absolute.to_str().unwrap(), "../../etc/passwd", "missing/../../..", "b/bad", ".."]
    {
        symlink(target, top.path().join("b/bad")).unwrap();
        let result = copy(top.path(), workspace.path(), &Profile::default()).await;
        fs::remove_file(top.path().join("b/bad")).unwrap();
        if matches!(target, "..") {
            assert!(result.is_ok(), "the top itself is inside");
            continue;
        }
        let dangling_inside = target == "b/bad";
        match result {
            Ok(_) => assert!(dangling_inside, "{target}"),
            Err(failure) => {
                assert_eq!(failure.code, FailureCode::SourceUnsafe, "{target}");
                assert!(failure.message.contains("b/bad"), "{}", failure.message);
                assert!(!workspace.path().join("src").exists(), "half a copy is removed");
            }
        }
    }
}

#[tokio::test]
async fn a_workspace_inside_the_source_is_not_copied_into_itself() {
    let top = tree(&[("index.html", "x"), ("state/other", "")]);
    let path = copy(top.path(), &top.path().join("state"), &Profile::default()).await.unwrap();
    assert_eq!(files(&path), ["index.html", "state/other"]);
}

#[tokio::test]
async fn threat_f18_a_copy_is_bounded_and_can_be_stopped() {
    let (workspace, top) = (tree(&[]), tree(&[("a", "12345"), ("b", "12345")]));
    let attempt = async |limits: Limits, cancel: &Cancel| {
        let sources = SourceReader::new(limits);
        let profile = Profile::default();
        sources.checkout(&source(top.path()), &profile, Layout::Workspace, workspace.path(), cancel).await
    };
    let cancel = Cancel::new();
    let bytes = |copy_bytes| Limits { copy_bytes, ..Limits::default() };
    assert!(attempt(bytes(10), &cancel).await.is_ok());
    assert_eq!(attempt(bytes(9), &cancel).await.unwrap_err().code, FailureCode::TooLarge);
    let entries = Limits { entries: 1, ..Limits::default() };
    assert_eq!(attempt(entries, &cancel).await.unwrap_err().code, FailureCode::TooLarge);
    cancel.cancel();
    assert_eq!(attempt(Limits::default(), &cancel).await.unwrap_err().code, FailureCode::Cancelled);
    assert!(!workspace.path().join("src").exists());
}

#[tokio::test]
async fn a_source_that_is_gone_is_unavailable() {
    let workspace = tree(&[]);
    for layout in [Layout::ReadOnly, Layout::Workspace] {
        let gone = source(Path::new("/does/not/exist"));
        let profile = Profile::default();
        let result =
            SourceReader::default().checkout(&gone, &profile, layout, workspace.path(), &Cancel::new()).await;
        assert_eq!(result.unwrap_err().code, FailureCode::SourceUnavailable);
    }
}
