//! Kill -9 of the control plane while containers are deployed and rolled back, at every moment of its engine,
//! and no help afterwards but a restart (inv. 13, 23, 26, 27; threats F24, F26). Every third moment;
//! `DEPLOY_LOAD=whole` makes it every one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use deploy_tests::docker::{Engine, docker};
use deploy_tests::{Installation, Load, Manner, Page, Site, Started, wait};
use serde_json::Value;

/// What a control plane that is back may take for what was under way.
const HEAL: Duration = Duration::from_secs(60);
/// What cleaning up may take behind an ending: a container that does not end when it is asked to is given ten seconds.
const CLEAN_UP: Duration = Duration::from_secs(30);
/// Between an ending and the certainty that no moment follows it.
const QUIET: Duration = Duration::from_millis(150);
/// More moments than any run has.
const TOO_MANY: usize = 200;

/// Clears up on the engine when the test ends, however it does.
struct Stage {
    installation: Installation,
    engine: Engine,
    images: [String; 2],
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.installation.kill_all();
        self.engine.sweep(&self.installation);
    }
}

#[test]
fn inv_26_inv_27_kill_at_every_moment_of_a_deploy_leaves_the_truth_and_no_orphan() {
    every_moment("deploy", |stage, page| {
        let site = stage.site(page);
        stage.installation.up(&site, &["--detach"]).code == 0
    });
}

#[test]
fn inv_26_inv_27_kill_at_every_moment_of_a_rollback_leaves_the_truth_and_no_orphan() {
    // The first release is the first site, the second the second.
    every_moment("rollback", |stage, page| {
        let to = format!("v{}", page.0);
        stage.installation.run(&["rollback", "web", "--to", &to, "--detach", "--json"]).code == 0
    });
}

/// Goes from one site to the other and back, with a crash at each moment in turn. `submit` says whether it was
/// acknowledged.
fn every_moment(what: &str, submit: impl Fn(&Stage, Page) -> bool) {
    let Some(mut stage) = Stage::new() else { return };
    let stride = if std::env::var("DEPLOY_LOAD").is_ok_and(|length| length == "whole") { 1 } else { 3 };
    let (started, mut requests, mut crashes) = (Instant::now(), 0, 0);
    for moment in (1..TOO_MANY).step_by(stride) {
        let before = stage.served();
        let after = Page(3 - before.0);
        let known = stage.installation.deployments().len();
        stage.installation.kill_control_plane();
        assert_eq!(stage.installation.start(Some(moment)), Started::Ready);
        let load =
            Load::start(stage.installation.edge(), Installation::HOST, &[Manner::KeepAlive, Manner::OneShot]);
        let acknowledged = submit(&stage, after);
        let crashed = stage.dies(known);
        stage.installation.kill_control_plane();
        assert_eq!(stage.installation.start(None), Started::Ready);
        let ended = stage.ended(known);
        let visits = load.finish();
        requests += visits.len();
        let what = format!("{what}, crash at {moment}");
        for visit in &visits {
            assert!(visit.outcome.is_ok(), "{what}: {visit:?}");
        }
        assert!(ended.is_some() || !acknowledged, "{what}: what was acknowledged is gone");
        let expected = if let Some(deployment) = &ended {
            assert_eq!(deployment["status"], "succeeded", "{what}: {deployment:#}");
            after
        } else {
            before
        };
        assert_eq!(stage.served(), expected, "{what}");
        stage.check_nothing_is_left(&what);
        if !crashed {
            println!(
                "{what}: none, after {crashes} crashes; {requests} requests, 0 failed; {:.0?}",
                started.elapsed()
            );
            assert!(crashes * stride > 20, "only {crashes} crashes");
            return;
        }
        crashes += 1;
    }
    panic!("{what} has no end");
}

