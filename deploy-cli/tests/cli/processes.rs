//! The processes and what the program says about itself.

use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Place, kill, listening, serves, toml_build, wait_for};
use crate::http;

#[test]
fn of_two_ups_at_once_one_runs_and_the_other_exits_9_and_names_the_holder() {
    let place = Place::new();
    place.with_v1();
    let url = place.live("v1");
    let (id, up) = place.building("sleep 0.7; mkdir dist; echo second > dist/index.html");
    let other = place.run(&["up", "v1", "--resource", "web"]);
    other.exits(9).prints_nothing().says(&id).says("--wait-turn");
    let rollback = place.run(&["rollback", "web"]);
    rollback.exits(9).prints_nothing().says(&id);
    // Another resource is nobody's business.
    place.run(&["up", "v1", "--resource", "other"]).exits(0);
    up.end().exits(0);
    serves(&url, "second");
}

#[test]
fn of_two_ups_started_together_exactly_one_runs_or_both_in_turn() {
    let place = Place::new();
    place.with_v1();
    place.write("a/index.html", "second");
    let both =
        [place.start(&["up", "a", "--resource", "web"]), place.start(&["up", "a", "--resource", "web"])];
    let codes = both.map(|up| up.end().code);
    assert!(codes.contains(&0) && codes.iter().all(|code| [0, 9].contains(code)), "{codes:?}");
}

#[test]
fn two_first_ups_at_once_share_one_control_plane() {
    let place = Place::new();
    place.write("a/index.html", "a");
    place.write("b/index.html", "b");
    let [a, b] = [place.start(&["up", "a"]), place.start(&["up", "b"])].map(crate::common::Running::end);
    serves(a.exits(0).out.trim_end(), "a");
    serves(b.exits(0).out.trim_end(), "b");
    assert_eq!(place.recorded_processes().len(), 2);
}

#[test]
fn with_wait_turn_the_second_up_runs_after_the_first() {
    let place = Place::new();
    let url = place.with_v1();
    let (_, first) = place.building("sleep 0.7; mkdir dist; echo second > dist/index.html");
    let second = place.start(&["up", "v1", "--resource", "web", "--wait-turn"]);
    assert_eq!([first.end().code, second.end().code], [0, 0]);
    serves(&url, "first");
}

#[test]
fn serve_stop_ends_both_processes() {
    let place = Place::new();
    place.write("v1/index.html", "first");
    // Below the kernel's own choices, so that no other test gets the port when this edge gives it back.
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = (21_000..22_000).find(free).unwrap();
    let mut up = place.command(&["up", "v1", "--resource", "web"]);
    up.env("DEPLOY_EDGE_LISTEN", format!("127.0.0.1:{port}"));
    let url = crate::common::Running::start(up).end().exits(0).out.clone();
    let processes = place.recorded_processes();
    assert_eq!(processes.len(), 2, "a control plane and an edge");
    let stop = place.run(&["serve", "--stop"]);
    stop.exits(0).prints_nothing().says("the control plane has ended").says("the edge has ended");
    assert_eq!(place.recorded_processes(), Vec::<i32>::new());
    assert!(std::net::TcpStream::connect(http::parts(&url).1).is_err(), "somebody still listens");
    place.run(&["serve", "--stop"]).exits(0).says("no control plane is running");
    place.run(&["list"]).refuses(2, "control_plane_not_running");
    // Everything is still there for the next one.
    let again = place.run(&["rollback", "web", "--to", "v1"]);
    again.exits(4).says("release_already_live");
    serves(place.newest()["liveNow"]["url"].as_str().unwrap(), "first");
}

#[test]
fn serve_stop_with_keep_edge_leaves_the_site_serving() {
    let place = Place::new();
    let url = place.with_v1();
    place.run(&["serve", "--stop", "--keep-edge"]).exits(0);
    serves(&url, "first");
    place.write("v2/index.html", "second");
    assert_eq!(place.live("v2"), url, "the next control plane takes the edge that is there");
    serves(&url, "second");
}

