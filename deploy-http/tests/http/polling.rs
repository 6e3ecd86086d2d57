//! Status that can be polled: tags, 304, long polls, lists, comparisons, refusals.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixture::{Bench, LONG, get, post};

#[tokio::test]
async fn the_documented_fields_are_there_and_the_tag_is_the_sequence() {
    let bench = Bench::standard();
    let id = bench.deployed().await;
    let path = format!("/api/deployments/{id}");
    let answer = get(&bench.socket(), &path, &[]).await;
    let status = answer.json();
    for key in ["id", "resourceId", "status", "currentPhase", "sourceSummary", "recoveryHint"] {
        assert!(status.get(key).is_some(), "{key}");
    }
    for key in ["kind", "gitRef", "baseDirectory"] {
        assert!(status["sourceSummary"].get(key).is_some(), "{key}");
    }
    assert_eq!(answer.header("etag"), format!("\"{}\"", status["sequence"]));
    assert_eq!(answer.header("cache-control"), "no-cache");
    let tag = answer.header("etag").to_owned();
    for (known, expected) in
        [(tag.as_str(), 304), ("W/\"1\"", 200), ("*", 304), ("\"0\"", 200), ("junk", 200)]
    {
        let again = get(&bench.socket(), &path, &[("if-none-match", known)]).await;
        assert_eq!(again.status.as_u16(), expected, "{known}");
        assert_eq!(again.body.is_empty(), expected == 304);
        assert_eq!(again.header("etag"), tag);
    }
}

#[tokio::test]
async fn inv_12_a_poll_and_the_journal_show_the_same_state_at_the_same_number() {
    let bench = Bench::standard();
    let id = bench.deploy().await;
    let (router, path) = (bench.socket(), format!("/api/deployments/{id}"));
    let mut tag = String::new();
    for _ in 0..200 {
        bench.let_through(1);
        let answer = get(&router, &format!("{path}?wait=5s"), &[("if-none-match", &tag)]).await;
        assert_eq!(answer.status.as_u16(), 200);
        tag = answer.header("etag").to_owned();
        let shown = answer.json();
        let stored = bench.store.status(id).await.unwrap();
        // The journal may be ahead by now, never behind.
        assert!(stored.sequence.0 >= shown["sequence"].as_u64().unwrap());
        if stored.sequence.0 == shown["sequence"].as_u64().unwrap() {
            assert_eq!(serde_json::to_value(&stored).unwrap(), shown);
        }
        if stored.status.is_ended() && shown["status"] == "succeeded" {
            return;
        }
    }
    panic!("it does not end");
}

#[tokio::test]
async fn a_long_poll_answers_at_once_when_something_changes_and_says_304_when_nothing_does() {
    let bench = Bench::standard();
    let id = bench.deploy().await;
    let (router, path) = (bench.socket(), format!("/api/deployments/{id}"));
    // Until the first step waits at its gate, things change by themselves.
    let mut tag = get(&router, &path, &[]).await.header("etag").to_owned();
    loop {
        let answer = get(&router, &format!("{path}?wait=300ms"), &[("if-none-match", &tag)]).await;
        if answer.status.as_u16() == 304 {
            break;
        }
        tag = answer.header("etag").to_owned();
    }
    let began = Instant::now();
    let (long, known) = (format!("{path}?wait=30s"), [("if-none-match", tag.as_str())]);
    let waits = get(&router, &long, &known);
    let opens = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        bench.let_through(1);
    };
    let (answer, ()) = tokio::join!(waits, opens);
    assert_eq!(answer.status.as_u16(), 200);
    assert!(began.elapsed() < Duration::from_secs(20));
    // One that is over has nothing to wait for.
    bench.let_through(100);
    bench.api.engine().rested(id).await.unwrap();
    let last = get(&router, &path, &[]).await.header("etag").to_owned();
    let answer = get(&router, &format!("{path}?wait=60s"), &[("if-none-match", &last)]).await;
    assert_eq!(answer.status.as_u16(), 304);
    assert!(began.elapsed() < LONG);
}

#[tokio::test]
async fn a_long_poll_does_not_hold_up_a_shutdown() {
    let bench = Bench::standard();
    let id = bench.deploy().await;
    let router = bench.socket();
    let path = format!("/api/deployments/{id}?wait=60s&after=100000");
    let waits = get(&router, &path, &[]);
    let closes = async { bench.api.close() };
    let (answer, ()) = tokio::join!(waits, closes);
    assert_eq!(answer.status.as_u16(), 200);
    let ready = get(&router, "/health/ready", &[]).await;
    assert_eq!((ready.status.as_u16(), ready.problem().as_str()), (503, "shutting_down"));
    assert_eq!(get(&router, "/health", &[]).await.status.as_u16(), 200);
}

