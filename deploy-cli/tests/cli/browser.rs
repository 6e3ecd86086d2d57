//! The page in a browser, before anybody is sent to it: what is bad gets no traffic, and what was seen is shown.

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Place, Run, Running, cannot, kill, listening, serves, tool, wait_for};
use crate::http;

const ASKED: &str = "target = \"static\"\n[health.browser]\nwait = \"200ms\"\n";

/// A place whose sites ask for a browser; `None`, loudly, where there is none.
fn place() -> Option<Place> {
    if !tool(&["chromium", "--version"]) {
        cannot("chromium", "it is not installed");
        return None;
    }
    Some(Place::new())
}

fn site(place: &Place, name: &str, body: &str) {
    place.write(&format!("{name}/index.html"), body);
    place.write(&format!("{name}/deploy.toml"), ASKED);
}

fn up(place: &Place, name: &str) -> Run {
    place.run(&["up", name, "--resource", "web"])
}

fn page(status: &Value) -> &Value {
    let checks = status["acceptance"].as_array().unwrap();
    &checks.iter().find(|checked| checked["name"] == "DEPLOY-BROWSER").unwrap()["page"]
}

#[test]
fn inv_07_a_page_that_a_browser_finds_broken_gets_no_traffic_and_the_one_before_stays() {
    let Some(place) = place() else { return };
    site(&place, "good", "<h1>good</h1><script>console.log(1)</script>");
    let live = up(&place, "good");
    live.exits(0).says("DEPLOY-BROWSER passed");
    let url = live.out.trim_end();
    let first = place.newest();
    let shot = &page(&first)["screenshot"];
    let png = std::fs::read(place.state().join(shot["file"].as_str().unwrap())).unwrap();
    assert!(png.starts_with(b"\x89PNG") && shot["bytes"] == png.len());

    site(&place, "bad", "<h1>bad</h1><script>throw new Error('no \\x1b[31m' + 'basket')</script>");
    let failed = up(&place, "bad");
    failed.exits(1).prints_nothing().says("[page_failed]").says("Error: no \\u{1b}[31mbasket");
    failed.says("screenshots/dep_").says("DEPLOY-BROWSER failed").says("live    v1");
    serves(url, "good");
    let status = place.newest();
    assert_eq!(
        (&status["failure"]["code"], &status["failure"]["phase"]),
        (&"page_failed".into(), &"verify".into())
    );
    assert_eq!((&page(&status)["consoleErrors"], &page(&status)["status"]), (&1.into(), &200.into()));
    let steps = status["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["id"] == "switch" && step["state"] == "skipped"), "{steps:?}");

    place.run(&["show", status["id"].as_str().unwrap()]).prints("check   DEPLOY-BROWSER failed");

    // As many errors as may be, and a look that is not asked for.
    place.write("bad/deploy.toml", &format!("{ASKED}max_console_errors = 1\n"));
    up(&place, "bad").exits(0);
    place.write("bad/deploy.toml", &format!("{ASKED}enabled = false\n"));
    up(&place, "bad").exits(0);
    assert!(place.newest().get("acceptance").is_none());
    // Nothing of the browser is left once the deployment is tidied up after.
    wait_for("the workspaces to be gone", || {
        let work = std::fs::read_dir(place.state().join("work")).unwrap().flatten();
        work.filter(|entry| entry.file_name().to_string_lossy().starts_with("dep_")).count() == 0
    });
}

#[test]
fn what_a_browser_saw_is_on_the_page_of_the_run_and_its_picture_is_only_a_picture() {
    let Some(place) = place() else { return };
    site(&place, "bad", "<script>console.error('<b>no basket</b>')</script>");
    up(&place, "bad").exits(1);
    let id = place.newest()["id"].as_str().unwrap().to_owned();
    place.run(&["serve", "--stop"]).exits(0);
    let (mut serve, address) = listening(&place, &[]);
    let run = http::get(&format!("http://{address}/runs/{id}"));
    for shown in ["DEPLOY-BROWSER", "&lt;b&gt;no basket", &format!("/api/deployments/{id}/screenshot")] {
        assert!(run.body.contains(shown), "{shown}: {}", run.body);
    }
    let picture = http::get_bytes(&format!("http://{address}/api/deployments/{id}/screenshot"));
    let (head, png) = picture;
    for field in ["200 OK", "content-type: image/png", "x-content-type-options: nosniff", "sandbox"] {
        assert!(head.contains(field), "{field}: {head}");
    }
    let kept = place.state().join(format!("screenshots/{id}.png"));
    assert_eq!(png, std::fs::read(&kept).unwrap());
    // Only the picture that was taken is one.
    std::fs::write(&kept, "<script>alert(1)</script>").unwrap();
    let (head, _) = http::get_bytes(&format!("http://{address}/api/deployments/{id}/screenshot"));
    assert!(head.contains("404"), "{head}");
    serve.kill().unwrap();
    serve.wait().unwrap();
}

#[test]
fn a_browser_that_is_asked_for_and_missing_blocks_before_any_effect() {
    let place = Place::new();
    site(&place, "site", "<h1>good</h1>");
    let without = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("DEPLOY_CHROMIUM", "/nowhere/chromium");
        Running::start(command).end()
    };
    let plan = without(&["plan", "site"]);
    plan.exits(4)
        .prints("[browser_missing]")
        .prints("health.browser")
        .prints("must load in a browser within 15s");
    without(&["up", "site", "--resource", "web"]).exits(4).prints_nothing().says("[browser_missing]");
    assert!(!place.state().join("screenshots").exists());
    without(&["verify", "--url", "http://127.0.0.1:9/", "--browser"]).exits(1);
    for wrong in ["timeout = \"10m\"", "path = \"nowhere\"", "max_console_errors = 5000", "wait = \"1h\""] {
        place.write("site/deploy.toml", &format!("target = \"static\"\n[health.browser]\n{wrong}\n"));
        place.run(&["plan", "site"]).exits(4).prints("health.browser.");
    }
    place.write("site/deploy.toml", "target = \"static\"\n[health.browser]\nmax_errors = 1\n");
    place.run(&["plan", "site"]).refuses(2, "config_invalid").says("max_errors");
}

