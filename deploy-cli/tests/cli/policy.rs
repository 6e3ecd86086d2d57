//! Who may deploy when: blocked in the preview, refused at submission, waiting with a reason, and going on by
//! itself (issue 8; threats F07, F31).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Place, kill, serves, wait_for};

const GOOD: &str = "sleep 0.7; mkdir dist; echo second > dist/index.html";
const FREEZE: &str = "[[freezes]]\nfrom = \"2020-01-01T00:00:00+01:00\"\nuntil = \"2099-01-01T00:00:00+01:00\"\n\
                      reason = \"inventory\"\nlink = \"https://status.example/freeze\"\noverride = [\"oncall\"]\n";

impl Place {
    fn policy(&self, text: &str) {
        // The file is looked at by its time and size.
        self.write("s/policy.toml", &format!("{text}\n# {}\n", "x".repeat(text.len() % 7 + 1)));
    }

    /// What the control plane that runs says of the policies.
    fn judged(&self, resource: &str) -> Value {
        let mut socket = UnixStream::connect(self.path("s/control.sock")).unwrap();
        let path = format!("/api/resources/{resource}/admission");
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

/// A time of every week in UTC, so many hours from now.
fn in_hours(hours: i64) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // 1970 began on a Thursday.
    let hour = (i64::try_from(now / 3_600).unwrap() + 3 * 24 + hours).rem_euclid(7 * 24);
    format!("{} {:02}:00Z", DAYS[usize::try_from(hour / 24).unwrap()], hour % 24)
}

#[test]
fn a_submission_that_a_weekly_freeze_refuses_is_told_over_http_when_to_come_again() {
    let place = Place::new();
    place.with_v1();
    let freeze = |from: i64, until: i64| {
        let (from, until) = (in_hours(from), in_hours(until));
        format!("[[freezes]]\nfrom = \"{from}\"\nuntil = \"{until}\"\nreason = \"weekend\"\n")
    };
    let submit = || {
        let source = format!("{{\"kind\":\"directory\",\"path\":\"{}\"}}", place.text("v1"));
        let body = format!("{{\"plan\":{{\"resource\":\"web\",\"target\":\"static\",\"source\":{source}}}}}");
        let mut socket = UnixStream::connect(place.path("s/control.sock")).unwrap();
        let (length, head) = (body.len(), "POST /api/deployments HTTP/1.1\r\nHost: localhost");
        write!(socket, "{head}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    // It lasts some hours more: nobody is sent away for longer than one.
    place.policy(&freeze(-30, 5));
    wait_for("the freeze", || codes(&place.judged("web")["blocked"]) == ["frozen"]);
    let answer = submit();
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
    assert!(answer.contains("\"code\":\"not_admitted\"") && answer.contains("weekend"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nretry-after: 3600\r\n"), "{answer}");
    // The same window, over for this week.
    place.policy(&freeze(-30, -3));
    wait_for("its end", || codes(&place.judged("web")["blocked"]).is_empty());
    let answer = submit();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    // Nothing reads two kinds of times as one window.
    place.policy(&freeze(-30, 5).replace(&in_hours(5), "2099-01-01T00:00:00Z"));
    place.run(&["plan", "v1"]).says("ends every week");
}

fn codes(reasons: &Value) -> Vec<&str> {
    reasons
        .as_array()
        .map(|all| all.iter().filter_map(|reason| reason["code"].as_str()).collect())
        .unwrap_or_default()
}

#[test]
fn a_freeze_is_in_the_preview_with_its_end_and_its_link_also_offline() {
    let place = Place::new();
    place.write("v1/index.html", "<h1>first</h1>\n");
    place.policy(FREEZE);
    let offline = place.run(&["plan", "v1", "--json"]);
    offline.exits(4);
    let plan: Value = serde_json::from_str(&offline.out).unwrap();
    assert_eq!(codes(&plan["blockedReasons"]), ["frozen"]);
    let reason = &plan["blockedReasons"][0];
    assert_eq!(
        (reason["until"].as_str(), reason["link"].as_str()),
        (Some("2098-12-31T23:00:00.000Z"), Some("https://status.example/freeze"))
    );
    place
        .run(&["plan", "v1"])
        .exits(4)
        .prints("frozen until 2098-12-31")
        .prints("see: https://status.example");
    let mut allowed = place.command(&["plan", "v1"]);
    allowed.env("DEPLOY_ACTOR", "oncall");
    crate::common::Running::start(allowed).end().exits(0).prints("oncall may deploy although it is frozen");
}

#[test]
fn what_a_freeze_blocks_is_refused_or_waits_and_goes_on_by_itself() {
    let place = Place::new();
    let url = place.with_v1();
    place.write("v2/index.html", "<h1>second</h1>\n");
    place.policy(FREEZE);
    wait_for("the policy to be read again", || codes(&place.judged("web")["blocked"]) == ["frozen"]);
    place.run(&["up", "v2", "--resource", "web"]).refuses(9, "not_admitted").says("inventory");
    serves(&url, "first");

    let waiting = place.start(&["up", "v2", "--resource", "web", "--wait-turn"]);
    let mut id = String::new();
    wait_for("a deployment that is deferred", || {
        let newest = place.newest();
        id = newest["id"].as_str().unwrap_or_default().to_owned();
        codes(&newest["deferredReasons"]) == ["frozen"]
    });
    let shown = place.show(&id);
    assert_eq!((&shown["status"], &shown["queue"]["waitsFor"]), (&"queued".into(), &"policy".into()));
    assert_eq!(shown["queue"]["expectedStart"], "2098-12-31T23:00:00.000Z");
    place.run(&["show", &id]).exits(0).prints("inventory");
    // Back to an older release is always possible, and nobody waits behind what is frozen.
    place.run(&["rollback", "web", "--to", "v1", "--wait-turn"]).says("release_already_live");

    place.policy("");
    waiting.end().exits(0).says("inventory");
    serves(&url, "second");
}

#[test]
fn past_due_warns_blocks_and_resumes_when_settled() {
    let place = Place::new();
    place.write("v1/index.html", "<h1>first</h1>\n");
    let rules = |since: &str| {
        format!(
            "[plans.free]\nconcurrent = 1\ngrace = \"3d\"\n[workspaces.acme]\nplan = \"free\"\nresources = [\"web\"]\n\
             past_due_since = \"{since}\"\nlink = \"https://billing.example\"\n"
        )
    };
    place.policy(&rules("2020-01-01T00:00:00Z"));
    place
        .run(&["plan", "v1", "--resource", "web"])
        .exits(4)
        .prints("account_past_due")
        .prints("billing.example");
    place.run(&["plan", "v1", "--resource", "other"]).exits(0);
    place.policy("");
    place.run(&["plan", "v1", "--resource", "web"]).exits(0);
}

#[test]
fn too_little_space_is_refused_before_anything_is_built() {
    let place = Place::new();
    place.write("v1/index.html", "<h1>first</h1>\n");
    place.policy("[disk]\nfloor = \"900000GiB\"\n");
    place.run(&["plan", "v1"]).exits(4).prints("insufficient_disk");
    place.run(&["up", "v1", "--resource", "web"]).refuses(9, "not_admitted");
    assert_eq!(place.json(&["list"]), Value::Array(Vec::new()));
}

#[test]
fn a_wrong_policy_names_its_line_and_the_rules_before_count() {
    let place = Place::new();
    place.policy("[disk]\nfloor = \"1MiB\"\nflor = \"1MiB\"\n");
    place.run(&["serve"]).refuses(2, "policy_invalid").says("flor").says("line 3");
    place.policy("[workspaces.acme]\nplan = \"gold\"\n");
    place.run(&["serve"]).refuses(2, "policy_invalid").says("workspaces.acme.plan");
    place.policy(FREEZE);
    place.write("v1/index.html", "<h1>first</h1>\n");
    place.run(&["up", "v1", "--resource", "web"]).refuses(9, "not_admitted");
    place.policy("nonsense = 1\n");
    wait_for("the control plane to say that the policy is wrong", || {
        let verdict = place.judged("web");
        codes(&verdict["blocked"]) == ["frozen"] && codes(&verdict["warnings"]).contains(&"policy_unreadable")
    });
    place.run(&["plan", "v1"]).refuses(2, "policy_invalid").says("nonsense");
}

#[test]
fn a_workspace_at_its_limit_says_who_is_ahead_and_its_queue_has_an_end() {
    let place = Place::new();
    place.policy("[plans.free]\nconcurrent = 1\nwaiting = 2\n[workspaces.acme]\nplan = \"free\"\nresources = [\"web\", \"api\", \"docs\", \"blog\"]\n");
    let (running, mut up) = place.building("sleep 60; mkdir dist");
    let submit = |resource: &str| place.run(&["up", "slow", "--resource", resource, "--detach"]);
    let waiting = submit("api").exits(0).out.trim_end().to_owned();
    wait_for("the place in the line", || place.show(&waiting)["queue"]["waitsFor"] == "workspace");
    assert_eq!(place.show(&waiting)["queue"]["position"], 1);
    assert_eq!(codes(&place.judged("docs")["warnings"]), ["workspace_busy"]);
    submit("docs").exits(0);
    let refused = submit("blog");
    refused.refuses(9, "store_limit").says("wait");
    place.run(&["stop", &running, "--now"]).exits(0);
    wait_for("its turn to come", || place.show(&waiting)["status"] != "queued");
    let _ = up.child.kill();
}

#[test]
fn redeploy_is_a_new_run_of_the_same_source() {
    let place = Place::new();
    let url = place.with_v1();
    let first = place.newest()["id"].as_str().unwrap().to_owned();
    place.write("v1/index.html", "<h1>second</h1>\n");
    let run = place.run(&["redeploy", &first]);
    assert_eq!(run.exits(0).out.trim_end(), url);
    serves(&url, "second");
    let newest = place.newest();
    assert_eq!((&newest["trigger"]["kind"], newest["id"] == first.as_str()), (&"redeploy".into(), false));
    let (id, up) = place.building(GOOD);
    place.run(&["redeploy", &id]).refuses(9, "not_ended");
    up.end().exits(0);
}

#[test]
fn the_first_interrupt_detaches_and_the_run_goes_on() {
    let place = Place::new();
    let url = place.with_v1();
    let (id, up) = place.building(GOOD);
    kill(up.child.id().cast_signed(), Signal::INT);
    let up = up.end();
    up.exits(8)
        .prints_nothing()
        .says(&format!("deploy stop {id}"))
        .says(&format!("deploy events {id} --follow"));
    place.await_status(&id, "succeeded", |status| status["status"] == "succeeded");
    serves(&url, "second");
}

#[test]
fn a_second_interrupt_asks_to_stop() {
    let place = Place::new();
    let url = place.with_v1();
    let (id, up) = place.building("sleep 2; mkdir dist; echo second > dist/index.html");
    let pid = up.child.id().cast_signed();
    kill(pid, Signal::INT);
    // Two that come together count as one.
    std::thread::sleep(Duration::from_millis(300));
    kill(pid, Signal::INT);
    up.end().exits(8).says("asked to stop");
    place.await_status(&id, "stopped", |status| status["status"] == "stopped");
    serves(&url, "first");
}

#[test]
fn what_is_sound_is_not_abandoned_and_what_is_damaged_frees_its_resource() {
    let place = Place::new();
    let url = place.with_v1();
    let (id, up) = place.building("sleep 60; mkdir dist");
    place.run(&["abandon", &id]).refuses(9, "not_damaged");
    let serve = place.recorded_processes();
    // The data plane goes on; only the control plane's record is hurt while it is down.
    place.run(&["serve", "--stop", "--keep-edge"]).exits(0);
    drop(up);
    assert!(!serve.is_empty());
    let database = rusqlite::Connection::open(place.state().join("store").join("store.db")).unwrap();
    database.execute_batch("DROP TRIGGER events_never_change").unwrap();
    let hurt = "UPDATE events SET body = replace(body, 'detected', 'defected') WHERE sequence = 3";
    assert!(database.execute(hurt, []).unwrap() > 0);
    drop(database);
    let _serving = place.start(&["serve"]);
    wait_for("the control plane", || place.run(&["list"]).code == 0);
    place.run(&["stop", &id]).says("abandon");
    place.write("v2/index.html", "<h1>second</h1>\n");
    place.run(&["up", "v2", "--resource", "web"]).refuses(9, "resource_busy");
    let ended = place.json(&["abandon", &id]);
    assert_eq!((&ended["status"], &ended["exitCode"]), (&"failed".into(), &6.into()));
    assert_eq!(ended["failure"]["code"], "record_damaged");
    place.run(&["up", "v2", "--resource", "web"]).exits(0);
    serves(&url, "second");
}

/// Of all that wait only the newest is deployed: because the submission says so, or because the policy does.
#[test]
fn what_waits_is_superseded_by_the_newest() {
    for (policy, flag) in
        [("", "--supersede"), ("[workspaces.shop]\nsupersede = true\nresources = [\"web\"]\n", "--wait-turn")]
    {
        let place = Place::new();
        place.policy(policy);
        let url = place.with_v1();
        place.write("v3/index.html", "third");
        let (_, first) = place.building("sleep 3; mkdir dist; echo second > dist/index.html");
        let waits = place.start(&["up", "v1", "--resource", "web", "--wait-turn"]);
        wait_for("one that waits", || place.newest()["status"] == "queued");
        let old = place.newest()["id"].as_str().unwrap().to_owned();
        let newest = place.start(&["up", "v3", "--resource", "web", flag]);

        waits.end().exits(7);
        assert_eq!(place.show(&old)["status"], "superseded", "{flag}");
        assert_eq!([first.end().code, newest.end().code], [0, 0], "what runs goes on ({flag})");
        serves(&url, "third");
    }
}

/// A preview asks nobody: it judges by the file that the control plane was given.
#[test]
fn a_preview_judges_by_the_policy_that_the_control_plane_was_given() {
    let place = Place::new();
    place.write("v1/index.html", "<h1>first</h1>\n");
    place.write("elsewhere.toml", FREEZE);
    let mut serve = place.start(&["serve", "--policy", "elsewhere.toml"]);
    wait_for("the policy in the preview", || place.run(&["plan", "v1"]).code == 4);
    kill(serve.child.id().cast_signed(), Signal::TERM);
    let _ = serve.child.wait();
    place.run(&["plan", "v1"]).exits(4).prints("frozen until");
}
