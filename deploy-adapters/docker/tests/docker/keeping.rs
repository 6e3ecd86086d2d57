//! What is kept for a rollback, what goes, and what is never touched.

use std::collections::HashMap;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    RestartContainerOptions,
};
use deploy_core::failure::FailureCode;
use deploy_core::port::{Executor as _, Keep, ReleaseState, SurveyRequest};
use deploy_core::reason::ReasonCode;
use deploy_core::spec::{Actor, SecretRef, Spec, Warm};

use crate::harness::{Run, World, world};

async fn released(world: &World, text: &str) -> Run {
    let mut run = world.run(world.app(text));
    world.deploy(&mut run).await.expect("a release");
    run
}

/// A rollback to a kept release.
fn rollback(world: &World, to: &Run) -> Run {
    let kept = world.record(to, ReleaseState::Previous);
    let version = kept.version;
    let (plan, source) = world.try_plan(to.plan.outline().profile.clone(), Some(kept)).expect("a plan");
    let mut run = world.run_of(plan, source);
    run.version = version;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_33_a_kept_release_comes_back_without_a_build() {
    let Some(world) = world().await else { return };
    let first = released(&world, "one").await;
    let second = released(&world, "two").await;
    let mut back = rollback(&world, &first);
    let steps: Vec<&str> = back.plan.steps().iter().map(|step| step.id.as_str()).collect();
    assert_eq!(steps, ["artifact", "start", "check-candidate", "switch", "check-public", "retire"]);
    world.deploy(&mut back).await.expect("a rollback");
    assert_eq!(world.get().await, (200, "one".to_owned()));
    assert_eq!(back.digest(), first.digest());
    let newer = world.inspect(&second.fact("container")).await.expect("it is kept");
    assert_eq!(newer.state.expect("a state").running, Some(false));
    world.close().await;
}

/// The state of a run's container.
async fn state(world: &World, run: &Run) -> Option<String> {
    let container = world.inspect(&run.fact("container")).await?;
    container.state?.status.map(|status| status.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_takes_the_container_that_was_kept_and_undoing_it_keeps_it_again() {
    let Some(world) = world().await else { return };
    let first = released(&world, "one").await;
    let second = released(&world, "two").await;
    let before = world.containers().await;

    let mut taken_back = rollback(&world, &first);
    world.steps(&mut taken_back, "switch").await.expect("a candidate");
    assert_eq!(taken_back.fact("container"), first.fact("container"), "it is the one that was kept");
    // A clean-up at this moment leaves it alone: it works for an unfinished deployment now.
    let keep = Keep { digests: vec![first.digest(), second.digest()], deployments: vec![taken_back.id] };
    world.executor.reclaim(&keep).await.expect("a clean-up");
    assert_eq!(state(&world, &first).await.as_deref(), Some("running"));
    world.undo_all(&taken_back).await;
    assert_eq!(world.containers().await, before, "all is as it was");
    assert_eq!(world.get().await, (200, "two".to_owned()));

    let mut back = rollback(&world, &first);
    world.deploy(&mut back).await.expect("a rollback");
    assert_eq!(back.fact("container"), first.fact("container"));
    assert_eq!(world.get().await, (200, "one".to_owned()));
    assert_eq!(world.containers().await.len(), 2, "nothing was made anew");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_03_what_was_started_again_after_it_passed_its_check_gets_no_traffic() {
    let Some(world) = world().await else { return };
    let first = released(&world, "one").await;
    released(&world, "two").await;
    for mut run in [world.run(world.app("three")), rollback(&world, &first)] {
        world.steps(&mut run, "switch").await.expect("a candidate");
        let candidate = run.fact("container");
        let again = world.docker.restart_container(&candidate, None::<RestartContainerOptions>);
        again.await.expect("it starts again");
        let (step, failure) = world.deploy(&mut run).await.expect_err("it proved nothing since");
        assert_eq!((step.as_str(), failure.code), ("switch", FailureCode::ReleaseExited), "{failure:?}");
        assert_eq!(world.get().await, (200, "two".to_owned()));
        world.undo_all(&run).await;
    }
    world.close().await;
}

/// Whether the engine starts a run's container again when it ends.
async fn stays_up(world: &World, run: &Run) -> bool {
    let container = world.inspect(&run.fact("container")).await.expect("a container");
    let policy = container.host_config.and_then(|host| host.restart_policy?.name);
    policy.is_some_and(|name| name.to_string() == "always")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_container_is_told_to_stay_up_while_it_is_asked_and_no_more_when_that_is_undone() {
    let Some(world) = world().await else { return };
    let first = released(&world, "one").await;
    let second = released(&world, "two").await;
    assert!(!stays_up(&world, &first).await, "nobody is sent to it");
    let mut back = rollback(&world, &first);
    world.steps(&mut back, "switch").await.expect("a candidate");
    assert!(stays_up(&world, &back).await && stays_up(&world, &second).await);
    world.undo_all(&back).await;
    assert!(!stays_up(&world, &first).await);
    let mut new = world.run(world.app("three"));
    world.steps(&mut new, "switch").await.expect("a candidate");
    assert!(!stays_up(&world, &new).await, "a new one that can't start is not started for ever");
    world.deploy(&mut new).await.expect("a release");
    assert!(stays_up(&world, &new).await);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_does_not_hear_that_it_is_to_end_holds_nobody_up_and_is_stopped() {
    let Some(world) = world().await else { return };
    world.write("www/index.html", "deaf");
    let mut deaf = world.run(world.dockerfile(r#"CMD ["httpd","-f","-p","8080","-h","/www"]"#));
    world.deploy(&mut deaf).await.expect("a release");
    let _second = released(&world, "two").await;
    assert!(world.said.text().contains("does not end when it is asked to"), "{}", world.said.text());
    while state(&world, &deaf).await.as_deref() == Some("running") {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(state(&world, &deaf).await.as_deref(), Some("exited"), "it is kept, and does not run");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_35_a_kept_container_with_an_old_secret_is_no_substitute() {
    let Some(world) = world().await else { return };
    let set =
        |value: &str| world.variables.lock().expect("variables").insert("T".to_owned(), value.to_owned());
    let mut profile = world.dockerfile(
        r#"CMD ["sh","-c","mkdir /tmp/w && echo $TOKEN > /tmp/w/index.html && exec httpd -f -p 8080 -h /tmp/w"]"#,
    );
    profile.secrets.insert("TOKEN".to_owned(), SecretRef { env: "T".to_owned(), build: false, file: false });
    set("the-old-one");
    let mut first = world.run(profile);
    world.deploy(&mut first).await.expect("a release");
    let _second = released(&world, "two").await;
    set("the-new-one");
    let mut back = rollback(&world, &first);
    world.deploy(&mut back).await.expect("a rollback");
    assert_eq!(world.get().await.1.trim(), "the-new-one", "secrets are what they are now");
    assert_ne!(back.fact("container"), first.fact("container"));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_release_before_may_stand_still_and_goes_on_at_once() {
    let Some(world) = world().await else { return };
    let released = async |text: &str| {
        let mut profile = world.app(text);
        profile.rollback.warm = Some(Warm::Paused);
        let mut run = world.run(profile);
        world.deploy(&mut run).await.expect("a release");
        run
    };
    let first = released("one").await;
    let second = released("two").await;
    assert_eq!(state(&world, &first).await.as_deref(), Some("paused"));
    let keep = Keep { digests: vec![first.digest(), second.digest()], deployments: Vec::new() };
    world.executor.reclaim(&keep).await.expect("a clean-up");
    assert_eq!(state(&world, &first).await.as_deref(), Some("paused"), "it stands still on purpose");

    let started_at = async |run: &Run| {
        let container = world.inspect(&run.fact("container")).await.expect("a container");
        container.state.expect("a state").started_at
    };
    let before = started_at(&first).await;
    let mut back = rollback(&world, &first);
    world.deploy(&mut back).await.expect("a rollback");
    assert_eq!(world.get().await, (200, "one".to_owned()));
    assert_eq!(started_at(&back).await, before, "the same process goes on");
    assert_eq!(state(&world, &second).await.as_deref(), Some("paused"));

    let _third = released("three").await;
    assert_eq!(state(&world, &first).await.as_deref(), Some("paused"));
    assert_eq!(state(&world, &second).await.as_deref(), Some("exited"), "memory is for one");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f28_a_rollback_whose_image_is_gone_is_refused_before_anything_is_done() {
    let Some(world) = world().await else { return };
    let first = released(&world, "one").await;
    let second = released(&world, "two").await;
    // What `docker container prune` and `docker image prune -a` do.
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    world.docker.remove_container(&first.fact("container"), Some(options)).await.expect("it goes");
    let options = RemoveImageOptionsBuilder::default().force(true).build();
    world.docker.remove_image(first.digest().as_str(), Some(options), None).await.expect("it goes");

    let both = [first.digest(), second.digest()];
    assert_eq!(world.executor.missing(&both).await, [first.digest()], "it is seen unasked");
    let resource = "web".parse().expect("a resource");
    let mut spec = Spec::directory(resource, "docker".parse().expect("a name"), "/", Actor("test".into()));
    spec.profile = first.plan.outline().profile.clone();
    let digest = first.digest();
    let request =
        SurveyRequest { resource: &spec.resource, spec: &spec, host: "web.localhost", digest: Some(&digest) };
    let reasons = world.executor.survey(&request).await.expect("an answer");
    let codes: Vec<ReasonCode> = reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, [ReasonCode::ArtifactMissing], "{reasons:?}");

    let mut back = rollback(&world, &first);
    let (step, failure) = world.deploy(&mut back).await.expect_err("the image is gone");
    assert_eq!((step.as_str(), failure.code), ("artifact", FailureCode::ArtifactMissing), "{failure:?}");
    assert_eq!(world.get().await, (200, "two".to_owned()));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f28_inv_34_clean_up_keeps_what_it_is_told_and_what_serves() {
    let Some(world) = world().await else { return };
    let (first, second, third) =
        (released(&world, "one").await, released(&world, "two").await, released(&world, "three").await);
    assert_eq!(world.images().await.len(), 3);
    let used = world.executor.disk_use().await.expect("the engine tells");
    let mut releases: Vec<String> = used.iter().flat_map(|image| image.releases.clone()).collect();
    releases.sort();
    assert_eq!(releases, ["web/production v1", "web/production v2", "web/production v3"]);
    assert!(used.iter().all(|image| image.bytes > 100_000), "{used:?}");
    // The records forget the live release: the route has the last word.
    let keep = Keep { digests: vec![second.digest()], deployments: Vec::new() };
    world.executor.reclaim(&keep).await.expect("a clean-up");
    assert_eq!(world.get().await, (200, "three".to_owned()));
    assert!(world.inspect(&first.fact("container")).await.is_none(), "nobody needs it");
    assert!(world.inspect(&second.fact("container")).await.is_some(), "it is kept");
    assert!(world.inspect(&third.fact("container")).await.is_some(), "it serves");
    assert_eq!(world.images().await.len(), 2);
    let mut back = rollback(&world, &second);
    world.deploy(&mut back).await.expect("a kept release can come back");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_34_clean_up_leaves_an_unfinished_deployment_alone() {
    let Some(world) = world().await else { return };
    let mut run = world.run(world.app("one"));
    world.steps(&mut run, "switch").await.expect("a candidate");
    let keep = Keep { digests: Vec::new(), deployments: vec![run.id] };
    world.executor.reclaim(&keep).await.expect("a clean-up");
    world.deploy(&mut run).await.expect("it goes on");
    assert_eq!(world.get().await, (200, "one".to_owned()));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_34_clean_up_leaves_what_began_after_it_was_told_what_to_keep() {
    let Some(world) = world().await else { return };
    let told_before = Keep::default();
    for until in ["start", "check-candidate", "switch"] {
        let mut run = world.run(world.app(until));
        world.steps(&mut run, until).await.expect("steps");
        world.executor.reclaim(&told_before).await.expect("a clean-up");
        world.deploy(&mut run).await.expect("it goes on");
        assert_eq!(world.get().await, (200, until.to_owned()));
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_27_two_installations_on_one_engine_never_touch_each_others() {
    let (Some(ours), Some(theirs)) = (world().await, world().await) else { return };
    let their_first = released(&theirs, "their one").await;
    let their_second = released(&theirs, "their two").await;
    let before = (theirs.containers().await, theirs.images().await);
    // The same resource, in the same environment, with the same versions.
    let first = released(&ours, "one").await;
    released(&ours, "two").await;
    let mut back = rollback(&ours, &first);
    ours.deploy(&mut back).await.expect("a rollback");
    ours.undo_all(&back).await;
    ours.executor.reclaim(&Keep::default()).await.expect("a clean-up");
    assert_eq!((theirs.containers().await, theirs.images().await), before);
    ours.close().await;
    assert_eq!((theirs.containers().await, theirs.images().await), before);
    assert_eq!(theirs.get().await, (200, "their two".to_owned()));
    let mut back = rollback(&theirs, &their_first);
    theirs.deploy(&mut back).await.expect("a rollback");
    assert_eq!(theirs.get().await, (200, "their one".to_owned()));
    assert_ne!(their_first.digest(), their_second.digest());
    theirs.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_27_after_a_restart_everything_that_carries_our_label_is_accounted_for() {
    let Some(mut world) = world().await else { return };
    world.variables.lock().expect("variables").insert("T".to_owned(), "a value".to_owned());
    let app = |world: &World, text: &str| {
        let mut profile = world.app(text);
        let secret = SecretRef { env: "T".to_owned(), build: false, file: true };
        profile.secrets.insert("TOKEN".to_owned(), secret);
        profile
    };
    let mut live = world.run(app(&world, "live"));
    world.deploy(&mut live).await.expect("a release");
    let before = (world.containers().await, world.images().await, world.networks().await);
    let held = |world: &World| std::fs::read_dir(world.work().join("secrets")).map_or(0, Iterator::count);
    for until in ["start", "check-candidate", "switch"] {
        let mut cut_off = world.run(app(&world, until));
        world.steps(&mut cut_off, until).await.expect("steps");
        assert!(world.images().await.len() > before.1.len(), "something is left at {until}");
        world.restart();
        // Nobody goes on with it: the records say that it has ended.
        let keep = Keep { digests: vec![live.digest()], deployments: Vec::new() };
        world.executor.reclaim(&keep).await.expect("a clean-up");
        let after = (world.containers().await, world.images().await, world.networks().await);
        assert_eq!(after, before, "cut off before {until}");
        assert_eq!(held(&world), 1, "the live release reads its secret, cut off before {until}");
        assert!(!world.work().join(cut_off.id.to_string()).exists(), "its workspace stays");
        assert_eq!(world.get().await, (200, "live".to_owned()));
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_27_clean_up_touches_nothing_of_anybody_else() {
    let Some(world) = world().await else { return };
    let labels = HashMap::from([
        ("deploy.owner".to_owned(), "somebody-else".to_owned()),
        ("deploy.resource".to_owned(), "web".to_owned()),
        ("deploy.environment".to_owned(), "production".to_owned()),
    ]);
    let create = |name: String, labels: Option<HashMap<String, String>>| {
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let body = ContainerCreateBody {
            image: Some("busybox:stable".to_owned()),
            labels,
            ..ContainerCreateBody::default()
        };
        world.docker.create_container(Some(options), body)
    };
    let plain = create(format!("{}-plain", world.owner), None).await.expect("a container").id;
    let other = create(format!("{}-other", world.owner), Some(labels)).await.expect("a container").id;
    world.executor.reclaim(&Keep::default()).await.expect("a clean-up");
    for id in [plain, other] {
        assert!(world.inspect(&id).await.is_some(), "it is still there");
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        world.docker.remove_container(&id, Some(options)).await.expect("it was the test's");
    }
    world.close().await;
}
