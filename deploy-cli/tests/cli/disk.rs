//! A full disk: said with a typed code, nothing that was live is lost, and it works again when there
//! is space.

use std::io::Write as _;

use rustix::process::Signal;

use crate::common::{Place, Running, cannot, is_root, kill, serves, tool};

/// A small file system as the state directory.
struct Small<'a>(&'a Place);

impl<'a> Small<'a> {
    fn mount(place: &'a Place, size: &str) -> Option<Self> {
        let state = place.text("s");
        std::fs::create_dir(&state).unwrap();
        let size = format!("size={size},mode=700");
        if !is_root() || !tool(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs", &state]) {
            cannot("mount", "a small file system can't be mounted here");
            return None;
        }
        Some(Self(place))
    }

    fn fill(&self, leave: usize) {
        let mut file = std::fs::File::create(self.0.path("s/filler")).unwrap();
        while file.write_all(&[b'x'; 1 << 16]).is_ok() {}
        while file.write_all(b"x").is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(leave as u64)).unwrap();
    }

    fn free(&self) {
        std::fs::remove_file(self.0.path("s/filler")).unwrap();
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Running::start(self.0.command(&["serve", "--stop"]))
            .end_within(std::time::Duration::from_secs(15));
        self.0.recorded_processes().into_iter().for_each(|pid| kill(pid, Signal::KILL));
        let _ = tool(&["umount", "-l", &self.0.text("s")]);
    }
}

const TYPED: [&str; 3] = ["[disk_full]", "[store_full]", "[insufficient_disk]"];

/// With space again the next deployment is taken, at once or within a short while.
#[track_caller]
fn recovers(place: &Place, directory: &str) {
    let mut run = None;
    crate::common::wait_for("the store to take deployments again", || {
        let next = place.run(&["up", directory, "--resource", "web"]);
        let taken = !next.err.contains("[store_full]");
        run = Some(next);
        taken
    });
    run.unwrap().exits(0);
}

#[test]
fn a_full_disk_is_typed_loses_nothing_and_works_again_when_space_is_freed() {
    for leave in [0, 1 << 20, 72 << 20] {
        let place = Place::new();
        let Some(small) = Small::mount(&place, "160m") else { return };
        let url = place.with_v1();
        place.write("v2/index.html", "second");
        std::fs::write(place.path("v2/large.bin"), vec![1_u8; 80 << 20]).unwrap();
        small.fill(leave);
        for _ in 0..3 {
            let run = place.run(&["up", "v2", "--resource", "web"]);
            run.prints_nothing();
            assert_ne!(run.code, 0, "{run:#?}");
            assert!(TYPED.iter().any(|code| run.err.contains(code)), "{leave} bytes free: {run:#?}");
            serves(&url, "first");
        }
        place.run(&["list"]).exits(0).prints("succeeded");
        small.free();
        recovers(&place, "v2");
        serves(&url, "second");
        place.run(&["doctor"]).prints("store");
    }
}

#[test]
fn a_release_that_does_not_fit_is_refused_before_or_while_it_is_copied() {
    let place = Place::new();
    let Some(_small) = Small::mount(&place, "160m") else { return };
    let url = place.with_v1();
    place.write("v2/index.html", "second");
    std::fs::write(place.path("v2/large.bin"), vec![1_u8; 200 << 20]).unwrap();
    let run = place.run(&["up", "v2", "--resource", "web"]);
    run.prints_nothing();
    assert!([3, 4, 9].contains(&run.code), "{run:#?}");
    assert!(TYPED.iter().any(|code| run.err.contains(code)), "{run:#?}");
    serves(&url, "first");
    std::fs::remove_file(place.path("v2/large.bin")).unwrap();
    recovers(&place, "v2");
    serves(&url, "second");
}

#[test]
fn a_build_that_fills_the_disk_fails_and_its_space_is_given_back() {
    let place = Place::new();
    let Some(_small) = Small::mount(&place, "160m") else { return };
    let url = place.with_v1();
    place
        .write("v2/deploy.toml", &crate::common::toml_build("mkdir dist && cat /dev/zero > dist/index.html"));
    let run = place.run(&["up", "v2", "--resource", "web"]);
    run.prints_nothing();
    assert!([3, 4, 9].contains(&run.code), "{run:#?}");
    serves(&url, "first");
    place.write("v3/index.html", "third");
    recovers(&place, "v3");
    serves(&url, "third");
}

#[test]
fn a_first_deployment_on_a_disk_without_space_says_so() {
    let place = Place::new();
    let Some(small) = Small::mount(&place, "160m") else { return };
    place.write("site/index.html", "page");
    small.fill(0);
    let run = place.run(&["up", "site"]);
    run.prints_nothing();
    assert!(run.code != 0 && run.took.as_secs() < 30, "{run:#?}");
    let said = run.err.to_lowercase();
    assert!(["space", "full"].iter().any(|word| said.contains(word)), "it does not say why: {run:#?}");
    small.free();
    place.run(&["up", "site"]).exits(0);
}
