//! What is kept for a rollback, what goes, and what is never touched.

use std::collections::HashMap;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
};
use deploy_core::failure::FailureCode;
use deploy_core::port::{Executor as _, Keep, ReleaseState, SurveyRequest};
use deploy_core::reason::ReasonCode;
use deploy_core::spec::{Actor, Spec};

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

#[tokio::test(flavor = "multi_thread")]
async fn f28_a_rollback_whose_image_is_gone_is_refused_before_anything_is_done() {
    let Some(world) = world().await else { return };
    let first = released(&world, "one").await;
    let _second = released(&world, "two").await;
    // What `docker container prune` and `docker image prune -a` do.
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    world.docker.remove_container(&first.fact("container"), Some(options)).await.expect("it goes");
    let options = RemoveImageOptionsBuilder::default().force(true).build();
    world.docker.remove_image(first.digest().as_str(), Some(options), None).await.expect("it goes");

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
