//! A second deployment that fails (invariants 7 and 8, threat F29): production stays as it is, and the
//! failure says what, why, what is live, and what to do. Later questions get the same answer.

use serde_json::Value;

use crate::common::{Place, Run, serves, toml_build};

/// Fails a second deployment of `web` and checks everything a failure owes.
fn fails(toml: &str, exit: i32, phase: &str, code: &str) -> (Place, Run, Value) {
    let place = Place::new();
    let url = place.with_v1();
    place.write("v2/index.html", "<h1>second</h1>\n");
    place.write("v2/deploy.toml", toml);
    let run = place.run(&["up", "v2", "--resource", "web"]);
    run.exits(exit).prints_nothing();
    run.says(&format!("[{code}]")).says("live    v1").says(&url).says("  next    ");
    serves(&url, "first");

    let status = place.newest();
    let id = status["id"].as_str().unwrap();
    assert_eq!(status["exitCode"], exit, "{status:#}");
    assert_eq!(status["liveNow"]["release"], "v1");
    assert_eq!(status["liveNow"]["url"], url.as_str());
    assert_eq!(status["currentPhase"], phase, "{status:#}");
    assert!(!status["recovery"]["hint"].as_str().unwrap().is_empty());
    assert!(!status["recovery"]["next"].as_array().unwrap().is_empty());
    assert_eq!(status["recoveryHint"], status["recovery"]["hint"]);
    assert_eq!(place.show(id), status, "show and list agree");

    // The block at the end of `up` stands in `show` too, line by line.
    let shown = place.run(&["show", id]);
    shown.exits(0).prints(&format!("phase {phase}"));
    let block = run.err.lines().filter(|line| {
        ["  cause ", "  live ", "  hint ", "  next "].iter().any(|word| line.starts_with(word))
    });
    block.for_each(|line| {
        shown.prints(line);
    });
    (place, run, status)
}

fn failure(status: &Value, phase: &str, code: &str) -> Value {
    assert_eq!(status["status"], "failed", "{status:#}");
    assert_eq!(status["runStatus"], "failed");
    let failure = &status["failure"];
    assert_eq!((&failure["phase"], &failure["code"]), (&phase.into(), &code.into()), "{failure:#}");
    crate::common::has_keys(failure, &["phase", "code", "message", "retryable", "evidence"]);
    assert!(!failure["message"].as_str().unwrap().is_empty());
    failure.clone()
}

#[test]
fn a_build_that_fails_leaves_the_first_release_serving_and_exits_3() {
    let build = "echo compiling; echo 'cannot find module x' >&2; exit 1";
    let (place, run, status) = fails(&toml_build(build), 3, "execute", "build_failed");
    let failure = failure(&status, "execute", "build_failed");
    run.says("phase   execute").says("| cannot find module x").says("exit code 1");
    let tail = failure["tail"].as_array().unwrap();
    assert!(tail.contains(&"cannot find module x".into()), "{failure:#}");

    let id = status["id"].as_str().unwrap();
    let logs = place.run(&["logs", id]);
    logs.exits(0).prints("compiling").prints("cannot find module x");
    let build_only = place.run(&["logs", id, "--source", "build", "--json"]);
    let lines = build_only.exits(0).lines();
    let lines: Vec<_> = lines.iter().filter(|line| line["kind"] == "log").collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for line in lines {
        crate::common::has_keys(line, &["sequence", "at", "source", "level", "step", "message"]);
        assert_eq!(line["source"], "build");
    }
}

#[test]
fn a_missing_publish_directory_is_blocked_leaves_the_first_release_serving_and_exits_4() {
    let toml = "[runtime]\npublish_directory = \"nope\"\n";
    let (_place, run, status) = fails(toml, 4, "detect", "publish_directory_missing");
    assert_eq!(status["status"], "blocked");
    assert_eq!(status["blockedReasons"][0]["code"], "publish_directory_missing");
    run.says("nope").says("fix: ");
}

#[test]
fn after_a_blocked_deployment_the_mended_source_can_be_deployed() {
    let toml = "[runtime]\npublish_directory = \"nope\"\n";
    let (place, ..) = fails(toml, 4, "detect", "publish_directory_missing");
    place.write("v2/deploy.toml", "");
    let mended = place.run(&["up", "v2", "--resource", "web"]);
    serves(mended.exits(0).out.trim_end(), "second");
}

