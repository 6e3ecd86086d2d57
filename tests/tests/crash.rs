//! Kill -9 at every moment of a run, and no help afterwards but a restart (inv. 13, 14, 23, 26, 27;
//! threats F23, F24, F26).
//!
//! `DEPLOY_CRASH_AT=N` ends the control plane at the Nth moment of its engine: before and after every
//! append, before and after every effect. N counts up until a run gets through without dying.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use deploy_tests::{Installation, Load, Manner, Page, Ran, Site, Started, processes, wait};
use serde_json::Value;

/// What a control plane that is back may take for what was under way.
const HEAL: Duration = Duration::from_secs(20);
/// What cleaning up may take behind an ending.
const CLEAN_UP: Duration = Duration::from_secs(5);
/// Between an ending and the certainty that no moment follows it.
const QUIET: Duration = Duration::from_millis(150);
/// More moments than any run has.
const TOO_MANY: usize = 200;

const V1: Page = Page(1);
const V2: Page = Page(2);

/// A run that is killed, and what it must come to.
struct Scenario {
    name: &'static str,
    /// What is live before.
    before: Page,
    /// What is live if the run succeeds.
    after: Page,
    /// How the run ends, crashed or not.
    verdict: &'static str,
    /// How it is submitted; without waiting for it.
    submit: Box<dyn Fn(&Installation) -> Ran>,
    /// Breaks the new release behind its switch.
    sabotage: bool,
}

/// An installation with a saved state to go back to.
struct Stage {
    installation: Installation,
    scenario: Scenario,
    /// The deployments of the saved state.
    known: BTreeSet<String>,
}

/// How one attempt went.
struct Attempt {
    /// Whether the control plane was killed by the moment that was asked for.
    crashed: bool,
    /// Requests that were answered meanwhile.
    requests: usize,
}

#[test]
fn inv_26_kill_at_every_moment_ends_truthfully_without_help() {
    every_moment(plain());
}

#[test]
fn inv_26_kill_around_a_build_that_leaves_processes_behind() {
    let stage = Stage::new(build());
    let requests = stage_in_the_middle_of_a_build(stage, 3);
    println!("killed in the middle of a build: 3 times, {requests} requests");
    every_moment(build());
}

#[test]
fn inv_26_kill_while_a_failing_check_is_taken_back() {
    every_moment(unhealthy());
}

#[test]
fn inv_26_kill_around_a_failure_behind_the_switch() {
    every_moment(broken_behind_the_switch());
}

#[test]
fn inv_26_kill_during_a_rollback() {
    every_moment(rollback());
}

#[test]
fn inv_26_kill_again_during_recovery() {
    let mut stage = Stage::new(plain());
    let (mut twice, mut requests) = (0, 0);
    for first in (3..36).step_by(4) {
        for second in [1, 2, 4, 7, 11] {
            let attempt = stage.attempt(&[first, second]);
            twice += usize::from(attempt.crashed);
            requests += attempt.requests;
        }
    }
    println!("double crash: {twice} pairs, {requests} requests, 0 failed");
    assert!(twice > 20, "only {twice} second crashes happened");
}

// ---------------------------------------------------------------------------------------------
// Scenarios

fn deploying(
    name: &'static str,
    verdict: &'static str,
    site: impl Fn(&Installation) -> Site + 'static,
) -> Scenario {
    let submit = move |installation: &Installation| installation.up(&site(installation), &["--detach"]);
    Scenario { name, before: V1, after: V2, verdict, submit: Box::new(submit), sabotage: false }
}

fn plain() -> Scenario {
    deploying("plain deploy", "succeeded", |installation| installation.site("v2", V2))
}

fn build() -> Scenario {
    deploying("deploy with a build", "succeeded", |installation| {
        // One process leaves the group of the build, so that only its mark is left to find it by.
        let script = format!(
            "setsid sleep 300 >/dev/null 2>&1 &\nsleep 300 >/dev/null 2>&1 &\ntouch {}\nsleep 0.2",
            installation.path("building").display()
        );
        installation.site("v2", V2).with_build(&script, "")
    })
}

