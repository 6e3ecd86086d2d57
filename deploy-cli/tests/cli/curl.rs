//! Each behaviour that is documented for people who poll, shown with curl; and the commands of README.md, as they
//! stand there.

use std::net::SocketAddr;
use std::process::{Child, Command};

use serde_json::Value;

use crate::common::{Place, Run, Running, cannot, has_keys, kill, listening, tool, wait_for};

/// A control plane on a port, one release, and a token that may deploy; `None`, loudly, without curl.
struct Polled {
    place: Place,
    serve: Child,
    address: SocketAddr,
    token: String,
}

impl Polled {
    fn start() -> Option<Self> {
        if !tool(&["curl", "--version"]) {
            cannot("curl", "it is not there");
            return None;
        }
        let place = Place::new();
        let (serve, address) = listening(&place, &[]);
        let token = place.run(&["token", "create", "--scope", "deploy"]).exits(0).out.trim_end().to_owned();
        place.write("v1/index.html", "first");
        Some(Self { place, serve, address, token })
    }

    /// What curl prints: the head of the answer, and its body.
    fn curl(&self, words: &[&str], path: &str) -> (u16, String, String) {
        let url = format!("http://{}{path}", self.address);
        let mut command = Command::new("curl");
        command.args(["-isS", "--max-time", "30"]).args(words).arg(url);
        let run = Running::start(command).end();
        let text = run.exits(0).out.replace('\r', "");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    /// Submits the site, built with these commands where there are any.
    fn deploy(&self, build: Option<&str>, key: &str) -> (u16, String, Value) {
        let source = serde_json::json!({ "kind": "directory", "path": self.place.text("v1") });
        let runtime = build.map(|build| serde_json::json!({ "build": build, "publishDirectory": "dist" }));
        let profile = serde_json::json!({ "runtime": runtime.unwrap_or_else(|| serde_json::json!({})) });
        let plan = serde_json::json!({ "resource": "web", "target": "static", "source": source, "profile": profile });
        let body = serde_json::json!({ "plan": plan });
        let (auth, key) = (self.auth(), format!("idempotency-key: {key}"));
        let words =
            ["-H", &auth, "-H", &key, "-H", "content-type: application/json", "-d", &body.to_string()];
        let (status, head, body) = self.curl(&words, "/api/deployments");
        (status, head, serde_json::from_str(&body).unwrap())
    }

    fn auth(&self) -> String {
        format!("authorization: Bearer {}", self.token)
    }

    fn end(mut self) {
        kill(i32::try_from(self.serve.id()).unwrap(), rustix::process::Signal::TERM);
        self.serve.wait().unwrap();
    }
}

/// A field of a head.
fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let mut values = head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values.next().unwrap_or_else(|| panic!("no {name} in {head}"))
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn curl_submits_once_and_polls_with_etag_304_and_a_long_poll() {
    let Some(polled) = Polled::start() else { return };
    let slow = Some("sleep 3; mkdir dist; echo x > dist/index.html");
    let (status, head, submitted) = polled.deploy(slow, "one");
    assert_eq!(status, 202, "{submitted}");
    let id = submitted["id"].as_str().unwrap().to_owned();
    let path = format!("/api/deployments/{id}");
    assert_eq!(field(&head, "location"), path);
    let (status, _, again) = polled.deploy(slow, "one");
    assert_eq!((status, &again["id"]), (202, &submitted["id"]), "the same key is the same deployment");
    let (status, _, reused) = polled.deploy(None, "one");
    assert_eq!((status, &reused["code"]), (409, &"idempotency_key_reused".into()));
    let (status, _, busy) = polled.deploy(None, "two");
    assert_eq!((status, &busy["code"], &busy["retryable"]), (409, &"resource_busy".into(), &true.into()));

    wait_for("the build", || json(&polled.curl(&[], &path).2)["status"] == "executing");
    let (status, head, body) = polled.curl(&[], &path);
    assert_eq!((status, field(&head, "content-type")), (200, "application/json"));
    let shown = json(&body);
    has_keys(&shown, &["id", "resourceId", "status", "currentPhase", "sourceSummary", "recoveryHint"]);
    let known = format!("if-none-match: {}", field(&head, "etag"));
    let (status, _, body) = polled.curl(&["-H", &known], &path);
    assert_eq!((status, body.as_str()), (304, ""));
    // It answers when something changes, long before the wait is over.
    let (status, head, _) = polled.curl(&["-H", &known], &format!("{path}?wait=30s"));
    assert_eq!(status, 200);
    let known = format!("if-none-match: {}", field(&head, "etag"));
    polled.place.await_status(&id, "over", |status| status["exitCode"] == 0);
    assert_eq!(polled.curl(&["-H", &known], &path).0, 200);
    polled.end();
}

#[test]
fn curl_follows_events_and_logs_and_is_told_when_it_has_everything() {
    let Some(polled) = Polled::start() else { return };
    let id = polled.deploy(None, "one").2["id"].as_str().unwrap().to_owned();
    let (events, logs) = (format!("/api/deployments/{id}/events"), format!("/api/deployments/{id}/logs"));
    let (status, head, body) = polled.curl(&["-N", "-H", "accept: text/event-stream"], &events);
    assert_eq!((status, field(&head, "content-type")), (200, "text/event-stream"));
    assert!(body.starts_with("retry: 5000\n\nid: 1\ndata: {"), "{body}");
    assert!(body.trim_end().lines().last().unwrap().contains("\"reason\":\"ended\""), "{body}");
    let last = body.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().to_owned();
    let sse = ["-H", "accept: text/event-stream", "-H"];
    let middle = polled.curl(&[&sse[..], &["last-event-id: 3"]].concat(), &events).2;
    assert!(middle.starts_with("retry: 5000\n\nid: 4\n"), "{middle}");
    let (status, ..) = polled.curl(&[&sse[..], &[&format!("last-event-id: {last}")]].concat(), &events);
    assert_eq!(status, 204, "the one answer after which an EventSource stays away");
    let (_, head, body) = polled.curl(&[], &format!("{events}?after=2"));
    assert_eq!(field(&head, "content-type"), "application/x-ndjson");
    assert_eq!(json(body.lines().next().unwrap())["sequence"], 3);
    let (_, _, body) = polled.curl(&["-N"], &format!("{logs}?follow=true&level=error"));
    assert_eq!(body.lines().count(), 1, "nothing was wrong: {body}");
    let (status, _, body) = polled.curl(&[], &format!("{logs}?source=runtime"));
    assert_eq!((status, &json(&body)["code"]), (404, &"no_runtime_log".into()), "a site runs no process");
    polled.end();
}

#[test]
fn curl_is_refused_with_a_problem_that_says_what_to_do() {
    let Some(polled) = Polled::start() else { return };
    let id = polled.deploy(None, "one").2["id"].as_str().unwrap().to_owned();
    polled.place.await_status(&id, "over", |status| status["exitCode"] == 0);
    let (auth, post) = (polled.auth(), ["-X", "POST"]);
    let stop = format!("/api/deployments/{id}/stop");
    let refused = |words: &[&str], path: &str, status: u16, code: &str| {
        let (given, head, body) = polled.curl(words, path);
        let problem = json(&body);
        assert_eq!((given, &problem["code"]), (status, &code.into()), "{path}: {problem}");
        assert_eq!(field(&head, "content-type"), "application/problem+json");
        has_keys(&problem, &["code", "phase", "retryable", "hint"]);
    };
    refused(&post, &stop, 401, "token_required");
    refused(&[&post[..], &["-H", "authorization: Bearer x"]].concat(), &stop, 401, "token_invalid");
    refused(&[&post[..], &["-H", &auth]].concat(), &stop, 409, "already_ended");
    refused(&["-H", &auth], "/api/tokens", 403, "scope_missing");
    refused(&["-H", "host: evil.example"], "/api/deployments", 403, "foreign_host");
    refused(&["-H", "origin: http://evil.example"], "/api/deployments", 403, "foreign_host");
    refused(&[], "/api/deployments/dep_01890a5d96e07b3c9b7c0a1b2c3d4e5f", 404, "not_found");
    refused(&[], "/nowhere", 404, "not_found");
    refused(&["-X", "PUT"], "/api/deployments", 405, "method_not_allowed");
    let (status, _, body) = polled.curl(&[], "/health");
    assert_eq!((status, &json(&body)["status"]), (200, &"ok".into()));
    assert_eq!(polled.curl(&[], "/health/ready").0, 200);
    assert_eq!(json(&polled.curl(&[], "/openapi.json").2)["openapi"], "3.1.0");
    assert!(polled.curl(&[], "/metrics").2.ends_with("# EOF\n"));
    polled.end();
}

#[test]
fn the_commands_of_the_readme_work_as_they_stand_there() {
    let Some(polled) = Polled::start() else { return };
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let lines = |begins: &str| readme.lines().filter(|line| line.starts_with(begins)).collect::<Vec<_>>();
    let (setup, commands) = (lines("export T="), lines("curl "));
    assert!(setup.len() == 1 && commands.len() >= 6, "{setup:?} {commands:?}");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_deploy")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    archive(&polled.place);
    let mut id = String::new();
    for line in commands {
        let script = format!("{}\n{line}", setup[0]);
        let script = script
            .replace("127.0.0.1:7400", &polled.address.to_string())
            .replace("/srv/site", &polled.place.text("v1"))
            .replace("dep_…", &id);
        let mut command = Command::new("sh");
        command.args(["-euc", &script]);
        polled.place.furnish(&mut command);
        command.env("PATH", &path).env("DEPLOY_STATE_DIR", polled.place.state());
        let run: Run = Running::start(command).end();
        run.exits(0);
        assert!(!run.out.contains("problem+json") && !run.out.contains("\"code\""), "{line}: {run:#?}");
        if id.is_empty() {
            run.prints("202 Accepted");
            let at = run.out.find("/api/deployments/dep_").expect("a location") + "/api/deployments/".len();
            id = run.out[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        }
    }
    polled.place.await_status(&id, "over", |status| status["exitCode"] == 0);
    polled.end();
}

/// An archive of the site.
fn archive(place: &Place) {
    let (file, site) = (place.path("site.tar.gz"), place.path("v1"));
    assert!(
        Command::new("tar").arg("-czf").arg(file).arg("-C").arg(site).arg(".").status().unwrap().success()
    );
}
