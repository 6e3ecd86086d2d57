//! Images: generated, prebuilt, and from a Dockerfile with stages and an ignore file.

use deploy_core::detect::Detection;
use deploy_core::port::{Executor as _, Keep};
use deploy_core::spec::{Profile, Strategy};

use crate::harness::{World, base_images, command, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_and_arguments_of_the_users_dockerfile_are_used() {
    let Some(world) = world().await else { return };
    let mut profile = world.app("one");
    world.write(
        "Dockerfile",
        "FROM busybox:stable AS web\nARG GREETING=nothing\nRUN mkdir /www && echo $GREETING > /www/index.html\nUSER 1000\n\
         CMD [\"httpd\",\"-f\",\"-p\",\"8080\",\"-h\",\"/www\"]\nFROM web AS other\nCMD [\"false\"]\n",
    );
    profile.runtime.stage = Some("web".to_owned());
    profile.runtime.build_args.insert("GREETING".to_owned(), "hello $HOME \"x\"".to_owned());
    let mut run = world.run(profile);
    world.deploy(&mut run).await.expect("a release");
    assert_eq!(world.get().await.1.trim(), "hello $HOME \"x\"");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ignore_files_leave_out_is_not_in_the_image() {
    let Some(world) = world().await else { return };
    let profile = world.dockerfile("COPY . /www\nRUN ls -a /www > /www/index.html\nCMD [\"httpd\",\"-f\",\"-p\",\"8080\",\"-h\",\"/www\"]");
    world.write(".dockerignore", "*.secret\n");
    world.write("a.secret", "x");
    world.write("b.txt", "x");
    let mut profile = profile;
    world.write("Dockerfile", "FROM busybox:stable\nCOPY . /www\nRUN ls -a /www > /www/index.html\nCMD [\"httpd\",\"-f\",\"-p\",\"8080\",\"-h\",\"/www\"]\n");
    profile.health.expected_body = Some("b.txt".to_owned());
    let mut run = world.run(profile);
    world.deploy(&mut run).await.expect("a release");
    let (_, body) = world.get().await;
    assert!(body.contains("b.txt") && !body.contains("a.secret"), "{body}");
    assert!(world.said.text().contains("the image runs as root"), "{}", world.said.text());
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_exists_is_taken_and_is_never_removed_as_if_it_were_ours() {
    let Some(world) = world().await else { return };
    let mut made = world.run(world.app("one"));
    world.steps(&mut made, "start").await.expect("an image");
    let name = format!("example.invalid/{}:1", world.owner);
    let options = bollard::query_parameters::TagImageOptionsBuilder::default()
        .repo(name.trim_end_matches(":1"))
        .tag("1")
        .build();
    world.docker.tag_image(made.digest().as_str(), Some(options)).await.expect("a tag");
    world.undo_all(&made).await;
    let mut profile = Profile::default();
    profile.runtime.strategy = Strategy::Image;
    profile.runtime.image = Some(name.clone());
    profile.network.internal_port = Some(8080);
    let mut run = world.run(profile);
    world.deploy(&mut run).await.expect("a release");
    assert_eq!(world.get().await, (200, "one".to_owned()));
    let docker = world.docker.clone();
    world.close().await;
    assert!(docker.inspect_image(&name).await.is_ok(), "the image has its own name still");
    docker
        .remove_image(&name, None::<bollard::query_parameters::RemoveImageOptions>, None)
        .await
        .expect("it was the test's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_dockerfile_builds_and_runs_without_rights() {
    let Some(world) = world().await else { return };
    if let Err(why) = base_images(&world.host, &["python"]) {
        crate::harness::cannot(&format!("the python image could not be made: {why}"));
        return;
    }
    world.write("requirements.txt", "");
    world.write(
        "app.py",
        "import http.server, os\nclass H(http.server.BaseHTTPRequestHandler):\n  def do_GET(self):\n    \
         text = f\"{os.getuid()} {os.environ['GREETING']} {os.environ['PORT']}\".encode()\n    self.send_response(200)\n    \
         self.end_headers()\n    self.wfile.write(text)\nhttp.server.HTTPServer(('', 8000), H).serve_forever()\n",
    );
    let mut profile = Profile::default();
    profile.runtime.strategy = Strategy::Commands;
    profile.runtime.build =
        Some("test \"$GREETING\" = 'hello \"there\"' && python3 -m compileall -q .".to_owned());
    profile.runtime.start = Some("python3 app.py".to_owned());
    profile.network.internal_port = Some(8000);
    profile.env.insert("GREETING".to_owned(), "hello \"there\"".to_owned());
    let detection = Detection { language: Some("python".to_owned()), ..Detection::default() };
    let (plan, source) = world.try_plan_of(profile, &detection, None).expect("a plan");
    let mut run = world.run_of(plan, source);
    world.deploy(&mut run).await.expect("a release");
    assert_eq!(world.get().await, (200, "10001 hello \"there\" 8000".to_owned()));
    let container = world.inspect(&run.fact("container")).await.expect("the container");
    assert_eq!(container.host_config.expect("settings").readonly_rootfs, Some(true));
    world.close().await;
}

/// Property: what is taken as it is never changes what is served.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_source_and_plan_is_not_built_again_and_another_one_is() {
    let Some(world) = world().await else { return };
    let profile = world.app("one");
    let mut first = world.archived(profile.clone());
    assert!(world.executor.reuses(first.plan.outline()).await.is_empty(), "nothing was built yet");
    world.deploy(&mut first).await.expect("a release");
    assert!(!world.said.text().contains("nothing is built"));

    let mut again = world.archived(profile.clone());
    let reuses = world.executor.reuses(again.plan.outline()).await;
    assert_eq!(reuses.len(), 1);
    assert!(reuses[0].what.contains("made for v1") && reuses[0].step.as_str() == "build", "{reuses:?}");
    // Not even the source is read again.
    again.source = deploy_core::spec::Source::Directory { path: "/never/there".to_owned() };
    world.deploy(&mut again).await.expect("a release");
    assert!(world.said.text().contains("nothing is built: the image made for v1"), "{}", world.said.text());
    assert_eq!(again.digest(), first.digest());
    assert_eq!(world.get().await, (200, "one".to_owned()));

    // Another source, another argument, another wish: it is built.
    world.write("www/index.html", "two");
    let mut second = world.archived(profile.clone());
    assert!(world.executor.reuses(second.plan.outline()).await.is_empty());
    world.deploy(&mut second).await.expect("a release");
    assert_eq!(world.get().await, (200, "two".to_owned()));
    let mut argued = profile.clone();
    argued.runtime.build_args.insert("A".to_owned(), "b".to_owned());
    assert!(world.executor.reuses(world.archived(argued).plan.outline()).await.is_empty());
    let mut wished = profile.clone();
    wished.runtime.rebuild = Some(true);
    assert!(world.executor.reuses(world.archived(wished).plan.outline()).await.is_empty());

    // What retention removed is not taken, but built again.
    world.write("www/index.html", "one");
    let keep = Keep { digests: vec![second.digest()], deployments: vec![second.id] };
    world.executor.reclaim(&keep).await.expect("a clean-up");
    let mut third = world.archived(profile);
    world.deploy(&mut third).await.expect("a release");
    assert_eq!(world.get().await, (200, "one".to_owned()));
    world.close().await;
}

/// What the builder keeps for later builds, as the docker command tells it.
fn kept_by_the_builder(world: &World) -> String {
    let words = ["system", "df", "--verbose", "--format", "{{json .BuildCache}}"];
    let said = command("docker", &words).env("DOCKER_HOST", &world.host).output().expect("it can be asked");
    assert!(said.status.success(), "{said:?}");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_39_what_the_builder_keeps_is_bounded() {
    let Some(unbounded) = world().await else { return };
    let bound = Some("1MiB".parse().expect("a size"));
    let bounded = World::with(&unbounded.host, bound).await;
    for world in [&unbounded, &bounded] {
        let mark = format!("made-for-{}", world.owner);
        let layer = format!("RUN echo {mark} && head -c 4194304 /dev/urandom > /tmp/filled");
        let profile = world.app("one");
        let dockerfile = format!(
            "FROM busybox:stable\n{layer}\nCOPY www /www\nUSER 1000\nCMD [\"httpd\",\"-f\",\"-p\",\"8080\",\"-h\",\"/www\"]\n"
        );
        world.write("Dockerfile", &dockerfile);
        let mut run = world.run(profile);
        world.steps(&mut run, "start").await.expect("an image");
        world.undo_all(&run).await;
        world.executor.finish(run.id).await.expect("a clean end");
        assert!(kept_by_the_builder(world).contains(&mark), "the builder keeps what it made");
        world.executor.reclaim(&Keep::default()).await.expect("a clean-up");
    }
    let kept = kept_by_the_builder(&bounded);
    assert!(!kept.contains(&format!("made-for-{}", bounded.owner)), "more is kept than may be: {kept}");
    unbounded.close().await;
    bounded.close().await;
}