#[test]
fn inv_11_a_control_plane_that_is_killed_while_a_browser_looks_leaves_no_browser() {
    let Some(place) = place() else { return };
    site(&place, "good", "<h1>good</h1>");
    let live = up(&place, "good");
    let url = live.exits(0).out.trim_end();
    place.write("slow/index.html", "<script>for (;;) {}</script>");
    place.write("slow/deploy.toml", "target = \"static\"\n[health.browser]\ntimeout = \"50s\"\n");
    let id = place.run(&["up", "slow", "--resource", "web", "--detach"]).exits(0).out.trim().to_owned();
    // The browser, its zygotes, and a page at least.
    wait_for("the browser to look", || browsers(&place) >= 5);
    let serve: Value =
        serde_json::from_slice(&std::fs::read(place.state().join("serve.lock")).unwrap()).unwrap();
    kill(i32::try_from(serve["pid"].as_i64().unwrap()).unwrap(), Signal::KILL);
    wait_for("the browser to be gone", || browsers(&place) == 0);
    serves(url, "good");
    // The next control plane, which another deployment starts, takes it up, and it can be stopped.
    place.write("plain/index.html", "plain");
    place.run(&["up", "plain", "--resource", "other"]).exits(0);
    let status = place.show(&id);
    assert_eq!(status["status"], "verifying", "{status:#}");
    place.run(&["stop", &id, "--now"]).exits(0);
    place.await_status(&id, "stopped", |status| status["status"] == "stopped");
    wait_for("the browser to be gone again", || browsers(&place) == 0);
    serves(url, "good");
}

/// How many processes of Chromium there are for a place.
fn browsers(place: &Place) -> usize {
    let mark = format!("DEPLOY_BROWSER={}/", place.state().display()).into_bytes();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let environments = processes.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
    environments.filter(|all| all.split(|byte| *byte == 0).any(|one| one.starts_with(&mark))).count()
}

#[test]
fn verify_looks_at_what_runs_already() {
    let Some(place) = place() else { return };
    place.write("good/index.html", "<title>good</title>");
    let good = place.live("good");
    place.write("bad/index.html", "<script>nothing.here()</script>");
    let up = place.run(&["up", "bad", "--resource", "bad"]);
    let bad = up.exits(0).out.trim_end();
    let shot = place.text("shot.png");
    let seen = place.run(&["verify", "--url", &good, "--browser", "--screenshot", &shot]);
    seen.exits(0).prints(&good);
    assert!(std::fs::read(&shot).unwrap().starts_with(b"\x89PNG"));
    place.run(&["verify", "--url", bad]).exits(0);
    let failed = place.run(&["verify", "--url", bad, "--browser"]);
    failed.exits(1).prints_nothing().says("[page_failed]").says("nothing is not defined");
    place.run(&["verify", "--url", bad, "--browser", "--max-console-errors", "1"]).exits(0);
    let json = place.json(&["verify", "--url", &good, "--browser"]);
    assert_eq!((&json["page"]["status"], &json["page"]["consoleErrors"]), (&200.into(), &0.into()));
    place.run(&["verify", "--url", &good, "--screenshot", &shot]).refuses_usage();
    let mut command = place.command(&["verify", "--url", &good, "--browser"]);
    command.env("DEPLOY_CHROMIUM", "/nowhere/chromium");
    Running::start(command).end().refuses(2, "browser_missing").says("apt-get install chromium");
}
