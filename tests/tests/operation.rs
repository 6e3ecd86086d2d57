//! Two people and a CI job deploy to three resources at once from terminals of their own, while somebody pauses,
//! stops and rolls back, an interrupt detaches one of them, and the control plane is killed in between.
//!
//! Nobody is told what is not so; no run is lost, doubled or stuck; the order is FIFO, the limit of the
//! workspace holds; exit codes, JSON and the page agree (invariants 12, 13, 19, 20, 23; threats F23, F24).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use deploy_tests::{Installation, Ran, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const RESOURCES: [&str; 3] = ["web", "api", "docs"];
const PEOPLE: [&str; 3] = ["anna", "bob", "ci"];
const EACH: usize = 4;
const KILLS: usize = 3;
/// What may run at once.
const CONCURRENT: usize = 2;
const POLICY: &str = "[plans.starter]\nconcurrent = 2\nwaiting = 100\n\n\
                      [workspaces.team]\nplan = \"starter\"\nresources = [\"web\", \"api\", \"docs\"]\n";
/// What everything may take to end once nobody holds it.
const QUIET: Duration = Duration::from_secs(120);

/// What somebody was told by the command that deployed.
struct Told {
    who: &'static str,
    ran: Ran,
}

fn source(installation: &Installation) -> String {
    let source = installation.path("source");
    std::fs::create_dir_all(&source).expect("the test's directory can be written");
    let toml = "[runtime]\nbuild = '''sleep 0.2; mkdir -p dist; echo hello > dist/index.html'''\n\
                publish_directory = \"dist\"\n";
    std::fs::write(source.join("deploy.toml"), toml).expect("the test's directory can be written");
    source.to_str().expect("a path of ASCII letters").to_owned()
}

fn deploy(installation: &Installation, who: &'static str, source: &str) -> Vec<Told> {
    let mut told = Vec::new();
    for number in 0..EACH {
        let resource = RESOURCES[(number + who.len()) % RESOURCES.len()];
        let mut command =
            installation.command(&["up", source, "--resource", resource, "--wait-turn", "--json"]);
        command.env("DEPLOY_ACTOR", who);
        let child = command.spawn().expect("the binary can be started");
        if who == "ci" && number == 1 {
            // In the middle of whatever it is doing then: before, while or after submitting.
            thread::sleep(Duration::from_millis(700));
            interrupt(child.id());
        }
        let ran = child.wait_with_output().expect("a child can be waited for").into();
        told.push(Told { who, ran });
    }
    told
}

fn interrupt(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::INT);
    }
}

