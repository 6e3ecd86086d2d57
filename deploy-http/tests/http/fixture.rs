//! An engine whose one target does a step only when the test lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::engine::{Engine, Submission, SystemClock};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, ResourceKey, Seq};
use deploy_core::lifecycle::PhaseName;
use deploy_core::log::{LogLevel, LogLine, LogSource};
use deploy_core::plan::{Outline, Output, Step, StepKind};
use deploy_core::port::{
    Catalogue, Clock as _, Compiled, Executor, Journal, Keep, Lease, Logs, Probe, ReleaseRecord, StepContext,
    SurveyRequest, WhenBusy,
};
use deploy_core::reason::Reason;
use deploy_core::runtime_log::{RuntimeFrom, RuntimeLog, RuntimeLogError};
use deploy_core::spec::{Actor, Spec};
use deploy_core::testkit::{self, MemoryStore};
use deploy_detect::Catalogue as Rules;
use deploy_http::{Api, Door, Instruments, Limits, Parts, Tokens, router};
use deploy_source::SourceReader;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::written::Written;

/// No wait of a test is longer.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// The target `gated`: so many steps, each of which waits at a gate and then writes some lines.
struct Gated {
    steps: usize,
    lines: usize,
    line_bytes: usize,
    gate: Arc<Semaphore>,
    /// Whether checks fail.
    sick: Arc<AtomicBool>,
    /// What every release writes, unless it is mute.
    written: Arc<Written>,
    mute: Arc<AtomicBool>,
}

#[async_trait]
impl Executor for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn compile(&self, _: &Outline) -> Compiled {
        let acts =
            (0..self.steps).map(|n| testkit::step(&format!("act-{n}"), PhaseName::Execute, StepKind::Act));
        let check = testkit::step("check", PhaseName::Verify, StepKind::Check);
        let switch = testkit::step("switch", PhaseName::Verify, StepKind::Switch { needs_check: true });
        Compiled { steps: acts.chain([check, switch]).collect(), ..Compiled::default() }
    }

    async fn survey(&self, _: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
        Ok(Vec::new())
    }

    async fn perform(&self, _: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        tokio::select! {
            permit = self.gate.acquire() => permit.unwrap().forget(),
            () = cx.cancel.cancelled() => {}
        }
        for n in 0..self.lines {
            cx.logs.line(LogLine {
                sequence: Seq(0),
                deployment: cx.deployment,
                at: SystemClock.now(),
                source: if n % 2 == 0 { LogSource::Build } else { LogSource::System },
                level: if n % 5 == 0 { LogLevel::Warn } else { LogLevel::Info },
                step: Some(step.id.clone()),
                message: format!("{n} {}", "x".repeat(self.line_bytes)),
            });
        }
        if step.id.as_str() == "check" && self.sick.load(Ordering::SeqCst) {
            let failure = Failure::new(FailureCode::Unhealthy, "GET /up answered 503, 3 times of 3");
            return Err(failure.because("http://10.0.3.7:80/up", "503 {\"db\":\"down\"}"));
        }
        Ok(Output::of(testkit::digest("made")))
    }

    async fn probe(&self, _: &IdempotencyKey, _: &Step, _: &StepContext) -> Result<Probe, Failure> {
        Ok(Probe::Absent)
    }

    async fn undo(&self, _: &Effect, _: &Step, _: &StepContext) -> Result<(), Failure> {
        Ok(())
    }

    async fn finish(&self, _: DeploymentId) -> Result<(), Failure> {
        Ok(())
    }

    async fn reclaim(&self, _: &Keep) -> Result<(), Failure> {
        Ok(())
    }

    fn keeps_output(&self) -> bool {
        !self.mute.load(Ordering::SeqCst)
    }

    async fn runtime_log(
        &self,
        _: &ReleaseRecord,
        from: RuntimeFrom,
    ) -> Result<Box<dyn RuntimeLog>, RuntimeLogError> {
        match self.mute.load(Ordering::SeqCst) {
            true => Err(RuntimeLogError::Absent { why: "it is mute" }),
            false => Ok(self.written.read(from)),
        }
    }
}

/// What a test needs.
pub(crate) struct Bench {
    pub(crate) api: Api,
    pub(crate) store: Arc<dyn Catalogue>,
    gate: Arc<Semaphore>,
    sick: Arc<AtomicBool>,
    /// What every release writes.
    pub(crate) written: Arc<Written>,
    mute: Arc<AtomicBool>,
    source: tempfile::TempDir,
}

/// How a bench is made.
pub(crate) struct Setup {
    pub(crate) steps: usize,
    pub(crate) lines: usize,
    pub(crate) line_bytes: usize,
    /// The default bounds when absent.
    pub(crate) limits: Option<Limits>,
    pub(crate) tokens: Option<Arc<dyn Tokens>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { steps: 2, lines: 0, line_bytes: 10, limits: None, tokens: None }
    }
}

impl Bench {
    pub(crate) fn new(setup: Setup) -> Self {
        Self::over(setup, MemoryStore::default())
    }

