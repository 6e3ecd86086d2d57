//! A stand-in flyctl with a world of its own, and the app's address in front of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use deploy_core::detect::{Detection, Found, ProjectKind};
use deploy_core::engine::SystemClock;
use deploy_core::evidence::Fact;
use deploy_core::id::Digest;
use deploy_core::port::{Clock, Executor};
use deploy_core::spec::{Actor, Source, Spec};
use deploy_core::testkit::contract::ExecutorFixture;
use deploy_core::time::{Span, Timestamp};
use deploy_fly::{Environment, FlyConfig, FlyExecutor};
use deploy_source::SourceReader;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A token that must never be said.
pub(crate) const TOKEN: &str = "fm2_lJPECAAAAAAAC1nocanaryXFxBCanary+/9canary==";

pub(crate) fn standin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/flyctl/flyctl")
}

/// The time, and what was added to it.
#[derive(Default)]
pub(crate) struct Shifted(AtomicU64);

impl Shifted {
    pub(crate) fn forward(&self, span: Span) {
        self.0.fetch_add(span.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(Span::from_millis(self.0.load(Ordering::SeqCst)))
    }
}

pub(crate) struct Lab {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<Shifted>,
    pub(crate) executor: FlyExecutor,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        Self::in_region("").await
    }

    /// Where this process itself runs on fly, in a region.
    pub(crate) async fn in_region(region: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = dir.path().join("world");
        std::fs::create_dir_all(&world).unwrap();
        let app = || json!({ "machines": [], "releases": [], "version": 0, "answers": 200 });
        let state = json!({ "apps": { "web": app(), "other": app() }, "images": {}, "next": 1 });
        std::fs::write(world.join("state.json"), state.to_string()).unwrap();
        let address = serve(world.clone()).await;
        let mut environment: Environment = BTreeMap::new();
        let mut set = |name: &str, value: OsString| environment.insert(name.into(), value);
        set("PATH", std::env::var_os("PATH").unwrap());
        set("FLY_STANDIN", world.into());
        set("FLY_API_TOKEN", TOKEN.into());
        set("DATABASE_URL", "not-for-flyctl".into());
        set("FLY_REGION", region.into());
        let config = FlyConfig {
            work: dir.path().join("work"),
            releases: dir.path().join("releases"),
            flyctl: standin(),
            app_url: Some(address),
            environment,
            recipe: Arc::new(|_| None),
        };
        let clock = Arc::<Shifted>::default();
        let executor = FlyExecutor::new(config, Arc::new(SourceReader::default()), Arc::clone(&clock) as _);
        Self { dir, clock, executor }
    }

    fn world(&self, name: &str) -> PathBuf {
        self.dir.path().join("world").join(name)
    }

    pub(crate) fn state(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.world("state.json")).unwrap()).unwrap()
    }

    /// What goes wrong next, by command.
    pub(crate) fn plays(&self, plays: &Value) {
        std::fs::write(self.world("plays.json"), plays.to_string()).unwrap();
    }

    /// What was asked of flyctl.
    pub(crate) fn calls(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.world("calls.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What the app shows from now on.
    pub(crate) fn shows(&self, page: &str) {
        let mut state = self.state();
        state["apps"]["web"]["page"] = page.into();
        std::fs::write(self.world("state.json"), state.to_string()).unwrap();
    }

    /// One of the app's machines writes a line now.
    pub(crate) fn writes(&self, machine: usize, provider: &str, message: &str) {
        use std::io::Write as _;
        let machine = self.machines()[machine]["id"].clone();
        let at = time::OffsetDateTime::now_utc();
        let at = at.format(&time::format_description::well_known::Rfc3339).unwrap();
        let line = json!({ "machine": machine, "provider": provider, "message": message, "timestamp": at });
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.world("logs.jsonl")).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn machines(&self) -> Vec<Value> {
        self.state()["apps"]["web"]["machines"].as_array().unwrap().clone()
    }

    pub(crate) fn source(&self, number: u32) -> PathBuf {
        let source = self.dir.path().join(format!("source{number}"));
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("Dockerfile"), format!("FROM scratch\nLABEL n={number}\n")).unwrap();
        source
    }

    pub(crate) fn specification(&self, source: Source) -> Spec {
        let (resource, target) = ("web".parse().unwrap(), "fly".parse().unwrap());
        let mut spec = Spec::directory(resource, target, "", Actor("tester".to_owned()));
        spec.source = source;
        spec.profile.fly.app = Some("web".to_owned());
        spec.profile.health.deadline = Some(Span::from_secs(60));
        spec.profile.health.interval = Some(Span::from_millis(20));
        spec.profile.health.healthy_after = Some(1);
        spec
    }
}

/// Answers as the app's machines would: the address of every app.
async fn serve(world: PathBuf) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 2048];
            let _ = stream.read(&mut request).await;
            let state = std::fs::read(world.join("state.json")).unwrap_or_default();
            let state: Value = serde_json::from_slice(&state).unwrap_or_default();
            let app = &state["apps"]["web"];
            let up = app["machines"].as_array().is_some_and(|machines| !machines.is_empty());
            let status = if up { app["answers"].as_u64().unwrap_or(200) } else { 503 };
            let page = app["page"].as_str().unwrap_or("ok");
            let length = page.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

#[async_trait]
impl ExecutorFixture for Lab {
    fn executor(&self) -> &dyn Executor {
        &self.executor
    }

    fn spec(&self, number: u32) -> Spec {
        let path = self.source(number).to_str().unwrap().to_owned();
        self.specification(Source::Directory { path })
    }

    fn detection(&self, _: u32) -> Detection {
        let evidence = Fact::new("Dockerfile", "is there");
        Detection {
            planner: "dockerfile".to_owned(),
            kind: ProjectKind::Server,
            dockerfile: Some(Found { value: "Dockerfile".to_owned(), evidence: evidence.clone() }),
            internal_port: Some(Found { value: 8080, evidence }),
            ..Detection::default()
        }
    }

    async fn live(&self) -> Option<Digest> {
        let machines = self.machines();
        let digest = machines.first()?["image_ref"]["digest"].as_str()?.parse().ok();
        assert!(
            machines
                .iter()
                .all(|machine| machine["image_ref"]["digest"] == machines[0]["image_ref"]["digest"])
        );
        digest
    }

    async fn has_artifact(&self, digest: &Digest) -> bool {
        self.state()["images"].as_object().unwrap().values().any(|found| found == digest.as_str())
    }

    async fn everything(&self) -> String {
        let state = self.state();
        format!("{} {}", state["apps"]["web"]["machines"], state["apps"]["web"]["version"])
    }

    async fn add_foreign(&self) {
        let mut state = self.state();
        state["apps"]["other"]["machines"] = json!([{ "id": "theirs", "state": "started" }]);
        std::fs::write(self.world("state.json"), state.to_string()).unwrap();
    }

    async fn foreign(&self) -> String {
        self.state()["apps"]["other"].to_string()
    }

    fn canaries(&self) -> Vec<String> {
        let say = [
            format!("token {TOKEN}"),
            format!("Authorization: FlyV1 {TOKEN}"),
            "FLY_API_TOKEN=plain-canary".to_owned(),
        ];
        self.plays(&json!({ "deploy": [{ "say": say, "always": true }], "build": [{ "print": say }] }));
        vec![TOKEN.to_owned(), TOKEN[4..].to_owned(), "plain-canary".to_owned()]
    }
}