fn unhealthy() -> Scenario {
    deploying("failure before the switch", "failed", |installation| {
        let config = "[health]\nexpected_body = \"never there\"\ndeadline = \"200ms\"\n";
        installation.site("v2", V2).with_config(config)
    })
}

fn broken_behind_the_switch() -> Scenario {
    let site = |installation: &Installation| {
        let config = "[health]\npath = \"/health.txt\"\ninterval = \"150ms\"\nhealthy_after = 3\ndeadline = \"800ms\"\n";
        let site = installation.site("v2", V2).with_config(config);
        // Too large for the edge's memory, so that what happens to it on disk is seen.
        site.write("health.txt", vec![b'.'; 3 * 1024 * 1024]);
        site
    };
    Scenario { sabotage: true, ..deploying("failure behind the switch", "rolled-back", site) }
}

fn rollback() -> Scenario {
    let submit = |installation: &Installation| installation.run(&["rollback", "web", "--detach", "--json"]);
    Scenario {
        name: "rollback",
        before: V2,
        after: V1,
        verdict: "succeeded",
        submit: Box::new(submit),
        sabotage: false,
    }
}

fn every_moment(scenario: Scenario) {
    let started = Instant::now();
    let mut stage = Stage::new(scenario);
    let mut requests = 0;
    let survived = (1..TOO_MANY).find(|&moment| {
        let attempt = stage.attempt(&[moment]);
        requests += attempt.requests;
        !attempt.crashed
    });
    let points = survived.expect("a run has an end") - 1;
    println!(
        "{}: {points} crash points, {requests} requests, 0 failed, {:.1?}",
        stage.scenario.name,
        started.elapsed()
    );
    assert!(points > 20, "only {points} crash points");
}

/// Kills the control plane while the build's shell runs: no moment of the engine is there.
fn stage_in_the_middle_of_a_build(mut stage: Stage, times: usize) -> usize {
    let mut requests = 0;
    for _ in 0..times {
        let marker = stage.installation.path("building");
        let _ = std::fs::remove_file(&marker);
        requests += stage.run("in the middle of the build", &[], |stage| {
            wait::until("the build to begin", HEAL, || marker.exists().then_some(()));
            stage.installation.kill_control_plane();
        });
    }
    requests
}

// ---------------------------------------------------------------------------------------------
// One attempt

impl Stage {
    fn new(scenario: Scenario) -> Self {
        let mut installation = Installation::new();
        assert_eq!(installation.start(None), Started::Ready);
        let mut pages = vec![V1];
        if scenario.before != V1 {
            pages.push(scenario.before);
        }
        for page in pages {
            let site = installation.site("before", page);
            let _ = installation.up(&site, &[]).well();
        }
        let known = installation.deployments().iter().map(id).collect();
        installation.save();
        Self { installation, scenario, known }
    }

    /// Runs with a crash at each of these moments, one per life of the control plane.
    fn attempt(&mut self, moments: &[usize]) -> Attempt {
        let (mut crashed, lives) = (false, moments.to_vec());
        let what = format!("{moments:?}");
        let requests = self.run(&what, moments, |stage| {
            crashed = stage.live_through(&lives);
        });
        Attempt { crashed, requests }
    }

    /// From the saved state to the last check; `live` takes what was submitted through its crashes.
    fn run(&mut self, what: &str, moments: &[usize], live: impl FnOnce(&mut Self)) -> usize {
        let what = format!("{}, crash at {what}", self.scenario.name);
        self.installation.restore();
        let start = self.installation.start(moments.first().copied());
        assert_eq!(start, Started::Ready, "{what}: nothing is unfinished yet");
        let manners = [Manner::KeepAlive, Manner::OneShot];
        let load = Load::start(self.installation.edge(), Installation::HOST, &manners);
        let saboteur = self.scenario.sabotage.then(|| Saboteur::start(&self.installation));
        let submitted = (self.scenario.submit)(&self.installation);
        let acknowledged = (submitted.code == 0).then(|| id(&submitted.json()));
        live(self);
        // Dead or not: from here on there are no more crashes.
        self.installation.kill_control_plane();
        assert_eq!(self.installation.start(None), Started::Ready, "{what}");
        let deployment = self.ended(&what, acknowledged.as_deref());
        drop(saboteur);
        self.check(&what, deployment.as_ref());
        let visits = load.finish();
        self.check_visits(&what, &visits);
        self.check_next(&what);
        visits.len()
    }

