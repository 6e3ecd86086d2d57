//! What fails, and in which words.

use std::time::Instant;

use bollard::models::{ContainerCreateBody, ContainerInspectResponse, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
};
use deploy_core::failure::{Failure, FailureCode};

use crate::harness::{World, world};

async fn fails(world: &World, end: &str) -> (String, Failure) {
    let mut run = world.run(world.dockerfile(end));
    let failed = world.deploy(&mut run).await.expect_err("it can't succeed");
    assert_eq!(world.containers().await.len(), 0, "nothing stays of a release that failed");
    assert_eq!(world.images().await.len(), 0, "nothing stays of a release that failed");
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn f29_a_process_that_ends_is_heard_at_once_with_its_last_lines() {
    let Some(world) = world().await else { return };
    let started = Instant::now();
    let (step, failure) =
        fails(&world, r#"CMD ["sh","-c","sleep 0.3; echo no database at db:5432 >&2; exit 3"]"#).await;
    assert_eq!((step.as_str(), failure.code), ("check-candidate", FailureCode::ReleaseExited), "{failure:?}");
    assert!(failure.message.contains("exit code 3"), "{failure:?}");
    assert!(failure.tail.contains(&"no database at db:5432".to_owned()), "{failure:?}");
    assert!(started.elapsed().as_secs() < 20, "it did not wait for the health deadline");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f29_a_process_that_ends_well_at_once_is_no_release() {
    let Some(world) = world().await else { return };
    let (_, failure) = fails(&world, r#"CMD ["true"]"#).await;
    assert_eq!(failure.code, FailureCode::ReleaseExited, "{failure:?}");
    assert!(failure.message.contains("exit code 0"), "{failure:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_for_memory_is_said_to_be() {
    let Some(world) = world().await else { return };
    let mut profile = world.dockerfile(r#"CMD ["tail","/dev/zero"]"#);
    profile.limits.memory = Some("16MiB".parse().expect("a size"));
    let mut run = world.run(profile);
    let (_, failure) = world.deploy(&mut run).await.expect_err("it can't succeed");
    assert_eq!(failure.code, FailureCode::OutOfMemory, "{failure:?}");
    assert!(failure.message.contains("it may use 16MiB"), "{failure:?}");
    let limit = failure.evidence.iter().find(|fact| fact.file == "limits.memory");
    assert!(limit.is_some_and(|fact| fact.fact == "16MiB"), "{failure:?}");
    assert!(failure.code.remedy().contains("limits.memory"), "{}", failure.code.remedy());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f29_a_release_on_another_port_is_told_which() {
    let Some(world) = world().await else { return };
    let mut profile = world.dockerfile(r#"CMD ["httpd","-f","-p","9090","-h","/www"]"#);
    profile.health.deadline = Some("1s".parse().expect("a span"));
    let mut run = world.run(profile);
    let (_, failure) = world.deploy(&mut run).await.expect_err("it can't succeed");
    assert_eq!(failure.code, FailureCode::Unhealthy, "{failure:?}");
    let ports = failure.evidence.iter().find(|fact| fact.file == "ports");
    assert!(ports.is_some_and(|fact| fact.fact == "it listens on 9090, not on 8080"), "{failure:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_not_there_is_named() {
    let Some(world) = world().await else { return };
    let (step, failure) = fails(&world, r#"CMD ["no-such-program"]"#).await;
    assert_eq!((step.as_str(), failure.code), ("start", FailureCode::StartRefused), "{failure:?}");
    assert!(failure.message.contains("no-such-program"), "{failure:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_says_its_last_lines() {
    let Some(world) = world().await else { return };
    let (step, failure) = fails(&world, "RUN echo about to fail && exit 7").await;
    assert_eq!((step.as_str(), failure.code), ("build", FailureCode::BuildFailed), "{failure:?}");
    assert!(failure.tail.iter().any(|line| line.contains("about to fail")), "{failure:?}");
    assert!(failure.message.contains('7'), "{failure:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_image_that_cant_be_had_is_no_fault_of_the_build() {
    let Some(world) = world().await else { return };
    let mut profile = world.app("one");
    world.write("Dockerfile", "FROM deploy.invalid/no/such:image\n");
    profile.limits.build_timeout = Some("60s".parse().expect("a span"));
    let mut run = world.run(profile);
    let (_, failure) = world.deploy(&mut run).await.expect_err("it can't succeed");
    assert_eq!(failure.code, FailureCode::ImageUnavailable, "{failure:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_27_somebody_elses_container_of_our_name_is_never_touched() {
    let Some(world) = world().await else { return };
    let mut run = world.run(world.app("one"));
    let name = format!("web-production-v1-{}", &run.id.to_string()[24..]);
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let body = ContainerCreateBody {
        image: Some("busybox:stable".to_owned()),
        cmd: Some(vec!["sleep".to_owned(), "600".to_owned()]),
        ..ContainerCreateBody::default()
    };
    let foreign = world.docker.create_container(Some(options), body).await.expect("a container").id;
    let (step, failure) = world.deploy(&mut run).await.expect_err("the name is taken");
    assert_eq!((step.as_str(), failure.code), ("start", FailureCode::NameTaken), "{failure:?}");
    assert!(failure.message.contains(&name), "{failure:?}");
    assert!(world.inspect(&foreign).await.is_some(), "it is still there");
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    world.docker.remove_container(&foreign, Some(options)).await.expect("it was ours, the test's");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_27_an_address_that_somebody_else_took_in_our_network_stays_theirs() {
    let Some(world) = world().await else { return };
    let mut run = world.run(world.app("one"));
    world.deploy(&mut run).await.expect("a release");
    let network = world.inspect(&run.fact("container")).await.and_then(|c| c.network_settings?.networks);
    let network = network.and_then(|networks| networks.into_keys().next()).expect("a network");
    let body = ContainerCreateBody {
        image: Some("busybox:stable".to_owned()),
        cmd: Some(vec!["sleep".to_owned(), "600".to_owned()]),
        host_config: Some(HostConfig { network_mode: Some(network), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let foreign = world.docker.create_container(None, body).await.expect("a container").id;
    world.docker.start_container(&foreign, None).await.expect("it starts");
    let of = |container: Option<ContainerInspectResponse>| {
        let networks = container?.network_settings?.networks?;
        networks.into_values().next()?.ip_address
    };
    let theirs = of(world.inspect(&foreign).await).expect("an address");
    let mut next = world.run(world.app("two"));
    world.deploy(&mut next).await.expect("a release at another address");
    assert_ne!(next.fact("address"), theirs);
    assert_eq!(world.get().await, (200, "two".to_owned()));
    assert_eq!(of(world.inspect(&foreign).await), Some(theirs));
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    world.docker.remove_container(&foreign, Some(options)).await.expect("it was the test's");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_removed_under_us_is_said_to_be() {
    let Some(world) = world().await else { return };
    let mut run = world.run(world.app("one"));
    world.steps(&mut run, "check-candidate").await.expect("a container");
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    world.docker.remove_container(&run.fact("container"), Some(options)).await.expect("it goes");
    let (_, failure) = world.deploy(&mut run).await.expect_err("it is gone");
    assert_eq!(failure.code, FailureCode::ReleaseExited, "{failure:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_30_a_check_stops_when_it_is_asked_to() {
    let Some(world) = world().await else { return };
    let mut run = world.run(world.dockerfile(r#"CMD ["sleep","600"]"#));
    world.steps(&mut run, "check-candidate").await.expect("a container");
    let cancel = run.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        cancel.cancel();
    });
    let (_, failure) = world.deploy(&mut run).await.expect_err("it was stopped");
    assert_eq!(failure.code, FailureCode::Cancelled, "{failure:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f28_an_image_that_is_removed_under_us_is_said_to_be() {
    let Some(world) = world().await else { return };
    let mut run = world.run(world.app("gone before it starts"));
    world.steps(&mut run, "start").await.expect("an image");
    let force = RemoveImageOptionsBuilder::default().force(true).build();
    let removed = world.docker.remove_image(run.digest().as_str(), Some(force), None).await;
    removed.expect("somebody removes the image");
    let (step, failure) = world.deploy(&mut run).await.expect_err("there is nothing to start");
    assert_eq!((step.as_str(), failure.code), ("start", FailureCode::ArtifactMissing), "{failure:?}");
    world.close().await;
}
