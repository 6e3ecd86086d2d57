//! No space left: what runs can end, nothing new begins, and it goes on by itself.

use std::path::Path;
use std::time::Duration;

use crate::common::{Run, Temp, fresh_name};
use deploy_core::admission::UNLIMITED;
use deploy_core::id::Seq;
use deploy_core::port::{
    Catalogue as _, Journal as _, Lease as _, LogSink as _, Logs as _, StoreError, WhenBusy,
};
use deploy_core::status::StatusName;
use deploy_store_sqlite::{Limits, SqliteStore};

/// Longer than the store waits before it tries to take its reserve back.
const PATIENCE: Duration = Duration::from_millis(600);

/// Fills the store until it takes nothing new, with submissions of their own resources.
async fn fill(store: &SqliteStore) {
    for _ in 0..100_000 {
        let mut create = Run::new(&fresh_name()).submission(WhenBusy::Refuse);
        create.append.status.recovery_hint = Some("x".repeat(50_000));
        match store.create(create).await {
            Ok(_) => {}
            Err(StoreError::Full) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("there was always space");
}

/// What must work while there is no space, for a deployment that began before.
async fn ends_well(store: &SqliteStore, mut run: Run) {
    let refused = store.create(Run::new(&fresh_name()).submission(WhenBusy::Refuse)).await;
    assert_eq!(refused, Err(StoreError::Full));
    assert!(!store.check().await.unwrap().reserve);
    let fence = store.acquire(&run.key, run.id, UNLIMITED).await.unwrap();
    run.fence = Some(fence);
    for _ in 0..50 {
        run.append(store, 1, StatusName::Executing).await.unwrap();
    }
    run.end(store, StatusName::Failed, None).await.unwrap();
    store.release(&run.key, fence).await.unwrap();
    assert_eq!(store.status(run.id).await.unwrap().status, StatusName::Failed);
    assert_eq!(store.events(run.id, Seq(0), 100).await.unwrap().len(), 52);
    let report = store.check().await.unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
}

#[tokio::test]
async fn at_its_size_limit_what_runs_can_end_and_nothing_begins() {
    let temp = Temp::with(Limits { database_bytes: 6 << 20, reserve_bytes: 1 << 20, ..Limits::default() });
    let run = Run::submit("web", &temp.store).await;
    assert!(temp.store.check().await.unwrap().reserve);
    fill(&temp.store).await;
    temp.store.line(run.line("no space for this"));
    ends_well(&temp.store, run.clone()).await;
    assert_eq!(temp.store.flush().await, Err(StoreError::Full));
    // Even the reserve has an end, and that is an answer too.
    let mut greedy = Run { last: Seq(52), ..run };
    let mut full = Ok(());
    while full.is_ok() {
        let mut append = greedy.events(1, StatusName::Executing);
        append.status.recovery_hint = Some("x".repeat(100_000));
        append.events[0].event = large_event();
        full = temp.store.append(append).await;
        greedy.last = greedy.last.next();
    }
    assert_eq!(full, Err(StoreError::Full));
    assert!(temp.store.check().await.unwrap().is_sound());
    // With a higher limit it goes on, and the line that waited is there.
    temp.store.close().await;
    let store = SqliteStore::open(temp.dir.path(), Limits::default()).unwrap();
    assert!(store.check().await.unwrap().reserve);
    Run::submit("new", &store).await;
}

fn large_event() -> deploy_core::event::Event {
    let by = deploy_core::spec::Actor("x".repeat(100_000));
    deploy_core::event::Event::Paused { by }
}

#[tokio::test]
async fn on_a_full_disk_what_runs_can_end_and_it_goes_on_when_there_is_space_again() {
    let Some(disk) = SmallDisk::new("24m") else {
        eprintln!("skipped: this needs the right to mount a small disk");
        return;
    };
    let store = SqliteStore::open(&disk.path().join("store"), Limits::default()).unwrap();
    let run = Run::submit("web", &store).await;
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 8 << 20]).unwrap();
    fill(&store).await;
    ends_well(&store, run).await;
    std::fs::remove_file(&ballast).unwrap();
    tokio::time::sleep(PATIENCE).await;
    // Nobody restarted anything.
    Run::submit("new", &store).await;
    assert!(store.check().await.unwrap().reserve);
    store.close().await;
}

/// One deployment after the other until there is no space; returns what was acknowledged of each.
async fn deploy_until_full(store: &SqliteStore) -> Vec<Run> {
    let mut runs = Vec::new();
    for _ in 0..200 {
        let mut run = Run::new(&fresh_name());
        match store.create(run.submission(WhenBusy::Refuse)).await {
            Ok(_) => run.last = Seq(1),
            Err(error) => {
                assert_eq!(error, StoreError::Full);
                return runs;
            }
        }
        run.fence = Some(store.acquire(&run.key, run.id, UNLIMITED).await.unwrap());
        for _ in 0..3 {
            run.append(store, 1, StatusName::Executing).await.unwrap();
        }
        run.end(store, StatusName::Succeeded, None).await.unwrap();
        runs.push(run);
    }
    panic!("there was always space");
}

#[tokio::test]
async fn wherever_the_space_ends_what_was_admitted_ends_well() {
    for pages in (40..130).step_by(7) {
        let limits = Limits { database_bytes: pages * 4_096, reserve_bytes: 20 * 4_096, ..Limits::default() };
        let temp = Temp::with(limits);
        for run in deploy_until_full(&temp.store).await {
            let events = temp.store.events(run.id, Seq(0), 100).await.unwrap();
            assert_eq!(events.len() as u64, run.last.0, "{pages} pages");
        }
        assert!(temp.store.check().await.unwrap().is_sound());
        temp.store.close().await;
        let store = SqliteStore::open(temp.dir.path(), Limits::default()).unwrap();
        Run::submit("new", &store).await;
    }
}

/// A small file system of its own; where it can't be mounted, the test is skipped.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], dir.path());
        mounted.then_some(Self { dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], self.dir.path());
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    run("mount", arguments, at)
}

#[allow(clippy::disallowed_methods, reason = "the only way to mount something")]
fn run(program: &str, arguments: &[&str], at: &Path) -> bool {
    let status = std::process::Command::new(program).args(arguments).arg(at).status();
    status.is_ok_and(|status| status.success())
}
