//! What a live release writes on fly: its own lines and nobody else's, without secrets, followed, resumed, and bounded.

use std::time::Duration;

use deploy_core::port::{Executor as _, Keep, ReleaseRecord};
use deploy_core::runtime_log::{RuntimeFrom, RuntimeLine, RuntimeLog, RuntimeLogError};
use serde_json::{Value, json};

use crate::failing::Bench;
use crate::lab::{Lab, TOKEN, standin};

/// The longest that anything is waited for.
const LONG: Duration = Duration::from_secs(60);
const ONE: &str = "ghcr.io/acme/web:1";
const TWO: &str = "ghcr.io/acme/web:2";

async fn released<'a>(lab: &'a Lab, image: &str) -> Bench<'a> {
    let mut bench = Bench::image(lab, image);
    bench.run().await.unwrap();
    bench
}

async fn open(lab: &Lab, release: &ReleaseRecord, micros: u64, follow: bool) -> Box<dyn RuntimeLog> {
    lab.executor.runtime_log(release, RuntimeFrom { micros, follow }).await.unwrap()
}

async fn next(log: &mut dyn RuntimeLog) -> Option<RuntimeLine> {
    tokio::time::timeout(LONG, log.next()).await.expect("it hangs").expect("a line, or the end")
}

async fn all(log: &mut dyn RuntimeLog) -> Vec<RuntimeLine> {
    let mut lines = Vec::new();
    while let Some(line) = next(log).await {
        lines.push(line);
    }
    lines
}

fn said(lines: &[RuntimeLine]) -> Vec<&str> {
    lines.iter().map(|line| line.message.as_str()).collect()
}

#[tokio::test]
async fn inv_37_the_lines_of_a_live_release_are_read_without_secrets_and_resumed() {
    let lab = Lab::new().await;
    let first = released(&lab, ONE).await;
    lab.writes(0, "app", "of the release before");
    let mut bench = Bench::image(&lab, TWO).after(&first, true);
    bench.run().await.unwrap();
    assert!(lab.executor.keeps_output());
    for (machine, provider, message) in [
        (0, "app", "one"),
        (0, "proxy", "not the release's"),
        (1, "app", "two\u{1b}[31m red\nand a second line"),
        (0, "runner", "nor this"),
        (1, "app", &format!("token {TOKEN} FLY_API_TOKEN=plain-canary")),
    ] {
        lab.writes(machine, provider, message);
    }
    let record = bench.record();
    let mut log = open(&lab, &record, 0, true).await;
    let mut lines = Vec::new();
    for _ in 0..4 {
        lines.push(next(log.as_mut()).await.unwrap());
    }
    let shown = said(&lines);
    assert_eq!(shown[..3], ["one", "two red", "and a second line"]);
    assert!(shown[3].starts_with("token [secret") && !shown[3].contains("canary"), "{shown:?}");
    // It goes on, and says nothing twice.
    lab.writes(0, "app", "later");
    lines.push(next(log.as_mut()).await.unwrap());
    assert_eq!(lines.last().unwrap().message, "later");
    assert!(lines.is_sorted_by_key(|line| line.micros) && lines[0].micros > 1_700_000_000_000_000);

    // From a line on there is that line, perhaps some before it, and nothing else that was not there.
    let after = lines[2].micros;
    let resumed = all(open(&lab, &record, after, false).await.as_mut()).await;
    assert!(resumed.len() >= 3 && lines.ends_with(&resumed), "{resumed:?}");
    assert_eq!(all(open(&lab, &record, u64::MAX, false).await.as_mut()).await, []);
}

#[tokio::test]
async fn a_release_that_serves_no_more_has_no_log_here_and_a_follower_hears_its_end() {
    let lab = Lab::new().await;
    let first = released(&lab, ONE).await;
    lab.writes(0, "app", "one");
    let mut log = open(&lab, &first.record(), 0, true).await;
    assert_eq!(next(log.as_mut()).await.map(|line| line.message).as_deref(), Some("one"));
    let mut second = Bench::image(&lab, TWO).after(&first, true);
    second.run().await.unwrap();
    lab.writes(0, "app", "two");
    assert_eq!(next(log.as_mut()).await, None, "this line is of the next release");
    let gone = lab.executor.runtime_log(&first.record(), RuntimeFrom::default()).await.err();
    assert!(
        matches!(&gone, Some(RuntimeLogError::Unavailable { why }) if why.contains("no machine")),
        "{gone:?}"
    );
    assert_eq!(said(&all(open(&lab, &second.record(), 0, false).await.as_mut()).await), ["two"]);
}

