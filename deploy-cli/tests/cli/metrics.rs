//! What is measured, after real runs: every family that is promised is there and has counted.

use crate::common::{Place, kill, listening, toml_build, wait_for};
use crate::http;

/// The value of a metric with these labels; `None` when it is not there.
fn value(text: &str, name: &str) -> Option<f64> {
    let mut found = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    found.next()
}

#[test]
fn what_is_promised_is_measured_after_real_runs() {
    let place = Place::new();
    let (mut serve, address) = listening(&place, &[]);
    let metrics = || http::request(address, "GET", "/metrics", "localhost", "", "").body;
    let url = place.with_v1();
    assert_eq!(http::get(&url).status, 200);
    assert_eq!(http::get_path(&url, "/nowhere").status, 404);
    place.write("bad/deploy.toml", &toml_build("exit 1"));
    place.run(&["up", "bad", "--resource", "web"]).exits(3);

    let (id, up) = place.building("sleep 3; mkdir dist; echo x > dist/index.html");
    let waits = place.start(&["up", "v1", "--resource", "web", "--wait-turn"]);
    let follower = place.start(&["events", &id, "--follow"]);
    let logs = place.start(&["logs", &id, "--follow"]);
    let now = [
        "deploy_deployments{status=\"executing\",phase=\"execute\"}",
        "deploy_deployments{status=\"queued\",phase=\"detect\"}",
        "deploy_queue_length",
        "deploy_stream_followers{kind=\"events\"}",
        "deploy_stream_followers{kind=\"logs\"}",
    ];
    let mut text = String::new();
    wait_for(&format!("{now:?} in {text}"), || {
        text = metrics();
        now.iter().all(|name| value(&text, name) == Some(1.0))
    });
    for running in [up, waits, follower, logs] {
        running.end().exits(0);
    }
    let counted = [
        ("deploy_deployments_ended_total{status=\"succeeded\"}", 3.0),
        ("deploy_deployments_ended_total{status=\"failed\"}", 1.0),
        ("deploy_phase_duration_seconds_count{phase=\"execute\"}", 4.0),
        ("deploy_phase_duration_seconds_count{phase=\"verify\"}", 3.0),
        ("deploy_queue_wait_seconds_count", 4.0),
        ("deploy_transitions_total{kind=\"Accepted\"}", 4.0),
        ("deploy_transitions_total{kind=\"Succeeded\"}", 3.0),
        ("deploy_step_failures_total{code=\"build_failed\"}", 1.0),
        ("deploy_edge_requests_total{class=\"2xx\"}", 1.0),
        ("deploy_edge_requests_total{class=\"4xx\"}", 1.0),
        ("deploy_edge_switches_total", 3.0),
        ("deploy_journal_commit_seconds_count", 20.0),
    ];
    // The edge is asked once a second what it has counted.
    wait_for(&format!("{counted:?}"), || {
        text = metrics();
        counted.iter().all(|(name, least)| value(&text, name).is_some_and(|value| value >= *least))
    });
    assert!(value(&text, "deploy_queue_wait_seconds_sum") >= Some(1.0), "one waited: {text}");
    let buckets = text.lines().filter(|line| line.starts_with("deploy_phase_duration_seconds_bucket{"));
    assert!(buckets.count() > 20, "no histogram: {text}");
    for gone in now {
        assert!(value(&text, gone).is_none_or(|value| value == 0.0), "{gone}: {text}");
    }
    kill(i32::try_from(serve.id()).unwrap(), rustix::process::Signal::TERM);
    serve.wait().unwrap();
}
