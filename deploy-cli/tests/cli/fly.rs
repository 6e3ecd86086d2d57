//! The fly target from the command line, with a stand-in flyctl: each exit code, the dry run, and what is said.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use rustix::process::Signal;

use crate::common::{Place, Run, Running, cannot, keys, kill, snapshot, tool, wait_for};

const TOKEN: &str = "fm2_lJPECAAAAAAAC1nocanaryXFxBCanary+/9canary==";
const TOML: &str = "target = \"fly\"\nresource = \"web\"\n[fly]\napp = \"web\"\n[health]\n\
                    deadline = \"2s\"\ninterval = \"50ms\"\nhealthy_after = 1\n[network]\ninternal_port = 8080\n";

/// A world for the stand-in, and the app's address in front of it.
pub(crate) struct Fly {
    pub(crate) place: Place,
    address: String,
}

impl Fly {
    /// `None`, loudly, where the stand-in can't run.
    fn new() -> Option<Self> {
        let mut fly = Self::at(String::new())?;
        fly.address = serve(fly.place.path("world/state.json"));
        Some(fly)
    }

    /// The same where somebody else answers for the app.
    pub(crate) fn at(address: String) -> Option<Self> {
        if !tool(&["python3", "-c", "import tomllib"]) {
            cannot("python3", "the stand-in flyctl needs Python 3.11");
            return None;
        }
        let place = Place::new();
        place.write("world/state.json", &json!({
            "apps": { "web": { "machines": [], "releases": [], "version": 0, "answers": 200 } }, "images": {}, "next": 1
        }).to_string());
        for app in ["one", "two"] {
            place.write(
                &format!("{app}/Dockerfile"),
                &format!("FROM busybox:1.36\nLABEL n={app}\nCMD [\"httpd\",\"-f\"]\n"),
            );
            place.write(&format!("{app}/deploy.toml"), TOML);
        }
        Some(Self { place, address })
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        let flyctl = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/flyctl/flyctl");
        command.env("DEPLOY_FLYCTL", flyctl).env("DEPLOY_FLY_APP_URL", &self.address);
        command.env("FLY_STANDIN", self.place.path("world")).env("FLY_API_TOKEN", TOKEN);
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Running::start(self.command(arguments)).end()
    }

    fn plays(&self, plays: &Value) {
        self.place.write("world/plays.json", &plays.to_string());
    }

    fn world(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.place.path("world/state.json")).unwrap()).unwrap()
    }

    fn calls(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.place.path("world/calls.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn live(&self) -> Value {
        self.world()["apps"]["web"]["machines"][0]["image_ref"]["digest"].clone()
    }

    /// A first release, live.
    fn with_v1(&self) -> Value {
        self.run(&["up", "one"]).exits(0);
        self.live()
    }
}

fn serve(state: PathBuf) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 2048]);
            let Ok(text) = std::fs::read(&state) else { return };
            let state: Value = serde_json::from_slice(&text).unwrap_or_default();
            let status = state["apps"]["web"]["answers"].as_u64().unwrap_or(200);
            let page = state["apps"]["web"]["page"].as_str().unwrap_or("ok");
            let length = page.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[test]
fn exit_0_it_is_live_and_both_acceptance_checks_are_recorded() {
    let Some(fly) = Fly::new() else { return };
    let up = fly.run(&["up", "one"]);
    up.exits(0);
    assert_eq!(up.out, format!("{}/\n", fly.address));
    up.says("DEPLOY-HEALTH-200 passed").says("DEPLOY-COMMIT-MATCH soft-passed");
    let status = fly.place.newest();
    let names: Vec<&Value> = status["acceptance"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["DEPLOY-COMMIT-MATCH", "DEPLOY-HEALTH-200"]);
    assert_eq!(status["liveNow"]["release"], "v1");
    assert_eq!(status["digest"], fly.live());
    assert_eq!(fly.world()["apps"]["web"]["machines"].as_array().unwrap().len(), 2);
    // And back and forth.
    fly.run(&["up", "two"]).exits(0);
    let second = fly.live();
    fly.run(&["rollback", "web"]).exits(0);
    assert_ne!(fly.live(), second);
}

