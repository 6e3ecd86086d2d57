//! What a live release writes: followed, resumed, bounded, freed (invariants 39 and 41).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deploy_core::id::DeploymentId;
use deploy_http::Limits;

use crate::fixture::{Bench, LONG, Open, Setup, get};

const SSE: (&str, &str) = ("accept", "text/event-stream");

fn path(id: DeploymentId, more: &str) -> String {
    format!("/api/deployments/{id}/logs?source=runtime{more}")
}

/// Now in microseconds: no line is older than its release.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(LONG, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn inv_41_what_a_live_release_writes_is_followed_and_resumed_without_gap_or_double() {
    let bench = Bench::standard();
    let id = bench.deployed().await;
    let first = now() + 1_000_000;
    for n in 0..3 {
        bench.written.write(first + n, format!("line {n}"));
    }
    let mut open = Open::start(&bench.socket(), &path(id, ""), &[SSE]).await;
    let mut last = 0;
    for n in 0..3 {
        let (number, line) = open.message().await.unwrap();
        assert_eq!((&line["kind"], &line["source"]), (&"log".into(), &"runtime".into()), "{line}");
        assert_eq!(line["message"], format!("line {n}"));
        assert_eq!(number, line["sequence"].as_u64());
        last = number.unwrap();
    }
    bench.written.write(first + 7, "while it is followed");
    assert_eq!(open.message().await.unwrap().1["message"], "while it is followed");
    drop(open);
    bench.written.write(first + 8, "while nobody looks");
    let resumed = last.to_string();
    let fields = [SSE, ("last-event-id", resumed.as_str())];
    let mut open = Open::start(&bench.socket(), &path(id, ""), &fields).await;
    for expected in ["while it is followed", "while nobody looks"] {
        assert_eq!(open.message().await.unwrap().1["message"], expected);
    }
    // Without following, what there is is all.
    let all = get(&bench.socket(), &path(id, ""), &[]).await;
    let text = String::from_utf8(all.body.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.lines().last().unwrap().contains("\"caught-up\""), "{text}");
    let grave = get(&bench.socket(), &path(id, "&level=error"), &[]).await;
    assert_eq!(String::from_utf8(grave.body.to_vec()).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn inv_41_lines_that_the_target_threw_away_are_said_to_be_missing() {
    let bench = Bench::standard();
    let id = bench.deployed().await;
    let first = now() + 1_000_000;
    (0..4).for_each(|n| bench.written.write(first + 10 * n, format!("line {n}")));
    bench.written.throw_away(2);
    let mut open = Open::start(&bench.socket(), &path(id, &format!("&after={first}")), &[]).await;
    let gap = open.envelope().await.unwrap();
    assert_eq!(
        (&gap["kind"], gap["from"].as_u64(), gap["to"].as_u64()),
        (&"gap".into(), Some(first + 1), Some(first + 19))
    );
    assert_eq!(open.envelope().await.unwrap()["message"], "line 2");
}

#[tokio::test]
async fn a_release_that_is_not_live_has_only_what_was_heard_while_it_was_checked() {
    let bench = Bench::standard();
    bench.written.write(now() + 1_000_000, "of another release");
    let failed = bench.failed().await;
    let answer = get(&bench.socket(), &path(failed, "&follow=true"), &[]).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("\"closed\"") && !text.contains("of another release"), "{text}");
}

#[tokio::test]
async fn a_stream_ends_when_another_release_takes_the_place() {
    let bench = Bench::standard();
    let first = bench.deployed().await;
    let mut open = Open::start(&bench.socket(), &path(first, "&follow=true"), &[]).await;
    bench.written.write(now() + 1_000_000, "from the first");
    assert_eq!(open.envelope().await.unwrap()["message"], "from the first");
    bench.deployed().await;
    // It is silent from now on: that it serves no more is looked up.
    let mut last = open.envelope().await.unwrap();
    while last["kind"] == "heartbeat" {
        last = open.envelope().await.unwrap();
    }
    assert_eq!((&last["kind"], &last["reason"]), (&"closed".into(), &"ended".into()), "{last}");
    assert!(open.envelope().await.is_none());
}

#[tokio::test]
async fn inv_39_followers_of_releases_are_bounded_and_one_that_goes_frees_everything() {
    let limits = Limits { runtime_followers: 2, heartbeat: Duration::from_millis(50), ..Limits::default() };
    let bench = Bench::new(Setup { limits: Some(limits), ..Setup::default() });
    let id = bench.deployed().await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut one = Open::start(&bench.socket(), &path(id, "&follow=true"), &[]).await;
        assert_eq!(one.envelope().await.unwrap()["kind"], "heartbeat", "it says that it is there");
        open.push(one);
    }
    let refused = get(&bench.socket(), &path(id, "&follow=true"), &[]).await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (503, "too_many_followers"));
    until("only two read", async || bench.written.open() == 2).await;
    drop(open);
    until("somebody still reads", async || bench.written.open() == 0).await;
    let metrics = get(&bench.socket(), "/metrics", &[]).await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(text.contains("deploy_stream_followers{kind=\"runtime\"} 0"), "{text}");
    assert_eq!(get(&bench.socket(), &path(id, ""), &[]).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_target_without_such_output_says_so() {
    let bench = Bench::standard();
    let id = bench.deployed().await;
    bench.mute();
    let answer = get(&bench.socket(), &path(id, ""), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "no_runtime_log"));
}
