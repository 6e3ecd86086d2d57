//! Killing the process at any moment loses nothing that was acknowledged.
//!
//! The test runs itself again as a child. The child appends from several tasks at once and says each
//! acknowledged number on its standard output; the parent kills it without a warning, opens the store
//! and compares. `STORE_KILLS` sets how often.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::common::{Run, id_of};
use deploy_core::id::Seq;
use deploy_core::port::{Catalogue as _, Journal as _, StoreError, WhenBusy};
use deploy_core::status::StatusName;
use deploy_store_sqlite::{Limits, SqliteStore};

const DIR: &str = "STORE_KILL_DIR";
const WRITERS: u128 = 8;

fn writer(number: u128) -> Run {
    Run::with_id(&format!("r{number}"), id_of(number))
}

/// The child. Without the variable it is no test at all.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(dir) = env::var_os(DIR) else { return };
    let store =
        SqliteStore::open(Path::new(&dir), Limits { events_per_deployment: u64::MAX, ..Limits::default() });
    let store = store.unwrap();
    let tasks: Vec<_> =
        (1..=WRITERS).map(|number| tokio::spawn(append_for_ever(store.clone(), number))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn append_for_ever(store: SqliteStore, number: u128) {
    let mut run = writer(number);
    match store.create(run.submission(WhenBusy::Refuse)).await {
        Ok(_) => run.last = Seq(1),
        Err(StoreError::Conflict { actual }) => run.last = actual,
        Err(StoreError::Busy { .. }) => run.last = store.status(run.id).await.unwrap().sequence,
        Err(other) => panic!("{other:?}"),
    }
    loop {
        run.append(&store, 1 + run.last.0 % 3, StatusName::Executing).await.unwrap();
        // One write per line, so that a kill can cut off only the last one.
        let said = format!("ack {number} {}\n", run.last.0);
        std::io::stdout().lock().write_all(said.as_bytes()).unwrap();
    }
}

#[allow(clippy::disallowed_methods, reason = "the child is this very test")]
fn start(dir: &Path) -> Child {
    std::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the child some time after its first acknowledgement; returns the last ones.
fn run_and_kill(dir: &Path, after: Duration) -> BTreeMap<u128, u64> {
    let mut child = start(dir);
    let output = BufReader::new(child.stdout.take().unwrap());
    let killer = std::thread::spawn(move || {
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    let mut acknowledged = BTreeMap::new();
    for line in output.lines() {
        let line = line.unwrap();
        // The test harness writes its own words on the first line.
        let Some((_, ack)) = line.rsplit_once("ack ") else { continue };
        let Some((number, last)) = ack.split_once(' ') else { continue };
        if let (Ok(number), Ok(last)) = (number.parse(), last.parse()) {
            acknowledged.insert(number, last);
        }
    }
    killer.join().unwrap();
    acknowledged
}

#[tokio::test]
async fn inv_13_an_acknowledged_event_survives_kill_9() {
    let kills: u64 = env::var("STORE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let (mut dir, mut events) = (tempfile::tempdir().unwrap(), 0);
    for kill in 0..kills {
        if kill % 20 == 19 {
            // A new store now and then: the check reads all of it each time.
            dir = tempfile::tempdir().unwrap();
        }
        // Different moments without a random generator: steps of a number prime to the range.
        let acknowledged = run_and_kill(dir.path(), Duration::from_millis(40 + kill * 37 % 150));
        let store = SqliteStore::open(dir.path(), Limits::default()).unwrap();
        for (number, last) in acknowledged {
            let id = writer(number).id;
            let status = store.status(id).await.unwrap();
            let stored = store.events(id, Seq(last.saturating_sub(1)), usize::MAX).await.unwrap();
            assert!(
                status.sequence.0 >= last,
                "kill {kill}: {last} was acknowledged, {} is there",
                status.sequence
            );
            assert_eq!(stored.last().unwrap().sequence, status.sequence);
        }
        let report = store.check().await.unwrap();
        assert!(report.is_sound(), "kill {kill}: {:?}", report.problems);
        events = events.max(report.events);
        // Not closed on purpose: the next child finds what a crash leaves behind.
    }
    assert!(events > 100, "hardly anything was written: {events} events");
    eprintln!("{kills} kills, at most {events} events in one store");
}
