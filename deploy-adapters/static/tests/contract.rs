//! The static target keeps the contract of executors, on a real edge and real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use deploy_core::cancel::Cancel;
use deploy_core::detect::{Detection, Found, ProjectKind};
use deploy_core::effect::{Effect, EffectKind};
use deploy_core::engine::SystemClock;
use deploy_core::evidence::Fact;
use deploy_core::id::{DeploymentId, Digest, Version};
use deploy_core::log::LogLine;
use deploy_core::plan::{Draft, DraftRequest, draft};
use deploy_core::port::{Executor, Keep, LogSink, StepContext};
use deploy_core::spec::{Actor, Source, Spec};
use deploy_core::testkit::contract::ExecutorFixture;
use deploy_core::time::Span;
use deploy_edge::{Config, Depth, Edge, EdgeClient, Limits, Listen, RunningEdge, verify_release};
use deploy_source::SourceReader;
use deploy_static::{StaticConfig, StaticExecutor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const HOST: &str = "web.localhost";

/// An edge of its own, with its files in a directory that goes away with it.
struct Lab {
    dir: tempfile::TempDir,
    edge: RunningEdge,
    executor: StaticExecutor,
}

impl Lab {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (releases, edge_dir) = (dir.path().join("releases"), dir.path().join("edge"));
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = Listen::Preferred(any_port);
        let config = Config {
            dir: edge_dir.clone(),
            releases: releases.clone(),
            listen,
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
        };
        let edge = Edge::start(config).await.unwrap();
        let config = StaticConfig {
            releases,
            work: dir.path().join("work"),
            edge_socket: deploy_edge::control_socket(&edge_dir),
            edge_address: Some(edge.public_addr()),
        };
        let executor = StaticExecutor::new(config, Arc::new(SourceReader::default()), Arc::new(SystemClock));
        Self { dir, edge, executor }
    }

    fn releases(&self) -> PathBuf {
        self.dir.path().join("releases")
    }

    fn foreign_file(&self) -> PathBuf {
        self.releases().join("somebody's file")
    }

    /// Names and sizes of everything below a directory.
    fn listing(&self, below: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![self.dir.path().join(below)];
        while let Some(directory) = open.pop() {
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                found.push(path.strip_prefix(self.dir.path()).unwrap().display().to_string());
                if path.is_dir() {
                    open.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// What a browser gets: the name of the release that answered, if any did.
    async fn asked(&self) -> Option<String> {
        let mut stream = tokio::net::TcpStream::connect(self.edge.public_addr()).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let header = answer.lines().find_map(|line| line.strip_prefix("deploy-release: "));
        header.map(|value| value.trim().to_owned())
    }
}

#[async_trait]
impl ExecutorFixture for Lab {
    fn executor(&self) -> &dyn Executor {
        &self.executor
    }

    fn spec(&self, number: u32) -> Spec {
        let site = self.dir.path().join(format!("site{number}"));
        fs::create_dir_all(&site).unwrap();
        fs::write(site.join("index.html"), format!("<h1>site {number}</h1>")).unwrap();
        let source = Source::Directory { path: site.to_str().unwrap().to_owned() };
        let mut spec = Spec::directory(
            "web".parse().unwrap(),
            "static".parse().unwrap(),
            "",
            Actor("tester".to_owned()),
        );
        spec.source = source;
        spec.profile.health.interval = Some(Span::from_millis(20));
        spec.profile.access.host = Some(HOST.to_owned());
        spec
    }

    fn detection(&self, _: u32) -> Detection {
        let evidence = Fact::new("index.html", "is there");
        Detection {
            planner: "static-html".to_owned(),
            kind: ProjectKind::Static,
            publish_directory: Some(Found { value: ".".to_owned(), evidence }),
            ..Detection::default()
        }
    }

    async fn live(&self) -> Option<Digest> {
        self.asked().await.map(|text| text.parse().unwrap())
    }

    async fn has_artifact(&self, digest: &Digest) -> bool {
        let digest = digest.as_str().parse().unwrap();
        verify_release(&self.releases(), &digest, Depth::Content).is_ok()
    }

    async fn everything(&self) -> String {
        let client = EdgeClient::new(self.edge.control_socket());
        let routes = client.status().await.unwrap().routes;
        let routes: Vec<_> = routes.iter().map(|r| (&r.host, &r.target, r.digest)).collect();
        format!("{routes:?} {:?} {:?}", self.listing("releases"), self.listing("work"))
    }

    async fn add_foreign(&self) {
        fs::create_dir_all(self.releases()).unwrap();
        fs::write(self.foreign_file(), "not ours").unwrap();
        fs::create_dir_all(self.releases().join("somebody's directory")).unwrap();
    }

    async fn foreign(&self) -> String {
        let directory = self.releases().join("somebody's directory").is_dir();
        format!("{:?} {directory}", fs::read_to_string(self.foreign_file()).ok())
    }
}

deploy_core::executor_contract!(Lab::new().await);

struct Silent;

impl LogSink for Silent {
    fn line(&self, _: LogLine) {}
}

/// What a clean-up keeps was asked for before this deployment began, so nothing names it.
#[tokio::test]
async fn inv_34_a_clean_up_that_began_before_a_deployment_leaves_its_workspace() {
    let lab = Lab::new().await;
    let mut spec = lab.spec(1);
    spec.profile.runtime.build = Some("mkdir dist && cp index.html dist/".to_owned());
    spec.profile.runtime.publish_directory = Some("dist".to_owned());
    let detection = lab.detection(1);
    let request = DraftRequest {
        spec: &spec,
        detection: &detection,
        survey: None,
        executor: Some(&lab.executor),
        installed: &["static"],
    };
    let Draft::Ready(plan) = draft(&request) else { panic!("it is blocked: {:?}", draft(&request)) };
    let step = plan.steps()[0].clone();
    let deployment = DeploymentId::new(uuid::Uuid::from_u128(u128::from(std::process::id())));
    let cx = StepContext {
        deployment,
        plan,
        outputs: Vec::new(),
        live_before: None,
        version: Version::FIRST,
        source: spec.source.clone(),
        cancel: Cancel::new(),
        logs: Arc::new(Silent),
    };
    let (kind, timeout) = (EffectKind::Perform { step: step.id.clone() }, Span::from_secs(60));
    let effect = Effect { deployment, kind, attempt: 1, fence: None, timeout };
    lab.executor.perform(&effect, &step, &cx).await.unwrap();
    let before = lab.listing("work");
    assert!(before.iter().any(|path| path.ends_with("dist/index.html")), "{before:?}");
    lab.executor.reclaim(&Keep::default()).await.unwrap();
    assert_eq!(lab.listing("work"), before);
    // What is finished is freed, also what finishing missed.
    lab.executor.finish(deployment).await.unwrap();
    fs::create_dir_all(lab.dir.path().join("work").join(deployment.to_string())).unwrap();
    lab.executor.reclaim(&Keep::default()).await.unwrap();
    assert!(!lab.listing("work").iter().any(|path| path.contains(&deployment.to_string())));
}