#[test]
fn serve_stop_in_the_middle_of_a_build_is_quick_and_the_next_control_plane_ends_the_run() {
    let place = Place::new();
    let url = place.with_v1();
    let (id, up) = place.building("sleep 1; mkdir dist; echo second > dist/index.html");
    let mut follower = place.command(&["events", &id, "--follow", "--json"]);
    follower.stdout(File::create(place.path("followed")).unwrap()).stderr(Stdio::null());
    let mut follower = follower.spawn().unwrap();
    let followed = || std::fs::read_to_string(place.path("followed")).unwrap();
    wait_for("the follower's first line", || followed().contains('\n'));
    let stop = place.run(&["serve", "--stop", "--keep-edge"]);
    stop.exits(0);
    assert!(stop.took.as_secs() < 15, "{stop:?}");
    serves(&url, "first");
    let mut serve = place.command(&["serve"]);
    serve.stdout(Stdio::null()).stderr(Stdio::null());
    let mut serve = serve.spawn().unwrap();
    let up = up.end();
    assert_eq!(up.out.trim_end(), url, "`up` waited and saw the end: {up:#?}");
    up.exits(0);
    assert_eq!(place.show(&id)["status"], "succeeded");
    serves(&url, "second");
    // Invariant 41: a follower went on when it was back, and has the whole story once.
    assert!(follower.wait().unwrap().success());
    let followed: Vec<Value> = followed().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<u64> = followed.iter().filter_map(|line| line["sequence"].as_u64()).collect();
    assert_eq!(events, (1..=events.len() as u64).collect::<Vec<_>>());
    assert_eq!(followed.last().unwrap()["reason"], "ended");
    place.run(&["serve", "--stop"]).exits(0);
    assert!(serve.wait().unwrap().success(), "asked to end, it ends well");
}

#[test]
fn a_killed_edge_comes_back_at_the_same_address_with_the_same_site() {
    let place = Place::new();
    let url = place.with_v1();
    let edge: Value =
        serde_json::from_slice(&std::fs::read(place.path("s/edge/edge.json")).unwrap()).unwrap();
    kill(i32::try_from(edge["pid"].as_i64().unwrap()).unwrap(), Signal::KILL);
    wait_for("another edge", || {
        let now = std::fs::read(place.path("s/edge/edge.json")).ok();
        now.and_then(|now| serde_json::from_slice::<Value>(&now).ok())
            .is_some_and(|now| now["pid"] != edge["pid"])
    });
    let (_, address, _) = http::parts(&url);
    wait_for("the edge at the same address", || std::net::TcpStream::connect(address).is_ok());
    serves(&url, "first");
}

#[test]
fn after_a_stop_and_a_start_the_site_has_the_same_url() {
    let place = Place::new();
    let url = place.with_v1();
    place.run(&["serve", "--stop"]).exits(0);
    assert_eq!(place.live("v1"), url, "a bookmark must survive a restart");
}

#[test]
fn a_killed_control_plane_is_started_again_by_the_next_up_and_the_site_never_went_away() {
    let place = Place::new();
    let url = place.with_v1();
    let owner: Value = serde_json::from_slice(&std::fs::read(place.path("s/serve.lock")).unwrap()).unwrap();
    kill(i32::try_from(owner["pid"].as_i64().unwrap()).unwrap(), Signal::KILL);
    serves(&url, "first");
    wait_for("the control plane to be gone", || place.run(&["list"]).code == 2);
    place.write("v2/index.html", "second");
    assert_eq!(place.live("v2"), url);
    serves(&url, "second");
}

#[test]
fn a_second_control_plane_for_the_same_directory_is_refused() {
    let place = Place::new();
    let url = place.with_v1();
    let second = place.run(&["serve"]);
    second.refuses(9, "already_running");
    serves(&url, "first");
    place.run(&["list"]).exits(0);
}

#[test]
fn a_second_edge_for_the_same_directory_is_refused() {
    let place = Place::new();
    let url = place.with_v1();
    let second = place.run(&["edge"]);
    assert!([2, 9].contains(&second.code), "{second:#?}");
    second.prints_nothing().says("error: ");
    serves(&url, "first");
}

