//! How many submissions and events are durable per second, how soon somebody's turn comes while a thousand
//! wait, and how long it takes to start with a long history.
//!
//! `cargo bench -p deploy-tests --bench queue` · `QUEUE_BENCH_SECS` sets how long each rate is measured,
//! `QUEUE_BENCH_DIR` the directory whose disk is measured, `QUEUE_BENCH_RUNS` how many runs of a hundred events
//! the long history has (10,000 by default), `QUEUE_BENCH_ONLY` a part: raw, submissions, lifecycle, waiting, history.
//! Beside the store's figures stands what the disk itself takes for one flush, measured before and after.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on should stop where it is")]
#![expect(clippy::disallowed_methods, reason = "a benchmark that runs itself again")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/control/target.rs"]
mod target;

use std::collections::BTreeMap;
use std::env;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deploy_core::detect::AnyProject;
use deploy_core::engine::{Engine, Limits, Submission};
use deploy_core::history::{HistoryQuery, RUNS};
use deploy_core::id::{DeploymentId, Seq};
use deploy_core::log::LogSearch;
use deploy_core::port::{Journal as _, LogSink as _, Logs as _, Moment, Observer, WhenBusy};
use deploy_core::spec::{Actor, Spec};
use deploy_core::status::StatusName;
use deploy_core::testkit::contract::Writer;
use deploy_store_sqlite::SqliteStore;
use target::{Nothing, Slow, World};

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// When each append began, and how long those that were acknowledged took.
#[derive(Clone, Default)]
struct Appends(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    began: BTreeMap<DeploymentId, Instant>,
    took: Vec<Duration>,
}

impl Observer for Appends {
    fn moment(&self, moment: &Moment) {
        let mut seen = self.0.lock().unwrap();
        match moment {
            Moment::Appending(id, _) => drop(seen.began.insert(*id, Instant::now())),
            Moment::Appended(id, _) => {
                if let Some(began) = seen.began.remove(id) {
                    seen.took.push(began.elapsed());
                }
            }
            Moment::Starting(_) | Moment::Ended(_) => {}
        }
    }
}

fn engine(store: &SqliteStore, world: &World, appends: &Appends) -> Engine {
    Engine::builder(store.clone(), Nothing, AnyProject)
        .executor(Slow(world.clone()))
        .admission(world.clone())
        .observer(appends.clone())
        .limits(Limits { deployments: 1_000_000, effects: 64, ..Limits::default() })
        .build()
}

fn submission(resource: &str) -> Submission {
    let spec = Spec::directory(
        resource.parse().unwrap(),
        "slow".parse().unwrap(),
        format!("/srv/{resource}"),
        Actor("bench".to_owned()),
    );
    Submission { spec, idempotency_key: Some(format!("key of {resource}")), busy: WhenBusy::Wait }
}