impl Stage {
    fn new() -> Option<Self> {
        let mut engine = Engine::find()?;
        let mut installation = Installation::new();
        let images = [1, 2].map(|number| engine.image(&installation.path(&format!("app-{number}")), number));
        assert_eq!(installation.start(None), Started::Ready);
        let stage = Self { installation, engine, images };
        for page in [Page(1), Page(2)] {
            let _ = stage.installation.up(&stage.site(page), &[]).well();
        }
        Some(stage)
    }

    fn site(&self, page: Page) -> Site {
        let image = &self.images[page.0 - 1];
        let config = format!(
            "target = \"docker\"\n[runtime]\nstrategy = \"image\"\nimage = \"{image}\"\n[network]\ninternal_port = 8080\n"
        );
        self.installation.site(&format!("site-{}", page.0), page).with_config(&config)
    }

    fn served(&self) -> Page {
        Page::of(&self.installation.ask().body).expect("a page")
    }

    /// The deployments that were made since there were so many, newest first.
    fn new_ones(&self, known: usize) -> Vec<Value> {
        let mut all = self.installation.deployments();
        let new = all.len().saturating_sub(known);
        all.truncate(new);
        all
    }

    /// Waits until the control plane is gone, or everything has ended without that.
    fn dies(&mut self, known: usize) -> bool {
        wait::until("a crash or an end", HEAL, || {
            if self.installation.is_gone() {
                return Some(true);
            }
            let listed = self.installation.run(&["list", "--json", "--limit", "200"]);
            let all = (listed.code == 0).then(|| listed.json().as_array().cloned()).flatten()?;
            let new = all.len().saturating_sub(known);
            if all[..new].iter().any(|deployment| !has_ended(deployment)) {
                return None;
            }
            std::thread::sleep(QUIET);
            Some(self.installation.is_gone())
        })
    }

    /// The new deployment once it has ended; none where none was recorded.
    fn ended(&self, known: usize) -> Option<Value> {
        wait::until("the end of what was under way", HEAL, || {
            let new = self.new_ones(known);
            assert!(new.len() <= 1, "submitted once, recorded {} times", new.len());
            match new.into_iter().next() {
                None => Some(None),
                Some(deployment) => has_ended(&deployment).then_some(Some(deployment)),
            }
        })
    }

    /// One container runs, which is the one that serves; every other one is kept for a release that is kept; no
    /// workspace is left.
    fn check_nothing_is_left(&self, what: &str) {
        wait::until_fine(CLEAN_UP, || {
            let releases = self.installation.releases();
            let kept: Vec<&str> = releases
                .iter()
                .filter(|release| {
                    ["live", "previous"].contains(&release["state"].as_str().unwrap_or_default())
                })
                .filter_map(|release| release["digest"].as_str())
                .collect();
            let containers = self.containers();
            let running = containers.values().filter(|(state, _)| state == "running").count();
            let orphans: Vec<_> =
                containers.iter().filter(|(_, (_, digest))| !kept.contains(&digest.as_str())).collect();
            let work = std::fs::read_dir(self.installation.state().join("work/docker"));
            let work = work.map_or(0, |entries| {
                entries
                    .flatten()
                    .filter(|entry| entry.file_name().to_string_lossy().starts_with("dep_"))
                    .count()
            });
            if running == 1 && orphans.is_empty() && containers.len() <= 2 && work == 0 {
                return Ok(());
            }
            Err(format!("{what}: {containers:?}, kept {kept:?}, {work} workspaces"))
        });
    }

    /// The containers of this installation: their states and digests.
    fn containers(&self) -> BTreeMap<String, (String, String)> {
        let owner = std::fs::read_to_string(self.installation.state().join("installation"));
        let label = format!("label=deploy.owner={}", owner.expect("it has a name"));
        let format = "{{.Names}} {{.State}} {{.Label \"deploy.digest\"}}";
        let listed = docker(&["ps", "--all", "--filter", &label, "--format", format]).expect("a list");
        let line = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Some((words.next()?, (words.next()?, words.next()?)))
        };
        listed.lines().filter_map(line).collect()
    }
}

fn has_ended(deployment: &Value) -> bool {
    !deployment["endedAt"].is_null()
}
