//! `deploy up`: stdout is exactly the URL, and the URL is true.

use crate::common::{Place, has_keys, serves, toml_build};
use crate::http;

#[test]
fn up_prints_exactly_the_url_and_the_url_serves_the_site() {
    let place = Place::new();
    place.write("site/index.html", "<h1>hello</h1>\n");
    place.write("site/style.css", "h1 { color: teal }\n");
    let run = place.run(&["up", "site", "--resource", "web"]);
    run.exits(0).says("live v1");
    let url = run.out.strip_suffix('\n').unwrap();
    assert!(!url.contains('\n'), "{run:?}");
    let (host, ..) = http::parts(url);
    assert!(host.starts_with("web.localhost"), "{url}");

    let answer = http::get(url);
    assert_eq!((answer.status, answer.body.as_str()), (200, "<h1>hello</h1>\n"));
    let release = answer.header("deploy-release").expect("a deploy-release field");
    let digest = place.newest()["digest"].as_str().unwrap().to_owned();
    assert!(release.contains("v1") || digest.contains(release.trim_start_matches("sha256:")), "{release}");
    assert_eq!(http::get_path(url, "/style.css").status, 200);
}

#[test]
fn the_start_in_the_background_is_said_exactly_once() {
    let place = Place::new();
    place.write("site/index.html", "one");
    let first = place.run(&["up", "site"]);
    let second = place.run(&["up", "site"]);
    first.exits(0).says("started the control plane and the edge in the background");
    second.exits(0);
    let said =
        first.err.matches("in the background").count() + second.err.matches("in the background").count();
    assert_eq!(said, 1, "{first:?} {second:?}");
}

#[test]
fn up_with_json_prints_one_status_object_with_the_keys_of_the_contract() {
    let place = Place::new();
    place.write("site/index.html", "one");
    let status = place.json(&["up", "site", "--resource", "web"]);
    let contract = [
        "id",
        "resourceId",
        "status",
        "runStatus",
        "currentPhase",
        "sourceSummary",
        "recoveryHint",
        "failure",
        "recovery",
        "liveNow",
        "trigger",
        "steps",
        "paused",
        "exitCode",
    ];
    has_keys(&status, &contract);
    has_keys(&status["sourceSummary"], &["kind", "gitRef", "baseDirectory"]);
    has_keys(&status["liveNow"], &["release", "url"]);
    assert_eq!((&status["status"], &status["runStatus"]), (&"succeeded".into(), &"completed".into()));
    assert!(status["id"].as_str().unwrap().starts_with("dep_"), "{status}");
    assert!(status["resourceId"].as_str().unwrap().starts_with("res_"), "{status}");
    let at = status["createdAt"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[19] == b'.', "{at}");
    assert!(status["steps"].as_array().unwrap().iter().all(|step| step["state"] == "completed"));
    serves(status["liveNow"]["url"].as_str().unwrap(), "one");
}

#[test]
fn deploy_output_json_is_the_same_as_the_flag() {
    let place = Place::new();
    place.write("site/index.html", "one");
    let mut command = place.command(&["up", "site"]);
    command.env("DEPLOY_OUTPUT", "json");
    let run = crate::common::Running::start(command).end();
    let status: serde_json::Value = serde_json::from_str(&run.exits(0).out).unwrap();
    assert_eq!(status["status"], "succeeded");
}

#[test]
fn up_detached_prints_only_the_id() {
    let place = Place::new();
    place.write("site/index.html", "one");
    let run = place.run(&["up", "site", "--detach"]);
    run.exits(0);
    let id = run.out.strip_suffix('\n').unwrap();
    assert!(id.starts_with("dep_") && id.len() == 36, "{run:?}");
    let status = place.await_status(id, "succeeded", |status| status["status"] == "succeeded");
    serves(status["liveNow"]["url"].as_str().unwrap(), "one");
}

#[test]
fn when_waiting_times_out_the_exit_code_is_8_and_the_run_goes_on() {
    let place = Place::new();
    place.write("site/deploy.toml", &toml_build("sleep 0.3; mkdir dist; echo built > dist/index.html"));
    let run = place.run(&["up", "site", "--wait-timeout", "1ms"]);
    run.exits(8).prints_nothing().says("the run goes on").says("deploy show dep_");
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    assert!(run.err.contains(&id), "{run:?}");
    let status = place.await_status(&id, "succeeded", |status| status["status"] == "succeeded");
    serves(status["liveNow"]["url"].as_str().unwrap(), "built");
}

#[test]
fn with_json_a_timed_out_wait_still_names_the_run_on_stdout() {
    let place = Place::new();
    place.write("site/deploy.toml", &toml_build("sleep 0.3; mkdir dist; echo built > dist/index.html"));
    let run = place.run(&["up", "site", "--wait-timeout", "100ms", "--json"]);
    run.exits(8);
    let status: serde_json::Value =
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("stdout is no JSON, {error}: {run:?}"));
    assert_eq!(status["id"], place.newest()["id"]);
}

#[test]
fn only_the_plan_with_the_given_fingerprint_runs() {
    let place = Place::new();
    place.write("site/index.html", "one");
    let plan = place.json(&["plan", "site", "--resource", "web"]);
    let seen = plan["fingerprint"].as_str().unwrap().to_owned();

    let right = place.run(&["up", "site", "--resource", "web", "--plan", &seen]);
    right.exits(0);
    let url = right.out.trim_end();
    serves(url, "one");

    let other = format!("sha256:{}", "0".repeat(64));
    let wrong = place.run(&["up", "site", "--resource", "web", "--plan", &other]);
    wrong.exits(4).prints_nothing().says("plan_changed");
    serves(url, "one");

    // Something of the plan changed: the approved one is not what would run.
    place.write("site/deploy.toml", "[access]\nhost = \"other.localhost\"\n");
    let changed = place.run(&["up", "site", "--resource", "web", "--plan", &seen]);
    changed.exits(4).prints_nothing().says("plan_changed");
    serves(url, "one");

    let nonsense = place.run(&["up", "site", "--plan", "latest"]);
    nonsense.refuses_usage();
}

