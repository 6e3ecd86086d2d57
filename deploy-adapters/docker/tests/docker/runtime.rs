//! What a live release writes: both streams, from the engine's own log, without secrets, resumed, and bounded
//! whatever the release floods.

use std::time::Duration;

use deploy_core::port::{Executor as _, ReleaseState};
use deploy_core::runtime_log::{RuntimeFrom, RuntimeLine, RuntimeLog, RuntimeLogError};
use deploy_core::spec::SecretRef;

use crate::harness::{Run, World, world};

/// The longest that anything is waited for.
const LONG: Duration = Duration::from_secs(60);

/// A release that answers, and runs these commands beside it.
async fn released(world: &World, beside: &str) -> Run {
    world.write("www/index.html", "up");
    world.write("www/run.sh", &format!("trap 'exit 0' TERM\nhttpd -f -p 8080 -h /www &\n{beside}\nwait\n"));
    let mut profile = world.dockerfile(r#"CMD ["sh","/www/run.sh"]"#);
    profile.secrets.insert("TOKEN".to_owned(), SecretRef { env: "T".to_owned(), build: false, file: false });
    let mut run = world.run(profile);
    world.deploy(&mut run).await.expect("a release");
    run
}

async fn open(world: &World, run: &Run, from: RuntimeFrom) -> Box<dyn RuntimeLog> {
    let record = world.record(run, ReleaseState::Live);
    world.executor.runtime_log(&record, from).await.expect("a log")
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

fn set_secret(world: &World) {
    world.variables.lock().expect("variables").insert("T".to_owned(), "not-for-everyone".to_owned());
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_37_both_streams_of_a_live_release_are_read_without_secrets_and_resumed() {
    let Some(world) = world().await else { return };
    set_secret(&world);
    let run = released(&world, "echo to out; echo to err >&2; echo token $TOKEN; sleep 2; echo later").await;
    let mut log = open(&world, &run, RuntimeFrom { micros: 0, follow: true }).await;
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &RuntimeLine| line.message != "later") {
        lines.push(next(log.as_mut()).await.expect("it goes on"));
    }
    let said: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    assert!(said.contains(&"to out") && said.contains(&"to err"), "{said:?}");
    assert!(said.contains(&"token [secret TOKEN]"), "{said:?}");
    assert!(lines.is_sorted_by_key(|line| line.micros) && lines[0].micros > 1_700_000_000_000_000);

    // From the last line on there is that line, perhaps some before it, and nothing else.
    let last = lines.last().expect("a line");
    let mut again = open(&world, &run, RuntimeFrom { micros: last.micros, follow: false }).await;
    let resumed = all(again.as_mut()).await;
    assert_eq!(resumed.last(), Some(last));
    assert!(resumed.len() <= lines.len());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_serves_no_more_has_no_log_here_and_a_follower_hears_its_end() {
    let Some(world) = world().await else { return };
    set_secret(&world);
    let first = released(&world, "echo one").await;
    let mut log = open(&world, &first, RuntimeFrom { micros: 0, follow: true }).await;
    assert_eq!(next(log.as_mut()).await.map(|line| line.message).as_deref(), Some("one"));
    let _second = released(&world, "echo two").await;
    assert_eq!(next(log.as_mut()).await, None, "its process was ended");
    let record = world.record(&first, ReleaseState::Live);
    let gone = world.executor.runtime_log(&record, RuntimeFrom::default()).await.err();
    assert!(matches!(gone, Some(RuntimeLogError::Unavailable { .. })), "{gone:?}");
    world.close().await;
}

/// What a reader may hold while a release floods it, in bytes.
const MEMORY: u64 = 64 << 20;

/// What this process holds, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

/// Reads a flood of that many lines and one line of that many bytes.
async fn flood(lines: u64, bytes: u64) {
    let Some(world) = world().await else { return };
    set_secret(&world);
    let commands = format!(
        "head -c {bytes} /dev/zero | tr '\\0' x; echo; yes 'a line of a flood' | head -n {lines}; echo the end"
    );
    let before = resident();
    let run = released(&world, &commands).await;
    let mut log = open(&world, &run, RuntimeFrom { micros: 0, follow: true }).await;
    let (mut count, mut longest, mut most) = (0_u64, 0, 0);
    loop {
        let line = next(log.as_mut()).await.expect("the release goes on");
        count += 1;
        longest = longest.max(line.message.len());
        if count % 10_000 == 0 {
            most = most.max(resident());
        }
        if line.message == "the end" {
            break;
        }
    }
    let grown = most.max(resident()).saturating_sub(before);
    println!(
        "{count} lines of {lines} and one of {bytes} bytes were read; the longest kept {longest} bytes; {} MiB more memory",
        grown >> 20
    );
    assert!(longest <= deploy_core::log::LINE_BYTES + 64, "{longest}");
    assert!(grown < MEMORY, "{grown} bytes");
    assert_eq!(world.get().await.0, 200, "the release goes on");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_39_a_release_that_floods_its_log_is_read_in_bounded_memory() {
    flood(100_000, 32 << 20).await;
}

/// `cargo test -p deploy-docker --test docker -- --ignored --nocapture ten_million`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; run by hand"]
async fn inv_39_ten_million_lines_and_one_of_a_gibibyte() {
    flood(10_000_000, 1 << 30).await;
}
