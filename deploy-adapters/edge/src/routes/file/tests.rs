use super::*;
use crate::routes::RouteChange;

fn table(epochs: std::ops::RangeInclusive<u64>) -> RouteTable {
    let mut table = RouteTable::default();
    for epoch in epochs {
        let change = RouteChange {
            host: "a.example".into(),
            target: "web@production".into(),
            epoch,
            to: Some(Digest::of(&epoch.to_le_bytes())),
            fallback: None,
            port: Some(8081),
            expect: None,
        };
        table.switch(&change, 8).unwrap();
    }
    table
}

fn stored(tables: &[&RouteTable]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("routes.json");
    for table in tables {
        store(&path, table).unwrap();
    }
    (dir, path)
}

#[test]
fn a_table_survives_storing_and_loading() {
    let (_dir, path) = stored(&[&table(1..=1), &table(1..=2), &table(1..=2), &table(1..=3)]);
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.table, table(1..=3));
    assert_eq!(loaded.recovered_from, None);
    assert_eq!(load(&previous(&path)).unwrap().table, table(1..=2));
}

#[test]
fn a_missing_file_is_an_empty_table_but_a_lost_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(load(&dir.path().join("routes.json")).unwrap().table, RouteTable::default());
    let (_dir, path) = stored(&[&table(1..=1), &table(1..=2)]);
    fs::remove_file(&path).unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.table, table(1..=1));
    assert!(loaded.recovered_from.is_some());
}

#[test]
fn threat_f40_truncated_at_any_byte_gives_new_or_old_and_says_so() {
    let (_dir, path) = stored(&[&table(1..=1), &table(1..=2)]);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let loaded = load(&path).unwrap();
        assert_eq!(loaded.table, table(1..=1), "cut to {length} bytes");
        assert!(matches!(loaded.recovered_from, Some(TableError::Corrupt { .. })), "cut to {length} bytes");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(load(&path).unwrap().table, table(1..=2));
}

#[test]
fn threat_f40_a_crash_while_writing_the_temporary_file_leaves_the_old_table() {
    let (_dir, path) = stored(&[&table(1..=1)]);
    let next = encode(&table(1..=2));
    for length in 0..=next.len() {
        fs::write(durable::sibling(&path, ".tmp"), &next[..length]).unwrap();
        assert_eq!(load(&path).unwrap().table, table(1..=1));
    }
    store(&path, &table(1..=3)).unwrap();
    assert_eq!(load(&path).unwrap().table, table(1..=3), "leftovers do not hinder the next write");
}

#[test]
fn threat_f40_any_flipped_bit_is_noticed() {
    let (_dir, path) = stored(&[&table(1..=2)]);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        match decode(&path, &flipped) {
            Err(TableError::Corrupt { .. } | TableError::TooNew { .. }) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn a_damaged_file_does_not_displace_the_last_good_copy() {
    let (_dir, path) = stored(&[&table(1..=1), &table(1..=2)]);
    fs::write(&path, "garbage").unwrap();
    store(&path, &table(1..=3)).unwrap();
    fs::write(&path, "garbage").unwrap();
    assert_eq!(load(&path).unwrap().table, table(1..=1));
}

#[test]
fn both_copies_damaged_is_a_typed_error_and_never_an_empty_table() {
    let (_dir, path) = stored(&[&table(1..=1), &table(1..=2)]);
    fs::write(&path, "{").unwrap();
    fs::write(previous(&path), "{").unwrap();
    assert_eq!(load(&path).map_err(|e| e.code()), Err("route_table_corrupt"));
}

#[test]
fn a_newer_format_is_not_undone_by_the_previous_copy() {
    let (_dir, path) = stored(&[&table(1..=1), &table(1..=2)]);
    let newer = String::from_utf8(fs::read(&path).unwrap()).unwrap().replace("\"schema\":1", "\"schema\":2");
    fs::write(&path, newer).unwrap();
    assert_eq!(load(&path).map_err(|e| e.code()), Err("route_table_too_new"));
}