    /// Whether the last of the moments was reached. Each life but the first begins with a recovery.
    fn live_through(&mut self, moments: &[usize]) -> bool {
        for (life, moment) in moments.iter().enumerate() {
            if life > 0 {
                self.installation.kill_control_plane();
                self.installation.start(Some(*moment));
            }
            if !self.dies() {
                // The next life is none: everything has ended.
                return false;
            }
        }
        true
    }

    /// Waits until the control plane is gone, or everything has ended without that.
    fn dies(&mut self) -> bool {
        wait::until("a crash or an end", HEAL, || {
            if self.installation.is_gone() {
                return Some(true);
            }
            let listed = self.installation.run(&["list", "--json"]);
            let all_ended = listed.code == 0 && new_of(&listed.json(), &self.known).iter().all(has_ended);
            if !all_ended {
                return None;
            }
            std::thread::sleep(QUIET);
            Some(self.installation.is_gone())
        })
    }

    /// The new deployment once it has ended. One that was never acknowledged may be absent.
    fn ended(&self, what: &str, acknowledged: Option<&str>) -> Option<Value> {
        let started = Instant::now();
        loop {
            let new = new_of(&Value::Array(self.installation.deployments()), &self.known);
            assert!(new.len() <= 1, "{what}: submitted once, recorded {} times", new.len());
            match new.into_iter().next() {
                None => {
                    assert_eq!(acknowledged, None, "{what}: an acknowledged submission is gone");
                    return None;
                }
                Some(deployment) if has_ended(&deployment) => {
                    let id = id(&deployment);
                    assert!(acknowledged.is_none_or(|acknowledged| acknowledged == id), "{what}");
                    return Some(deployment);
                }
                Some(deployment) => {
                    let healing = started.elapsed() < HEAL;
                    assert!(healing, "{what}: not ended {HEAL:?} after the restart: {deployment:#}");
                }
            }
            std::thread::sleep(wait::LOOK);
        }
    }

    // -----------------------------------------------------------------------------------------
    // Checks

    fn check(&self, what: &str, deployment: Option<&Value>) {
        let expected = match deployment {
            None => self.scenario.before,
            Some(deployment) => {
                let (status, id) = (text(deployment, "status"), id(deployment));
                assert_eq!(status, self.scenario.verdict, "{what}: {deployment:#}");
                self.check_events(what, &id);
                self.check_nothing_is_left(what, &id);
                if status == "succeeded" { self.scenario.after } else { self.scenario.before }
            }
        };
        let answer = self.installation.ask();
        assert_eq!(Page::of(&answer.body), Some(expected), "{what}: the edge serves something else");
        self.check_records(what, &answer.release, deployment);
        let doctor = self.installation.run(&["doctor"]);
        assert_eq!(doctor.code, 0, "{what}: {doctor:?}");
    }

    /// What serves, what is recorded as live, and what the deployment says is live are the same.
    fn check_records(&self, what: &str, served: &str, deployment: Option<&Value>) {
        let releases = self.installation.releases();
        let live: Vec<&Value> = releases.iter().filter(|release| text(release, "state") == "live").collect();
        assert_eq!(live.len(), 1, "{what}: {live:#?}");
        assert_eq!(text(live[0], "digest"), served, "{what}: recorded as live, but not served");
        if let Some(deployment) = deployment {
            let shown = self.installation.run(&["show", &id(deployment), "--json"]).well().json();
            assert_eq!(shown["liveNow"]["release"], live[0]["version"], "{what}: {shown:#}");
            assert_eq!(shown["status"] == "succeeded", shown["exitCode"] == 0, "{what}: {shown:#}");
        }
        let kept: BTreeSet<String> = releases
            .iter()
            .filter(|release| ["live", "previous"].contains(&text(release, "state").as_str()))
            .map(|release| text(release, "digest").replace("sha256:", ""))
            .collect();
        wait::until_fine(CLEAN_UP, || {
            let stored = names(&self.installation.state().join("releases"));
            if stored == kept { Ok(()) } else { Err(format!("{what}: stored {stored:?}, needed {kept:?}")) }
        });
    }

