//! The contract every executor keeps, kept by this one on a real engine.

use std::collections::HashMap;

use async_trait::async_trait;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use deploy_core::detect::Detection;
use deploy_core::id::Digest;
use deploy_core::port::Executor;
use deploy_core::spec::{Actor, SecretRef, Spec};
use deploy_core::testkit::contract::ExecutorFixture;
use deploy_edge::EdgeClient;

use crate::harness::World;

const CANARY: &str = "CANARY-of-the-contract-0815";

pub(crate) struct Fixture {
    world: World,
    foreign: String,
}

impl Fixture {
    pub(crate) fn new(world: World) -> Self {
        world.variables.lock().expect("variables").insert("CONTRACT".to_owned(), CANARY.to_owned());
        let foreign = format!("{}-foreign", world.owner);
        Self { world, foreign }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = crate::harness::command("docker", &["rm", "--force", &self.foreign])
            .env("DOCKER_HOST", &self.world.host)
            .output();
    }
}

#[async_trait]
impl ExecutorFixture for Fixture {
    fn executor(&self) -> &dyn Executor {
        &self.world.executor
    }

    fn spec(&self, number: u32) -> Spec {
        let directory = format!("app-{number}");
        self.world.write(&format!("{directory}/www/index.html"), &format!("number {number}"));
        self.world.write(
            &format!("{directory}/Dockerfile"),
            "FROM busybox:stable\nCOPY www /www\nUSER 1000\nCMD [\"sh\",\"-c\",\"echo token $TOKEN; exec httpd -f -p 8080 -h /www\"]\n",
        );
        let path = self.world.source.path().join(directory).to_string_lossy().into_owned();
        let resource = "web".parse().expect("a resource");
        let mut spec =
            Spec::directory(resource, "docker".parse().expect("a name"), path, Actor("test".into()));
        spec.profile.runtime.dockerfile = Some("Dockerfile".to_owned());
        spec.profile.network.internal_port = Some(8080);
        let secret = SecretRef { env: "CONTRACT".to_owned(), build: false, file: false };
        spec.profile.secrets.insert("TOKEN".to_owned(), secret);
        spec
    }

    fn detection(&self, _: u32) -> Detection {
        Detection::default()
    }

    async fn live(&self) -> Option<Digest> {
        let edge = EdgeClient::new(self.world.edge_socket());
        edge.route("web.localhost").await.expect("an edge")?;
        let (_, head, _) = crate::harness::http_exchange(self.world.edge, "web.localhost").await;
        let release = head.lines().find_map(|line| line.strip_prefix("deploy-release: "));
        release.map(|digest| digest.trim().parse().expect("a digest"))
    }

    async fn has_artifact(&self, digest: &Digest) -> bool {
        self.world.docker.inspect_image(digest.as_str()).await.is_ok()
    }

    async fn everything(&self) -> String {
        let edge = EdgeClient::new(self.world.edge_socket()).status().await.expect("an edge");
        let routes: Vec<_> =
            edge.routes.iter().map(|route| (&route.host, route.digest, &route.upstream)).collect();
        let (containers, images) = (self.world.containers().await, self.world.images().await);
        let networks = self.world.networks().await;
        format!("{routes:?}\n{containers:?}\n{images:?}\n{networks:?}")
    }

    async fn add_foreign(&self) {
        let options = CreateContainerOptionsBuilder::default().name(&self.foreign).build();
        let labels = HashMap::from([
            ("deploy.owner".to_owned(), "somebody-else".to_owned()),
            ("deploy.resource".to_owned(), "web".to_owned()),
            ("deploy.environment".to_owned(), "production".to_owned()),
        ]);
        let body = ContainerCreateBody {
            image: Some("busybox:stable".to_owned()),
            cmd: Some(vec!["sleep".to_owned(), "600".to_owned()]),
            labels: Some(labels),
            ..ContainerCreateBody::default()
        };
        self.world.docker.create_container(Some(options), body).await.expect("a container");
        self.world
            .docker
            .start_container(&self.foreign, None::<bollard::query_parameters::StartContainerOptions>)
            .await
            .expect("it starts");
    }

    async fn foreign(&self) -> String {
        let found = self.world.inspect(&self.foreign).await;
        let state = found.and_then(|container| container.state).and_then(|state| state.status);
        let image = self.world.docker.inspect_image("busybox:stable").await.is_ok();
        format!("{state:?} {image}")
    }

    fn canaries(&self) -> Vec<String> {
        vec![CANARY.to_owned()]
    }
}

mod docker {
    deploy_core::executor_contract!(match crate::harness::world().await {
        Some(world) => super::Fixture::new(world),
        None => return Ok(()),
    });
}
