//! The ways in which a release is asked whether it is well.

use deploy_core::failure::FailureCode;
use deploy_core::spec::{HealthBy, Profile};

use crate::harness::{World, world};

/// An app whose front page says no: only another way of asking can find it well.
fn shy(world: &World, more: &str) -> Profile {
    let httpd = r#"CMD ["sh","-c","rm -rf /tmp/w; mkdir /tmp/w && echo x > /tmp/w/a && exec httpd -f -p 8080 -h /tmp/w"]"#;
    let mut profile = world.dockerfile(&format!("{more}\n{httpd}"));
    profile.health.deadline = Some("3s".parse().expect("a span"));
    profile
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_may_be_asked_by_connecting_by_a_command_or_as_its_image_says() {
    let Some(world) = world().await else { return };
    let mut over_http = world.run(shy(&world, ""));
    let (step, failure) = world.deploy(&mut over_http).await.expect_err("its front page is not there");
    assert_eq!((step.as_str(), failure.code), ("check-candidate", FailureCode::Unhealthy), "{failure:?}");

    let mut by_connecting = shy(&world, "");
    by_connecting.health.check = Some(HealthBy::Tcp);
    let mut by_command = shy(&world, "");
    by_command.health.command = Some("test -e /tmp/w/a".to_owned());
    let mut by_image = shy(&world, "HEALTHCHECK CMD test -e /tmp/w/a");
    by_image.health.check = Some(HealthBy::Image);
    for profile in [by_connecting, by_command, by_image] {
        let mut run = world.run(profile);
        world.deploy(&mut run).await.expect("a release");
        assert_eq!(world.get().await.0, 404, "it answers, in its own way");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_well_says_how_it_was_asked_and_what_it_said() {
    let Some(world) = world().await else { return };
    let mut profile = shy(&world, "");
    profile.health.command = Some("echo the queue is full; exit 3".to_owned());
    let mut run = world.run(profile);
    let (step, failure) = world.deploy(&mut run).await.expect_err("it says no");
    assert_eq!((step.as_str(), failure.code), ("check-candidate", FailureCode::Unhealthy), "{failure:?}");
    assert!(failure.message.contains("exit code 3"), "{failure:?}");
    let body = failure.evidence.iter().find(|fact| fact.file == "body").expect("what it said");
    assert_eq!(body.fact, "the queue is full");

    let mut profile = world.dockerfile(r#"CMD ["sleep","600"]"#);
    profile.health.check = Some(HealthBy::Tcp);
    profile.health.deadline = Some("1s".parse().expect("a span"));
    let mut run = world.run(profile);
    let (_, failure) = world.deploy(&mut run).await.expect_err("nobody listens");
    assert_eq!(failure.code, FailureCode::Unhealthy, "{failure:?}");
    assert!(failure.message.contains("no connection"), "{failure:?}");

    let mut profile = shy(&world, "");
    profile.health.check = Some(HealthBy::Image);
    let mut run = world.run(profile);
    let (_, failure) = world.deploy(&mut run).await.expect_err("the image says nothing");
    assert!(failure.message.contains("no HEALTHCHECK"), "{failure:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f29_a_command_that_says_well_does_not_outlive_its_release() {
    let Some(world) = world().await else { return };
    let mut profile = world.dockerfile(r#"CMD ["sh","-c","sleep 0.5; echo out of luck; exit 4"]"#);
    profile.health.command = Some("true".to_owned());
    profile.health.stable_for = Some("5s".parse().expect("a span"));
    let mut run = world.run(profile);
    let (_, failure) = world.deploy(&mut run).await.expect_err("it ends");
    assert_eq!(failure.code, FailureCode::ReleaseExited, "{failure:?}");
    assert!(failure.tail.contains(&"out of luck".to_owned()), "{failure:?}");
    world.close().await;
}
