//! `events` and `logs` (contract.md "Stream envelopes"): every record once, in order, and an end that
//! says that it is one.

use serde_json::Value;

use crate::common::{Place, has_keys, toml_build};

const KINDS: [&str; 6] = ["event", "log", "heartbeat", "gap", "closed", "error"];

#[track_caller]
fn closed(lines: &[Value], reason: &str) {
    let last = lines.last().expect("at least one line");
    assert_eq!((&last["kind"], &last["reason"]), (&"closed".into(), &reason.into()), "{last}");
    assert_eq!(lines.iter().filter(|line| line["kind"] == "closed").count(), 1);
    assert!(
        lines.iter().all(|line| KINDS.contains(&line["kind"].as_str().unwrap_or_default())),
        "{lines:#?}"
    );
}

fn sequences(lines: &[Value], kind: &str) -> Vec<u64> {
    lines.iter().filter(|line| line["kind"] == kind).map(|line| line["sequence"].as_u64().unwrap()).collect()
}

#[test]
fn invariant_41_a_follower_gets_every_event_once_in_order_and_then_the_end() {
    let place = Place::new();
    let (id, up) = place.building("sleep 0.5; mkdir dist; echo x > dist/index.html");
    let followed = place.run(&["events", &id, "--follow", "--json"]);
    let lines = followed.exits(0).lines();
    closed(&lines, "ended");
    let numbers = sequences(&lines, "event");
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    for line in lines.iter().filter(|line| line["kind"] == "event") {
        has_keys(line, &["sequence", "at", "type", "phase"]);
    }
    assert_eq!(lines[numbers.len() - 1]["type"], "succeeded");
    up.end().exits(0);

    // The command that began it has gone; the story is the same, from any point.
    let whole = place.run(&["events", &id, "--json"]);
    let whole = whole.exits(0).lines();
    assert_eq!(whole, lines.into_iter().filter(|line| line["kind"] != "heartbeat").collect::<Vec<_>>());
    for after in 0..=numbers.len() {
        let rest = place.run(&["events", &id, "--json", "--after", &after.to_string(), "--follow"]);
        let rest = rest.exits(0).lines();
        assert_eq!(rest, whole[after..], "after {after}");
    }
}

#[test]
fn events_after_the_last_one_are_none_and_closed() {
    let place = Place::new();
    place.with_v1();
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    for after in ["1000", "18446744073709551615"] {
        let run = place.run(&["events", &id, "--after", after, "--json"]);
        let lines = run.exits(0).lines();
        closed(&lines, "ended");
        assert_eq!(lines.len(), 1);
    }
    place.run(&["events", &id, "--after", "-1"]).refuses_usage();
}

#[test]
fn without_follow_the_events_of_a_running_deployment_end_as_caught_up() {
    let place = Place::new();
    let (id, up) = place.building("sleep 1; mkdir dist; echo x > dist/index.html");
    let run = place.run(&["events", &id, "--json"]);
    closed(&run.exits(0).lines(), "caught-up");
    up.end().exits(0);
}

#[test]
fn invariant_41_followed_logs_have_every_line_once_in_order_and_then_the_end() {
    let place = Place::new();
    let build = "for i in $(seq 1 2000); do echo line $i; done; sleep 0.3; echo last; mkdir dist; echo x > dist/index.html";
    let (id, up) = place.building(build);
    let run = place.run(&["logs", &id, "--follow", "--json"]);
    let lines = run.exits(0).lines();
    up.end().exits(0);
    closed(&lines, "ended");
    let numbers = sequences(&lines, "log");
    assert!(numbers.is_sorted_by(|a, b| a < b), "a line twice, or out of order");
    let built: Vec<&str> = lines
        .iter()
        .filter(|line| line["source"] == "build")
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (1..=2000).map(|i| format!("line {i}")).chain(["last".to_owned()]).collect();
    assert_eq!(built, expected);

    let middle = numbers[numbers.len() / 2];
    let rest = place.run(&["logs", &id, "--json", "--after", &middle.to_string(), "--follow"]);
    let rest = rest.exits(0).lines();
    let tail: Vec<u64> = numbers.into_iter().filter(|number| *number > middle).collect();
    assert_eq!(sequences(&rest, "log"), tail);
    closed(&rest, "ended");
    let text = place.run(&["logs", &id]);
    assert_eq!(text.exits(0).out.lines().filter(|line| line.contains("  line ")).count(), 2000);
}

#[test]
fn logs_are_filtered_by_step_source_and_level() {
    let place = Place::new();
    place.write("site/deploy.toml", &toml_build("echo from the build; mkdir dist; echo x > dist/index.html"));
    place.run(&["up", "site"]).exits(0);
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    let messages = |arguments: &[&str]| {
        let mut all = vec!["logs", &id, "--json"];
        all.extend(arguments);
        let run = place.run(&all);
        run.exits(0).lines().into_iter().filter(|line| line["kind"] == "log").collect::<Vec<_>>()
    };
    let all = messages(&[]);
    let build = messages(&["--source", "build"]);
    assert_eq!(build.len(), 1, "{build:#?}");
    let step = build[0]["step"].as_str().unwrap().to_owned();
    assert!(messages(&["--step", &step]).iter().all(|line| line["step"] == step.as_str()));
    assert!(messages(&["--step", "no-such-step"]).is_empty());
    assert!(messages(&["--level", "error"]).is_empty(), "{all:#?}");
    assert!(messages(&["--source", "system"]).iter().all(|line| line["source"] == "system"));
    place.run(&["logs", &id, "--source", "other"]).refuses_usage();
    place.run(&["logs", &id, "--level", "loud"]).refuses_usage();
}

#[test]
fn a_follower_whose_reader_goes_away_ends_quietly() {
    let place = Place::new();
    let (id, up) = place.building(
        "for i in $(seq 1 50); do echo line $i; sleep 0.05; done; mkdir dist; echo x > dist/index.html",
    );
    let mut follower = place.start(&["logs", &id, "--follow"]);
    let _ = follower.child.kill();
    follower.end();
    up.end().exits(0);
}
