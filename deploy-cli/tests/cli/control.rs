//! Pause, resume and stop: typed answers, nothing started behind them, and no process left.

use std::time::Duration;

use rustix::process::Signal;

use crate::common::{Place, kill, serves, wait_for};

const GOOD: &str = "sleep 0.7; mkdir dist; echo second > dist/index.html";

/// Numbers for `sleep` that no other process here uses.
fn marks(count: u32) -> Vec<String> {
    let base = u64::from(std::process::id()) * 100;
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    (0..count).map(|_| (base + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).to_string()).collect()
}

/// The processes that are `sleep MARK`.
fn sleepers(mark: &str) -> Vec<i32> {
    let wanted = format!("sleep\0{mark}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten().filter(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
    });
    processes.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect()
}

/// Whether `sleep MARK` runs somewhere.
fn sleeps(mark: &str) -> bool {
    !sleepers(mark).is_empty()
}

#[test]
fn invariant_31_while_paused_the_running_step_ends_and_nothing_new_starts() {
    let place = Place::new();
    let url = place.with_v1();
    let (id, mut up) = place.building(GOOD);

    let paused = place.json(&["pause", &id]);
    assert_eq!(paused["paused"], true, "{paused:#}");
    place.run(&["pause", &id]).refuses(9, "already_paused").says("paused already");

    let built = |status: &serde_json::Value| status["steps"][0]["state"] == "completed";
    let status = place.await_status(&id, "built", built);
    std::thread::sleep(Duration::from_millis(500));
    let later = place.show(&id);
    assert_eq!((&later["paused"], &later["runStatus"]), (&true.into(), &"paused".into()));
    assert_eq!(later["steps"], status["steps"], "a step started while it was paused");
    place.run(&["show", &id]).exits(0).prints(", paused");
    place.run(&["list"]).exits(0).prints("paused");
    serves(&url, "first");
    assert!(up.child.try_wait().unwrap().is_none(), "`up` waits as long as the run can go on");

    assert_eq!(place.json(&["resume", &id])["paused"], false);
    let up = up.end();
    assert_eq!(up.exits(0).out.trim_end(), url);
    serves(&url, "second");
}

#[test]
fn resume_of_a_deployment_that_is_not_paused_is_refused() {
    let place = Place::new();
    let (id, up) = place.building(GOOD);
    place.run(&["resume", &id]).refuses(9, "not_paused");
    up.end().exits(0);
}

#[test]
fn stop_lets_the_running_step_end_and_the_waiting_up_exits_7() {
    let place = Place::new();
    let url = place.with_v1();
    let (id, up) = place.building(GOOD);
    place.run(&["stop", &id]).exits(0);
    place.run(&["stop", &id]).refuses(9, "already_stopping");
    let up = up.end();
    up.exits(7).prints_nothing().says("stopped").says("live    v1").says("  next    ");
    let status = place.show(&id);
    assert_eq!((&status["status"], &status["runStatus"]), (&"stopped".into(), &"stopped".into()));
    assert_eq!(status["exitCode"], 7);
    let states: Vec<_> =
        status["steps"].as_array().unwrap().iter().map(|step| step["state"].clone()).collect();
    assert_eq!(states[0], "completed", "the running step ended by itself: {states:?}");
    assert!(states[1..].iter().all(|state| state == "skipped"), "nothing started after it: {states:?}");
    serves(&url, "first");
}

#[test]
fn invariant_30_stop_now_ends_the_build_with_its_children_and_grandchildren() {
    let place = Place::new();
    let url = place.with_v1();
    let marks = marks(3);
    let [own, child, grandchild] = marks.as_slice() else { unreachable!() };
    let build =
        format!("sh -c 'sh -c \"sleep {grandchild}; true\" & sleep {child}; true' & sleep {own}; true");
    let (id, up) = place.building(&build);
    marks.iter().for_each(|mark| wait_for("the sleeping build", || sleeps(mark)));

    place.run(&["stop", &id, "--now"]).exits(0);
    let up = up.end();
    up.exits(7).prints_nothing().says("live    v1");
    assert!(up.took < Duration::from_secs(20), "{up:?}");
    assert_eq!(place.show(&id)["status"], "stopped");
    wait_for("the build's processes to be gone", || !marks.iter().any(|mark| sleeps(mark)));
    serves(&url, "first");
    place.live("v1");
}

