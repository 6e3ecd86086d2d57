//! An engine that is killed, frozen or restarted: an engine of the test's own, so that no other test feels it.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use bollard::Docker;
use deploy_core::failure::FailureCode;
use deploy_core::port::Probe;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{World, base_images, cannot, command};

/// An engine under a directory of its own, with a bridge of its own: without one it would take the machine's
/// engine's away. Containers are reached at their addresses without any help of iptables.
struct Own {
    directory: TempDir,
    bridge: String,
    /// The engine's own runtime is a process of its own, as it is on real machines: it outlives the engine.
    runtime: Child,
    daemon: Child,
}

impl Own {
    async fn start() -> Option<Self> {
        match Self::try_start().await {
            Ok(own) => Some(own),
            Err(why) => {
                cannot(&format!("an engine of its own: {why}"));
                None
            }
        }
    }

    async fn try_start() -> Result<Self, String> {
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        if !rustix::process::geteuid().is_root() {
            return Err("it needs root".to_owned());
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let bridge = format!("dep{}x{number}", std::process::id() % 1_000_000);
        let third = std::process::id() % 200;
        let address = format!("10.17{number}.{third}.1/24");
        for words in [
            &["link", "add", "name", &bridge, "type", "bridge"][..],
            &["address", "add", &address, "dev", &bridge][..],
            &["link", "set", &bridge, "up"][..],
        ] {
            let made = command("ip", words).output().map_err(|error| format!("ip: {error}"))?;
            if !made.status.success() {
                return Err(String::from_utf8_lossy(&made.stderr).into_owned());
            }
        }
        let directory = tempfile::tempdir().expect("a directory");
        let runtime = launch_runtime(directory.path()).map_err(|error| format!("containerd: {error}"))?;
        let daemon = launch(directory.path(), &bridge).map_err(|error| format!("dockerd: {error}"))?;
        let own = Self { directory, bridge, runtime, daemon };
        if !own.answers(Duration::from_secs(60)).await {
            let log = std::fs::read_to_string(own.directory.path().join("log")).unwrap_or_default();
            return Err(log.lines().last().unwrap_or("it says nothing").to_owned());
        }
        base_images(&own.host(), &["busybox"])?;
        Ok(own)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.daemon.id()).expect("a process")).expect("a process")
    }

    /// Whether the engine answers within a time.
    async fn answers(&self, within: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < within {
            if let Ok(docker) = Docker::connect_with_host(&self.host())
                && let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(2), docker.ping()).await
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    fn kill(&mut self) {
        self.daemon.kill().expect("it runs");
        self.daemon.wait().expect("it ends");
    }

    async fn again(&mut self) {
        self.daemon = launch(self.directory.path(), &self.bridge).expect("it ran before");
        assert!(self.answers(Duration::from_secs(60)).await, "the engine is back");
    }

    /// Freezes it, and waits until it is.
    fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).expect("it runs");
        let state =
            || std::fs::read_to_string(format!("/proc/{}/stat", self.daemon.id())).unwrap_or_default();
        while !state().contains(") T ") {
            std::thread::yield_now();
        }
    }

    fn thaw(&self) {
        kill_process(self.pid(), Signal::CONT).expect("it runs");
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = kill_process(self.pid(), Signal::CONT);
        let _ = kill_process(self.pid(), Signal::TERM);
        let _ = self.daemon.wait();
        let _ = self.runtime.kill();
        let _ = self.runtime.wait();
        let _ = command("ip", &["link", "delete", &self.bridge]).output();
    }
}

fn launch_runtime(directory: &Path) -> std::io::Result<Child> {
    let at = |name: &str| directory.join(name).display().to_string();
    std::fs::write(
        directory.join("containerd.toml"),
        "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n",
    )?;
    let (config, root, state, socket) =
        (at("containerd.toml"), at("containerd"), at("containerd-state"), at("containerd.sock"));
    let words = ["--config", &config, "--root", &root, "--state", &state, "--address", &socket];
    let log = std::fs::File::create(directory.join("containerd.log"))?;
    command("containerd", &words).stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log)).spawn()
}

fn launch(directory: &Path, bridge: &str) -> std::io::Result<Child> {
    let at = |name: &str| directory.join(name).display().to_string();
    let log = std::fs::File::options().append(true).create(true).open(directory.join("log"))?;
    // What a killed engine left in the way.
    let _ = std::fs::remove_file(directory.join("pid"));
    let (data, exec, pid, socket) =
        (at("data"), at("exec"), at("pid"), format!("unix://{}", at("docker.sock")));
    let (runtime, bridge) = (at("containerd.sock"), format!("--bridge={bridge}"));
    let words = [
        "--data-root",
        &data,
        "--exec-root",
        &exec,
        "--pidfile",
        &pid,
        "--host",
        &socket,
        "--containerd",
        &runtime,
        &bridge,
        "--iptables=false",
        "--ip6tables=false",
        "--shutdown-timeout=5",
    ];
    command("dockerd", &words).stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log)).spawn()
}

