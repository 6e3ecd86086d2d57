//! Events and logs: every record once, in order, whatever happens to the connection.

use std::time::Duration;

use deploy_core::id::{DeploymentId, Seq};
use deploy_http::Limits;
use proptest::prelude::*;
use serde_json::Value;

use crate::fixture::{Bench, Open, Setup, ask, get, request};

const SSE: (&str, &str) = ("accept", "text/event-stream");

async fn journal(bench: &Bench, id: DeploymentId) -> Vec<u64> {
    let events = bench.api.engine().events(id, Seq(0), 10_000).await.unwrap();
    events.iter().map(|event| event.sequence.0).collect()
}

/// Follows with these disconnects: after so many messages the connection is dropped and opened again
/// where it was. Steps are let through all the while.
async fn follow(bench: &Bench, id: DeploymentId, what: &str, disconnects: &[usize]) -> Vec<u64> {
    let router = bench.socket();
    let path = format!("/api/deployments/{id}/{what}");
    let (mut received, mut last) = (Vec::new(), None::<u64>);
    let mut disconnects = disconnects.iter();
    loop {
        let resumed = last.map(|last| last.to_string());
        let mut fields = vec![SSE];
        fields.extend(resumed.as_deref().map(|last| ("last-event-id", last)));
        let Some(mut open) = open(&router, &path, &fields).await else { return received };
        let mut left = disconnects.next().copied();
        while left != Some(0) {
            left = left.map(|left| left - 1);
            bench.let_through(1);
            match open.message().await {
                Some((id, envelope)) if envelope["kind"] == "event" || envelope["kind"] == "log" => {
                    assert_eq!(id, envelope["sequence"].as_u64());
                    last = id;
                    received.extend(id);
                }
                Some((_, envelope)) if envelope["kind"] == "closed" => {
                    assert_eq!(envelope["reason"], "ended");
                    return received;
                }
                Some((id, envelope)) => {
                    assert!(id.is_none() && envelope["kind"] == "heartbeat", "{envelope}");
                }
                None => panic!("the stream ended without saying so"),
            }
        }
    }
}

/// Opens a stream; `None` when the answer is 204.
async fn open(router: &axum::Router, path: &str, fields: &[(&str, &str)]) -> Option<Open> {
    use tower::ServiceExt as _;
    let response = router.clone().oneshot(request("GET", path, fields, "")).await.unwrap();
    match response.status().as_u16() {
        204 => None,
        200 => Some(Open::over(response.into_body())),
        other => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inv_41_what_a_follower_receives_is_the_journal_for_any_pattern_of_disconnects(
        disconnects in prop::collection::vec(0_usize..6, 0..20),
        logs in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new(Setup { steps: 4, lines: 3, ..Setup::default() });
            let id = bench.deploy().await;
            let what = if logs { "logs" } else { "events" };
            let received = follow(&bench, id, what, &disconnects).await;
            let expected = if logs { (1..=18).collect() } else { journal(&bench, id).await };
            assert_eq!(received, expected);
        });
    }
}

#[tokio::test]
async fn ndjson_and_sse_carry_the_same_envelopes() {
    let bench = Bench::standard();
    let id = bench.deployed().await;
    let router = bench.socket();
    let path = format!("/api/deployments/{id}/events");
    let (mut lines, mut messages) =
        (Open::start(&router, &path, &[]).await, Open::start(&router, &path, &[SSE]).await);
    let mut count = 0;
    while let Some(envelope) = lines.envelope().await {
        assert_eq!(messages.message().await.unwrap().1, envelope);
        count += 1;
    }
    assert_eq!(count, journal(&bench, id).await.len() + 1);
    assert!(messages.message().await.is_none());
}

#[tokio::test]
async fn sse_begins_with_retry_and_may_not_be_held_back() {
    let bench = Bench::standard();
    let id = bench.deploy().await;
    let router = bench.socket();
    let path = format!("/api/deployments/{id}/events");
    let mut open = Open::start(&router, &path, &[SSE]).await;
    assert_eq!(open.line().await.as_deref(), Some("retry: 5000"));
    bench.let_through(100);
    bench.api.engine().rested(id).await.unwrap();
    let answer = get(&router, &path, &[SSE]).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-accel-buffering"), "no");
}

#[tokio::test]
async fn an_event_source_that_has_everything_is_told_not_to_come_back() {
    let bench = Bench::standard();
    let id = bench.deployed().await;
    let last = journal(&bench, id).await.len();
    let (router, path) = (bench.socket(), format!("/api/deployments/{id}/events"));
    let resumed = |last: usize| last.to_string();
    let done = get(&router, &path, &[SSE, ("last-event-id", &resumed(last))]).await;
    assert_eq!((done.status.as_u16(), done.body.len()), (204, 0));
    let more = get(&router, &path, &[SSE, ("last-event-id", &resumed(last - 1))]).await;
    assert_eq!(more.status.as_u16(), 200);
    let strange = get(&router, &path, &[SSE, ("last-event-id", "x")]).await;
    assert_eq!((strange.status.as_u16(), strange.problem().as_str()), (400, "bad_request"));
}

