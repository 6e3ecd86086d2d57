//! Looking back and going back: list, releases, rollback.

use crate::common::{Place, serves};

/// Three releases of `web`; the third is live.
fn with_three() -> (Place, String) {
    let place = Place::new();
    let url = place.with_v1();
    for text in ["second", "third"] {
        place.write(&format!("{text}/index.html"), text);
        place.live(text);
    }
    serves(&url, "third");
    (place, url)
}

#[test]
fn rollback_brings_the_release_before_back_and_prints_the_url() {
    let (place, url) = with_three();
    let run = place.run(&["rollback", "web"]);
    assert_eq!(run.exits(0).out, format!("{url}\n"));
    run.says("live");
    serves(&url, "second");
    assert_eq!(place.newest()["trigger"]["kind"], "rollback");
    assert_eq!(place.newest()["liveNow"]["release"], "v2");

    place.run(&["rollback", "web@production", "--to", "v1"]).exits(0);
    serves(&url, "first");
    // There is none before it: one that is newer must be named.
    place.run(&["rollback", "web"]).prints_nothing().says("release_not_found").says("--to v3");
    serves(&url, "first");
}

#[test]
fn rollback_to_a_release_that_is_not_there_is_blocked_and_names_those_that_are() {
    let (place, url) = with_three();
    let run = place.run(&["rollback", "web", "--to", "v99"]);
    run.exits(4).prints_nothing().says("release_not_found").says("v99");
    let usable = ["v1", "v2"].iter().all(|version| run.err.replace("v99", "").contains(version));
    assert!(usable, "the usable releases are not named: {run:#?}");
    serves(&url, "third");
}

#[test]
fn after_a_blocked_rollback_another_one_works() {
    let (place, url) = with_three();
    place.run(&["rollback", "web", "--to", "v99"]).exits(4);
    place.run(&["rollback", "web", "--to", "v1"]).exits(0);
    serves(&url, "first");
}

#[test]
fn rollback_to_the_live_release_is_blocked() {
    let (place, url) = with_three();
    let run = place.run(&["rollback", "web", "--to", "v3"]);
    run.exits(4).prints_nothing().says("release_already_live");
    serves(&url, "third");
}

#[test]
fn rollback_with_one_release_only_is_blocked() {
    let place = Place::new();
    let url = place.with_v1();
    let run = place.run(&["rollback", "web"]);
    run.exits(4).prints_nothing().says("[release_");
    serves(&url, "first");
}

#[test]
fn rollback_of_an_unknown_resource_is_refused_with_a_typed_code() {
    let (place, _) = with_three();
    let run = place.run(&["rollback", "nobody"]);
    assert!([2, 4].contains(&run.code), "{run:#?}");
    run.prints_nothing().says("[");
    assert!(!run.err.contains("internal"), "{run:#?}");
}

#[test]
fn rollback_detached_prints_only_the_id() {
    let (place, url) = with_three();
    let run = place.run(&["rollback", "web", "--detach"]);
    let id = run.exits(0).out.trim_end();
    assert!(id.starts_with("dep_") && id.len() == 36, "{run:?}");
    place.await_status(id, "succeeded", |status| status["status"] == "succeeded");
    serves(&url, "second");
}

#[test]
fn list_and_releases_show_who_when_and_what_newest_first() {
    let (place, _) = with_three();
    place.run(&["rollback", "web"]).exits(0);

    let list = place.json(&["list", "--resource", "web"]);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 4);
    assert!(list.is_sorted_by(|a, b| a["createdAt"].as_str() >= b["createdAt"].as_str()), "newest first");
    assert!(list.iter().all(|deployment| deployment["actor"] == "tester"));
    let text = place.run(&["list"]);
    text.exits(0).prints("tester").prints("web@production").prints("rollback").prints("succeeded");
    list.iter().for_each(|deployment| {
        text.prints(deployment["id"].as_str().unwrap()).prints(deployment["createdAt"].as_str().unwrap());
    });

    let releases = place.json(&["releases", "web"]);
    let states: Vec<_> =
        releases.as_array().unwrap().iter().map(|r| (r["version"].clone(), r["state"].clone())).collect();
    let expected = [("v3", "previous"), ("v2", "live"), ("v1", "previous")];
    let live = states.iter().filter(|(_, state)| state == "live").count();
    assert_eq!(live, 1, "exactly one is live: {states:?}");
    for (version, state) in expected {
        assert!(states.contains(&(version.into(), state.into())), "{version} is not {state}: {states:?}");
    }
    let text = place.run(&["releases", "web"]);
    text.exits(0).prints("v1").prints("v2").prints("v3").prints("live").prints("previous").prints("sha256:");
    let by = releases[0]["deployment"].as_str().unwrap().to_owned();
    text.prints(&by);
}

#[test]
fn list_filters_and_pages() {
    let (place, _) = with_three();
    let all = place.json(&["list"]);
    let first = place.json(&["list", "--limit", "2"]);
    let before = first[1]["id"].as_str().unwrap().to_owned();
    let rest = place.json(&["list", "--before", &before]);
    let joined: Vec<_> = [&first, &rest].iter().flat_map(|page| page.as_array().unwrap().clone()).collect();
    assert_eq!(&joined, all.as_array().unwrap());
    assert_eq!(place.json(&["list", "--status", "failed"]), serde_json::json!([]));
    assert_eq!(place.json(&["list", "--resource", "other"]), serde_json::json!([]));
    place.run(&["list", "--limit", "0"]).refuses_usage();
    place.run(&["list", "--limit", "100000"]).refuses_usage();
}