#[tokio::test]
async fn lists_are_paged_by_link_without_gap_or_double() {
    let bench = Bench::standard();
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(bench.deployed().await.to_string());
    }
    ids.reverse();
    let router = bench.socket();
    let (mut found, mut next) =
        (Vec::new(), Some("/api/deployments?limit=3&resource=web&status=succeeded".to_owned()));
    while let Some(path) = next {
        let answer = get(&router, &path, &[]).await;
        assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
        found.extend(
            answer.json().as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        let link = answer.header("link").to_owned();
        next = link.strip_suffix(">; rel=\"next\"").map(|link| link[1..].to_owned());
    }
    assert_eq!(found, ids);
    for wrong in ["limit=0", "limit=201", "limit=x", "status=strange", "cursor=x", "resource=A", "unknown=1"]
    {
        let answer = get(&router, &format!("/api/deployments?{wrong}"), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "bad_request"), "{wrong}");
    }
}

#[tokio::test]
async fn a_command_that_is_not_legal_is_409_with_the_state() {
    let bench = Bench::standard();
    let id = bench.deployed().await;
    for verb in ["pause", "resume", "stop", "recheck"] {
        let answer = post(&bench.socket(), &format!("/api/deployments/{id}/{verb}"), "").await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (409, "already_ended"), "{verb}");
        assert_eq!(answer.json()["state"], "succeeded");
    }
}

#[tokio::test]
async fn a_submission_is_202_with_a_location_and_the_same_key_is_the_same_deployment() {
    let bench = Bench::standard();
    let router = bench.socket();
    let body = json!({ "plan": { "resource": "web", "target": "gated", "source": bench.spec().source } });
    let submit = |body: String| {
        let fields = [("idempotency-key", "k1"), ("content-type", "application/json")];
        let request = crate::fixture::request("POST", "/api/deployments", &fields, &body);
        let router = router.clone();
        async move { crate::fixture::ask(&router, request).await }
    };
    let (first, second) = (submit(body.to_string()).await, submit(body.to_string()).await);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (202, 202));
    assert_eq!(first.header("location"), second.header("location"));
    assert_eq!((&first.json()["known"], &second.json()["known"]), (&json!(false), &json!(true)));
    let other = json!({ "plan": { "resource": "other", "target": "gated", "source": bench.spec().source } });
    assert_eq!(submit(other.to_string()).await.problem(), "idempotency_key_reused");
    let busy = post(&router, "/api/deployments", &body.to_string()).await;
    assert_eq!((busy.status.as_u16(), busy.problem().as_str()), (409, "resource_busy"));
    assert!(!busy.header("retry-after").is_empty());
}

#[tokio::test]
async fn two_deployments_side_by_side_show_what_differs_and_only_that() {
    let bench = Bench::standard();
    let (first, same) = (bench.deployed().await, bench.deployed().await);
    let router = bench.socket();
    let compared = get(&router, &format!("/api/deployments/{first}/compare/{same}"), &[]).await.json();
    assert_eq!(compared["changes"], json!([]), "{compared:#}");
    assert_eq!((&compared["before"]["id"], &compared["after"]["id"]), (&json!(first), &json!(same)));
    let changed = json!({ "plan": {
        "resource": "web", "target": "gated", "source": bench.spec().source,
        "profile": { "env": { "COLOUR": "blue" }, "health": { "path": "/up" } },
    } });
    let other = post(&router, "/api/deployments", &changed.to_string()).await;
    let other = other.json()["id"].as_str().unwrap().to_owned();
    bench.api.engine().rested(other.parse().unwrap()).await.unwrap();
    let compared = get(&router, &format!("/api/deployments/{first}/compare/{other}"), &[]).await.json();
    let fields: Vec<&str> = compared["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["field"].as_str().unwrap())
        .collect();
    assert!(fields.contains(&"profile.env.COLOUR"), "{fields:?}");
    assert!(fields.iter().all(|field| !field.starts_with("source")), "{fields:?}");
    let unknown = format!("/api/deployments/{first}/compare/dep_{}", "0".repeat(32));
    assert_eq!(get(&router, &unknown, &[]).await.problem(), "not_found");
}