#[test]
fn a_public_address_for_the_control_plane_is_refused() {
    let place = Place::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        place.run(&["serve", "--listen", address]).refuses(2, "public_bind_refused");
    }
    place.run(&["serve", "--listen", "localhost"]).refuses_usage();
    assert!(!place.state().exists(), "a refused command made the state directory");
}

#[test]
fn invariant_40_the_tcp_listener_answers_questions_of_this_host_and_nothing_else() {
    let place = Place::new();
    let (mut serve, address) = listening(&place, &[]);
    let host = address.to_string();
    place.with_v1();
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/deployments/{id}");
    let get = |path: &str, fields: &str| http::request(address, "GET", path, &host, fields, "");

    let answer = get(&path, "");
    assert_eq!(answer.status, 200, "{}", answer.head);
    let status: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(status, place.show(&id));
    let tag = answer.header("etag").expect("an etag");
    let unchanged = get(&path, &format!("if-none-match: {tag}\r\n"));
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    assert_eq!(get(&path, "if-none-match: \"0\"\r\n").status, 200);
    assert_eq!(get("/health", "").status, 200);
    assert_eq!(get("/api/deployments", "").status, 200);
    assert_eq!(get("/nowhere", "").status, 404);
    assert_eq!(get("/api/deployments/nonsense", "").status, 400);

    for verb in ["", "/stop", "/pause", "/resume", "/recheck"] {
        let path = if verb.is_empty() { "/api/deployments".to_owned() } else { format!("{path}{verb}") };
        let answer = http::request(address, "POST", &path, &host, "content-type: application/json\r\n", "{}");
        assert_eq!(answer.status, 401, "POST {path}: {}", answer.head);
        assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        crate::common::has_keys(&problem, &["code", "phase", "retryable", "hint"]);
    }
    let rollback = http::request(address, "POST", "/api/resources/web/rollback", &host, "", "{}");
    assert_eq!(rollback.status, 401);

    for foreign in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", ""] {
        for path in [path.as_str(), "/health", "/", "/nowhere", "/api/deployments"] {
            let answer = http::request(address, "GET", path, foreign, "", "");
            assert_eq!(answer.status, 403, "host {foreign:?} {path}");
        }
    }
    let origin = get(&path, "origin: http://evil.example\r\n");
    assert_eq!(origin.status, 403);
    assert!(!origin.body.contains("locator"));
    place.run(&["serve", "--stop"]).exits(0);
    serve.wait().unwrap();
}

#[test]
fn threat_f13_a_token_opens_what_it_is_for_until_it_is_revoked() {
    let place = Place::new();
    place.write("v1/index.html", "hello");
    // The first token is made before anything runs: that is what lets an address be public.
    let deploy = place.run(&["token", "create", "--scope", "deploy", "--name", "ci"]);
    let deploy = deploy.exits(0).says("not shown again").out.trim_end().to_owned();
    let read = place.json(&["token", "create", "--scope", "read", "--expires", "1h"]);
    assert!(read["expiresAt"].is_string() && read["scope"] == "read", "{read}");
    let (mut serve, address) = listening(&place, &["--host", "deploy.example.com"]);
    let ask = |method: &str, path: &str, token: &str, body: &str| {
        let fields = format!("content-type: application/json\r\nauthorization: Bearer {token}\r\n");
        http::request(address, method, path, "deploy.example.com", &fields, body)
    };
    let anonymous = http::request(address, "GET", "/api/deployments", "deploy.example.com", "", "");
    assert_eq!(anonymous.status, 401, "a name that others reach is not open to look");
    assert!(anonymous.header("www-authenticate").is_some());
    let source = serde_json::json!({ "kind": "directory", "path": place.text("v1") });
    let body = serde_json::json!({ "plan": { "resource": "web", "target": "static", "source": source } })
        .to_string();
    let read = read["token"].as_str().unwrap();
    assert_eq!(ask("POST", "/api/deployments", read, &body).status, 403);
    assert_eq!(ask("GET", "/api/deployments", read, "").status, 200);
    assert_eq!(ask("GET", "/api/tokens", &deploy, "").status, 403);
    let accepted = ask("POST", "/api/deployments", &deploy, &body);
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let id = accepted.header("location").unwrap().rsplit('/').next().unwrap().to_owned();
    let status = place.await_status(&id, "over", |status| status["exitCode"].is_number());
    assert_eq!((&status["status"], &status["actor"]), (&"succeeded".into(), &"token ci".into()));

    // A running control plane hears of it.
    let listed = place.json(&["token", "list"]);
    let ci = listed.as_array().unwrap().iter().find(|token| token["name"] == "ci").unwrap();
    place.run(&["token", "revoke", ci["id"].as_str().unwrap()]).exits(0);
    wait_for("the token to open nothing", || ask("GET", "/api/deployments", &deploy, "").status == 401);
    place.run(&["token", "revoke", ci["id"].as_str().unwrap()]).refuses(2, "not_found");

    // Nothing that was written down holds a token.
    let secrets = [deploy.rsplit('_').next().unwrap(), read.rsplit('_').next().unwrap()];
    for file in crate::common::snapshot(&place.state()) {
        assert!(secrets.iter().all(|secret| !file.contains(secret)));
    }
    let stored = std::fs::read(place.state().join("store/store.db")).unwrap();
    let text = String::from_utf8_lossy(&stored);
    assert!(secrets.iter().all(|secret| !text.contains(secret)));
    place.run(&["serve", "--stop"]).exits(0);
    serve.wait().unwrap();
}

