//! How many durable events per second, and how long an acknowledgement takes.
//!
//! `cargo bench -p deploy-store-sqlite` · `STORE_BENCH_SECS` sets how long each case runs, `STORE_BENCH_DIR`
//! the directory whose disk is measured. For comparison it first shows what the disk does by itself.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on should stop where it is")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/store/common.rs"]
mod common;

use std::env;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Run, fresh_name};
use deploy_core::admission::UNLIMITED;
use deploy_core::lifecycle::PhaseName;
use deploy_core::port::{Journal as _, Lease as _};
use deploy_core::status::{StatusName, StepStatus, StepStatusName};
use deploy_store_sqlite::{Limits, SqliteStore};

fn main() {
    let seconds = env::var("STORE_BENCH_SECS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let parent = env::var_os("STORE_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(parent).unwrap();
    let length = Duration::from_secs(seconds);
    println!("{:<28}{:>12}{:>10}{:>10}{:>10}", "", "events/s", "p50 ms", "p99 ms", "max ms");
    show("disk alone, one by one", &synced_writes(dir.path(), Duration::from_secs(2)), 2.0);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for writers in [1, 16, 64] {
        let latencies = runtime.block_on(appends(&dir.path().join(writers.to_string()), writers, length));
        show(&format!("{writers} appenders"), &latencies, length.as_secs_f64());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: not known");
    println!("peak memory of all of this: {peak}");
}

/// Each writes one event after the other, every one acknowledged before the next.
async fn appends(dir: &Path, writers: usize, length: Duration) -> Vec<Duration> {
    let store =
        SqliteStore::open(dir, Limits { events_per_deployment: u64::MAX, ..Limits::default() }).unwrap();
    let until = Instant::now() + length;
    let tasks: Vec<_> = (0..writers).map(|_| tokio::spawn(append_until(store.clone(), until))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    store.close().await;
    latencies
}

async fn append_until(store: SqliteStore, until: Instant) -> Vec<Duration> {
    let mut run = Run::submit(&fresh_name(), &store).await;
    run.fence = Some(store.acquire(&run.key, run.id, UNLIMITED).await.unwrap());
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let mut append = run.events(1, StatusName::Executing);
        append.status.steps = steps();
        let begun = Instant::now();
        store.append(append).await.unwrap();
        latencies.push(begun.elapsed());
        run.last = run.last.next();
    }
    latencies
}

/// As many steps as a plan has, so that the status has the size it has in life.
fn steps() -> Vec<StepStatus> {
    let ids = ["stage", "build", "publish", "check-candidate", "switch", "check-live"];
    let step = |id: &str| StepStatus {
        id: id.parse().unwrap(),
        phase: PhaseName::Execute,
        title: "publishes the site beside the live one".to_owned(),
        state: StepStatusName::Completed,
        undone: false,
        attempts: 1,
        started_at: None,
        ended_at: None,
    };
    ids.into_iter().map(step).collect()
}

fn synced_writes(dir: &Path, length: Duration) -> Vec<Duration> {
    let mut file = File::create(dir.join("alone")).unwrap();
    let until = Instant::now() + length;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        file.write_all(&[1; 4_096]).unwrap();
        file.sync_data().unwrap();
        latencies.push(begun.elapsed());
    }
    latencies
}

fn show(what: &str, latencies: &[Duration], seconds: f64) {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    let rate = sorted.len() as f64 / seconds;
    println!("{what:<28}{rate:>12.0}{:>10.2}{:>10.2}{:>10.2}", at(0.5), at(0.99), at(1.0));
}
