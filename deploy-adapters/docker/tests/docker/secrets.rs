//! Secrets reach the release and nothing else.

use std::os::unix::fs::PermissionsExt as _;

use deploy_core::failure::FailureCode;
use deploy_core::port::{Executor as _, Keep, SurveyRequest};
use deploy_core::reason::ReasonCode;
use deploy_core::spec::{Actor, Profile, SecretRef, Spec};

use crate::harness::{Run, world};

const CANARY: &str = "CANARY-c0ffee-4711";

fn with_secret(mut profile: Profile) -> Profile {
    profile.secrets.insert(
        "API_TOKEN".to_owned(),
        SecretRef { env: "TOKEN_OF_TEST".to_owned(), build: false, file: false },
    );
    profile
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_inv_36_a_secret_is_in_the_containers_environment_and_nowhere_else() {
    let Some(world) = world().await else { return };
    world.variables.lock().expect("variables").insert("TOKEN_OF_TEST".to_owned(), CANARY.to_owned());
    let profile = with_secret(world.dockerfile(
        r#"CMD ["sh","-c","echo token is $API_TOKEN; printf %s $API_TOKEN | base64; mkdir /tmp/w && echo ${#API_TOKEN} > /tmp/w/index.html && exec httpd -f -p 8080 -h /tmp/w"]"#,
    ));
    let mut run = world.run(profile);
    let plan = serde_json::to_string(&*run.plan).expect("a plan");
    world.deploy(&mut run).await.expect("a release");
    assert_eq!(world.get().await.1.trim(), CANARY.len().to_string(), "the release has it");
    let said = world.said.text();
    assert!(said.contains("token is [secret API_TOKEN]"), "{said}");
    let outputs = serde_json::to_string(&run.outputs).expect("outputs");
    let image = world.docker.inspect_image(run.digest().as_str()).await.expect("the image");
    let history = world.docker.image_history(run.digest().as_str()).await.expect("its history");
    let container = world.inspect(&run.fact("container")).await.expect("the container");
    let labels = container.config.expect("its settings").labels;
    let words = format!("{:?} {:?} {labels:?}", container.path, container.args);
    for (what, text) in [
        ("plan", plan),
        ("log", said),
        ("outputs", outputs),
        ("image", format!("{image:?}")),
        ("history", format!("{history:?}")),
        ("argv and labels", words),
    ] {
        assert!(!text.contains(CANARY), "the secret is in the {what}");
        assert!(!text.contains("Q0FOQVJZ"), "the secret is in the {what}, in base64");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_inv_36_a_secret_that_is_a_file_is_read_by_the_release_and_shown_by_no_container() {
    let Some(world) = world().await else { return };
    world.variables.lock().expect("variables").insert("TOKEN_OF_TEST".to_owned(), CANARY.to_owned());
    let serve = |text: &str| {
        let command = format!(
            r#"CMD ["sh","-c","mkdir /tmp/w && wc -c < /run/secrets/API_TOKEN > /tmp/w/index.html; echo {text} $API_TOKEN $(cat /run/secrets/API_TOKEN); exec httpd -f -p 8080 -h /tmp/w"]"#
        );
        let mut profile = world.dockerfile(&format!("USER 1000\n{command}"));
        profile.secrets.insert(
            "API_TOKEN".to_owned(),
            SecretRef { env: "TOKEN_OF_TEST".to_owned(), build: false, file: true },
        );
        profile.runtime.read_only = Some(text == "two");
        profile
    };
    let mut runs = Vec::new();
    for text in ["one", "two"] {
        let mut run = world.run(serve(text));
        world.deploy(&mut run).await.expect("a release");
        assert_eq!(world.get().await.1.trim(), CANARY.len().to_string(), "the release has it");
        assert!(world.said.text().contains(&format!("{text} [secret API_TOKEN]")), "{}", world.said.text());
        let container = world.inspect(&run.fact("container")).await.expect("the container");
        assert!(!format!("{container:?}").contains(CANARY), "the engine tells it");
        runs.push(run);
    }
    let files = |run: &Run| world.work().join("secrets").join(run.id.to_string());
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&files(&runs[1])), 0o700);
    assert_eq!(mode(&files(&runs[1]).join("API_TOKEN")), 0o444);
    let keep = Keep { digests: vec![runs[0].digest()], deployments: Vec::new() };
    world.executor.reclaim(&keep).await.expect("a clean-up");
    assert!(files(&runs[0]).exists(), "a kept container reads it");
    world.executor.reclaim(&Keep::default()).await.expect("a clean-up");
    assert!(!files(&runs[0]).exists(), "nobody reads it any more");
    assert!(files(&runs[1]).exists(), "the live release reads it");
    let work = world.work();
    world.close().await;
    assert!(std::fs::read_dir(work.join("secrets")).map_or(true, |mut left| left.next().is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_a_failure_does_not_tell_a_secret_that_the_release_printed() {
    let Some(world) = world().await else { return };
    world.variables.lock().expect("variables").insert("TOKEN_OF_TEST".to_owned(), CANARY.to_owned());
    let profile = with_secret(world.dockerfile(r#"CMD ["sh","-c","echo bad token $API_TOKEN; exit 1"]"#));
    let mut run = world.run(profile);
    let (_, failure) = world.deploy(&mut run).await.expect_err("it ends");
    assert_eq!(failure.tail, ["bad token [secret API_TOKEN]"]);
    assert!(!format!("{failure:?}{}", world.said.text()).contains(CANARY));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_without_a_value_is_said_before_anything_is_done() {
    let Some(world) = world().await else { return };
    let profile = with_secret(world.app("one"));
    let resource = "web".parse().expect("a resource");
    let mut spec = Spec::directory(resource, "docker".parse().expect("a name"), "/", Actor("test".into()));
    spec.profile = profile.clone();
    let request =
        SurveyRequest { resource: &spec.resource, spec: &spec, host: "web.localhost", digest: None };
    let reasons = world.executor.survey(&request).await.expect("an answer");
    assert_eq!(reasons.iter().map(|reason| reason.code).collect::<Vec<_>>(), [ReasonCode::SecretMissing]);
    let mut run = world.run(profile);
    let (_, failure) = world.deploy(&mut run).await.expect_err("there is no value");
    assert_eq!(failure.code, FailureCode::SecretMissing, "{failure:?}");
    assert!(failure.message.contains("TOKEN_OF_TEST"), "{failure:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_inv_36_a_build_reads_a_secret_that_no_layer_and_no_history_keeps() {
    let Some(world) = world().await else { return };
    world.variables.lock().expect("variables").insert("TOKEN_OF_TEST".to_owned(), CANARY.to_owned());
    let mut profile = world.app("one");
    // An instruction that the builder has never seen: it keeps what earlier runs of this test made.
    let own = &world.owner;
    let dockerfile = format!(
        "FROM busybox:stable\nCOPY www /www\nRUN --mount=type=secret,id=API_TOKEN echo {own} && \
         cat /run/secrets/API_TOKEN && wc -c < /run/secrets/API_TOKEN > /www/index.html\nUSER 1000\n\
         CMD [\"httpd\",\"-f\",\"-p\",\"8080\",\"-h\",\"/www\"]\n"
    );
    world.write("Dockerfile", &dockerfile);
    profile.secrets.insert(
        "API_TOKEN".to_owned(),
        SecretRef { env: "TOKEN_OF_TEST".to_owned(), build: true, file: false },
    );
    let mut run = world.run(profile);
    world.steps(&mut run, "start").await.expect("an image");
    assert!(world.said.text().contains("[secret API_TOKEN]"), "the build has it: {}", world.said.text());
    let image = world.docker.inspect_image(run.digest().as_str()).await.expect("the image");
    let history = world.docker.image_history(run.digest().as_str()).await.expect("its history");
    let mut layers = Vec::new();
    let mut exported = world.docker.export_image(run.digest().as_str());
    while let Some(piece) = futures_util::StreamExt::next(&mut exported).await {
        layers.extend_from_slice(&piece.expect("a piece"));
    }
    drop(exported);
    let layers = String::from_utf8_lossy(&layers).into_owned();
    for (what, text) in [
        ("image", format!("{image:?}")),
        ("history", format!("{history:?}")),
        ("layers", layers),
        ("log", world.said.text()),
    ] {
        assert!(!text.contains(CANARY), "the secret is in the {what}");
    }
    world.undo_all(&run).await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_a_build_cant_read_a_secret_that_is_not_for_builds() {
    let Some(world) = world().await else { return };
    world.variables.lock().expect("variables").insert("TOKEN_OF_TEST".to_owned(), CANARY.to_owned());
    let mut profile = with_secret(world.app("one"));
    world.write(
        "Dockerfile",
        "FROM busybox:stable\nRUN --mount=type=secret,id=API_TOKEN,required=true cat /run/secrets/API_TOKEN\n",
    );
    profile.limits.build_timeout = Some("60s".parse().expect("a span"));
    let mut run = world.run(profile);
    let (step, failure) = world.deploy(&mut run).await.expect_err("there is none");
    assert_eq!((step.as_str(), failure.code), ("build", FailureCode::BuildFailed), "{failure:?}");
    world.close().await;
}