#[test]
fn a_blocked_deployment_goes_on_with_recheck_when_its_source_is_mended() {
    let toml = "[runtime]\npublish_directory = \"nope\"\n";
    let (place, _, status) = fails(toml, 4, "detect", "publish_directory_missing");
    place.write("v2/nope/index.html", "mended");
    let id = status["id"].as_str().unwrap();
    place.run(&["recheck", id]).exits(0);
    let status = place.await_status(id, "succeeded", |status| status["status"] == "succeeded");
    serves(status["liveNow"]["url"].as_str().unwrap(), "mended");
}

#[test]
fn a_build_that_does_not_make_the_publish_directory_exits_3() {
    let (_place, _, status) = fails(&toml_build("true"), 3, "execute", "publish_directory_missing");
    failure(&status, "execute", "publish_directory_missing");
}

#[test]
fn threat_f29_a_page_without_the_expected_text_is_unhealthy_and_exits_1() {
    let toml = "[health]\nexpected_body = \"quite another text\"\ndeadline = \"1s\"\n";
    let (_place, run, status) = fails(toml, 1, "verify", "unhealthy");
    let failure = failure(&status, "verify", "unhealthy");
    run.says("phase   verify");
    assert!(!failure["evidence"].as_array().unwrap().is_empty(), "what was answered instead: {failure:#}");
}

#[test]
fn threat_f29_a_health_path_that_does_not_exist_is_unhealthy_and_exits_1() {
    let toml = "[health]\npath = \"/healthz\"\ndeadline = \"1s\"\n";
    let (_place, _, status) = fails(toml, 1, "verify", "unhealthy");
    assert!(failure(&status, "verify", "unhealthy").to_string().contains("404"));
}

#[test]
fn a_first_deployment_that_fails_says_that_nothing_is_live() {
    let place = Place::new();
    place.write("site/deploy.toml", &toml_build("exit 7"));
    let run = place.run(&["up", "site"]);
    run.exits(3).prints_nothing().says("exit code 7").says("live    nothing");
    assert_eq!(place.newest()["liveNow"], Value::Null);
}

#[test]
fn every_failure_names_a_command_to_give_next() {
    let blocked = "[runtime]\npublish_directory = \"nope\"\n".to_owned();
    let unhealthy = "[health]\nexpected_body = \"other\"\ndeadline = \"500ms\"\n".to_owned();
    let cases = [
        (toml_build("exit 1"), 3, "execute", "build_failed"),
        (blocked, 4, "detect", "publish_directory_missing"),
        (unhealthy, 1, "verify", "unhealthy"),
    ];
    let mut without = Vec::new();
    for (toml, exit, phase, code) in cases {
        let (_place, _, status) = fails(&toml, exit, phase, code);
        let next = status["recovery"]["next"].as_array().unwrap().clone();
        if !next.iter().any(|remedy| remedy["command"].is_string()) {
            without.push((code, next));
        }
    }
    assert!(without.is_empty(), "no command to give next: {without:#?}");
}

#[test]
fn the_phases_of_a_blocked_deployment_go_forward() {
    let toml = "[runtime]\npublish_directory = \"nope\"\n";
    let (_place, _, status) = fails(toml, 4, "detect", "publish_directory_missing");
    let phases: Vec<_> = status["phases"].as_array().unwrap().iter().map(|p| p["phase"].clone()).collect();
    assert_eq!(phases, ["detect", "plan"], "a phase that ended began again");
}

#[test]
fn every_next_command_of_a_failure_is_a_command_that_exists() {
    let (place, _, status) = fails(&toml_build("exit 1"), 3, "execute", "build_failed");
    for remedy in status["recovery"]["next"].as_array().unwrap() {
        let Some(command) = remedy["command"].as_str() else { continue };
        let mut words = command.split(' ');
        assert_eq!(words.next(), Some("deploy"), "{command}");
        let help = place.run(&[words.next().unwrap(), "--help"]);
        assert_eq!(help.code, 0, "{command:?} is proposed, but there is no such command");
    }
}

#[test]
fn the_command_to_deploy_again_deploys_the_same_source() {
    let (place, _, status) = fails(&toml_build("exit 1"), 3, "execute", "build_failed");
    place.write("v2/deploy.toml", "");
    let commands =
        status["recovery"]["next"].as_array().unwrap().iter().filter_map(|next| next["command"].as_str());
    let again = commands.into_iter().find(|command| command.starts_with("deploy up"));
    let again = again.unwrap_or_else(|| panic!("no command to deploy again: {status:#}"));
    let run = place.run(&again.split(' ').skip(1).collect::<Vec<_>>());
    assert_eq!(run.code, 0, "{again:?} does not deploy what failed: {run:#?}");
    serves(run.out.trim_end(), "second");
}
