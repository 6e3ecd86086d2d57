//! The docker target from the command line: without an engine, offline, and from nothing to a URL and back.

use std::process::Command;

use crate::common::{Place, Run, Running, cannot, serves, tool, wait_for};

const DOCKERFILE: &str = "FROM busybox:stable\nCOPY www /www\nUSER 1000\n\
                          CMD [\"httpd\",\"-f\",\"-p\",\"8080\",\"-h\",\"/www\"]\n";
const TOML: &str = "target = \"docker\"\nresource = \"web\"\n[network]\ninternal_port = 8080\n";

fn app(place: &Place, directory: &str, text: &str) {
    place.write(&format!("{directory}/Dockerfile"), DOCKERFILE);
    place.write(&format!("{directory}/deploy.toml"), TOML);
    place.write(&format!("{directory}/www/index.html"), text);
}

fn run(place: &Place, host: &str, arguments: &[&str]) -> Run {
    let mut command = place.command(arguments);
    command.env("DOCKER_HOST", host);
    Running::start(command).end()
}

#[test]
fn without_an_engine_it_is_said_what_to_do_and_nothing_begins() {
    let place = Place::new();
    app(&place, "app", "one");
    let host = "unix:///nowhere/docker.sock";
    run(&place, host, &["up", "app"])
        .refuses(2, "engine_unavailable")
        .says(host)
        .says("install Docker and start it");
    assert!(!place.state().join("serve.lock").exists(), "no control plane was started for it");
    let planned = run(&place, host, &["plan", "app"]);
    planned
        .exits(0)
        .prints("build the image from Dockerfile")
        .prints("start it beside the live release on port 8080");
}

#[test]
fn a_dry_run_shows_the_dockerfile_that_would_be_generated() {
    let place = Place::new();
    place.write("app/server.js", "");
    place.write("app/package.json", r#"{"name":"app","scripts":{"start":"node server.js"}}"#);
    place.write("app/deploy.toml", TOML);
    let shown = run(&place, "unix:///nowhere/docker.sock", &["up", "app", "--dry-run"]);
    shown.exits(0).prints("FROM node:").prints("USER 10001:10001").prints("EXPOSE 8080");
    assert!(shown.err.contains("never sent to the build") && shown.err.contains("**/.env"), "{}", shown.err);
}

/// An engine with the base image; `None`, loudly, where there is none.
fn engine() -> Option<String> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    if !tool(&["docker", "--host", &host, "version"]) {
        cannot("docker", &format!("no engine answers at {host}"));
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/images/build.sh");
    let made = Command::new(script).arg("busybox").env("DOCKER_HOST", &host).output().unwrap();
    if !made.status.success() {
        cannot(
            "docker",
            &format!("the base images could not be made: {}", String::from_utf8_lossy(&made.stderr)),
        );
        return None;
    }
    Some(host)
}

/// Removes what a place made on the engine.
struct Sweep<'a>(&'a Place, &'a str);

impl Drop for Sweep<'_> {
    fn drop(&mut self) {
        let Ok(owner) = std::fs::read_to_string(self.0.state().join("installation")) else { return };
        let docker = |words: &[&str]| {
            let mut command = Command::new("docker");
            let output = command.args(["--host", self.1]).args(words).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        let label = format!("label=deploy.owner={owner}");
        for id in docker(&["ps", "--all", "--quiet", "--filter", &label]).split_whitespace() {
            docker(&["rm", "--force", id]);
        }
        let reference = format!("reference=deploy.local/{owner}/*/*");
        let images = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &reference]);
        for image in images.split_whitespace() {
            docker(&["rmi", image]);
        }
        for network in docker(&["network", "ls", "--quiet", "--filter", &label]).split_whitespace() {
            docker(&["network", "rm", network]);
        }
    }
}

#[test]
fn from_nothing_to_a_url_on_to_a_second_release_and_back() {
    let Some(host) = engine() else { return };
    let place = Place::new();
    let _sweep = Sweep(&place, &host);
    app(&place, "app", "one");
    let first = run(&place, &host, &["up", "app"]);
    first.exits(0);
    let url = first.out.trim_end().to_owned();
    serves(&url, "one");

    app(&place, "app", "two");
    run(&place, &host, &["up", "app"]).exits(0);
    serves(&url, "two");

    place.write("app/Dockerfile", "FROM busybox:stable\nCMD [\"sh\",\"-c\",\"echo no database; exit 3\"]\n");
    let failed = run(&place, &host, &["up", "app"]);
    failed.exits(1).prints_nothing().says("[release_exited]").says("no database");
    serves(&url, "two");

    run(&place, &host, &["rollback", "web"]).exits(0);
    serves(&url, "one");
    let releases = run(&place, &host, &["releases", "web"]);
    releases.exits(0).prints("v1").prints("v2");
}