#[tokio::test]
async fn a_quiet_stream_says_that_it_is_there_and_where() {
    let limits = Limits { heartbeat: Duration::from_millis(20), ..Limits::default() };
    let bench = Bench::new(Setup { limits: Some(limits), ..Setup::default() });
    let id = bench.deploy().await;
    let path = format!("/api/deployments/{id}/events?follow=true");
    let mut open = Open::start(&bench.socket(), &path, &[]).await;
    let (mut last, mut beats) = (0, 0);
    while beats < 2 {
        let envelope = open.envelope().await.unwrap();
        match envelope["kind"].as_str().unwrap() {
            "heartbeat" => {
                assert_eq!(envelope["cursor"], last);
                assert!(envelope["at"].is_string());
                beats += 1;
            }
            "event" => last = envelope["sequence"].as_u64().unwrap(),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn open_streams_are_closed_and_do_not_block_a_shutdown() {
    let bench = Bench::standard();
    let id = bench.deploy().await;
    let path = format!("/api/deployments/{id}/events?follow=true");
    let mut open = Open::start(&bench.socket(), &path, &[]).await;
    open.envelope().await.unwrap();
    bench.api.close();
    let mut last = Value::Null;
    while let Some(envelope) = open.envelope().await {
        last = envelope;
    }
    assert_eq!((&last["kind"], &last["reason"]), (&"closed".into(), &"shutting-down".into()));
}

#[tokio::test]
async fn a_number_from_the_future_is_an_error_and_no_silent_loss() {
    let bench = Bench::standard();
    let id = bench.deploy().await;
    for what in ["events", "logs"] {
        let path = format!("/api/deployments/{id}/{what}?follow=true&after=100000");
        let answer = get(&bench.socket(), &path, &[]).await;
        assert_eq!(
            (&answer.json()["kind"], &answer.json()["code"]),
            (&"error".into(), &"cursor_ahead".into())
        );
    }
}

#[tokio::test]
async fn what_was_pruned_from_a_log_is_said_and_never_hidden() {
    use deploy_store_sqlite::{Limits, LogLimits, SqliteStore};
    let place = tempfile::tempdir().unwrap();
    let logs = LogLimits { lines: 10, tail: 5, ..LogLimits::default() };
    let store = SqliteStore::open(place.path(), Limits { logs, ..Limits::default() }).unwrap();
    let bench = Bench::over(Setup { steps: 1, lines: 30, ..Setup::default() }, store.clone());
    let id = bench.deployed().await;
    let (router, path) = (bench.socket(), format!("/api/deployments/{id}/logs"));
    // Three steps with 30 lines each, and one line that says where the log was cut.
    for query in ["", "?level=error"] {
        let answer = get(&router, &format!("{path}{query}"), &[]).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let gaps: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| line["kind"] == "gap")
            .collect();
        assert_eq!(gaps, [serde_json::json!({ "kind": "gap", "from": 12, "to": 86 })], "{query}");
    }
    // Whoever comes back behind the gap is not told again.
    let mut open = Open::start(&router, &path, &[SSE, ("last-event-id", "86")]).await;
    assert_eq!(open.message().await.unwrap().0, Some(87));
    store.close().await;
}

#[tokio::test]
async fn lines_that_a_filter_leaves_out_are_no_gap() {
    let bench = Bench::new(Setup { lines: 4, ..Setup::default() });
    let id = bench.deployed().await;
    let whole = get(&bench.socket(), &format!("/api/deployments/{id}/logs"), &[]).await;
    assert!(!String::from_utf8_lossy(&whole.body).contains("\"gap\""));
    // A filter leaves lines out on purpose: that is no gap.
    let filtered =
        get(&bench.socket(), &format!("/api/deployments/{id}/logs?source=build&level=warn"), &[]).await;
    let text = String::from_utf8_lossy(&filtered.body).into_owned();
    assert!(!text.contains("\"gap\"") && text.lines().count() > 1, "{text}");
    assert!(text.lines().filter(|line| line.contains("\"log\"")).all(|line| line.contains("\"warn\"")));
}

#[tokio::test]
async fn inv_39_followers_are_bounded_and_others_still_get_through() {
    let bench =
        Bench::new(Setup { limits: Some(Limits { followers: 2, ..Limits::default() }), ..Setup::default() });
    let id = bench.deploy().await;
    let (router, path) = (bench.socket(), format!("/api/deployments/{id}/events?follow=true"));
    let first = Open::start(&router, &path, &[]).await;
    let _second = Open::start(&router, &path, &[]).await;
    let refused = ask(&router, request("GET", &path, &[], "")).await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (503, "too_many_followers"));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(get(&router, &format!("/api/deployments/{id}"), &[]).await.status.as_u16(), 200);
    drop(first);
    Open::start(&router, &path, &[]).await;
}

#[tokio::test]
async fn an_unknown_deployment_is_404_and_no_empty_stream() {
    let bench = Bench::standard();
    let id = format!("dep_{}", "0".repeat(32));
    for what in ["events", "logs"] {
        let answer = get(&bench.socket(), &format!("/api/deployments/{id}/{what}"), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not_found"));
    }
}
