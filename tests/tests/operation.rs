//! Two people and a CI job deploy to three resources at once from terminals of their own, while somebody pauses,
//! stops and rolls back, an interrupt detaches one of them, and the control plane is killed in between.
//!
//! Nobody is told what is not so; no run is lost, doubled or stuck; the order is FIFO, the limit of the
//! workspace holds; exit codes, JSON and the page agree at every sequence number (invariants 12, 13, 19, 20, 23;
//! threats F23, F24).
//!
//! `DEPLOY_OPERATION_SEEDS=N` tries more seeds; `DEPLOY_OPERATION_SEED=S` tries one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use deploy_core::command::{Command, StopMode};
use deploy_tests::{Installation, Ran, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[path = "operation/truth.rs"]
mod truth;

use truth::{Journals, Said};

const RESOURCES: [&str; 3] = ["web", "api", "docs"];
const PEOPLE: [&str; 3] = ["anna", "bob", "ci"];
/// Who pauses, stops and rolls back.
const MEDDLER: &str = "eve";
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

impl Told {
    /// What was said of a deployment; nothing where it is not known whether there is one, which is said, too.
    fn status(&self) -> Option<Value> {
        // Refused for now is not accepted.
        let said = (!self.ran.stdout.is_empty() && self.ran.code != 9).then(|| self.ran.json())?;
        if said["id"].is_string() {
            return Some(said);
        }
        assert!(text(&said, "code").starts_with("control_plane"), "{:?}", self.ran);
        None
    }
}

fn source(installation: &Installation) -> String {
    let source = installation.path("source");
    std::fs::create_dir_all(&source).expect("the test's directory can be written");
    let toml = "[runtime]\nbuild = '''sleep 0.2; mkdir -p dist; echo hello > dist/index.html'''\n\
                publish_directory = \"dist\"\n";
    std::fs::write(source.join("deploy.toml"), toml).expect("the test's directory can be written");
    source.to_str().expect("a path of ASCII letters").to_owned()
}

/// A sequence of numbers that a seed determines.
struct Dice(u64);

impl Dice {
    fn new(seed: u64, who: usize) -> Self {
        Self((seed * 31 + who as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pause(&mut self, from: u64, until: u64) {
        thread::sleep(Duration::from_millis(from + self.roll(until - from)));
    }
}

fn deploy(installation: &Installation, who: &'static str, source: &str, mut dice: Dice) -> Vec<Told> {
    let mut told = Vec::new();
    for number in 0..EACH {
        let resource = RESOURCES[dice.roll(3) as usize];
        let mut command =
            installation.command(&["up", source, "--resource", resource, "--wait-turn", "--json"]);
        command.env("DEPLOY_ACTOR", who);
        let child = command.spawn().expect("the binary can be started");
        if who == "ci" && number == 1 {
            // In the middle of whatever it is doing then: before, while or after submitting.
            dice.pause(50, 1_200);
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
fn meddle(installation: &Installation, done: &AtomicBool, mut dice: Dice) -> Vec<Said> {
    let mut said = Vec::new();
    let mut send = |id: &str, command: Command| {
        let mut line = installation.command(&truth::arguments(&command, id));
        let ran: Ran = line.env("DEPLOY_ACTOR", MEDDLER).output().expect("the binary can be started").into();
        answered(&ran);
        said.push(Said { id: id.to_owned(), command, ran });
    };
    while !done.load(Ordering::SeqCst) {
        let Some(deployments) = all(installation) else { continue };
        let unfinished: Vec<&Value> = deployments.iter().filter(|run| run["endedAt"].is_null()).collect();
        if let Some(run) = unfinished.get(dice.roll(unfinished.len().max(1) as u64) as usize) {
            let (id, undo) = (text(run, "id"), dice.roll(2) == 0);
            match dice.roll(5) {
                0 => send(id, Command::Stop { mode: StopMode::AfterStep, undo }),
                1 => send(id, Command::Stop { mode: StopMode::Now, undo }),
                2 => send(id, Command::Resume),
                _ => {
                    send(id, Command::Pause);
                    dice.pause(20, 300);
                    send(id, Command::Resume);
                }
            }
        }
        if dice.roll(6) == 0 {
            let resource = RESOURCES[dice.roll(3) as usize];
            answered(&installation.run(&["rollback", resource, "--wait-turn", "--detach"]));
        }
        dice.pause(20, 200);
    }
    said
}

/// Done, refused with a reason, or away for a moment: never an internal error.
fn answered(ran: &Ran) {
    let away = ran.stderr.contains("control_plane");
    assert!(matches!(ran.code, 0 | 2 | 4 | 9) || away, "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

#[test]
fn inv_12_many_people_one_truth() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("DEPLOY_OPERATION_SEED") {
        return one_day(seed);
    }
    for seed in 1..=number("DEPLOY_OPERATION_SEEDS").unwrap_or(2) {
        let failed = std::panic::catch_unwind(|| one_day(seed));
        assert!(failed.is_ok(), "seed {seed} fails: DEPLOY_OPERATION_SEED={seed} tries it alone");
    }
}

fn one_day(seed: u64) {
    let mut installation = Installation::new();
    std::fs::create_dir_all(installation.state()).expect("the test's directory can be written");
    std::fs::write(installation.state().join("policy.toml"), POLICY).expect("it can be written");
    let source = source(&installation);
    installation.start(None);
    let done = AtomicBool::new(false);
    let installation = &installation;
    let (told, said, seen) = thread::scope(|scope| {
        let (source, done) = (source.as_str(), &done);
        let people: Vec<_> = PEOPLE
            .into_iter()
            .enumerate()
            .map(|(number, who)| {
                scope.spawn(move || deploy(installation, who, source, Dice::new(seed, number)))
            })
            .collect();
        let meddler = scope.spawn(move || meddle(installation, done, Dice::new(seed, 7)));
        let watcher = scope.spawn(move || truth::watch(installation, done));
        let mut dice = Dice::new(seed, 8);
        for _ in 0..KILLS {
            dice.pause(400, 2_500);
            kill_whoever_serves(installation);
        }
        let told = people.into_iter().flat_map(|person| person.join().expect("nobody was told nonsense"));
        let told: Vec<Told> = told.collect();
        done.store(true, Ordering::SeqCst);
        let said = meddler.join().expect("every answer is a typed one");
        (told, said, watcher.join().expect("whatever is shown can be read"))
    });
    // Any command that deploys starts it again if nobody else did.
    let _ = installation.run(&["up", &source, "--resource", "last"]).well();
    let deployments = ended(installation);
    nothing_is_lost_or_doubled(&told, &deployments);
    first_come_first_served(&deployments);
    the_limit_holds(&deployments);
    everybody_says_the_same(installation, &told, &deployments);
    let _ = installation.run(&["serve", "--stop"]).well();
    let journals = Journals::read(installation, &deployments);
    let numbers = journals.agree_with(&seen);
    said.iter().for_each(|said| journals.bear_out(said));
    let done = said.iter().filter(|said| said.ran.code == 0).count();
    println!(
        "seed {seed}: {} runs; {} looks at {numbers} sequence numbers, {done} of {} commands done, all borne out",
        deployments.len(),
        seen.len(),
        said.len()
    );
    assert!(numbers > 20 && done > 0, "too little was seen to say anything");
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
        let answer = truth::get(&installation, &format!("/api/deployments/{id}/queue")).expect("it answers");
        assert!(answer.contains(&format!("\"position\":{}", index + 1)), "{answer}");
        let page = truth::get(&installation, &format!("/runs/{id}")).expect("it answers");
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
            told.iter().filter(|told| told.who == who && told.status().is_none() && told.ran.code != 9);
        let there = deployments.iter().filter(|run| text(run, "actor") == who).count();
        assert!(there <= asked && there + unsure.clone().count() >= asked, "{who}: {there} of {asked}");
    }
    for said in told.iter().filter_map(Told::status) {
        let id = text(&said, "id");
        assert!(ids.contains(id), "{id} is lost, and somebody was told of it");
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
        let answer = truth::get(installation, &format!("/api/deployments/{id}")).expect("it answers");
        assert_eq!(truth::json(&answer).as_ref(), Some(run), "{answer}");
        let page = truth::get(installation, &format!("/runs/{id}")).expect("it answers");
        let word = words[text(run, "status")];
        assert!(page.contains(word) && page.contains("data-ended"), "{word} is not on the page of {id}");
    }
    for (told, said) in told.iter().filter_map(|told| Some((told, told.status()?))) {
        let run = deployments.iter().find(|run| run["id"] == said["id"]).expect("it is there");
        if told.ran.code != 8 {
            assert_eq!(said, *run, "what {} was told is not what is recorded", told.who);
            assert_eq!(said["exitCode"], told.ran.code, "{:?}", told.ran);
        }
    }
}
