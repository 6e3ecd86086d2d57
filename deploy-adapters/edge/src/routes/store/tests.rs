use super::*;
use crate::digest::Digest;
use crate::routes::{RouteChange, Upstream};

const MAX_ROUTES: usize = 50_000;

fn change(host: &str, epoch: u64) -> RouteChange {
    RouteChange {
        host: host.into(),
        target: "web@production".into(),
        epoch,
        to: Some(Digest::of(&epoch.to_le_bytes())),
        fallback: None,
        port: None,
        upstream: Some(Upstream::at(([127, 0, 0, 1], 8080).into())),
        drain_ms: None,
        expect: None,
    }
}

/// A table as the edge keeps it: decide, store, apply.
struct Kept {
    _dir: tempfile::TempDir,
    path: PathBuf,
    table: RouteTable,
    store: Store,
}

impl Kept {
    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("routes.json");
        let loaded = Store::load(&path).unwrap();
        Self { _dir: dir, path, table: loaded.table, store: loaded.store }
    }

    fn new(epochs: std::ops::RangeInclusive<u64>) -> Self {
        let mut kept = Self::empty();
        epochs.for_each(|epoch| kept.change("a.example", epoch));
        kept
    }

    fn change(&mut self, host: &str, epoch: u64) {
        let accepted = self.table.decide(&change(host, epoch), MAX_ROUTES).unwrap();
        self.store.add(&self.table, &accepted).unwrap();
        self.table.apply(&accepted);
    }

    /// What a restarted edge would have, and whether it says that something was damaged.
    fn reload(&self) -> (RouteTable, bool) {
        let loaded = Store::load(&self.path).unwrap();
        (loaded.table, loaded.recovered_from.is_some())
    }

    fn restart(&mut self) {
        let loaded = Store::load(&self.path).unwrap();
        (self.table, self.store) = (loaded.table, loaded.store);
    }

    fn compact(&mut self, epoch: u64) {
        self.store.log_bytes = u64::MAX / 2;
        self.change("a.example", epoch);
        assert!(!log_path(&self.path).exists());
    }
}

fn table(epochs: std::ops::RangeInclusive<u64>) -> RouteTable {
    Kept::new(epochs).table
}

#[test]
fn a_table_survives_storing_and_loading() {
    let mut kept = Kept::new(1..=3);
    assert_eq!(kept.reload(), (table(1..=3), false));
    kept.compact(4);
    assert_eq!(kept.reload(), (table(1..=4), false));
    kept.change("a.example", 5);
    kept.restart();
    kept.change("a.example", 6);
    assert_eq!(kept.reload(), (table(1..=6), false));
}

#[test]
fn a_missing_file_is_an_empty_table_but_a_lost_one_is_not() {
    let empty = Kept::empty();
    assert_eq!(empty.reload(), (RouteTable::default(), false));
    let kept = Kept::new(1..=3);
    fs::remove_file(&kept.path).unwrap();
    assert_eq!(kept.reload(), (table(1..=3), true), "its copies and the log have it");
    fs::remove_file(previous(&kept.path)).unwrap();
    assert_eq!(Store::load(&kept.path).unwrap_err().code(), "route_table_corrupt");
}

#[test]
fn threat_f40_a_table_truncated_at_any_byte_loses_nothing_and_says_so() {
    let mut kept = Kept::new(1..=2);
    kept.compact(3);
    kept.change("a.example", 4);
    let whole = fs::read(&kept.path).unwrap();
    for length in 0..whole.len() {
        fs::write(&kept.path, &whole[..length]).unwrap();
        assert_eq!(kept.reload(), (table(1..=4), true), "cut to {length} bytes");
    }
}

#[test]
fn threat_f40_a_log_truncated_at_any_byte_gives_every_change_before_the_cut() {
    let kept = Kept::new(1..=4);
    let log = log_path(&kept.path);
    let whole = fs::read(&log).unwrap();
    for length in 0..whole.len() {
        fs::write(&log, &whole[..length]).unwrap();
        let complete = whole[..length].iter().filter(|&&byte| byte == b'\n').count() as u64;
        let cut_inside = length > 0 && whole[length - 1] != b'\n';
        assert_eq!(kept.reload(), (table(1..=1 + complete), cut_inside), "cut to {length} bytes");
    }
}