#[test]
fn threat_f14_a_name_that_others_reach_is_refused_as_long_as_there_is_no_token() {
    let place = Place::new();
    let refused = place.run(&["serve", "--listen", "127.0.0.1:0", "--host", "deploy.example.com"]);
    refused.refuses(2, "public_bind_refused").says("deploy token create");
    let token = place.run(&["token", "create", "--scope", "read", "--name", "a\nb"]);
    token.refuses_usage();
    let id = place.json(&["token", "create", "--scope", "read"])["id"].as_str().unwrap().to_owned();
    place.run(&["token", "revoke", &id]).exits(0);
    let refused = place.run(&["serve", "--listen", "0.0.0.0:0"]);
    refused.refuses(2, "public_bind_refused");
}

#[test]
fn asked_to_end_the_control_plane_closes_its_streams_and_exits_with_0() {
    let place = Place::new();
    let (mut serve, address) = listening(&place, &[]);
    let (id, up) = place.building("sleep 30; mkdir dist; echo x > dist/index.html");
    let path = format!("/api/deployments/{id}/events?follow=true");
    let follower = std::thread::spawn(move || http::request(address, "GET", &path, "localhost", "", "").body);
    wait_for("the follower", || {
        let metrics = http::request(address, "GET", "/metrics", "localhost", "", "").body;
        metrics.contains("deploy_stream_followers{kind=\"events\"} 1")
    });
    kill(i32::try_from(serve.id()).unwrap(), Signal::TERM);
    let streamed = follower.join().unwrap();
    assert!(streamed.contains("\"reason\":\"shutting-down\""), "{streamed}");
    let ended = serve.wait().unwrap();
    assert_eq!(ended.code(), Some(0));
    drop(up);
}

#[test]
fn doctor_says_that_all_is_well_before_while_and_after() {
    let place = Place::new();
    place.run(&["doctor"]).exits(0).prints("not running");
    assert!(!place.state().exists());
    place.with_v1();
    let doctor = place.run(&["doctor"]);
    doctor.exits(0).prints("running as process").prints("1 deployment (0 unfinished)");
    let checks = place.json(&["doctor"]);
    assert!(checks.as_array().unwrap().iter().all(|check| check["ok"] == true), "{checks:#}");
    place.run(&["serve", "--stop"]).exits(0);
    place.run(&["doctor"]).exits(0);
}

#[test]
fn doctor_exits_with_an_error_when_something_is_wrong() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.with_v1();
    std::fs::set_permissions(place.state(), std::fs::Permissions::from_mode(0o755)).unwrap();
    place.run(&["doctor"]).exits(10).prints("BAD").prints("chmod 700");
}

