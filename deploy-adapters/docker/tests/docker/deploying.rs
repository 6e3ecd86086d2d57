//! What goes well: a first release, a second one beside it, and what the container may do.

use deploy_core::port::{Executor as _, Probe};
use tokio::task::JoinHandle;

use crate::harness::{World, http_get, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_release_starts_proves_itself_and_gets_the_traffic() {
    let Some(world) = world().await else { return };
    let mut run = world.run(world.app("one"));
    world.steps(&mut run, "switch").await.expect("a candidate");
    assert_eq!(world.get().await.0, 404, "nobody is sent to a release before the switch");
    world.steps(&mut run, "").await.expect("a release");
    assert_eq!(world.get().await, (200, "one".to_owned()));
    let name = format!("web-production-v1-{}", &run.id.to_string()[24..]);
    assert_eq!(world.containers().await.into_iter().collect::<Vec<_>>(), [(name, "running".to_owned())]);
    assert!(world.said.text().contains("COPY www /www"), "the build is heard: {}", world.said.text());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_may_do_little() {
    let Some(world) = world().await else { return };
    let mut profile = world.app("one");
    profile.limits.memory = Some("64MiB".parse().expect("a size"));
    profile.limits.pids = Some(64);
    profile.limits.cpu_millis = Some(500);
    profile.runtime.read_only = Some(true);
    let mut run = world.run(profile);
    world.steps(&mut run, "check-candidate").await.expect("a container");
    let container = world.inspect(&run.fact("container")).await.expect("the container");
    let host = container.host_config.expect("its settings");
    assert_eq!(host.memory, Some(64 << 20));
    assert_eq!(host.memory_swap, Some(64 << 20), "no swap");
    assert_eq!(host.pids_limit, Some(64));
    assert_eq!(host.nano_cpus, Some(500_000_000));
    assert_eq!(host.readonly_rootfs, Some(true));
    assert_eq!(host.privileged, Some(false));
    assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
    assert!(host.security_opt.expect("options").contains(&"no-new-privileges:true".to_owned()));
    assert_eq!(host.port_bindings.unwrap_or_default().len(), 0, "no port of the host is taken");
    assert_eq!(host.binds.unwrap_or_default().len(), 0, "f05: nothing of the host is mounted");
    let restart = host.restart_policy.and_then(|policy| policy.name).map(|name| name.to_string());
    assert_eq!(restart.as_deref(), Some("no"), "a candidate that ends has failed");
    let log = host.log_config.expect("a log");
    assert_eq!(log.config.expect("limits").get("max-size").map(String::as_str), Some("10m"));
    world.undo_all(&run).await;
    world.close().await;
}

/// The bodies of good answers, in order, and what else was answered.
type Answers = (Vec<String>, Vec<String>);

/// Asks over and over, each time over a new connection, until told to stop.
fn ask_all_the_time(world: &World) -> (tokio::sync::watch::Sender<bool>, JoinHandle<Answers>) {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let edge = world.edge;
    let asking = tokio::spawn(async move {
        let (mut bodies, mut failures) = (Vec::new(), Vec::new());
        while !*stopped.borrow() {
            match http_get(edge, "web.localhost").await {
                (200, body) => bodies.push(body),
                (status, body) => failures.push(format!("{status} {body}")),
            }
        }
        (bodies, failures)
    });
    (stop, asking)
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_01_the_live_release_answers_until_the_new_one_does() {
    let Some(world) = world().await else { return };
    let mut first = world.run(world.app("one"));
    world.deploy(&mut first).await.expect("a release");
    let (stop, asking) = ask_all_the_time(&world);
    let mut second = world.run(world.app("two"));
    world.deploy(&mut second).await.expect("a second release");
    stop.send(true).expect("somebody asks");
    let (bodies, failures) = asking.await.expect("answers");
    assert_eq!(failures, Vec::<String>::new());
    let switched = bodies.iter().position(|body| body == "two").expect("the new release answers");
    assert!(bodies[..switched].iter().all(|body| body == "one"));
    assert!(bodies[switched..].iter().all(|body| body == "two"), "no request goes back to the old release");
    let old = world.inspect(&first.fact("container")).await.expect("it is kept");
    assert_eq!(old.state.expect("a state").running, Some(false), "the release before is stopped");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_26_every_step_can_be_done_again_and_read_back() {
    let Some(world) = world().await else { return };
    let mut run = world.run(world.app("one"));
    for step in run.plan.clone().steps() {
        let before = world.probe(&run, step).await.expect("an answer");
        assert_eq!(before, Probe::Absent, "{} was not done yet", step.id);
        let first =
            world.perform(&run, step).await.unwrap_or_else(|failure| panic!("{}: {failure:?}", step.id));
        let again =
            world.perform(&run, step).await.unwrap_or_else(|failure| panic!("{}: {failure:?}", step.id));
        assert_eq!(first.digest, again.digest, "{}", step.id);
        assert_eq!(first.facts.get("container"), again.facts.get("container"), "{}", step.id);
        if matches!(step.id.as_str(), "build" | "start" | "switch") {
            let after = world.probe(&run, step).await.expect("an answer");
            let Probe::Present { output } = after else { panic!("{} was done: {after:?}", step.id) };
            assert_eq!(output.digest, first.digest, "{}", step.id);
        }
        run.outputs.push((step.id.clone(), first));
    }
    assert_eq!(world.containers().await.len(), 1);
    assert_eq!(world.images().await.len(), 1);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_05_what_is_taken_back_leaves_nothing_and_can_be_taken_back_again() {
    let Some(world) = world().await else { return };
    let mut live = world.run(world.app("one"));
    world.deploy(&mut live).await.expect("a release");
    let before = world.inspect(&live.fact("container")).await.expect("a container");
    let never_begun = world.run(world.app("two"));
    world.undo_all(&never_begun).await;
    for until in ["start", "check-candidate", "switch", "check-public", "retire", ""] {
        let mut run = world.run(world.app(&format!("not {until}")));
        world.steps(&mut run, until).await.expect("steps");
        world.undo_all(&run).await;
        world.undo_all(&run).await;
        world.executor.finish(run.id).await.expect("a clean end");
        assert_eq!(
            world.get().await,
            (200, "one".to_owned()),
            "after taking back what came before {until:?}"
        );
        assert_eq!(world.containers().await.len(), 1, "after taking back what came before {until:?}");
        assert_eq!(world.images().await.len(), 1, "after taking back what came before {until:?}");
    }
    let after = world.inspect(&live.fact("container")).await.expect("a container");
    assert_eq!(after.id, before.id);
    assert!(!world.work().exists() || std::fs::read_dir(world.work()).expect("a list").next().is_none());
    world.close().await;
}
