//! The commit is read by hand, from every layout git has.

use crate::common::{fill, open, tree};
use deploy_core::spec::Profile;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";

async fn commit_of(files: &[(&str, &str)], below: &str) -> Option<String> {
    let top = tree(files);
    fill(top.path(), &[("site/index.html", "")]);
    open(&top.path().join(below), &Profile::default()).await.unwrap().commit()
}

#[tokio::test]
async fn every_layout_gives_the_commit() {
    let line = format!("{ID}\n");
    let packed = format!(
        "# pack-refs with: peeled\n{} refs/tags/v1\n^{ID}\n{ID} refs/heads/main\n",
        ID.replace('0', "9")
    );
    let cases: [&[(&str, &str)]; 5] = [
        &[(".git/HEAD", &line)],
        &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/main", &line)],
        &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/packed-refs", &packed)],
        &[
            (".git/HEAD", "ref: refs/heads/a\n"),
            (".git/refs/heads/a", "ref: refs/heads/main"),
            (".git/packed-refs", &packed),
        ],
        &[
            (".git", "gitdir: main/worktrees/x\n"),
            ("main/worktrees/x/HEAD", "ref: refs/heads/feature/x\n"),
            ("main/worktrees/x/commondir", "../..\n"),
            ("main/refs/heads/feature/x", &line),
        ],
    ];
    for files in cases {
        assert_eq!(commit_of(files, "").await.as_deref(), Some(ID), "{files:?}");
        assert_eq!(commit_of(files, "site").await.as_deref(), Some(ID), "{files:?}");
    }
}

#[tokio::test]
async fn what_is_damaged_or_strange_gives_none() {
    let long = format!("{ID}{}", "x".repeat(10_000));
    let cases: [&[(&str, &str)]; 8] = [
        &[(".git/", "")],
        &[(".git/HEAD", "")],
        &[(".git/HEAD", &long)],
        &[(".git/HEAD", "ref: refs/heads/main\n")],
        &[(".git/HEAD", "ref: ../secret\n"), ("secret", ID)],
        &[(".git/HEAD", "ref: refs/../../secret\n"), ("secret", ID)],
        &[(".git/HEAD", "ref: refs/heads/a\n"), (".git/refs/heads/a", "ref: refs/heads/a\n")],
        &[(".git", "gitdir: nowhere\n")],
    ];
    for files in cases {
        assert_eq!(commit_of(files, "").await, None, "{files:?}");
    }
}