#[test]
fn retry_makes_a_new_deployment_that_names_the_failed_one() {
    let place = Place::new();
    let url = place.with_v1();
    place.write("v2/deploy.toml", &crate::common::toml_build("test -e /tmp/never-there"));
    place.run(&["up", "v2", "--resource", "web"]).exits(3);
    let failed = place.newest()["id"].as_str().unwrap().to_owned();
    let run = place.run(&["retry", &failed]);
    assert_eq!(run.code, 3, "contract.md has `deploy retry ID`: {run:#?}");
    assert_eq!(place.newest()["trigger"]["of"], failed.as_str());
    serves(&url, "first");
}

#[test]
fn an_unknown_deployment_is_refused_with_a_typed_code() {
    let place = Place::new();
    place.with_v1();
    let id = "dep_01a1fc4480b77437b8801a4be14377bc";
    for arguments in
        [&["show", id][..], &["events", id], &["logs", id], &["pause", id], &["resume", id], &["stop", id]]
    {
        place.run(arguments).refuses(2, "not_found");
    }
    place.run(&["show", "web"]).refuses_usage();
}

#[test]
fn questions_without_a_control_plane_say_so_and_start_nothing() {
    let place = Place::new();
    for arguments in [&["list"][..], &["releases", "web"], &["show", "dep_01a1fc4480b77437b8801a4be14377bc"]]
    {
        place.run(arguments).refuses(2, "control_plane_not_running").says("deploy serve");
    }
    assert!(!place.state().exists(), "a question made the state directory");
}

#[test]
fn figures_and_filters_say_what_the_list_says() {
    let (place, _) = with_three();
    place.run(&["rollback", "web"]).exits(0);
    place.write("bad/deploy.toml", &crate::common::toml_build("echo the needle is here; exit 1"));
    let mut up = place.command(&["up", "bad", "--resource", "web"]);
    up.env("DEPLOY_ACTOR", "an other & more");
    crate::common::Running::start(up).end().exits(3);

    let stats = place.json(&["stats", "web"]);
    assert_eq!(stats["count"]["runs"], 5);
    assert_eq!(stats["count"]["succeeded"], 4);
    assert_eq!(stats["successPercent"], 80.0);
    assert_eq!(stats["duration"]["count"], 5);
    let phases: Vec<_> = stats["phases"].as_array().unwrap().iter().map(|phase| &phase["phase"]).collect();
    assert!(phases.contains(&&"verify".into()) && phases.contains(&&"execute".into()), "{stats:#}");
    assert_eq!(place.json(&["stats", "web@staging"])["count"]["runs"], 0);
    place.run(&["stats"]).exits(0).prints("5 runs: 4 succeeded, 1 failed").prints("MEDIAN").prints("WEEK OF");

    let count = |arguments: &[&str]| place.json(&[&["list"], arguments].concat()).as_array().unwrap().len();
    assert_eq!(count(&["--trigger", "rollback"]), 1);
    assert_eq!(count(&["--by", "an other & more"]), 1);
    assert_eq!(count(&["--by", "tester", "--trigger", "create"]), 3);
    assert_eq!(count(&["--since", "1h"]), 5);
    assert_eq!(count(&["--until", "1h"]), 0);
    assert_eq!(count(&["--since", "2020-01-01T00:00:00Z", "--environment", "production"]), 5);
    place.run(&["list", "--trigger", "whim"]).refuses_usage();
    place.run(&["list", "--since", "yesterday"]).refuses_usage();

    let failed = place.newest()["id"].as_str().unwrap().to_owned();
    place.run(&["logs", "--search", "NEEDLE"]).exits(0).prints(&failed).prints("the needle is here");
    place.run(&["logs", "--search", "needle", "--resource", "other"]).exits(0).prints_nothing();
    let own = place.run(&["logs", &failed, "--search", "needle is"]);
    assert_eq!(own.exits(0).out.lines().count(), 2, "the command and what it said: {own:?}");
    place.run(&["logs"]).refuses_usage();
}

#[test]
fn old_lines_are_archived_by_the_control_plane_and_are_shown_like_before() {
    let place = Place::new();
    place.write("v1/index.html", "first");
    let serve = place.start(&["serve", "--archive-logs-after", "0s", "--edge-listen", "127.0.0.1:0"]);
    crate::common::wait_for("the control plane", || place.run(&["list"]).code == 0);
    place.live("v1");
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    let before = place.run(&["logs", &id]).out;
    assert!(!before.is_empty());
    place.run(&["serve", "--stop", "--keep-edge"]).exits(0);
    drop(serve);
    // Whoever starts next finds lines that are old enough.
    let serve = place.start(&["serve", "--archive-logs-after", "0s"]);
    let archive = place.state().join("store/logs");
    crate::common::wait_for("the archive", || {
        std::fs::read_dir(&archive).is_ok_and(|mut files| files.next().is_some())
    });
    crate::common::wait_for("the control plane", || place.run(&["list"]).code == 0);
    assert_eq!(place.run(&["logs", &id]).exits(0).out, before);
    place.run(&["doctor"]).exits(0);
    place.run(&["serve", "--stop"]).exits(0);
    drop(serve);
}