#[test]
fn exit_0_a_plan_and_a_dry_run_run_nothing_and_write_nothing() {
    let Some(fly) = Fly::new() else { return };
    let before = snapshot(&fly.place.path("one"));
    let plan = fly.run(&["plan", "one"]);
    plan.exits(0).prints("have fly build the image from Dockerfile").prints("[no_candidate]");
    let dry = fly.run(&["up", "one", "--dry-run", "--primary-region", "ams", "--strategy", "canary"]);
    dry.exits(0)
        .says("flyctl was not invoked")
        .says("DEPLOY-COMMIT-MATCH soft-passed: a dry run asks nothing");
    for line in [
        "app = \"web\"",
        "primary_region = \"ams\"",
        "dockerfile = \"Dockerfile\"",
        "internal_port = 8080",
        "force_https = true",
        "auto_stop_machines = \"stop\"",
        "auto_start_machines = true",
        "min_machines_running = 0",
        "[[http_service.checks]]",
        "path = \"/\"",
        "strategy = \"canary\"",
    ] {
        dry.prints(line);
    }
    let image = fly.run(&["up", "--dry-run", "--target", "fly", "--app", "web", "--image", "ghcr.io/a/b:1"]);
    image.exits(0).prints("image = \"ghcr.io/a/b:1\"");
    let json = fly.run(&["up", "one", "--dry-run", "--json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(keys(&json), ["acceptance", "dockerfile", "flyToml", "plan"]);
    assert_eq!(fly.calls(), Vec::<Value>::new());
    assert!(!fly.place.state().exists());
    assert_eq!(snapshot(&fly.place.path("one")), before);
}

#[test]
fn exit_0_a_dry_run_without_any_flyctl_shows_the_merged_file_with_its_comments() {
    let Some(fly) = Fly::new() else { return };
    fly.place.write("one/fly.toml", "app = \"mine\" # the name\n[http_service]\ninternal_port = 9 # door\n");
    fly.place.write("one/deploy.toml", "target = \"fly\"\nresource = \"web\"\n");
    let mut command = fly.command(&["up", "--dir", "one", "--dry-run"]);
    command.env("DEPLOY_FLYCTL", "/nowhere/flyctl");
    let shown = Running::start(command).end();
    shown
        .exits(0)
        .prints("app = \"mine\" # the name")
        .prints("internal_port = 9 # door")
        .prints("dockerfile");
}

#[test]
fn exit_1_a_first_release_that_is_unhealthy_stays_and_says_so() {
    let Some(fly) = Fly::new() else { return };
    fly.plays(&json!({ "deploy": [{ "answers": 500 }] }));
    let up = fly.run(&["up", "one"]);
    up.exits(1).prints_nothing().says("[unhealthy]").says("DEPLOY-HEALTH-200 failed");
    let deploys = fly.calls().iter().filter(|call| call["argv"].to_string().contains("--image=")).count();
    assert_eq!(deploys, 1, "there is no verified release, so nothing was rolled back");
    // The one that never passed is nothing to go back to either.
    fly.plays(&json!({ "deploy": [{ "answers": 500 }] }));
    fly.run(&["up", "two"]).exits(1);
    fly.run(&["rollback", "web", "--to", "v1"]).exits(4);
}

#[test]
fn exit_2_usage() {
    let Some(fly) = Fly::new() else { return };
    let missing = fly.run(&["up", "one", "--flyctl", "/nowhere/flyctl"]);
    missing.refuses(2, "flyctl_missing").says("/nowhere/flyctl").says("--flyctl");
    let mut command = fly.command(&["up", "one"]);
    command.env_remove("DEPLOY_FLYCTL").env("PATH", "/nowhere");
    Running::start(command).end().refuses(2, "flyctl_missing").says("PATH");
    fly.place.write("one/deploy.toml", "target = \"fly\"\n");
    for command in [&["up", "one"][..], &["up", "one", "--dry-run"]] {
        fly.run(command).refuses(2, "fly_app_missing").says("--app");
    }
    fly.place.write("one/fly.toml", "app = \"web\"\n\n[http_service]\ninternal_prot = 80\n");
    for command in [&["up", "one"][..], &["up", "one", "--dry-run"], &["plan", "one"]] {
        let run = fly.run(command);
        run.refuses(2, "fly_config_invalid")
            .says("fly.toml line 4, http_service.internal_prot")
            .says("internal_port?");
    }
    fly.run(&["up", "two", "--strategy", "yolo"]).refuses_usage();
    fly.run(&["up", "two", "--target", "static", "--app", "x"]).refuses(2, "flag_of_another_target");
    fly.run(&["up", "two", "--target", "vercel"])
        .refuses(2, "unsupported_target")
        .says("static, docker, fly");
    assert_eq!(fly.calls(), Vec::<Value>::new());
    assert!(!fly.place.state().join("serve.lock").exists(), "no control plane was started for it");
}

#[test]
fn exit_3_what_the_provider_refuses_leaves_production_untouched() {
    let Some(fly) = Fly::new() else { return };
    let served = fly.with_v1();
    for (command, text, code) in [
        (
            "status",
            "app web could not be found, did you create the app or misspell it in the fly.toml file or via -a?",
            "app_not_found",
        ),
        (
            "build",
            "failed to fetch an image or build from source: error building: exit code: 1",
            "build_failed",
        ),
        ("deploy", "Authenticate: token validation error", "provider_auth"),
    ] {
        fly.plays(&json!({ command: [{ "fail": text }] }));
        let up = fly.run(&["up", "two"]);
        up.exits(3).says(&format!("[{code}]"));
        assert_eq!(fly.live(), served, "{command}");
        assert_eq!(fly.place.newest()["liveNow"]["release"], "v1");
    }
}

#[test]
fn exit_4_what_fly_can_not_carry_out_is_blocked_before_anything_runs() {
    let Some(fly) = Fly::new() else { return };
    fly.place.write("site/index.html", "x");
    fly.run(&["up", "site", "--target", "fly", "--app", "web"]).exits(4).says("[unsupported_strategy]");
    fly.place.write(
        "two/deploy.toml",
        &format!("{TOML}[secrets]\nKEY = {{ env = \"KEY\" }}\n[limits]\nmemory = \"1GiB\"\n"),
    );
    let plan = fly.run(&["plan", "two"]);
    plan.exits(4).prints("flyctl secrets set").prints("[[vm]]");
    assert_eq!(fly.calls(), Vec::<Value>::new());
}

#[test]
fn exit_5_an_unhealthy_release_goes_back_to_the_verified_one_before() {
    let Some(fly) = Fly::new() else { return };
    let served = fly.with_v1();
    fly.plays(&json!({ "deploy": [{ "answers": 500 }] }));
    let up = fly.run(&["up", "two"]);
    up.exits(5).prints_nothing().says("rolled back").says("[unhealthy]");
    assert_eq!(fly.live(), served);
    assert_eq!(fly.place.newest()["liveNow"]["release"], "v1");
}

#[test]
fn exit_6_a_rollback_that_fails_needs_a_person() {
    let Some(fly) = Fly::new() else { return };
    fly.with_v1();
    fly.plays(&json!({ "deploy": [{ "answers": 500 }, { "fail": "could not find image \"x\"" }] }));
    let up = fly.run(&["up", "two"]);
    up.exits(6).says("[undo_failed]");
    assert_eq!(fly.place.newest()["liveNow"], Value::Null);
}

#[test]
fn exits_7_8_and_9_a_build_that_hangs_is_left_stopped_and_not_doubled() {
    let Some(fly) = Fly::new() else { return };
    let served = fly.with_v1();
    fly.plays(&json!({ "build": [{ "hang": true }] }));
    fly.run(&["up", "two", "--wait-timeout", "3s"]).exits(8);
    wait_for("flyctl to hang", || {
        fly.world()["next"].is_u64() && fly.calls().last().is_some_and(|c| c["argv"][0] == "deploy")
    });
    fly.run(&["up", "one"]).exits(9);
    let id = fly.place.newest()["id"].as_str().unwrap().to_owned();
    let pid = fly.calls().last().unwrap()["pid"].as_u64().unwrap();
    fly.run(&["stop", &id, "--now"]).exits(0);
    let status = fly.place.await_status(&id, "stopped", |status| status["status"] == "stopped");
    assert_eq!(status["exitCode"], 7);
    wait_for("flyctl to be gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(fly.live(), served);
}

#[test]
fn exit_10_something_goes_wrong_inside_and_production_is_untouched() {
    let Some(fly) = Fly::new() else { return };
    let served = fly.with_v1();
    // Where workspaces belong there is none to be had.
    let work = fly.place.state().join("work/fly");
    std::fs::remove_dir_all(&work).unwrap();
    std::fs::write(&work, "in the way").unwrap();
    fly.run(&["up", "two"]).exits(10).prints_nothing().says("[internal]");
    assert_eq!(fly.live(), served);
    assert_eq!(fly.place.newest()["liveNow"]["release"], "v1");
}

#[test]
fn exit_130_interrupted_before_anything_started_nothing_was_asked_of_fly() {
    use std::os::unix::process::ExitStatusExt as _;
    let Some(fly) = Fly::new() else { return };
    // A configuration that never comes: nothing is submitted before it was read.
    let pipe = fly.place.text("pipe");
    assert!(tool(&["mkfifo", &pipe]));
    let mut up = Running::start(interruptible(&fly.command(&["up", "one", "--config", &pipe])));
    let pid = up.child.id().cast_signed();
    wait_for("it to wait", || is_asleep(pid));
    kill(pid, Signal::INT);
    let mut status = None;
    wait_for("it to end", || {
        status = up.child.try_wait().unwrap();
        status.is_some()
    });
    // What a shell calls 130.
    assert_eq!(status.unwrap().signal(), Some(2), "{status:?}");
    assert_eq!(fly.calls(), Vec::<Value>::new());
    assert!(!fly.place.state().join("serve.lock").exists());
}

/// The same command where an interrupt counts: whoever runs these tests in the background may ignore it, and what they
/// start would, too.
fn interruptible(command: &Command) -> Command {
    let mut same = Command::new("env");
    same.arg("--default-signal=INT").arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        same.current_dir(directory);
    }
    same.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    same
}

fn is_asleep(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ours = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    stat.contains(") S ") && ours.windows(2).any(|two| two == b"up")
}

#[test]
fn a_page_that_a_browser_finds_broken_fails_but_stays_while_its_status_is_200() {
    if !tool(&["chromium", "--version"]) {
        return cannot("chromium", "it is not installed");
    }
    let Some(fly) = Fly::new() else { return };
    fly.with_v1();
    let mut world = fly.world();
    world["apps"]["web"]["page"] = "<script>console.error('no basket')</script>".into();
    fly.place.write("world/state.json", &world.to_string());
    fly.place.write("two/deploy.toml", &format!("{TOML}[health.browser]\nwait = \"200ms\"\n"));
    let up = fly.run(&["up", "two"]);
    up.exits(1).prints_nothing().says("[page_failed]").says("no basket").says("DEPLOY-BROWSER failed");
    let status = fly.place.newest();
    assert_eq!(status["status"], "failed", "its status is 200, so it is not rolled back: {status:#}");
    let page =
        status["acceptance"].as_array().unwrap().iter().find(|c| c["name"] == "DEPLOY-BROWSER").unwrap();
    assert!(fly.place.state().join(page["page"]["screenshot"]["file"].as_str().unwrap()).is_file());
}

/// A second release with this page and status; its public check goes on for so long.
fn second_release(page: &str, answers: u16, deadline: &str) -> Option<(Fly, Value, Run)> {
    let fly = Fly::new()?;
    let served = fly.with_v1();
    let mut world = fly.world();
    world["apps"]["web"]["page"] = page.into();
    fly.place.write("world/state.json", &world.to_string());
    fly.plays(&json!({ "deploy": [{ "answers": answers }] }));
    let toml = TOML.replace("deadline = \"2s\"", &format!("deadline = {deadline:?}"));
    fly.place.write("two/deploy.toml", &format!("{toml}[health.browser]\nwait = \"200ms\"\n"));
    let up = fly.run(&["up", "two"]);
    Some((fly, served, up))
}

/// Half a minute of real time must pass: two of the three conditions never take a release back.
#[test]
fn exit_5_only_a_bad_status_with_errors_on_the_console_after_half_a_minute_goes_back() {
    if !tool(&["chromium", "--version"]) {
        return cannot("chromium", "it is not installed");
    }
    const BROKEN: &str = "<script>console.error('no basket')</script>";
    let rows = [(BROKEN, "31s", 5), (BROKEN, "1s", 1), ("<h1>well</h1>", "31s", 1)];
    let ended = rows.map(|(page, deadline, code)| {
        (code, std::thread::spawn(move || second_release(page, 500, deadline)))
    });
    for (code, row) in ended {
        let Some((fly, served, up)) = row.join().unwrap() else { return };
        up.exits(code).prints_nothing().says("[unhealthy]").says("DEPLOY-BROWSER");
        let status = fly.place.newest();
        assert_eq!(fly.live() == served, code == 5, "{status:#}");
        assert_eq!(status["status"], if code == 5 { "rolled-back" } else { "failed" }, "{status:#}");
    }
}

#[test]
fn inv_36_no_token_is_in_anything_that_is_stored_or_shown() {
    let Some(fly) = Fly::new() else { return };
    let say =
        [TOKEN.to_owned(), format!("Authorization: FlyV1 {TOKEN}"), format!("FLY_ACCESS_TOKEN={TOKEN}")];
    fly.plays(&json!({
        "build": [{ "print": say, "say": say }],
        "deploy": [{ "say": say, "fail": format!("bearer {TOKEN} was refused") }],
    }));
    let up = fly.run(&["up", "one"]);
    let id = fly.place.newest()["id"].as_str().unwrap().to_owned();
    let said =
        [up.out.clone(), up.err.clone(), fly.run(&["logs", &id]).out, fly.run(&["show", &id, "--json"]).out];
    assert!(said.iter().all(|text| !text.contains("canary")), "{said:#?}");
    assert!(said[2].contains("[secret FLY_API_TOKEN"), "{}", said[2]);
    fly.run(&["serve", "--stop"]);
    let stored = snapshot(&fly.place.state()).join("\n");
    // A snapshot shows bytes as numbers.
    let canary = format!("{:?}", b"canary");
    assert!(!stored.contains(canary.trim_matches(['[', ']'])));
}

impl Fly {
    /// The first machine writes a line now.
    fn writes(&self, message: &str) {
        let machine = self.world()["apps"]["web"]["machines"][0]["id"].clone();
        let now = Command::new("date").args(["-u", "+%FT%T.%6NZ"]).output().unwrap().stdout;
        let line = json!({ "machine": machine, "message": message, "timestamp": String::from_utf8_lossy(&now).trim() });
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.place.path("world/logs.jsonl")).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

#[test]
fn inv_41_what_a_live_release_writes_is_shown_and_followed_until_it_serves_no_more() {
    let Some(fly) = Fly::new() else { return };
    fly.with_v1();
    let id = fly.place.newest()["id"].as_str().unwrap().to_owned();
    fly.writes("listening");
    fly.writes(&format!("token {TOKEN}"));
    let shown = fly.run(&["logs", &id, "--source", "runtime"]);
    shown.exits(0).prints("listening").prints("token [secret");
    assert!(!shown.out.contains("canary"), "{}", shown.out);
    let follower = Running::start(fly.command(&["logs", &id, "--source", "runtime", "--follow", "--json"]));
    let readings = || fly.calls().iter().filter(|call| call["argv"][0] == "logs").count();
    let before = readings();
    wait_for("somebody to follow", || readings() > before);
    for number in 0..20 {
        fly.writes(&format!("tick {number}"));
    }
    let seen = readings();
    wait_for("those to be read", || readings() > seen + 1);
    // More at once than fly shows.
    for number in 20..200 {
        fly.writes(&format!("tick {number}"));
    }
    let seen = readings();
    wait_for("those to be read", || readings() > seen + 3);
    fly.run(&["up", "two"]).exits(0);
    let lines = follower.end();
    let lines = lines.exits(0).lines();
    let (last, before) = lines.split_last().unwrap();
    assert_eq!((&last["kind"], &last["reason"]), (&"closed".into(), &"ended".into()), "{last}");
    let numbers: Vec<u64> = before.iter().filter_map(|line| line["sequence"].as_u64()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "a line twice, or out of order");
    let (mut expected, mut told) = (0, false);
    for line in before {
        told |= line["kind"] == "gap";
        let tick = line["message"].as_str().and_then(|text| text.strip_prefix("tick ")?.parse::<u64>().ok());
        let Some(number) = tick else { continue };
        assert!(number == expected || (told && number > expected), "{number} instead of {expected}");
        (expected, told) = (number + 1, false);
    }
    assert_eq!(expected, 200);
    assert!(before.iter().any(|line| line["kind"] == "gap"), "{before:#?}");
}

#[test]
fn what_fly_built_from_the_same_source_is_taken_as_it_is_while_fly_has_it() {
    let Some(fly) = Fly::new() else { return };
    let (tar, one) = (fly.place.text("one.tar"), fly.place.text("one"));
    assert!(tool(&["tar", "--sort=name", "-cf", &tar, "-C", &one, "."]));
    fly.place.write("deploy.toml", TOML);
    let config = fly.place.text("deploy.toml");
    let archive = ["up", &tar, "--config", &config];
    fly.run(&archive).exits(0);
    let (served, built) =
        (fly.live(), || fly.calls().iter().filter(|call| call["argv"][2] == "--push").count());
    assert_eq!(built(), 1);
    let plan = fly.run(&["plan", &tar, "--config", &config]);
    plan.exits(0).prints("nothing is built where fly still has registry.fly.io/web@sha256:");
    fly.run(&archive).exits(0);
    assert_eq!((fly.live(), built()), (served.clone(), 1), "it was built again");
    // Asked for, and where fly has lost it, it is built.
    let mut world = fly.world();
    world["gone"] = json!([format!("registry.fly.io/web@{}", served.as_str().unwrap())]);
    fly.place.write("world/state.json", &world.to_string());
    fly.run(&archive).exits(0);
    assert_eq!((fly.live(), built()), (served, 2), "it was not built");
}

#[test]
fn the_commit_that_was_deployed_is_proved_and_a_dirty_tree_is_said() {
    let Some(fly) = Fly::new() else { return };
    if !tool(&["git", "--version"]) {
        return cannot("git", "it is not installed");
    }
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command
            .args(["-c", "user.name=t", "-c", "user.email=t@t"])
            .args(words)
            .current_dir(fly.place.path("one"));
        assert!(command.output().unwrap().status.success(), "{words:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "first"]);
    fly.run(&["up", "one"]).exits(0).says("DEPLOY-COMMIT-MATCH passed");
    fly.place.write("one/more", "dirty");
    fly.run(&["up", "one"])
        .exits(0)
        .says("DEPLOY-COMMIT-MATCH soft-passed")
        .says("changes that are in no commit");
}

#[test]
fn the_api_shows_the_acceptance_checks() {
    let Some(fly) = Fly::new() else { return };
    fly.with_v1();
    let id = fly.place.newest()["id"].as_str().unwrap().to_owned();
    let shown = fly.place.json(&["show", &id]);
    assert_eq!(shown["acceptance"][1]["outcome"], "passed", "{shown:#}");
}