#[test]
fn threat_f40_any_flipped_bit_is_noticed() {
    let kept = Kept::new(1..=3);
    for path in [kept.path.clone(), log_path(&kept.path)] {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).unwrap();
            // The schema's digit may become that of a newer or an older one.
            match Store::load(&kept.path) {
                Ok(loaded) => assert!(loaded.recovered_from.is_some(), "byte {at} of {path:?}"),
                Err(error) => assert_eq!(error.code(), "route_table_too_new", "byte {at} of {path:?}"),
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(kept.reload(), (table(1..=3), false));
}

#[test]
fn threat_f40_a_crash_at_any_point_of_replacing_leaves_the_table_whole() {
    let mut kept = Kept::new(1..=3);
    let temporary = durable::sibling(&kept.path, ".tmp");
    let next = file::encode(&table(1..=4));
    for length in 0..=next.len() {
        fs::write(&temporary, &next[..length]).unwrap();
        assert_eq!(kept.reload(), (table(1..=3), false), "while writing the temporary file");
    }
    kept.compact(4);
    fs::rename(previous(&log_path(&kept.path)), log_path(&kept.path)).unwrap();
    assert_eq!(kept.reload(), (table(1..=4), false), "before the log was set aside");
    kept.restart();
    kept.change("a.example", 5);
    assert_eq!(kept.reload(), (table(1..=5), false), "the old lines of the log are skipped");
}

#[test]
fn threat_f40_a_line_that_was_cut_off_does_not_hide_the_changes_after_it() {
    let mut kept = Kept::new(1..=3);
    let log = log_path(&kept.path);
    let mut torn = fs::read(&log).unwrap();
    torn.extend_from_slice(br#"{"checksum":"sha2"#);
    fs::write(&log, torn).unwrap();
    kept.restart();
    kept.change("a.example", 4);
    kept.change("a.example", 5);
    assert_eq!(kept.reload(), (table(1..=5), false));
}

#[test]
fn a_damaged_file_does_not_displace_the_last_good_copy() {
    let mut kept = Kept::new(1..=2);
    fs::write(&kept.path, "garbage").unwrap();
    kept.restart();
    assert_eq!(kept.table, table(1..=2));
    kept.change("a.example", 3);
    kept.change("a.example", 4);
    fs::write(&kept.path, "garbage").unwrap();
    assert_eq!(kept.reload(), (table(1..=4), true));
}

#[test]
fn both_copies_damaged_is_a_typed_error_and_never_an_empty_table() {
    let kept = Kept::new(1..=2);
    fs::write(&kept.path, "{").unwrap();
    fs::write(previous(&kept.path), "{").unwrap();
    assert_eq!(Store::load(&kept.path).unwrap_err().code(), "route_table_corrupt");
}

#[test]
fn a_newer_format_is_not_undone_by_the_previous_copy() {
    let kept = Kept::new(1..=2);
    let newer =
        String::from_utf8(fs::read(&kept.path).unwrap()).unwrap().replace("\"schema\":2", "\"schema\":3");
    fs::write(&kept.path, newer).unwrap();
    assert_eq!(Store::load(&kept.path).unwrap_err().code(), "route_table_too_new");
}

/// Written by the first released format; never edited.
const FORMAT_1: &str = r#"{"schema":1,"checksum":"sha256:CHECKSUM","table":TABLE}"#;
const FORMAT_1_TABLE: &str = r#"{"routes":{"a.example":{"host":"a.example","target":"web@production","epoch":7,"digest":"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","fallback":"index.html","port":8081}},"epochs":{"old@production":3,"web@production":7}}"#;

#[test]
fn a_table_of_the_first_format_is_read_and_no_older_version_reads_it_again() {
    let mut kept = Kept::empty();
    let checksum = Digest::of(FORMAT_1_TABLE.as_bytes()).dir_name();
    let text = FORMAT_1.replace("CHECKSUM", &checksum).replace("TABLE", FORMAT_1_TABLE);
    fs::write(&kept.path, text).unwrap();
    kept.restart();
    let route = kept.table.get("a.example").unwrap();
    assert_eq!((route.epoch, route.port, route.fallback.as_deref()), (7, Some(8081), Some("index.html")));
    assert_eq!((route.upstream.clone(), route.paused), (None, None));
    assert_eq!(kept.table.epoch("old@production"), Some(3));
    kept.change("a.example", 8);
    assert!(
        fs::read_to_string(&kept.path).unwrap().starts_with(r#"{"schema":2,"#),
        "an older version must not serve the file without its log"
    );
    assert_eq!(kept.reload().0, kept.table);
}

#[test]
fn a_change_of_a_large_table_is_one_line_and_the_log_stays_bounded() {
    let mut kept = Kept::new(1..=1);
    for n in 0..3000 {
        let accepted = kept.table.decide(&change(&format!("h{n}.example"), 1), MAX_ROUTES).unwrap();
        kept.table.apply(&accepted);
    }
    kept.compact(1);
    let table_bytes = fs::metadata(&kept.path).unwrap().len();
    kept.change("h7.example", 2);
    let line = fs::metadata(log_path(&kept.path)).unwrap().len();
    assert!(line < 1000 && table_bytes > 500 * line, "{line} of {table_bytes} bytes");
    kept.store.log_bytes = table_bytes;
    kept.change("h8.example", 3);
    assert!(!log_path(&kept.path).exists(), "a log larger than the table is set aside");
    assert_eq!(kept.reload(), (kept.table.clone(), false));
}
