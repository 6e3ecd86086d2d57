//! Opening, closing, looking from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Run, Temp};
use deploy_core::id::Seq;
use deploy_core::port::{Journal as _, LogSink as _, StoreError};
use deploy_core::status::StatusName;
use deploy_store_sqlite::{Limits, OpenError, SqliteStore, inspect};

#[tokio::test]
async fn the_files_belong_to_their_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a/store");
    let store = SqliteStore::open(&dir, Limits::default()).unwrap();
    Run::submit("web", &store).await;
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = fs::read_dir(&dir).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 4, "database, log, index and reserve");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_touched() {
    let temp = Temp::new();
    temp.store.close().await;
    temp.sql().pragma_update(None, "user_version", 99).unwrap();
    let refused = OpenError::NewerSchema { found: 99, supported: 4 };
    assert_eq!(SqliteStore::open(temp.dir.path(), Limits::default()).unwrap_err(), refused);
    assert_eq!(inspect(temp.dir.path(), &Limits::default()).unwrap_err(), refused);
    assert!(refused.to_string().contains("99") && refused.to_string().contains("up to 4"));
}

#[test]
fn a_file_of_somebody_else_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(theirs);
    let before = fs::read(&path).unwrap();
    let refused = SqliteStore::open(dir.path(), Limits::default()).unwrap_err();
    assert_eq!(refused, OpenError::NotOurs { application: 0 });
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(&path, "this is no database, and has never been one").unwrap();
    assert!(matches!(SqliteStore::open(dir.path(), Limits::default()), Err(OpenError::Sqlite { .. })));
}

#[test]
fn looking_makes_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let missing = OpenError::Missing { dir: dir.path().to_owned() };
    assert_eq!(inspect(dir.path(), &Limits::default()), Err(missing));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn doctor_looks_while_others_write() {
    let temp = Temp::new();
    let mut run = Run::submit("web", &temp.store).await;
    temp.store.line(run.line("hello"));
    for events in 2..10 {
        run.append(&temp.store, 1, StatusName::Executing).await.unwrap();
        let report = inspect(temp.dir.path(), &Limits::default()).unwrap();
        assert_eq!((report.events, report.deployments, report.unfinished), (events, 1, 1));
        assert!(report.is_sound() && report.reserve, "{report:?}");
    }
    assert_eq!(temp.store.check().await.unwrap().schema, 4);
    temp.store.close().await;
    let after = inspect(temp.dir.path(), &Limits::default()).unwrap();
    assert_eq!((after.wal_bytes, after.log_lines), (0, 1));
}

#[tokio::test]
async fn closing_keeps_what_was_written_and_answers_afterwards() {
    let temp = Temp::new();
    let run = Run::submit("web", &temp.store).await;
    let clone = temp.store.clone();
    temp.store.close().await;
    clone.close().await;
    let append = clone.append(run.events(1, StatusName::Executing)).await;
    assert!(matches!(append, Err(StoreError::Unavailable { .. })));
    assert!(matches!(clone.unfinished().await, Err(StoreError::Unavailable { .. })));
    clone.line(run.line("too late"));
    let temp = temp.reopened().await;
    assert_eq!(temp.store.events(run.id, Seq(0), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_still_carried_out() {
    let temp = Temp::new();
    let run = Run::submit("web", &temp.store).await;
    let write = tokio::spawn({
        let (store, append) = (temp.store.clone(), run.events(1, StatusName::Executing));
        async move { store.append(append).await }
    });
    tokio::task::yield_now().await;
    write.abort();
    let _ = write.await;
    let mut next = Run { last: Seq(2), ..run };
    next.append(&temp.store, 1, StatusName::Executing).await.unwrap();
}