fn show(what: &str, latencies: &[Duration], seconds: f64) {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    let rate = sorted.len() as f64 / seconds;
    println!(
        "{what:<52}{rate:>10.0}/s  p50 {:>7.2}  p99 {:>7.2}  max {:>7.2} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// What one flush of the disk takes with nothing around it: the bound of everything that is acknowledged durably.
fn raw(dir: &Path, length: Duration) {
    let path = dir.join("raw");
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).open(&path).unwrap();
    // As the store's own log: written over in place.
    file.write_all_at(&vec![0; 4 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let (until, mut latencies) = (Instant::now() + length, Vec::new());
    while Instant::now() < until {
        let began = Instant::now();
        let at = latencies.len() as u64 % 1_024 * 4_096;
        file.write_all_at(&[1; 4_096], at).unwrap();
        file.sync_data().unwrap();
        latencies.push(began.elapsed());
    }
    show("one page and a flush, raw", &latencies, length.as_secs_f64());
    std::fs::remove_file(path).unwrap();
}

/// So many submit one after the other, each acknowledged before the next; nothing else runs.
async fn submissions(dir: &Path, submitters: usize, length: Duration) {
    let (store, world) = (SqliteStore::open(dir, Default::default()).unwrap(), World::held());
    let engine = engine(&store, &world, &Appends::default());
    let until = Instant::now() + length;
    let tasks: Vec<_> = (0..submitters)
        .map(|submitter| {
            let engine = engine.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while Instant::now() < until {
                    let began = Instant::now();
                    let name = format!("s{submitter}-{}", latencies.len());
                    engine.submit(submission(&name)).await.unwrap();
                    latencies.push(began.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    show(&format!("submissions, {submitters} at once"), &latencies, length.as_secs_f64());
    engine.shutdown(Duration::from_secs(5)).await;
    store.close().await;
}

/// Whole deployments, so many at once, and the appends they are made of.
async fn lifecycle(dir: &Path, at_once: usize, length: Duration) {
    let (store, world) = (SqliteStore::open(dir, Default::default()).unwrap(), World::quick());
    let appends = Appends::default();
    let engine = engine(&store, &world, &appends);
    let until = Instant::now() + length;
    let tasks: Vec<_> = (0..at_once)
        .map(|number| {
            let engine = engine.clone();
            tokio::spawn(async move {
                let (mut runs, mut events) = (0_u64, 0_u64);
                while Instant::now() < until {
                    let mut submission = submission(&format!("l{number}"));
                    submission.idempotency_key = None;
                    let id = engine.submit(submission).await.unwrap().id;
                    events += engine.rested(id).await.unwrap().sequence.0;
                    runs += 1;
                }
                (runs, events)
            })
        })
        .collect();
    let (mut runs, mut events) = (0, 0);
    for task in tasks {
        let (more_runs, more_events) = task.await.unwrap();
        (runs, events) = (runs + more_runs, events + more_events);
    }
    let seconds = length.as_secs_f64();
    println!(
        "{:<52}{:>10.0}/s  in {:.0} deployments/s",
        format!("lifecycle events of {at_once} at once"),
        events as f64 / seconds,
        runs as f64 / seconds
    );
    let latencies = appends.0.lock().unwrap().took.clone();
    show("  their appends", &latencies, seconds);
    engine.shutdown(Duration::from_secs(5)).await;
    store.close().await;
}

/// A thousand wait in a workspace that runs two at once. How soon does a turn come?
async fn waiting(dir: &Path) {
    const WAITING: usize = 1_000;
    let (store, world) = (SqliteStore::open(dir, Default::default()).unwrap(), World::held());
    let engine = engine(&store, &world, &Appends::default());
    let mut ids = Vec::new();
    for number in 0..WAITING {
        ids.push(engine.submit(submission(&format!("w{number}"))).await.unwrap().id);
    }
    let began = Instant::now();
    let free = engine.submit(submission("r0")).await.unwrap().id;
    first_step(&engine, free).await;
    println!("first step in another workspace, {WAITING} waiting: {:.1} ms", millis(began));
    let began = Instant::now();
    let asked = engine.place(ids[WAITING - 1]).await.unwrap().unwrap();
    println!("its place in the line ({:?}): {:.1} ms", asked.position, millis(began));
    let began = Instant::now();
    let stop = deploy_core::command::Command::Stop { mode: deploy_core::command::StopMode::Now, undo: false };
    engine.send(ids[0], stop, Actor("bench".to_owned())).await.unwrap();
    first_step(&engine, ids[2]).await;
    println!("first step of the next one, from the stop of one that ran: {:.1} ms", millis(began));
    let began = Instant::now();
    world.let_go();
    for id in &ids {
        engine.rested(*id).await.unwrap();
    }
    println!("all {WAITING}, two at a time: {:.1} s", began.elapsed().as_secs_f64());
    engine.shutdown(Duration::from_secs(5)).await;
    store.close().await;
}

fn millis(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1_000.0
}

async fn first_step(engine: &Engine, id: DeploymentId) {
    let mut status = engine.status(id).await.unwrap();
    while status.steps.first().is_none_or(|step| step.attempts == 0) {
        status = engine.changed(id, status.sequence, Duration::from_secs(5)).await.unwrap();
    }
}

/// Lines of output of each run of the long history.
const LINES: u64 = 20;

/// Runs of a hundred events each that have ended, and a hundred that wait.
async fn history(dir: &Path, runs: u64) {
    let store = SqliteStore::open(dir, Default::default()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..64 {
        let store = store.clone();
        tasks.spawn(async move {
            for number in (part..runs).step_by(64) {
                let mut writer = Writer::new(&format!("h{}", number % 500));
                store.create(writer.submission(WhenBusy::Wait)).await.unwrap();
                writer.last = Seq(1);
                writer.append(&store, 99, StatusName::Succeeded).await.unwrap();
                for line in 0..LINES {
                    let needle = if number == runs / 2 && line == 0 { "a needle" } else { "hay" };
                    store.line(
                        writer.line(format!("step {line} of a build that says what it does: {needle}")),
                    );
                }
                if number.is_multiple_of(100) {
                    store.flush().await.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
    for number in 0..100 {
        store.create(Writer::new(&format!("q{number}")).submission(WhenBusy::Wait)).await.unwrap();
    }
    store.close().await;
}

/// What a new process takes: it is this program again.
fn start_up(dir: &Path) {
    let output = Command::new(env::current_exe().unwrap()).env("QUEUE_BENCH_START", dir).output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

async fn started(dir: &Path) {
    let began = Instant::now();
    let store = SqliteStore::open(dir, Default::default()).unwrap();
    let engine = engine(&store, &World::held(), &Appends::default());
    let taken_up = engine.recover().await.unwrap();
    let ready = began.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    let (now, peak) = (field("VmRSS"), field("VmHWM"));
    println!(
        "ready in {:.0} ms with {taken_up} taken up; {now} MiB then, {peak} MiB at most",
        ready.as_secs_f64() * 1_000.0
    );
    for round in ["first", "second"] {
        let began = Instant::now();
        let stats = engine.stats(&HistoryQuery { limit: RUNS, ..HistoryQuery::default() }).await.unwrap();
        println!("{round} statistics over {} runs: {:.1} ms", stats.count.runs, millis(began));
        let began = Instant::now();
        let search = LogSearch {
            text: "a needle".to_owned(),
            deployment: None,
            resource: None,
            environment: None,
            limit: 100,
        };
        let found = engine.search_logs(&search).await.unwrap();
        let (lines, all) = (found.lines.len(), found.complete);
        println!("{round} search through all lines: {:.1} ms, {lines} found, complete: {all}", millis(began));
    }
    engine.shutdown(Duration::from_secs(5)).await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(dir) = env::var_os("QUEUE_BENCH_START") {
        return runtime.block_on(started(Path::new(&dir)));
    }
    let length = Duration::from_secs(number("QUEUE_BENCH_SECS", 5));
    let parent = env::var_os("QUEUE_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(parent).unwrap();
    let below = |name: &str| dir.path().join(name);
    let only = env::var("QUEUE_BENCH_ONLY").ok();
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only.split(',').any(|name| name == part));
    if wanted("raw") {
        raw(dir.path(), length);
    }
    for submitters in [1, 16, 64].into_iter().filter(|_| wanted("submissions")) {
        runtime.block_on(submissions(&below(&format!("s{submitters}")), submitters, length));
    }
    for at_once in [1, 16, 64].into_iter().filter(|_| wanted("lifecycle")) {
        runtime.block_on(lifecycle(&below(&format!("l{at_once}")), at_once, length));
    }
    if wanted("raw") {
        raw(dir.path(), length);
    }
    if wanted("waiting") {
        runtime.block_on(waiting(&below("w")));
    }
    if wanted("history") {
        let runs = number("QUEUE_BENCH_RUNS", 10_000);
        runtime.block_on(history(&below("h"), runs));
        println!("start with {runs} runs, {} events and {} lines:", runs * 100 + 100, runs * LINES);
        start_up(&below("h"));
    }
}