#[test]
fn the_next_action_of_a_plan_works_as_it_is_printed() {
    let place = Place::new();
    place.write("site/index.html", "one");
    let plan = place.json(&["plan", "site"]);
    let next = plan["nextActions"][0]["command"].as_str().unwrap();
    let arguments: Vec<&str> = next.split(' ').skip(1).collect();
    let run = place.run(&arguments);
    assert_eq!(run.code, 0, "{next:?} does not do what `plan` promised: {run:#?}");
    serves(run.out.trim_end(), "one");
}

#[test]
fn a_dry_run_prints_the_files_and_touches_nothing() {
    let place = Place::new();
    place.write("site/index.html", "one");
    place.write("site/img/a.svg", "<svg/>");
    place.write("site/.env", "SECRET=1");
    place.write("site/deploy.toml", "resource = \"web\"\n");
    let before = crate::common::snapshot(&place.path(""));
    let run = place.run(&["up", "site", "--dry-run"]);
    run.exits(0);
    assert_eq!(crate::common::snapshot(&place.path("")), before);
    let mut files: Vec<&str> = run.out.lines().collect();
    files.sort_unstable();
    assert_eq!(files, ["img/a.svg", "index.html"], "what would be published, and nothing else");
}

#[test]
fn a_second_up_of_the_same_content_is_a_new_release_of_the_same_artifact() {
    let place = Place::new();
    let url = place.with_v1();
    let again = place.json(&["up", "v1", "--resource", "web"]);
    assert_eq!(again["release"], "v2");
    let releases = place.json(&["releases", "web"]);
    assert_eq!(releases[0]["digest"], releases[1]["digest"]);
    serves(&url, "first");
}

/// Bytes on the disk below a directory: what two names share counts once.
fn stored(directory: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let (mut open, mut seen) = (vec![directory.to_owned()], std::collections::BTreeMap::new());
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let (path, found) = {
                let entry = entry.unwrap();
                (entry.path(), entry.metadata().unwrap())
            };
            if found.is_dir() {
                open.push(path);
            } else {
                seen.insert(found.ino(), found.len());
            }
        }
    }
    seen.values().sum()
}

/// Property: what is taken as it is never changes what is served; and what is the same is neither built nor stored twice.
#[test]
fn the_same_source_and_plan_is_not_built_again_and_another_one_is() {
    let place = Place::new();
    let count = place.text("count");
    let build = format!(
        "echo run >> {count}; mkdir -p dist; cp page dist/index.html; head -c 3000000 /dev/zero > dist/large"
    );
    let pack = |name: &str, page: &str, more: &str| {
        place.write("src/page", page);
        place.write("src/deploy.toml", &(toml_build(&build) + more));
        let packed = std::process::Command::new("tar")
            .arg("-czf")
            .arg(place.path(name))
            .arg("-C")
            .arg(place.path("src"))
            .arg(".")
            .status();
        assert!(packed.unwrap().success());
    };
    let runs = || std::fs::read_to_string(place.path("count")).unwrap_or_default().lines().count();
    let up = |name: &str, more: &[&str]| {
        // What is built, and how, is said by the file in the archive's place.
        let config = place.text("src/deploy.toml");
        let run = place.run(&[&["up", name, "--resource", "web", "--config", &config], more].concat());
        run.exits(0).out.trim_end().to_owned()
    };
    pack("one.tar.gz", "first page", "");
    serves(&up("one.tar.gz", &[]), "first page");
    assert_eq!(runs(), 1);
    let before = stored(&place.state().join("releases"));

    let config = place.text("src/deploy.toml");
    let plan = place.json(&["plan", "one.tar.gz", "--resource", "web", "--config", &config]);
    assert_eq!(plan["reuses"][0]["step"], "publish", "{:#}", plan["reuses"]);
    place
        .run(&["plan", "one.tar.gz", "--resource", "web", "--config", &config])
        .exits(0)
        .prints("What is there already");
    serves(&up("one.tar.gz", &[]), "first page");
    assert_eq!(runs(), 1, "the same source and plan was built again");
    assert_eq!(stored(&place.state().join("releases")), before, "bytes were written again");
    assert_eq!(place.newest()["release"], "v2");

    // Another source, another variable, another wish: it is built, and what is served is what was built.
    pack("two.tar.gz", "second page", "");
    serves(&up("two.tar.gz", &[]), "second page");
    pack("two.tar.gz", "second page", "[env]\nLEVEL = \"info\"\n");
    serves(&up("two.tar.gz", &[]), "second page");
    serves(&up("two.tar.gz", &["--rebuild"]), "second page");
    assert_eq!(runs(), 4);
    // The same archive with what is configured for it now; then what was built from that.
    place.write("src/deploy.toml", &toml_build(&build));
    for _ in 0..2 {
        serves(&up("two.tar.gz", &[]), "second page");
        assert_eq!(runs(), 5);
    }
    // What is damaged is not taken.
    for release in std::fs::read_dir(place.state().join("releases")).unwrap() {
        let large = release.unwrap().path().join("files/large");
        if large.exists() {
            std::fs::remove_file(large).unwrap();
        }
    }
    serves(&up("two.tar.gz", &[]), "second page");
    assert_eq!(runs(), 6);
}
