//! The docker target from the command line: without an engine, offline, and from nothing to a URL and back.

use std::process::Command;

use crate::common::{Place, Run, Running, cannot, serves, tool};

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