#[tokio::test(flavor = "multi_thread")]
async fn f42_the_live_release_is_back_with_the_engine_and_at_the_same_address() {
    let Some(mut own) = Own::start().await else { return };
    let world = World::on(&own.host()).await;
    let mut run = world.run(world.app("one"));
    world.deploy(&mut run).await.expect("a release");

    own.kill();
    let mut next = world.run(world.app("two"));
    let (step, failure) = world.steps(&mut next, "").await.expect_err("there is no engine");
    assert_eq!((step.as_str(), failure.code), ("build", FailureCode::TargetUnavailable), "{failure:?}");

    own.again().await;
    let started = Instant::now();
    while world.get().await.0 != 200 {
        assert!(started.elapsed() < Duration::from_secs(30), "the live release is not back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.get().await.1, "one", "nothing was switched meanwhile");
    world.deploy(&mut next).await.expect("it can go on");
    assert_eq!(world.get().await.1, "two");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f42_an_engine_that_is_killed_between_any_two_steps_leaves_nothing_half_done() {
    let Some(mut own) = Own::start().await else { return };
    let world = World::on(&own.host()).await;
    let mut live = world.run(world.app("one"));
    world.deploy(&mut live).await.expect("a release");
    let mut serves = "one".to_owned();
    for after in ["start", "check-candidate", "switch", "check-public"] {
        let mut run = world.run(world.app(&format!("killed before {after}")));
        world.steps(&mut run, after).await.expect("steps");
        own.kill();
        own.again().await;
        let ended = world.deploy(&mut run).await;
        // A candidate ends with the engine: nobody is sent to it, and that is a failure. What had the traffic or
        // was not started yet goes on.
        let lost_its_candidate = matches!(after, "check-candidate" | "switch");
        assert_eq!(ended.is_err(), lost_its_candidate, "{after}: {ended:?}");
        if !lost_its_candidate {
            serves = format!("killed before {after}");
        }
        let started = Instant::now();
        while world.get().await != (200, serves.clone()) {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "{after}: {ended:?}, {:?}",
                world.get().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let running = world.containers().await.into_values().filter(|state| state == "running").count();
        assert_eq!(running, 1, "{after}: {:?}", world.containers().await);
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f42_an_engine_that_hangs_ends_in_a_word_for_it_and_reading_back_says_it_does_not_know() {
    let Some(own) = Own::start().await else { return };
    let world = World::on(&own.host()).await;
    let mut run = world.run(world.app("one"));
    world.steps(&mut run, "start").await.expect("an image");
    let start = run.plan.steps().iter().find(|step| step.id.as_str() == "start").expect("the step").clone();

    own.freeze();
    let (performed, probed) = tokio::join!(world.perform(&run, &start), world.probe(&run, &start));
    let failure = performed.expect_err("nobody answers");
    assert_eq!(failure.code, FailureCode::TargetUnavailable, "{failure:?}");
    assert!(probed.is_err(), "an error counts as unknown: {probed:?}");
    own.thaw();

    assert!(own.answers(Duration::from_secs(30)).await, "the engine is back");
    assert_eq!(world.probe(&run, &start).await.expect("an answer"), Probe::Absent);
    world.deploy(&mut run).await.expect("it goes on");
    assert_eq!(world.get().await.1, "one");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f42_an_engine_that_freezes_at_any_step_is_named_changes_nothing_and_the_step_goes_on_behind_it() {
    let Some(own) = Own::start().await else { return };
    let world = World::on(&own.host()).await;
    let mut live = world.run(world.app("live"));
    world.deploy(&mut live).await.expect("a release");
    let mut run = world.run(world.app("next"));
    let mut serves = "live";
    for step in run.plan.clone().steps() {
        own.freeze();
        let failed = world.perform(&run, step).await;
        if step.id.as_str() == "retire" {
            // The new release has the traffic: that the old one could not be stopped yet is said, and is no failure.
            assert!(failed.is_ok(), "{failed:?}");
            assert!(world.said.text().contains("still runs"), "{}", world.said.text());
        } else {
            let code = failed.expect_err("nobody answers").code;
            let named = [FailureCode::TargetUnavailable, FailureCode::ReplyLost].contains(&code);
            assert!(named, "{}: {code:?}", step.id);
        }
        assert_eq!(world.get().await, (200, serves.to_owned()), "{}: while the engine is frozen", step.id);
        own.thaw();
        assert!(own.answers(Duration::from_secs(30)).await, "the engine is back");
        let output = world.perform(&run, step).await;
        run.outputs
            .push((step.id.clone(), output.unwrap_or_else(|failure| panic!("{}: {failure:?}", step.id))));
        if step.id.as_str() == "switch" {
            serves = "next";
        }
    }
    let running = world.containers().await.into_values().filter(|state| state == "running").count();
    assert_eq!((world.get().await.1.as_str(), running), ("next", 1), "{:?}", world.containers().await);
    world.close().await;
}