    pub(crate) fn over<S>(setup: Setup, store: S) -> Self
    where
        S: Journal + Lease + Catalogue + Logs + Clone + 'static,
    {
        let Setup { steps, lines, line_bytes, limits, tokens } = setup;
        let (gate, instruments) = (Arc::new(Semaphore::new(0)), Instruments::default());
        let sick = Arc::new(AtomicBool::new(false));
        let (written, mute) = (Arc::<Written>::default(), Arc::<AtomicBool>::default());
        let target = Gated {
            steps,
            lines,
            line_bytes,
            gate: Arc::clone(&gate),
            sick: Arc::clone(&sick),
            written: Arc::clone(&written),
            mute: Arc::clone(&mute),
        };
        let engine = Engine::builder(instruments.observe(store.clone()), SourceReader::default(), Rules)
            .executor(target)
            .build();
        let source = tempfile::tempdir().unwrap();
        let uploads = Some(source.path().join(".deploy-uploads"));
        let api = Api::new(Parts {
            limits: limits.unwrap_or_default(),
            tokens,
            uploads,
            instruments,
            ..Parts::of(engine)
        });
        std::fs::write(source.path().join("index.html"), "hello").unwrap();
        Self { api, store: Arc::new(store), gate, sick, written, mute, source }
    }

    pub(crate) fn standard() -> Self {
        Self::new(Setup::default())
    }

    /// Lets that many steps through.
    pub(crate) fn let_through(&self, steps: usize) {
        self.gate.add_permits(steps);
    }

    pub(crate) fn spec(&self) -> Spec {
        let resource: ResourceKey = "web".parse().unwrap();
        let path = self.source.path().to_str().unwrap();
        Spec::directory(resource, "gated".parse().unwrap(), path, Actor("tester".to_owned()))
    }

    /// Submits a deployment; its steps wait at the gate.
    pub(crate) async fn deploy(&self) -> DeploymentId {
        let submission = Submission { spec: self.spec(), idempotency_key: None, busy: WhenBusy::Wait };
        self.api.engine().submit(submission).await.unwrap().id
    }

    /// A deployment that has succeeded.
    pub(crate) async fn deployed(&self) -> DeploymentId {
        let id = self.deploy().await;
        self.let_through(100);
        let status = self.api.engine().rested(id).await.unwrap();
        assert_eq!(status.status.as_str(), "succeeded", "{status:?}");
        id
    }

    /// Where archives are kept.
    pub(crate) fn uploads(&self) -> std::path::PathBuf {
        self.source.path().join(".deploy-uploads")
    }

    /// A deployment whose check failed.
    pub(crate) async fn failed(&self) -> DeploymentId {
        self.sick.store(true, Ordering::SeqCst);
        let id = self.deploy().await;
        self.let_through(100);
        let status = self.api.engine().rested(id).await.unwrap();
        self.sick.store(false, Ordering::SeqCst);
        assert_eq!(status.status.as_str(), "failed", "{status:?}");
        id
    }

    /// From now on releases have no output.
    pub(crate) fn mute(&self) {
        self.mute.store(true, Ordering::SeqCst);
    }

    /// No step goes through that was let through before and did not use it.
    pub(crate) fn hold(&self) {
        self.gate.forget_permits(usize::MAX >> 4);
    }

    pub(crate) fn socket(&self) -> Router {
        router(self.api.clone(), Door::socket())
    }

    pub(crate) fn loopback(&self) -> Router {
        router(self.api.clone(), Door::tcp("127.0.0.1:0".parse().unwrap(), Vec::new(), false).unwrap())
    }

    pub(crate) fn public(&self) -> Router {
        let names = vec!["deploy.example.com".to_owned()];
        router(self.api.clone(), Door::tcp("0.0.0.0:0".parse().unwrap(), names, true).unwrap())
    }
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem, which is complete.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        for key in ["code", "phase", "retryable", "hint", "title", "status"] {
            assert!(problem.get(key).is_some(), "{key} is missing: {problem}");
        }
        assert_eq!(problem["status"], self.status.as_u16());
        problem["code"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !fields.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(LONG, body.collect()).await.expect("the answer has no end");
    Answer { status: parts.status, headers: parts.headers, body: body.unwrap().to_bytes() }
}

pub(crate) async fn get(router: &Router, path: &str, fields: &[(&str, &str)]) -> Answer {
    ask(router, request("GET", path, fields, "")).await
}

pub(crate) async fn post(router: &Router, path: &str, body: &str) -> Answer {
    ask(router, request("POST", path, &[("content-type", "application/json")], body)).await
}

/// A stream that is open.
pub(crate) struct Open {
    body: Body,
    buffer: String,
}

impl Open {
    pub(crate) async fn start(router: &Router, path: &str, fields: &[(&str, &str)]) -> Self {
        let response = router.clone().oneshot(request("GET", path, fields, "")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self::over(response.into_body())
    }

    pub(crate) const fn over(body: Body) -> Self {
        Self { body, buffer: String::new() }
    }

    /// The next line; `None` at the end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.find('\n') {
                let line: String = self.buffer.drain(..=end).collect();
                return Some(line.trim_end_matches('\n').to_owned());
            }
            let frame = tokio::time::timeout(LONG, self.body.frame()).await.expect("nothing comes");
            let data = frame?.unwrap().into_data().unwrap();
            self.buffer.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The next NDJSON envelope.
    pub(crate) async fn envelope(&mut self) -> Option<Value> {
        self.line().await.map(|line| serde_json::from_str(&line).unwrap())
    }

    /// The next server-sent message: its id and its envelope. `retry` is passed over.
    pub(crate) async fn message(&mut self) -> Option<(Option<u64>, Value)> {
        let mut id = None;
        loop {
            let line = self.line().await?;
            if let Some(number) = line.strip_prefix("id: ") {
                id = Some(number.parse().unwrap());
            } else if let Some(data) = line.strip_prefix("data: ") {
                let envelope = serde_json::from_str(data).unwrap();
                assert_eq!(self.line().await.as_deref(), Some(""), "a message ends with an empty line");
                return Some((id, envelope));
            } else {
                assert!(line.is_empty() || line == "retry: 5000", "{line}");
            }
        }
    }
}