/// Every deployment, newest first; none while the control plane is away.
fn all(installation: &Installation) -> Option<Vec<Value>> {
    let ran = installation.run(&["list", "--json", "--limit", "200"]);
    (ran.code == 0).then(|| ran.json().as_array().cloned().unwrap_or_default())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Pauses, resumes, stops and rolls back whatever is there. Every answer is a typed one.
fn meddle(installation: &Installation, done: &AtomicBool) {
    let verbs: [&[&str]; 5] = [&["pause"], &["resume"], &["stop"], &["pause"], &["stop", "--now", "--undo"]];
    let mut turn = 0;
    while !done.load(Ordering::SeqCst) {
        let Some(deployments) = all(installation) else { continue };
        let unfinished: Vec<&Value> = deployments.iter().filter(|run| run["endedAt"].is_null()).collect();
        if let Some(run) = unfinished.get(turn % unfinished.len().max(1)) {
            let mut arguments = verbs[turn % verbs.len()].to_vec();
            arguments.insert(1, text(run, "id"));
            answered(&installation.run(&arguments));
            thread::sleep(Duration::from_millis(150));
            if arguments[0] == "pause" {
                answered(&installation.run(&["resume", text(run, "id")]));
            }
        }
        if turn % 6 == 5 {
            answered(&installation.run(&["rollback", RESOURCES[turn % 3], "--wait-turn", "--detach"]));
        }
        turn += 1;
    }
}

/// Done, refused with a reason, or away for a moment: never an internal error.
fn answered(ran: &Ran) {
    let away = ran.stderr.contains("control_plane");
    assert!(matches!(ran.code, 0 | 2 | 4 | 9) || away, "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

/// One request over the control plane's own socket.
fn get(installation: &Installation, path: &str) -> String {
    let mut stream = UnixStream::connect(installation.state().join("control.sock")).expect("it answers");
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: */*\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers with text");
    answer
}

#[test]
fn inv_12_many_people_one_truth() {
    let mut installation = Installation::new();
    std::fs::create_dir_all(installation.state()).expect("the test's directory can be written");
    std::fs::write(installation.state().join("policy.toml"), POLICY).expect("it can be written");
    let source = source(&installation);
    installation.start(None);
    let done = AtomicBool::new(false);
    let shared = std::sync::RwLock::new(installation);
    let told: Vec<Told> = thread::scope(|scope| {
        let (shared, source, done) = (&shared, source.as_str(), &done);
        let read = move || shared.read().expect("nobody panicked");
        let people = PEOPLE.map(|who| scope.spawn(move || deploy(&read(), who, source)));
        let meddler = scope.spawn(move || meddle(&read(), done));
        for kill in 0..KILLS {
            thread::sleep(Duration::from_millis(900 + 700 * kill as u64));
            kill_whoever_serves(&read());
        }
        let told = people.map(|person| person.join().expect("nobody was told nonsense"));
        done.store(true, Ordering::SeqCst);
        meddler.join().expect("every answer is a typed one");
        told.into_iter().flatten().collect()
    });
    let installation = shared.into_inner().expect("nobody panicked");
    // Any command that deploys starts it again if nobody else did.
    let _ = installation.run(&["up", &source, "--resource", "last"]).well();
    let deployments = ended(&installation);
    nothing_is_lost_or_doubled(&told, &deployments);
    first_come_first_served(&deployments);
    the_limit_holds(&deployments);
    everybody_says_the_same(&installation, &told, &deployments);
}

#[test]
fn inv_12_the_place_in_the_line_is_the_same_everywhere() {
    let mut installation = Installation::new();
    std::fs::create_dir_all(installation.state()).expect("the test's directory can be written");
    let policy = POLICY.replace("concurrent = 2", "concurrent = 1");
    std::fs::write(installation.state().join("policy.toml"), policy).expect("it can be written");
    let source = source(&installation);
    let slow = "[runtime]\nbuild = '''sleep 300'''\npublish_directory = \"dist\"\n";
    let toml = installation.path("source").join("deploy.toml");
    std::fs::write(toml, slow).expect("the test's directory can be written");
    installation.start(None);
    let submit = |resource: &str| {
        let ran = installation.run(&["up", &source, "--resource", resource, "--detach"]).well();
        ran.stdout.trim_end().to_owned()
    };
    let running = submit("web");
    wait::until("the first to run", QUIET, || {
        let shown = installation.run(&["show", &running, "--json"]).well().json();
        (!shown["startedAt"].is_null()).then_some(())
    });
    let waiting = [submit("api"), submit("docs")];
    for (index, id) in waiting.iter().enumerate() {
        let shown = installation.run(&["show", id, "--json"]).well().json();
        assert_eq!(shown["queue"]["position"], index + 1, "{shown:#}");
        assert_eq!(shown["queue"]["waitsFor"], "workspace");
        let answer = get(&installation, &format!("/api/deployments/{id}/queue"));
        assert!(answer.contains(&format!("\"position\":{}", index + 1)), "{answer}");
        let page = get(&installation, &format!("/runs/{id}"));
        assert!(page.contains(&format!("Number {} in the line", index + 1)), "{page}");
        let told = installation.run(&["show", id]).well().stdout;
        assert!(told.contains(&format!("queued  as number {}", index + 1)), "{told}");
    }
    let _ = installation.run(&["stop", &running, "--now"]).well();
    wait::until("its turn to come", QUIET, || {
        let shown = installation.run(&["show", &waiting[0], "--json"]).well().json();
        (shown["status"] != "queued" && shown.get("queue").is_none()).then_some(())
    });
}

/// Ends the control plane with SIGKILL, whoever started it.
fn kill_whoever_serves(installation: &Installation) {
    if let Some(pid) = installation.recorded("serve.lock") {
        deploy_tests::processes::kill(pid);
    }
}

/// Every deployment, oldest first, once all have ended.
fn ended(installation: &Installation) -> Vec<Value> {
    let mut deployments = Vec::new();
    wait::until_fine(QUIET, || {
        deployments = all(installation).ok_or("the control plane is away")?;
        let unfinished: Vec<&Value> = deployments.iter().filter(|run| run["endedAt"].is_null()).collect();
        for run in &unfinished {
            if run["paused"] == true {
                let _ = installation.run(&["resume", text(run, "id")]);
            }
        }
        let left: Vec<String> = unfinished.iter().map(|run| run.to_string()).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("not ended: {left:#?}")) }
    });
    deployments.reverse();
    deployments
}

fn nothing_is_lost_or_doubled(told: &[Told], deployments: &[Value]) {
    let ids: BTreeSet<&str> = deployments.iter().map(|run| text(run, "id")).collect();
    assert_eq!(ids.len(), deployments.len());
    for who in PEOPLE {
        let asked = told.iter().filter(|told| told.who == who).count();
        // One that was interrupted before it was submitted is not there, and was not told that it is.
        let unsure =
            told.iter().filter(|told| told.who == who && told.ran.stdout.is_empty() && told.ran.code != 9);
        let there = deployments.iter().filter(|run| text(run, "actor") == who).count();
        assert!(there <= asked && there + unsure.clone().count() >= asked, "{who}: {there} of {asked}");
    }
    for told in told.iter().filter(|told| !told.ran.stdout.is_empty()) {
        let id = told.ran.json()["id"].as_str().expect("an id").to_owned();
        assert!(ids.contains(id.as_str()), "{id} is lost, and somebody was told of it");
    }
}

fn first_come_first_served(deployments: &[Value]) {
    for resource in RESOURCES {
        let started: Vec<&str> = deployments
            .iter()
            .filter(|run| text(run, "resource") == resource)
            .filter_map(|run| run["startedAt"].as_str())
            .collect();
        assert!(started.is_sorted(), "{resource}: {started:?}");
    }
}

fn the_limit_holds(deployments: &[Value]) {
    let team: Vec<(&str, &str)> = deployments
        .iter()
        .filter(|run| text(run, "workspace") == "team" && !run["startedAt"].is_null())
        .map(|run| (text(run, "startedAt"), text(run, "endedAt")))
        .collect();
    assert!(team.len() > CONCURRENT, "too little ran to say anything: {team:?}");
    for (begin, _) in &team {
        let at_once = team.iter().filter(|(from, to)| from <= begin && begin < to).count();
        assert!(at_once <= CONCURRENT, "{at_once} of {CONCURRENT} at {begin}: {team:?}");
    }
}

/// What the command said and ended with, what is recorded, what HTTP answers and what the page shows.
fn everybody_says_the_same(installation: &Installation, told: &[Told], deployments: &[Value]) {
    let words: BTreeMap<&str, &str> = [
        ("succeeded", "Completed"),
        ("stopped", "Stopped"),
        ("failed", "Failed"),
        ("rolled-back", "Rolled back"),
    ]
    .into();
    for run in deployments {
        let id = text(run, "id");
        let shown = installation.run(&["show", id, "--json"]).well().json();
        assert_eq!(shown, *run, "the list and the detail differ");
        let answer = get(installation, &format!("/api/deployments/{id}"));
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        let body = &body[body.find('{').unwrap_or(0)..=body.rfind('}').unwrap_or(0)];
        assert_eq!(serde_json::from_str::<Value>(body).ok().as_ref(), Some(run), "{answer}");
        let page = get(installation, &format!("/runs/{id}"));
        let word = words[text(run, "status")];
        assert!(page.contains(word) && page.contains("data-ended"), "{word} is not on the page of {id}");
    }
    for told in told.iter().filter(|told| !told.ran.stdout.is_empty()) {
        let said = told.ran.json();
        let run = deployments.iter().find(|run| run["id"] == said["id"]).expect("it is there");
        if told.ran.code != 8 {
            assert_eq!(said, *run, "what {} was told is not what is recorded", told.who);
            assert_eq!(said["exitCode"], told.ran.code, "{:?}", told.ran);
        }
    }
}
