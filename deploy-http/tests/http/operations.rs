//! Health, metrics, the description of the API.

use deploy_http::authorisation;

use crate::fixture::{Bench, Open, get};

#[tokio::test]
async fn health_says_ok_and_when() {
    let bench = Bench::standard();
    let health = get(&bench.loopback(), "/health", &[]).await;
    assert_eq!((health.status.as_u16(), &health.json()["status"]), (200, &"ok".into()));
    assert!(health.json()["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(get(&bench.loopback(), "/health/ready", &[]).await.json()["status"], "ready");
    assert_eq!(health.header("x-content-type-options"), "nosniff");
}

/// The value of a metric with these labels.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
}

#[tokio::test]
async fn metrics_say_what_happened() {
    let bench = Bench::standard();
    let waits = bench.deploy().await;
    let path = format!("/api/deployments/{waits}/events?follow=true");
    let mut open = Open::start(&bench.socket(), &path, &[]).await;
    let mut running = String::new();
    while !running.contains("step-started") {
        running = open.line().await.unwrap();
    }
    let metrics = get(&bench.loopback(), "/metrics", &[]).await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert_eq!(value(&text, "deploy_deployments{status=\"executing\",phase=\"execute\"}"), 1.0);
    assert_eq!(value(&text, "deploy_stream_followers{kind=\"events\"}"), 1.0);
    assert_eq!(value(&text, "deploy_transitions_total{kind=\"Accepted\"}"), 1.0);
    assert!(value(&text, "deploy_journal_commit_seconds_count") > 3.0);
    assert_eq!(value(&text, "deploy_queue_wait_seconds_count"), 1.0);
    drop(open);

    bench.let_through(100);
    bench.api.engine().rested(waits).await.unwrap();
    let metrics = get(&bench.loopback(), "/metrics", &[]).await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert_eq!(value(&text, "deploy_deployments{status=\"executing\",phase=\"execute\"}"), 0.0);
    assert_eq!(value(&text, "deploy_deployments_ended_total{status=\"succeeded\"}"), 1.0);
    assert_eq!(value(&text, "deploy_phase_duration_seconds_count{phase=\"execute\"}"), 1.0);
    assert_eq!(value(&text, "deploy_stream_followers{kind=\"events\"}"), 0.0);
    assert!(!text.contains("dep_"), "a label names a deployment");
}

#[tokio::test]
async fn the_description_has_every_route_and_nothing_else() {
    let bench = Bench::standard();
    let document = get(&bench.loopback(), "/openapi.json", &[]).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let described: usize =
        document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    // The page is for people: it is in the table, not in the description.
    let api = |path: &str| {
        path.starts_with("/api/")
            || path.starts_with("/health")
            || ["/metrics", "/openapi.json"].contains(&path)
    };
    let routes: Vec<_> = authorisation().into_iter().filter(|(_, path, _)| api(path)).collect();
    assert_eq!(described, routes.len());
    for (method, path, needs) in routes {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        assert_eq!(operation["x-scope"], serde_json::to_value(needs).unwrap(), "{method} {path}");
    }
}
