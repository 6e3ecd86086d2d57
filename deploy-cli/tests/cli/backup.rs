//! Backup and move: what is restored elsewhere is what was saved, and it works.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::common::{Place, Running, kill, serves, wait_for};

/// Three releases of `web`, and one resource more.
fn furnished() -> Place {
    let place = Place::new();
    place.with_v1();
    for text in ["second", "third"] {
        place.write(&format!("{text}/index.html"), text);
        place.live(text);
    }
    place.write("other/index.html", "the other site");
    place.run(&["up", "other", "--resource", "other"]).exits(0);
    place.run(&["token", "create", "--scope", "read", "--name", "dashboard"]).exits(0);
    place
}

/// The story of the issue: saved while it runs, restored where nothing else is shared, gone back to an old release.
#[test]
fn a_backup_moves_to_an_empty_machine_and_an_old_release_answers_there() {
    let from = furnished();
    let file = from.text("all.backup");
    from.run(&["backup", &file]).exits(0).prints(&file).says("4 deployments").says("not inside: secrets");
    let key = fs::read(from.state().join("secrets.key")).unwrap();
    let (runs, releases) = (from.json(&["list"]), from.json(&["releases", "web"]));
    let events: Vec<String> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| from.run(&["events", run["id"].as_str().unwrap(), "--json"]).out)
        .collect();

    let to = Place::new();
    fs::copy(&file, to.path("moved.backup")).unwrap();
    // Nothing of the first machine is left: neither its processes nor a file.
    drop(from);
    to.run(&["restore", &to.text("moved.backup")]).exits(0).says("4 deployments");
    assert!(key == fs::read(to.state().join("secrets.key")).unwrap(), "secrets can still be compared");
    to.run(&["doctor"]).exits(0);
    to.write("new/index.html", "deployed where it was restored");
    let listening = to.start(&["serve", "--edge-listen", "127.0.0.1:0"]);
    wait_for("the restored control plane", || to.run(&["list"]).code == 0);
    assert_eq!(to.json(&["list"]), runs);
    assert_eq!(to.json(&["releases", "web"]), releases);
    for (run, events) in runs.as_array().unwrap().iter().zip(events) {
        assert_eq!(to.run(&["events", run["id"].as_str().unwrap(), "--json"]).out, events);
    }
    assert_eq!(to.json(&["token", "list"])[0]["name"], "dashboard");
    let doctor = to.run(&["doctor"]);
    doctor.exits(0).prints("2 routes");

    let back = to.run(&["rollback", "web", "--to", "v1"]);
    let url = back.exits(0).out.trim_end().to_owned();
    serves(&url, "first");
    let again = to.live("new");
    serves(&again, "deployed where it was restored");
    assert_eq!(to.newest()["release"], "v4", "numbers and fences go on where they were");
    to.run(&["serve", "--stop"]).exits(0);
    drop(listening);
}

