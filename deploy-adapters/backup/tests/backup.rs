//! A backup is whole or it is none, whatever happens to it; and what is restored is what was saved.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use deploy_backup::{BackupError, Item, Manifest, restore, verify, write};
use proptest::prelude::*;
use tempfile::TempDir;

struct Place {
    dir: TempDir,
    items: Vec<Item>,
}

impl Place {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let items = files.iter().map(|(path, content)| {
            let source = dir.path().join("from").join(path);
            fs::create_dir_all(source.parent().unwrap()).unwrap();
            fs::write(&source, content).unwrap();
            Item { path: (*path).to_owned(), source }
        });
        let items = items.collect();
        Self { dir, items }
    }

    fn usual() -> Self {
        let noise: Vec<u8> =
            (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        Self::new(&[
            ("store/store.db", noise),
            ("releases/aa/manifest.json", b"{}".to_vec()),
            ("releases/aa/files/index.html", b"<h1>first</h1>".to_vec()),
            ("installation", Vec::new()),
        ])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn save(&self) -> Result<Manifest, BackupError> {
        let about = BTreeMap::from([("createdAt".to_owned(), "now".to_owned())]);
        write(&self.path("b"), &self.items, about, vec!["nothing else".to_owned()])
    }

    fn restored(&self) -> Result<Manifest, BackupError> {
        restore(&self.path("b"), &self.path("to"), |_| Ok(()))
    }
}

/// Every file below a directory with its content.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn what_is_restored_is_what_was_saved() {
    let place = Place::usual();
    let saved = place.save().unwrap();
    assert_eq!(verify(&place.path("b")).unwrap(), saved);
    assert_eq!(place.restored().unwrap(), saved);
    assert_eq!(tree(&place.path("to")), tree(&place.path("from")));
    assert_eq!(saved.total_bytes(), 1_200_016);
    assert!(!place.path("b.partial").exists() && !place.path("to.restoring").exists());
}

#[test]
fn nothing_is_replaced_and_nothing_is_restored_over_anything() {
    let place = Place::usual();
    place.save().unwrap();
    assert_eq!(place.save().unwrap_err().code(), "backup_exists");
    fs::create_dir(place.path("to")).unwrap();
    place.restored().unwrap();
    let before = tree(&place.path("to"));
    assert_eq!(place.restored().unwrap_err().code(), "state_dir_not_empty");
    assert_eq!(tree(&place.path("to")), before);
}

/// Cut anywhere, it is refused, and nothing was written.
#[test]
fn inv_26_a_backup_that_was_cut_off_is_none() {
    let place = Place::usual();
    place.save().unwrap();
    let bytes = fs::read(place.path("b")).unwrap();
    let near_the_end = bytes.len().saturating_sub(600)..bytes.len();
    for cut in (0..bytes.len()).step_by(9_973).chain(near_the_end.step_by(7)) {
        fs::write(place.path("b"), &bytes[..cut]).unwrap();
        let refused = place.restored().unwrap_err();
        assert_eq!(refused.code(), "backup_damaged", "cut at {cut} of {}: {refused}", bytes.len());
        assert!(!place.path("to").exists() && !place.path("to.restoring").exists(), "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// One flipped bit anywhere is found before anything is written, or it changed nothing that is restored.
    #[test]
    fn inv_14_a_flipped_bit_never_gets_into_a_state_directory(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let place = Place::new(&[("a/b", vec![7; 3_000]), ("c", (0..=255).collect())]);
        place.save().unwrap();
        let mut bytes = fs::read(place.path("b")).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(place.path("b"), &bytes).unwrap();
        match place.restored() {
            Ok(_) => prop_assert_eq!(tree(&place.path("to")), tree(&place.path("from"))),
            Err(_) => prop_assert!(!place.path("to").exists() && !place.path("to.restoring").exists()),
        }
    }
}

#[test]
fn what_a_crash_left_is_removed_and_never_taken_for_whole() {
    let place = Place::usual();
    fs::write(place.path("b.partial"), "half").unwrap();
    place.save().unwrap();
    fs::create_dir_all(place.path("to.restoring/store")).unwrap();
    fs::write(place.path("to.restoring/store/stray"), "half").unwrap();
    place.restored().unwrap();
    assert_eq!(tree(&place.path("to")), tree(&place.path("from")));
}

#[test]
fn a_file_that_goes_away_or_is_a_link_makes_no_backup() {
    let mut place = Place::usual();
    fs::remove_file(&place.items[1].source).unwrap();
    assert_eq!(place.save().unwrap_err().code(), "backup_busy");
    std::os::unix::fs::symlink("/etc/passwd", &place.items[1].source).unwrap();
    assert_eq!(place.save().unwrap_err().code(), "backup_io");
    assert!(!place.path("b").exists() && !place.path("b.partial").exists());
    for path in ["../out", "/abs", "a//b", "a/./b", "", "manifest.json", "a/.."] {
        place.items[1].path = path.to_owned();
        assert_eq!(place.save().unwrap_err().code(), "backup_unusable", "{path:?}");
    }
}

/// An archive that somebody else made, with whatever names they like.
#[test]
fn inv_37_no_archive_writes_outside_of_what_it_is_restored_to() {
    let place = Place::usual();
    for (path, kind) in [
        ("../out", tar::EntryType::Regular),
        ("/tmp/deploy-backup-out", tar::EntryType::Regular),
        ("a", tar::EntryType::Symlink),
        ("a", tar::EntryType::Link),
        ("a", tar::EntryType::Fifo),
    ] {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o600);
        header.set_cksum();
        archive.append(&header, &b""[..]).unwrap();
        let packed = zstd::encode_all(&archive.into_inner().unwrap()[..], 1).unwrap();
        fs::write(place.path("b"), packed).unwrap();
        assert_eq!(place.restored().unwrap_err().code(), "backup_damaged", "{path} {kind:?}");
        assert!(!place.path("out").exists() && !Path::new("/tmp/deploy-backup-out").exists());
    }
}

#[test]
fn what_the_check_says_no_to_is_not_restored() {
    let place = Place::usual();
    place.save().unwrap();
    let refused = restore(&place.path("b"), &place.path("to"), |staged| {
        assert!(staged.join("store/store.db").is_file());
        Err("a newer schema".to_owned())
    });
    assert_eq!(refused.unwrap_err().code(), "backup_unusable");
    assert!(!place.path("to").exists() && !place.path("to.restoring").exists());
}