/// What the issue of the history asks for: that another value was given is said, and no value is.
#[test]
fn inv_36_a_secret_that_changed_between_two_deployments_is_named_and_no_value_is_recorded() {
    let Some(host) = engine() else { return };
    let place = Place::new();
    let _sweep = Sweep(&place, &host);
    app(&place, "app", "one");
    let secrets = "[secrets]\nAPI_TOKEN = { env = \"T_API\" }\nAS_FILE = { env = \"T_API\", file = true }\nOTHER = { env = \"T_OTHER\" }\n";
    place.write("app/deploy.toml", &format!("{TOML}{secrets}"));
    let values = ["canary-one-4711", "canary-two-4712"];
    let deploy = |token: &str| {
        // The control plane has the values, so a rotated one comes with a new control plane.
        let mut command = place.command(&["up", "app", "--json"]);
        command.env("DOCKER_HOST", &host).env("T_API", token).env("T_OTHER", "canary-other");
        let up = Running::start(command).end();
        place.run(&["serve", "--stop"]).exits(0);
        serde_json::from_str::<serde_json::Value>(&up.exits(0).out).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let ids = [deploy(values[0]), deploy(values[0]), deploy(values[1])];
    let key = place.state().join("secrets.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let listening = place.start(&["serve", "--edge-listen", "127.0.0.1:0"]);
    wait_for("the control plane", || place.run(&["list"]).code == 0);
    let changed = |a: usize, b: usize| {
        let compared = place.json(&["compare", &ids[a], &ids[b]]);
        assert_eq!(compared["unknownSecrets"], serde_json::json!([]), "{compared:#}");
        let fields = compared["changes"].as_array().unwrap().iter();
        let fields = fields.filter_map(|change| change["field"].as_str()).map(str::to_owned);
        fields.filter(|field| field.starts_with("secrets.")).collect::<Vec<_>>()
    };
    assert_eq!(changed(0, 1), Vec::<String>::new());
    assert_eq!(changed(0, 2), ["secrets.API_TOKEN", "secrets.AS_FILE"]);
    place.run(&["compare", &ids[0], &ids[2]]).exits(0).prints("secrets.API_TOKEN").prints("(another value)");
    let events: String = ids.iter().map(|id| place.run(&["events", id, "--json"]).out).collect();
    assert_eq!(events.matches("secretHash.").count(), 9, "{events}");
    assert!(!events.contains("canary"), "{events}");
    place.run(&["serve", "--stop"]).exits(0);
    drop(listening);
}

#[test]
fn f28_a_release_whose_image_somebody_removed_shows_as_pruned_and_is_refused_with_what_can_be_used() {
    let Some(host) = engine() else { return };
    let place = Place::new();
    let _sweep = Sweep(&place, &host);
    for text in ["one", "two", "three"] {
        app(&place, "app", text);
        run(&place, &host, &["up", "app"]).exits(0);
    }
    let docker = |words: &[&str]| {
        let output = Command::new("docker").args(["--host", &host]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    // What `docker container prune` and `docker image prune -a` do, to this installation's first release only.
    let owner = std::fs::read_to_string(place.state().join("installation")).unwrap();
    let of_first =
        ["--filter", &format!("label=deploy.owner={owner}"), "--filter", "label=deploy.version=v1"];
    docker(&["rm", "--force", &docker(&[&["ps", "--all", "--quiet"][..], &of_first].concat())]);
    let reference = format!("reference=deploy.local/{owner}/*/*:v1-*");
    docker(&["rmi", "--force", &docker(&["images", "--quiet", "--filter", &reference])]);

    run(&place, &host, &["releases", "web"]).exits(0).prints("pruned");
    let refused = run(&place, &host, &["rollback", "web", "--to", "v1"]);
    refused.exits(4).says("[release_not_usable]").says("usable: v2");
    run(&place, &host, &["rollback", "web"]).exits(0);
}

#[test]
fn a_finished_site_is_an_image_with_a_server_of_its_own_and_no_base_image() {
    let Some(host) = engine() else { return };
    let place = Place::new();
    let _sweep = Sweep(&place, &host);
    place.write("site/index.html", "<p>one");
    place.write(
        "site/deploy.toml",
        "target = \"docker\"\nresource = \"web\"\n[runtime]\nfallback = \"index.html\"\n",
    );
    place.write("site/.hidden", "not for everyone");
    let shown = run(&place, &host, &["up", "site", "--dry-run"]);
    shown.exits(0).prints("FROM scratch").prints("COPY releases/ /releases/");
    let first = run(&place, &host, &["up", "site"]);
    first.exits(0);
    let url = first.out.trim_end().to_owned();
    serves(&url, "<p>one");
    serves(&format!("{url}any/page"), "<p>one");
    place.write("site/index.html", "<p>two");
    run(&place, &host, &["up", "site"]).exits(0);
    serves(&url, "<p>two");
    run(&place, &host, &["rollback", "web"]).exits(0);
    serves(&url, "<p>one");
}

#[test]
fn inv_07_a_page_that_a_browser_finds_broken_gets_no_traffic_from_its_container() {
    if !tool(&["chromium", "--version"]) {
        return cannot("chromium", "it is not installed");
    }
    let Some(host) = engine() else { return };
    let place = Place::new();
    let _sweep = Sweep(&place, &host);
    let looked_at = format!("{TOML}[health.browser]\nwait = \"200ms\"\n");
    app(&place, "app", "<h1>one</h1>");
    place.write("app/deploy.toml", &looked_at);
    let first = run(&place, &host, &["up", "app"]);
    first.exits(0).says("DEPLOY-BROWSER passed");
    let url = first.out.trim_end().to_owned();
    app(&place, "app", "<h1>two</h1><script>throw new Error('no basket')</script>");
    place.write("app/deploy.toml", &looked_at);
    let failed = run(&place, &host, &["up", "app"]);
    failed.exits(1).prints_nothing().says("[page_failed]").says("no basket").says("live    v1");
    serves(&url, "one");
}

/// Says something on both streams, then goes on and on.
const TALKS: &str = "FROM busybox:stable\nCOPY www /www\nUSER 1000\nCMD [\"sh\",\"-c\",\"trap 'exit 0' TERM; httpd -f -p 8080 -h /www & echo to out; echo to err >&2; while :; do echo tick; sleep 0.2; done & wait\"]\n";

#[test]
fn what_a_live_release_writes_is_shown_and_followed_until_it_serves_no_more() {
    let Some(host) = engine() else { return };
    let place = Place::new();
    let _sweep = Sweep(&place, &host);
    app(&place, "app", "one");
    place.write("app/Dockerfile", TALKS);
    run(&place, &host, &["up", "app"]).exits(0);
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    let shown = place.run(&["logs", &id, "--source", "runtime"]);
    shown.exits(0).prints("to out").prints("to err").prints("tick");

    let follower = place.start(&["logs", &id, "--source", "runtime", "--follow", "--json"]);
    let ticks = || place.run(&["logs", &id, "--source", "runtime"]).out.matches("tick").count();
    let already = ticks();
    wait_for("some more lines to follow", || ticks() > already + 5);
    app(&place, "app", "two");
    run(&place, &host, &["up", "app"]).exits(0);
    let lines = follower.end();
    let lines = lines.exits(0).lines();
    let (last, before) = lines.split_last().unwrap();
    assert_eq!((&last["kind"], &last["reason"]), (&"closed".into(), &"ended".into()), "{last}");
    let numbers: Vec<u64> = before.iter().filter_map(|line| line["sequence"].as_u64()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "a line twice, or out of order");
    assert!(
        before.iter().all(|line| line["kind"] == "heartbeat" || line["source"] == "runtime"),
        "{before:#?}"
    );
    assert!(before.iter().filter(|line| line["message"] == "tick").count() > 5, "{before:#?}");
    // It serves no more: what was heard while it was checked is left.
    place.run(&["logs", &id, "--source", "runtime", "--follow"]).exits(0);
}

#[test]
fn inv_41_whoever_follows_a_flood_is_told_what_is_missing() {
    let Some(host) = engine() else { return };
    let place = Place::new();
    let _sweep = Sweep(&place, &host);
    app(&place, "app", "one");
    // Twice what the engine keeps, in lines of a kilobyte that begin with their number.
    let flood = format!("sleep 3; seq 1 60000 | sed 's/$/ {}/'; echo over", "x".repeat(1_000));
    place.write("app/Dockerfile", &TALKS.replace("while :; do echo tick; sleep 0.2; done", &flood));
    run(&place, &host, &["up", "app"]).exits(0);
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    let follower = place.start(&["logs", &id, "--source", "runtime", "--follow", "--json"]);
    let owner = std::fs::read_to_string(place.state().join("installation")).unwrap();
    let docker = |words: &[&str]| {
        let output = Command::new("docker").args(["--host", &host]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let container = docker(&["ps", "--quiet", "--filter", &format!("label=deploy.owner={owner}")]);
    wait_for("the end of the flood", || docker(&["logs", "--tail", "1", &container]) == "over");
    app(&place, "app", "two");
    run(&place, &host, &["up", "app"]).exits(0);
    let followed = follower.end();
    let (mut expected, mut told, mut count, mut gaps) = (1, false, 0_u64, 0_u64);
    // One at a time: there are many.
    for line in followed.exits(0).out.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        told |= line["kind"] == "gap";
        gaps += u64::from(line["kind"] == "gap");
        let first = line["message"].as_str().and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let Some(number) = first else { continue };
        assert!(number == expected || told, "{number} came instead of {expected}, and nobody said so");
        assert!(number >= expected, "{number} came again");
        (expected, told, count) = (number + 1, false, count + 1);
    }
    println!("of 60000 lines {count} were read, with {gaps} gaps said");
    assert!(count > 1_000 && (count == 60_000 || gaps > 0));
}
