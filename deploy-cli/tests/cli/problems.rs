//! Why a command ended without its result, as JSON where JSON was asked for.

use serde_json::Value;

use crate::common::{Place, Run, Running, has_keys};

/// The one line on stdout; stderr still says it for people.
#[track_caller]
fn problem(run: &Run, exit: i32, code: &str) -> Value {
    run.exits(exit).says("error: ");
    assert_eq!(run.out.lines().count(), 1, "{run:#?}");
    let problem: Value = serde_json::from_str(&run.out).unwrap();
    has_keys(&problem, &["kind", "code", "title", "phase", "retryable", "hint", "next", "exitCode"]);
    assert_eq!((&problem["kind"], &problem["code"]), (&"error".into(), &code.into()), "{problem:#}");
    assert_eq!(problem["exitCode"], exit);
    assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["hint"].as_str().unwrap().is_empty());
    problem
}

#[test]
fn a_command_that_fails_before_it_has_a_result_says_why_in_json_with_the_same_exit_code() {
    let place = Place::new();
    let unknown = "dep_01890a5d96e07b3c9b7c0a1b2c3d4e5f";
    let without = place.run(&["show", unknown, "--json"]);
    problem(&without, 2, "control_plane_not_running");
    place.run(&["show", unknown]).exits(2).prints_nothing();

    let url = place.with_v1();
    for words in [["show", unknown].as_slice(), &["events", unknown, "--follow"], &["logs", unknown]] {
        let run = place.run(&[words, &["--json"]].concat());
        assert_eq!(problem(&run, 2, "not_found")["retryable"], false);
    }
    let (id, up) = place.building("sleep 2; mkdir dist; echo x > dist/index.html");
    let busy = place.run(&["up", "v1", "--resource", "web", "--json"]);
    let busy = problem(&busy, 9, "resource_busy");
    assert!(busy["retryable"] == true && busy["title"].as_str().unwrap().contains(&id), "{busy:#}");
    up.end().exits(0);
    crate::common::serves(&url, "x");
    let ended = place.run(&["stop", &id, "--json"]);
    assert_eq!(problem(&ended, 9, "already_ended")["retryable"], false);
}

#[test]
fn what_can_not_be_read_is_said_in_json_too() {
    let place = Place::new();
    for words in [["up", "--nonsense", "--json"].as_slice(), &["--json", "nothing"], &["show", "--json", "x"]]
    {
        problem(&place.run(words), 2, "usage");
    }
    let mut command = place.command(&["list"]);
    command.env("DEPLOY_OUTPUT", "json");
    problem(&Running::start(command).end(), 2, "control_plane_not_running");
    place.run(&["up", "--nonsense"]).refuses_usage();
    let help = place.run(&["--help", "--json"]);
    help.exits(0).prints("Usage");
}