    /// Events are numbered from 1 without a gap, and the status counts the same.
    fn check_events(&self, what: &str, id: &str) {
        let events = self.installation.run(&["events", id, "--json"]).well().stdout;
        let lines =
            events.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
        let numbers: Vec<u64> = lines
            .filter(|line| line["kind"] == "event")
            .map(|event| event["sequence"].as_u64().expect("an event has a number"))
            .collect();
        let shown = self.installation.run(&["show", id, "--json"]).well().json();
        let expected: Vec<u64> = (1..=shown["sequence"].as_u64().expect("a status has a number")).collect();
        assert_eq!(numbers, expected, "{what}");
    }

    fn check_nothing_is_left(&self, what: &str, id: &str) {
        wait::until_fine(CLEAN_UP, || {
            let work = names(&self.installation.state().join("work"));
            let orphans = processes::marked("DEPLOY_DEPLOYMENT", id);
            if work.is_empty() && orphans.is_empty() {
                return Ok(());
            }
            Err(format!("{what}: left behind: work {work:?}, processes {orphans:?}"))
        });
    }

    fn check_visits(&self, what: &str, visits: &[deploy_tests::Visit]) {
        let sites = [self.scenario.before, self.scenario.after];
        assert!(visits.len() > 2, "{what}: nobody asked");
        let mut releases = std::collections::BTreeMap::new();
        for visit in visits {
            let (release, page) =
                visit.outcome.clone().unwrap_or_else(|wrong| panic!("{what}: a request failed: {wrong}"));
            assert!(sites.contains(&page), "{what}: {page:?} was served");
            let named = *releases.entry(release).or_insert(page);
            assert_eq!(named, page, "{what}: one release, two contents");
        }
    }

    /// The next run of the resource starts without anybody unlocking anything (F23).
    fn check_next(&self, what: &str) {
        let next = Page(3);
        let ran = self.installation.up(&self.installation.site("v3", next), &[]);
        assert_eq!(ran.code, 0, "{what}: the next run: {ran:?}");
        assert_eq!(Page::of(&self.installation.ask().body), Some(next), "{what}: the next run");
    }
}

/// Removes the file that the health check asks for as soon as the new release serves.
struct Saboteur {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Saboteur {
    fn start(installation: &Installation) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (address, releases) = (installation.edge(), installation.state().join("releases"));
        let stopped = std::sync::Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                let answer = deploy_tests::Connection::once(address, Installation::HOST, "/");
                if let Ok(answer) = answer
                    && Page::of(&answer.body) == Some(V2)
                {
                    let release = releases.join(answer.release.replace("sha256:", ""));
                    let _ = std::fs::remove_file(release.join("files/health.txt"));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Saboteur {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Reading

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn id(deployment: &Value) -> String {
    text(deployment, "id")
}

fn has_ended(deployment: &Value) -> bool {
    !deployment["endedAt"].is_null()
}

fn new_of(deployments: &Value, known: &BTreeSet<String>) -> Vec<Value> {
    let all = deployments.as_array().expect("deployments are listed").iter();
    all.filter(|deployment| !known.contains(&id(deployment))).cloned().collect()
}

/// The names in a directory; one that is not there has none.
fn names(directory: &std::path::Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return BTreeSet::new() };
    entries
        .map(|entry| entry.expect("a directory can be read").file_name().to_string_lossy().into_owned())
        .collect()
}