#[test]
fn what_the_program_says_about_itself_is_sane_and_needs_nothing() {
    let place = Place::new();
    let documents = place.json(&["schema"]);
    let names = documents.as_array().unwrap().iter().map(|document| document["name"].as_str().unwrap());
    let names: Vec<&str> = names.collect();
    for kind in ["plan", "status", "event", "log", "profile", "release", "command"] {
        assert!(names.contains(&kind), "{names:?}");
    }
    for kind in names {
        let schema = place.json(&["schema", kind]);
        assert!(schema["$schema"].is_string() && schema.is_object(), "{kind}");
    }
    let status = place.json(&["schema", "status"]);
    assert!(status["properties"]["liveNow"].is_object(), "{status:#}");
    for (shell, text) in [("bash", "complete -F"), ("zsh", "#compdef deploy"), ("fish", "complete -c deploy")]
    {
        place.run(&["completions", shell]).exits(0).prints(text);
    }
    place.run(&["man"]).exits(0).prints(".TH deploy");
    let help = place.run(&["--help"]);
    help.exits(0);
    let commands = [
        "detect",
        "plan",
        "up",
        "verify",
        "list",
        "show",
        "events",
        "logs",
        "releases",
        "rollback",
        "pause",
        "resume",
        "stop",
        "serve",
        "edge",
        "doctor",
        "schema",
        "completions",
        "man",
    ];
    for command in commands {
        help.prints(command);
        let own = place.run(&[command, "--help"]);
        own.exits(0).prints("Usage: deploy ");
        assert_eq!(own.err, "");
    }
    let version = place.run(&["--version"]);
    version.exits(0).prints("deploy ");
    assert_eq!(place.run(&[]).code, 2);
    assert!(!place.state().exists());
}

#[test]
fn the_commands_of_the_contract_are_there() {
    let place = Place::new();
    // `compare` and `token` belong to history and access, which are not built yet.
    let commands = "detect plan up verify list show events logs pause resume stop retry rollback releases serve edge \
                    doctor schema completions man";
    let missing: Vec<_> =
        commands.split_whitespace().filter(|command| place.run(&[command, "--help"]).code != 0).collect();
    assert!(missing.is_empty(), "contract.md names them: {missing:?}");
}

#[test]
fn verify_checks_something_that_runs() {
    let place = Place::new();
    let url = place.with_v1();
    let address = http::parts(&url).1;
    // The name in a URL must resolve, and whether *.localhost does is the machine's business.
    let port = address.port();
    place.write(
        "v1/deploy.toml",
        &format!("[access]\nhost = \"localhost\"\n[health]\nexpected_body = \"first\"\n# {port}\n"),
    );
    let url = place.live("v1");
    let good = place.run(&["verify", "--url", &url, "--expected-body", "first"]);
    assert_eq!(good.exits(0).out, format!("{url}\n"));
    place
        .run(&["verify", "--url", &url, "--expected-body", "other", "--deadline", "1s"])
        .exits(1)
        .prints_nothing()
        .says("[unhealthy]");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place
        .run(&["verify", "--url", &format!("http://{free}/"), "--deadline", "1s"])
        .exits(1)
        .prints_nothing()
        .says("unhealthy");
    place.run(&["verify", "--url", "ftp://x/"]).refuses(2, "url_refused");
}

#[test]
fn a_build_sees_no_environment_but_the_plain_one() {
    let place = Place::new();
    place.write(
        "site/deploy.toml",
        &(toml_build("mkdir dist; env > dist/index.html") + "[env]\nLEVEL = \"info\"\n"),
    );
    let mut up = place.command(&["up", "site"]);
    up.env("AWS_SECRET_ACCESS_KEY", "CANARY-SECRET").env("DEPLOY_TOKEN", "CANARY-TOKEN");
    let up = crate::common::Running::start(up).end();
    let seen = http::get(up.exits(0).out.trim_end()).body;
    assert!(seen.contains("LEVEL=info") && seen.contains("PATH="), "{seen}");
    assert!(!seen.contains("CANARY"), "invariant 36: {seen}");
}