#[test]
fn stop_now_ends_a_build_that_ignores_being_asked() {
    let place = Place::new();
    let marks = marks(2);
    let build = format!(
        "trap '' TERM INT HUP; sh -c 'trap \"\" TERM; sleep {}; sleep {}'; sleep {}",
        marks[0], marks[1], marks[1]
    );
    let (id, up) = place.building(&build);
    wait_for("the sleeping build", || sleeps(&marks[0]));
    place.run(&["stop", &id, "--now"]).exits(0);
    up.end().exits(7);
    wait_for("the build's processes to be gone", || !marks.iter().any(|mark| sleeps(mark)));
}

#[test]
fn stop_now_ends_what_a_build_put_into_a_session_of_its_own() {
    let place = Place::new();
    let marks = marks(2);
    let (id, up) = place.building(&format!("setsid sleep {} & sleep {}; true", marks[0], marks[1]));
    marks.iter().for_each(|mark| wait_for("the sleeping build", || sleeps(mark)));
    place.run(&["stop", &id, "--now"]).exits(0);
    up.end().exits(7);
    std::thread::sleep(Duration::from_millis(500));
    let left: Vec<_> = marks.iter().filter(|mark| sleeps(mark)).collect();
    sleepers(&marks[0]).into_iter().for_each(|pid| kill(pid, Signal::KILL));
    assert!(left.is_empty(), "still running after the run has ended as stopped: sleep {left:?}");
}

#[test]
fn stop_with_undo_takes_completed_steps_back() {
    let place = Place::new();
    let url = place.with_v1();
    let (id, up) = place.building(GOOD);
    place.run(&["stop", &id, "--undo"]).exits(0);
    up.end().exits(7).prints_nothing();
    let status = place.await_status(&id, "stopped", |status| status["status"] == "stopped");
    assert_eq!(status["residue"], serde_json::json!([]), "{status:#}");
    serves(&url, "first");
}

#[test]
fn a_paused_deployment_can_be_stopped() {
    let place = Place::new();
    let (id, up) = place.building(GOOD);
    place.run(&["pause", &id]).exits(0);
    place.run(&["stop", &id, "--now"]).exits(0);
    up.end().exits(7);
    assert_eq!(place.show(&id)["status"], "stopped");
}

#[test]
fn the_run_goes_on_when_the_waiting_command_is_killed_or_interrupted() {
    let place = Place::new();
    for (signal, code) in [(Signal::KILL, -1), (Signal::INT, 8)] {
        let (id, up) = place.building(GOOD);
        kill(i32::try_from(up.child.id()).unwrap(), signal);
        let up = up.end();
        up.exits(code).prints_nothing();
        if signal == Signal::INT {
            up.says("the run goes on").says(&id);
        }
        let status = place.await_status(&id, "succeeded", |status| status["status"] == "succeeded");
        serves(status["liveNow"]["url"].as_str().unwrap(), "second");
    }
}

#[test]
fn a_refused_command_says_which_command_helps() {
    let place = Place::new();
    let (id, up) = place.building(GOOD);
    place.run(&["pause", &id]).exits(0);
    let again = place.run(&["pause", &id]);
    place.run(&["resume", &id]).exits(0);
    up.end().exits(0);
    again.refuses(9, "already_paused").says(&format!("deploy resume {id}"));
}

#[test]
fn a_command_for_an_ended_deployment_is_refused_as_ended_from_the_first_moment() {
    let place = Place::new();
    place.with_v1();
    let mut others = Vec::new();
    for _ in 0..8 {
        let id = place.json(&["up", "v1", "--resource", "web"])["id"].as_str().unwrap().to_owned();
        for verb in ["resume", "pause", "stop", "resume", "pause", "stop"] {
            let run = place.run(&[verb, &id]);
            if !run.err.contains("[already_ended]") {
                others.push((verb, run));
            }
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}
