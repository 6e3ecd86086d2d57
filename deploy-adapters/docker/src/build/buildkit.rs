//! The BuildKit builder: stages that do not depend on each other run at the same time, caches are kept, and
//! secrets are files that nothing keeps.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::lines::Lines;
use deploy_core::log::{LogLevel, LogSource};
use deploy_core::port::StepContext;
use deploy_core::step_log::StepLog;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde::Deserialize;

use super::session::Answers;
use super::wire::{self, Body};
use super::{Order, classic, proto, session};
use crate::engine::{Engine, EngineError, Sort};

/// The longest message of the engine that is read; a longer one ends the build's log, not the build.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Builds, and writes what the build says into the log. Ending early ends the build on the engine too.
pub(crate) async fn run(
    engine: &Engine,
    order: Order,
    answers: Answers,
    cx: &StepContext,
    log: &StepLog,
) -> Result<(), Failure> {
    let id = format!("{}-{}", cx.deployment, log.clock().now().as_millis());
    let _session = session::open(engine, &id, answers).await?;
    let work = build(engine, order, &id, log);
    tokio::select! {
        built = work => built,
        () = cx.cancel.cancelled() => Err(Failure::new(FailureCode::Cancelled, "the build was stopped")),
        gone = engine.gone() => Err(gone.into()),
    }
}

async fn build(engine: &Engine, order: Order, session: &str, log: &StepLog) -> Result<(), Failure> {
    let request = request(order, session);
    let request = request.map_err(|error| Failure::new(FailureCode::Internal, error.to_string()))?;
    let exchange = wire::send(engine, request, Sort::Change).await?;
    let status = exchange.response.status();
    let mut body = exchange.response.into_body();
    let mut read = Progress { log, lines: HashMap::new(), begun: BTreeSet::new(), error: None };
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| classic::failed(wire::lost(engine, &error, Sort::Change), log))?;
        let Some(data) = frame.data_ref() else { continue };
        rest.extend_from_slice(data);
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            read.message(&line);
        }
        if rest.len() > MESSAGE_BYTES {
            rest.clear();
        }
    }
    read.message(&rest);
    read.finish();
    let error = read.error.take().or_else(|| refusal(status, &rest));
    match error {
        Some(message) => Err(classic::failed(engine.said(status.as_u16(), message), log)),
        None => Ok(()),
    }
}

/// What an engine says that did not even begin.
fn refusal(status: StatusCode, body: &[u8]) -> Option<String> {
    if status.is_success() {
        return None;
    }
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let said = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.message);
    Some(said.unwrap_or_else(|_| format!("the engine answered {status}")))
}

fn request(order: Order, session: &str) -> Result<Request<Body>, http::Error> {
    let json = |map: &HashMap<String, String>| serde_json::to_string(map).unwrap_or_default();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("version", "2")
        .append_pair("session", session)
        .append_pair("buildid", session)
        .append_pair("dockerfile", &order.dockerfile)
        .append_pair("t", &order.tag)
        .append_pair("labels", &json(&order.labels))
        .append_pair("buildargs", &json(&order.arguments));
    if let Some(stage) = &order.stage {
        query.append_pair("target", stage);
    }
    let chunks = stream::unfold(order.context.stream(), |mut chunks| async move {
        let chunk: std::io::Result<Bytes> = chunks.recv().await?;
        Some((chunk.map(Frame::data), chunks))
    });
    Request::builder()
        .method(Method::POST)
        .uri(format!("/build?{}", query.finish()))
        .header("host", "docker")
        .header("content-type", "application/x-tar")
        .body(StreamBody::new(chunks.boxed()).boxed_unsync())
}

/// What the build says, as it says it.
struct Progress<'a> {
    log: &'a StepLog,
    /// By the instruction they come from.
    lines: HashMap<String, Lines>,
    /// The instructions that were named.
    begun: BTreeSet<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    id: String,
    #[serde(default)]
    aux: serde_json::Value,
    error: Option<String>,
}

impl Progress<'_> {
    fn message(&mut self, line: &[u8]) {
        let Ok(message) = serde_json::from_slice::<Message>(line) else { return };
        if message.error.is_some() {
            self.error = message.error;
        }
        if message.id == "moby.buildkit.trace"
            && let Some(status) = message.aux.as_str().and_then(|aux| STANDARD.decode(aux).ok())
        {
            self.status(&status);
        }
    }

    /// `StatusResponse`: vertexes are 1, logs are 3.
    fn status(&mut self, status: &[u8]) {
        for (field, value) in proto::fields(status) {
            match field {
                1 => self.vertex(value.bytes()),
                3 => self.output(value.bytes()),
                _ => {}
            }
        }
    }

    /// `Vertex`: digest 1, name 3, cached 4, started 5, error 7.
    fn vertex(&mut self, vertex: &[u8]) {
        let field =
            |wanted| proto::fields(vertex).find(|(field, _)| *field == wanted).map(|(_, value)| value);
        let (Some(digest), Some(name)) = (field(1), field(3)) else { return };
        let (name, cached) = (name.text(), field(4).is_some_and(proto::Value::is_true));
        let internal = name.starts_with("[internal]") || name.starts_with("http://buildkit-session");
        if !internal && (cached || field(5).is_some()) && self.begun.insert(digest.text()) {
            let cached = if cached { " (cached)" } else { "" };
            self.log.line(LogSource::Build, LogLevel::Info, &format!("{name}{cached}"));
        }
        if let Some(error) = field(7).map(proto::Value::text).filter(|error| !error.is_empty()) {
            self.log.line(LogSource::Build, LogLevel::Error, &error);
        }
    }

    /// `VertexLog`: vertex 1, msg 4.
    fn output(&mut self, output: &[u8]) {
        let field =
            |wanted| proto::fields(output).find(|(field, _)| *field == wanted).map(|(_, value)| value);
        let (Some(vertex), Some(text)) = (field(1), field(4)) else { return };
        let log = self.log;
        let lines = self.lines.entry(vertex.text()).or_insert_with(|| log.lines());
        lines.take(text.bytes(), |line| super::say(log, line));
    }

    fn finish(&mut self) {
        let log = self.log;
        self.lines.values_mut().for_each(|lines| lines.finish(|line| super::say(log, line)));
    }
}

/// Whether the engine has it.
pub(crate) async fn is_there(engine: &Engine) -> Result<bool, EngineError> {
    wire::has_buildkit(engine).await
}