#[test]
fn a_backup_is_the_same_with_the_control_plane_down_and_replaces_nothing() {
    let place = furnished();
    place.run(&["serve", "--stop"]).exits(0);
    let run = place.run(&["backup", "down.backup", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&run.exits(0).out).unwrap();
    assert_eq!(said["about"]["deployments"], "4");
    assert_eq!(said["about"]["storedReleases"], "4");
    assert_eq!(said["about"]["artifactsElsewhere"], "0");
    let before = fs::read(place.path("down.backup")).unwrap();
    place.run(&["backup", "down.backup"]).refuses(2, "backup_exists");
    assert_eq!(fs::read(place.path("down.backup")).unwrap(), before);
    place.run(&["restore", "down.backup"]).refuses(2, "state_dir_not_empty");
    assert!(!place.state().join("backup").exists(), "no copy of the store is left behind");
}

#[test]
fn what_is_no_whole_backup_restores_nothing() {
    let place = furnished();
    place.run(&["backup", "whole"]).exits(0);
    let bytes = fs::read(place.path("whole")).unwrap();
    let elsewhere = Place::new();
    for (name, content) in [
        ("empty", Vec::new()),
        ("text", b"hello".to_vec()),
        ("half", bytes[..bytes.len() / 2].to_vec()),
        ("nearly", bytes[..bytes.len() - 1].to_vec()),
    ] {
        fs::write(elsewhere.path(name), content).unwrap();
        elsewhere.run(&["restore", name]).refuses(2, "backup_damaged");
        assert!(!elsewhere.state().exists(), "{name}");
    }
    elsewhere.run(&["restore", "missing"]).refuses(2, "backup_io");
    elsewhere.run(&["backup", "nothing"]).refuses(2, "nothing_to_back_up");
    assert!(!elsewhere.state().exists());
}

/// Kills a command some time after its start, again and again, at ever later moments, until it comes to its end.
fn killed_at_every_moment(start: impl Fn() -> Running, mut afterwards: impl FnMut(bool)) {
    for step in 0..400_u64 {
        let mut running = start();
        std::thread::sleep(std::time::Duration::from_micros(700 * step));
        let ended = running.child.try_wait().unwrap().is_some_and(|status| status.success());
        kill(i32::try_from(running.child.id()).unwrap(), Signal::KILL);
        running.child.wait().unwrap();
        afterwards(ended);
        if ended {
            return;
        }
    }
    panic!("it never came to its end");
}

#[test]
fn inv_26_kill_9_during_a_backup_leaves_nothing_that_looks_whole() {
    let place = furnished();
    let elsewhere = Place::new();
    killed_at_every_moment(
        || place.start(&["backup", "b"]),
        |ended| {
            let there = place.path("b").exists();
            assert!(there || !ended);
            if there {
                // It has its name, so it is whole, killed or not.
                elsewhere.run(&["restore", &place.text("b")]).exits(0);
                fs::remove_dir_all(elsewhere.state()).unwrap();
                fs::remove_file(place.path("b")).unwrap();
            } else if place.path("b.partial").exists() {
                // Its name says that it is none; and it is refused unless only the name was missing.
                let run = elsewhere.run(&["restore", &place.text("b.partial")]);
                if run.code == 0 {
                    elsewhere.run(&["doctor"]).exits(0).prints("4 deployments");
                    fs::remove_dir_all(elsewhere.state()).unwrap();
                } else {
                    run.refuses(2, "backup_damaged");
                }
            }
        },
    );
    place.run(&["backup", "b"]).exits(0);
    assert!(!place.path("b.partial").exists() && !place.state().join("backup").exists());
    place.run(&["doctor"]).exits(0);
}

#[test]
fn inv_26_kill_9_during_a_restore_leaves_the_directory_empty_or_whole() {
    let from = furnished();
    from.run(&["backup", "b"]).exits(0);
    let file = from.text("b");
    let to = Place::new();
    let whole = |state: &Path| state.join("store/store.db").exists() && state.join("installation").exists();
    killed_at_every_moment(
        || to.start(&["restore", &file]),
        |ended| {
            assert!(whole(&to.state()) || (!to.state().exists() && !ended));
            if whole(&to.state()) {
                to.run(&["doctor"]).exits(0).prints("4 deployments");
                fs::remove_dir_all(to.state()).unwrap();
            }
        },
    );
    to.run(&["restore", &file]).exits(0);
    assert!(!to.path("s.restoring").exists());
}

/// Deployments go on while backups are taken, and each backup restores to something whole.
#[test]
fn a_backup_taken_while_traffic_is_switched_is_of_one_moment() {
    let place = Place::new();
    place.with_v1();
    let switching = std::thread::scope(|scope| {
        let deploying = scope.spawn(|| {
            for n in 0..8 {
                place.write(&format!("n{n}/index.html"), &format!("release {n}"));
                place.live(&format!("n{n}"));
            }
        });
        let mut taken = Vec::new();
        while !deploying.is_finished() {
            let name = format!("b{}", taken.len());
            place.run(&["backup", &name]).exits(0);
            taken.push(place.text(&name));
        }
        taken
    });
    assert!(!switching.is_empty());
    for file in switching {
        let to = Place::new();
        to.run(&["restore", &file]).exits(0);
        to.run(&["doctor"]).exits(0);
        let serve = to.start(&["serve", "--edge-listen", "127.0.0.1:0"]);
        wait_for("what was unfinished to come to its end", || {
            let all = to.run(&["list", "--json"]);
            // While nobody answers, it is no list.
            let all: serde_json::Value = serde_json::from_str(&all.out).unwrap_or_default();
            all.as_array().is_some_and(|all| all.iter().all(|run| !run["endedAt"].is_null()))
        });
        to.run(&["doctor"]).exits(0);
        let live = to.json(&["releases", "web"]);
        let live = live.as_array().unwrap().iter().filter(|release| release["state"] == "live").count();
        assert_eq!(live, 1);
        to.run(&["serve", "--stop"]).exits(0);
        drop(serve);
    }
}
