//! The archive of logs and the narrow records: what this store does beyond the contract.

use std::fs;
use std::path::PathBuf;

use crate::common::Temp;
use deploy_core::history::HistoryQuery;
use deploy_core::log::{LogKeeping, LogSearch, Tidied};
use deploy_core::port::{Catalogue as _, LogSink as _, Logs as _, StoreError};
use deploy_core::status::StatusName;
use deploy_core::testkit::contract::Writer;
use deploy_core::testkit::contract::store::at;
use deploy_core::time::Timestamp;
use deploy_store_sqlite::{Limits, LogLimits, Problem, SqliteStore};

fn later() -> Timestamp {
    at(86_400_000)
}

/// A deployment that has ended, with a log.
async fn ended(store: &SqliteStore, lines: usize) -> Writer {
    let mut writer = Writer::submit("web", store).await.unwrap();
    for n in 1..=lines {
        store.line(writer.line(format!("line {n} of some output, as builds write it")));
    }
    store.flush().await.unwrap();
    writer.end(store, StatusName::Succeeded, None).await.unwrap();
    writer
}

async fn archive(store: &SqliteStore) -> Tidied {
    store.tidy(later(), &LogKeeping::days(0)).await.unwrap()
}

fn files(temp: &Temp) -> Vec<PathBuf> {
    let entries = fs::read_dir(temp.dir.path().join("logs")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn an_archived_log_is_small_and_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let temp = Temp::new();
    let writer = ended(&temp.store, 3_000).await;
    assert_eq!(archive(&temp.store).await, Tidied { archived: 1, removed: 0 });
    let [file] = &files(&temp)[..] else { panic!("{:?}", files(&temp)) };
    let found = fs::metadata(file).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    let text: usize =
        temp.store.lines(&writer.lines()).await.unwrap().iter().map(|line| line.message.len()).sum();
    assert!(found.len() * 5 < text as u64, "{} bytes for {text} bytes of text", found.len());
    let rows: i64 = temp.sql().query_row("SELECT count(*) FROM log_lines", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0, "lines are in one place only");
}

#[tokio::test]
async fn inv_14_a_damaged_archive_is_named_and_hides_nothing_else() {
    let temp = Temp::new();
    let (damaged, whole) = (ended(&temp.store, 600).await, ended(&temp.store, 10).await);
    archive(&temp.store).await;
    let file = files(&temp).into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let bytes = fs::read(&file).unwrap();
    // One flipped bit, anywhere; then no file at all.
    for at in [0, bytes.len() / 2, bytes.len() - 1, usize::MAX] {
        let mut changed = bytes.clone();
        match changed.get_mut(at) {
            Some(byte) => {
                *byte ^= 1;
                fs::write(&file, &changed).unwrap();
            }
            None => fs::remove_file(&file).unwrap(),
        }
        let answer = temp.store.lines(&damaged.lines()).await;
        assert!(matches!(answer, Err(StoreError::Corrupt { .. })), "byte {at}: {answer:?}");
        assert_eq!(temp.store.lines(&whole.lines()).await.unwrap().len(), 10);
        let search = LogSearch { text: "LINE".to_owned(), limit: 10_000, ..LogSearch::default() };
        let found = temp.store.search(&search).await.unwrap();
        assert!(!found.complete && found.lines.len() < 610, "{} lines", found.lines.len());
        assert!(found.lines.iter().filter(|line| line.deployment == whole.id).count() == 10);
        let problems = temp.store.check().await.unwrap().problems;
        assert!(
            problems
                .iter()
                .all(|problem| matches!(problem, Problem::Log { id, .. } if *id == damaged.id.to_string())),
            "{problems:?}"
        );
        assert!(!problems.is_empty());
    }
    fs::write(&file, &bytes).unwrap();
    assert!(temp.store.check().await.unwrap().is_sound());
}

#[tokio::test]
async fn a_file_that_a_crash_left_is_written_over_and_is_never_read() {
    let temp = Temp::new();
    let writer = ended(&temp.store, 100).await;
    let before = temp.store.lines(&writer.lines()).await.unwrap();
    let logs = temp.dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    for name in [format!("{}-1.zst", writer.id), format!(".staging-{}-1.zst", writer.id)] {
        fs::write(logs.join(name), "half of something").unwrap();
    }
    assert_eq!(temp.store.lines(&writer.lines()).await.unwrap(), before);
    assert_eq!(archive(&temp.store).await, Tidied { archived: 1, removed: 0 });
    assert_eq!(temp.store.lines(&writer.lines()).await.unwrap(), before);
    assert!(temp.store.check().await.unwrap().is_sound());
}

#[tokio::test]
async fn inv_39_the_archive_is_bounded_and_the_oldest_logs_go_first() {
    let logs = LogLimits { archive_bytes: 1, ..LogLimits::default() };
    let temp = Temp::with(Limits { logs, ..Limits::default() });
    let (old, new) = (ended(&temp.store, 50).await, ended(&temp.store, 50).await);
    archive(&temp.store).await;
    let done = archive(&temp.store).await;
    assert_eq!(done, Tidied { archived: 0, removed: 2 });
    for writer in [&old, &new] {
        let left = temp.store.lines(&writer.lines()).await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].sequence.0, 50, "the number of the last line, so that the gap can be seen");
        assert!(left[0].message.starts_with("removed"), "{}", left[0].message);
    }
    assert!(files(&temp).is_empty());
    assert_eq!(archive(&temp.store).await, Tidied::default());
}

#[tokio::test]
async fn inv_39_a_search_looks_at_no_more_than_it_may() {
    let logs = LogLimits { search_bytes: 1_000, ..LogLimits::default() };
    let temp = Temp::with(Limits { logs, ..Limits::default() });
    ended(&temp.store, 500).await;
    for _ in 0..2 {
        let search = LogSearch { text: "line".to_owned(), limit: 10_000, ..LogSearch::default() };
        let found = temp.store.search(&search).await.unwrap();
        assert!(
            !found.complete && !found.lines.is_empty() && found.lines.len() < 30,
            "{}",
            found.lines.len()
        );
        archive(&temp.store).await;
    }
}

#[tokio::test]
async fn an_older_store_gets_its_records_from_its_statuses() {
    let temp = Temp::new();
    let writer = ended(&temp.store, 1).await;
    let running = Writer::submit("api", &temp.store).await.unwrap();
    let all = HistoryQuery { limit: 10, ..HistoryQuery::default() };
    let before = temp.store.history(&all).await.unwrap();
    assert_eq!(before.len(), 2);
    temp.store.close().await;
    let sql = temp.sql();
    let older = "DROP TABLE history; DROP TABLE phase_times; DROP TABLE log_chunks;
                 ALTER TABLE logs DROP COLUMN removed; PRAGMA user_version = 3;";
    sql.execute_batch(older).unwrap();
    drop(sql);
    let store = SqliteStore::open(temp.dir.path(), Limits::default()).unwrap();
    assert_eq!(store.history(&all).await.unwrap(), before);
    assert_eq!(store.lines(&writer.lines()).await.unwrap().len(), 1);
    // One that can't be read has no figures, and keeps nobody from opening the store.
    store.close().await;
    let sql = temp.sql();
    sql.execute_batch(older).unwrap();
    sql.execute("UPDATE deployments SET status = '{' WHERE deployment = ?1", [running.id.to_string()])
        .unwrap();
    drop(sql);
    let store = SqliteStore::open(temp.dir.path(), Limits::default()).unwrap();
    assert_eq!(store.history(&all).await.unwrap(), before[..1]);
}
