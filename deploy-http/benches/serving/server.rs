//! The server's process: the API over the real store, and the bare route.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::engine::{Engine, Submission};
use deploy_core::failure::Failure;
use deploy_core::id::DeploymentId;
use deploy_core::lifecycle::PhaseName;
use deploy_core::plan::{Outline, Output, Step, StepKind};
use deploy_core::port::{
    Compiled, Executor, Keep, Moment, Observer, Probe, StepContext, SurveyRequest, WhenBusy,
};
use deploy_core::reason::Reason;
use deploy_core::spec::{Actor, Spec};
use deploy_core::testkit;
use deploy_detect::Catalogue;
use deploy_http::{Api, Door, Instruments, Limits, Parts, serve_tcp};
use deploy_source::SourceReader;
use deploy_store_sqlite::SqliteStore;
use tokio::sync::Semaphore;

/// Unfinished deployments while the server is polled.
const UNFINISHED: usize = 50;
/// Steps of a deployment: more than are let through.
const STEPS: usize = 60;

/// Steps that wait at a gate.
struct Gated(Arc<Semaphore>);

#[async_trait]
impl Executor for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn compile(&self, _: &Outline) -> Compiled {
        let act = |n| testkit::step(&format!("act-{n}"), PhaseName::Execute, StepKind::Act);
        Compiled { steps: (0..STEPS).map(act).collect(), ..Compiled::default() }
    }

    async fn survey(&self, _: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
        Ok(Vec::new())
    }

    async fn perform(&self, _: &Effect, _: &Step, _: &StepContext) -> Result<Output, Failure> {
        self.0.acquire().await.unwrap().forget();
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
}

/// Says of every event when it was durable.
struct Durable;

impl Observer for Durable {
    fn moment(&self, moment: &Moment) {
        if let Moment::Appended(id, sequence) = moment {
            println!("durable {id} {sequence} {}", now_micros());
        }
    }
}

/// Microseconds since 1970.
pub(crate) fn now_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

/// Serves until its orders end. `go` lets one step through.
pub(crate) async fn run() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("index.html"), "hello").unwrap();
    let store = SqliteStore::open(&place.path().join("store"), Default::default()).unwrap();
    let (gate, instruments) = (Arc::new(Semaphore::new(0)), Instruments::default());
    let limits = deploy_core::engine::Limits { effects: UNFINISHED + 8, ..Default::default() };
    let engine = Engine::builder(instruments.observe(store), SourceReader::default(), Catalogue)
        .executor(Gated(Arc::clone(&gate)))
        .observer(Durable)
        .limits(limits)
        .build();
    let unlimited = NonZeroU32::MAX;
    let limits = Limits {
        requests_per_second: unlimited,
        requests_burst: unlimited,
        stall: Duration::from_secs(600),
        ..Limits::default()
    };
    let api = Api::new(Parts { limits, instruments, ..Parts::of(engine.clone()) });
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let door = Door::tcp(address, Vec::new(), false).unwrap();
    let (api_address, _serving) = serve_tcp(api, address, door).await.unwrap();
    println!("{api_address}");

    let source = place.path().to_str().unwrap();
    let mut first = None;
    for n in 0..UNFINISHED {
        let resource = format!("web-{n}").parse().unwrap();
        let spec = Spec::directory(resource, "gated".parse().unwrap(), source, Actor("bench".to_owned()));
        let submission = Submission { spec, idempotency_key: None, busy: WhenBusy::Refuse };
        let id = engine.submit(submission).await.unwrap().id;
        first.get_or_insert(id);
        while engine.status(id).await.unwrap().status.as_str() != "executing" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let id = first.unwrap();
    let body: Bytes = serde_json::to_vec(&engine.status(id).await.unwrap()).unwrap().into();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    println!("/api/deployments/{id}");
    tokio::spawn(async move { axum::serve(listener, bare(body)).await });
    let orders = move || {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            // As many as may wait: which of the deployments goes on is not chosen.
            gate.add_permits(UNFINISHED);
        }
    };
    tokio::task::spawn_blocking(orders).await.unwrap();
}

/// The bare route: the same bytes, head and body, and the same comparison of tags.
fn bare(body: Bytes) -> Router {
    let answer = move |headers: HeaderMap| async move {
        let fields = [
            (header::ETAG, HeaderValue::from_static("\"00\"")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
            ),
        ];
        if headers.contains_key(header::IF_NONE_MATCH) {
            return (StatusCode::NOT_MODIFIED, fields).into_response();
        }
        (fields, [(header::CONTENT_TYPE, "application/json")], body.clone()).into_response()
    };
    Router::new().route("/api/deployments/{id}", get(answer))
}