#[tokio::test]
async fn inv_41_where_more_was_written_than_fly_shows_the_log_ends_instead_of_going_on() {
    let lab = Lab::new().await;
    let bench = released(&lab, ONE).await;
    lab.writes(0, "app", "one");
    let mut log = open(&lab, &bench.record(), 0, true).await;
    assert_eq!(next(log.as_mut()).await.map(|line| line.message).as_deref(), Some("one"));
    for number in 0..250 {
        lab.writes(0, "app", &number.to_string());
    }
    assert_eq!(next(log.as_mut()).await, None);
    let kept = all(open(&lab, &bench.record(), 0, false).await.as_mut()).await;
    assert_eq!((kept.len(), kept[0].message.as_str()), (100, "150"));
}

#[tokio::test]
async fn what_flyctl_refuses_or_breaks_off_is_said_without_secrets() {
    let lab = Lab::new().await;
    let bench = released(&lab, ONE).await;
    lab.writes(0, "app", "one");
    for (play, expected) in [
        (json!({ "fail": format!("bearer {TOKEN} was refused") }), "was refused"),
        (json!({ "partial": true }), "not what was expected"),
    ] {
        lab.plays(&json!({ "logs": [play] }));
        let mut log = open(&lab, &bench.record(), 0, false).await;
        let Err(RuntimeLogError::Unavailable { why }) = log.next().await else { panic!("it was read") };
        assert!(why.contains(expected) && !why.contains("canary"), "{why}");
    }
    // Where the platform shows nothing, flyctl never ends by itself.
    std::fs::remove_file(lab.dir.path().join("world/logs.jsonl")).unwrap();
    assert_eq!(all(open(&lab, &bench.record(), 0, false).await.as_mut()).await, []);
}

/// Whether a process is there and not only waits to be reaped.
fn runs(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn becomes(what: &str, mut done: impl FnMut() -> bool) {
    let waited = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, waited).await.unwrap_or_else(|_| panic!("{what} never happened"));
}

/// The processes that read for this lab, and what they started.
fn readers(lab: &Lab) -> Vec<u64> {
    let world = format!("FLY_STANDIN={}", lab.dir.path().join("world").display()).into_bytes();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        runs(*pid) && environment.split(|byte| *byte == 0).any(|variable| variable == world)
    })
    .collect()
}

#[tokio::test]
async fn who_stops_following_leaves_no_process() {
    let lab = Lab::new().await;
    let bench = released(&lab, ONE).await;
    lab.plays(&json!({ "logs": [{ "hang": true }] }));
    let mut log = open(&lab, &bench.record(), 0, true).await;
    // Given up again and again it still goes on.
    becomes("flyctl and its child", || {
        readers(&lab).len() == 2 || {
            let _ = futures_now(log.next());
            false
        }
    })
    .await;
    drop(log);
    becomes("their end", || readers(&lab).is_empty()).await;
}

/// Polls something once, and gives it up.
fn futures_now<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match work.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(done) => Some(done),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what is left of another control plane is started by the test")]
async fn what_a_control_plane_that_is_gone_left_reading_is_ended() {
    let lab = Lab::new().await;
    lab.plays(&json!({ "logs": [{ "hang": true, "always": true }] }));
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    let gone = ended.id();
    ended.wait().unwrap();
    let start = |reader: u32| {
        let mut command = std::process::Command::new(standin());
        let reader = format!("{reader}:{}", lab.dir.path().join("work").display());
        command.args(["logs", "--json", "--no-tail", "--app=web"]).env("DEPLOY_READER", reader);
        command.env("FLY_STANDIN", lab.dir.path().join("world")).env("FLY_API_TOKEN", "x");
        command.spawn().unwrap()
    };
    let (mut orphan, mut other) = (start(gone), start(std::process::id()));
    becomes("both and their children", || readers(&lab).len() == 4).await;
    lab.executor.reclaim(&Keep::default()).await.unwrap();
    orphan.wait().unwrap();
    becomes("the end of one", || readers(&lab).len() == 2).await;
    assert!(runs(other.id().into()), "one whose control plane is there goes on");
    for pid in readers(&lab) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    other.wait().unwrap();
}

#[tokio::test]
async fn every_region_is_read_also_where_this_process_runs_on_fly_itself() {
    let lab = Lab::in_region("lhr").await;
    let bench = released(&lab, ONE).await;
    lab.writes(0, "app", "from ams");
    assert_eq!(said(&all(open(&lab, &bench.record(), 0, false).await.as_mut()).await), ["from ams"]);
    let asked = lab.calls();
    let logs: Vec<&Value> = asked.iter().filter(|call| call["argv"][0] == "logs").collect();
    assert_eq!(logs[0]["argv"], json!(["logs", "--json", "--no-tail", "--app=web"]));
}
