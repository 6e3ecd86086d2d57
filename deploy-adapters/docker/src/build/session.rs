//! The session of a build: the engine asks back over it, and is given secrets, who asks the registry of a base image, and
//! nothing else.
//!
//! A secret goes to the build over this connection alone, when an instruction mounts it: it is in no argument, no
//! layer, no history and no file of ours.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;

use super::proto;
use super::wire::{self, Connection, empty};
use crate::engine::{Engine, EngineError, Sort};
use crate::secrets::Registry;

const GET_SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const GET_CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";
const CHECK_HEALTH: &str = "/grpc.health.v1.Health/Check";
/// The largest question that is read.
const QUESTION_BYTES: usize = 64 * 1024;

/// What a build may be told.
pub(super) struct Answers {
    /// The secrets that it may read.
    pub(super) secrets: BTreeMap<String, String>,
    /// Who fetches base images.
    pub(super) registry: Option<Registry>,
}

/// What gRPC calls its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok = 0,
    InvalidArgument = 3,
    NotFound = 5,
    Unimplemented = 12,
}

/// Opens the session `id`. It ends when what is returned is dropped.
pub(super) async fn open(
    engine: &Engine,
    id: &str,
    answers: Answers,
) -> Result<(Connection, Connection), EngineError> {
    let request = Request::post("/session")
        .header("host", "docker")
        .header("connection", "Upgrade")
        .header("upgrade", "h2c")
        .header("x-docker-expose-session-uuid", id)
        .header("x-docker-expose-session-name", "deploy")
        .header("x-docker-expose-session-grpc-method", GET_SECRET)
        .header("x-docker-expose-session-grpc-method", GET_CREDENTIALS)
        .header("x-docker-expose-session-grpc-method", CHECK_HEALTH)
        .body(empty());
    let request = request.map_err(|error| wire::lost(engine, &error, Sort::Read))?;
    let exchange = wire::send(engine, request, Sort::Read).await?;
    if exchange.response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let message = format!("the engine opens no session: {}", exchange.response.status());
        return Err(EngineError::Refused { status: exchange.response.status().as_u16(), message });
    }
    let upgraded = hyper::upgrade::on(exchange.response).await;
    let upgraded = upgraded.map_err(|error| wire::lost(engine, &error, Sort::Read))?;
    let answers = Arc::new(answers);
    let serving = tokio::spawn(async move {
        let service = service_fn(move |request| answer(request, Arc::clone(&answers)));
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        if let Err(error) = server.serve_connection(upgraded, service).await {
            tracing::debug!(%error, "the session of a build ended early");
        }
    });
    Ok((exchange.connection, Connection(serving.abort_handle())))
}

type Reply = Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>;

async fn answer(request: Request<Incoming>, answers: Arc<Answers>) -> Result<Reply, Infallible> {
    let path = request.uri().path().to_owned();
    let question = Limited::new(request.into_body(), QUESTION_BYTES).collect().await;
    let question = question.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok(match reply(&path, &question, &answers) {
        Ok(message) => response(Status::Ok, &message),
        Err(status) => response(status, &[]),
    })
}

/// What is answered to a question. Pure.
fn reply(path: &str, question: &[u8], answers: &Answers) -> Result<Vec<u8>, Status> {
    match path {
        // It serves.
        CHECK_HEALTH => Ok(vec![0x08, 0x01]),
        GET_SECRET => {
            let secret = answers.secrets.get(&first_text(question)?).ok_or(Status::NotFound)?;
            Ok(proto::message(1, secret.as_bytes()))
        }
        GET_CREDENTIALS => {
            let host = first_text(question)?;
            let known = answers.registry.as_ref().filter(|registry| registry.for_host(&host).is_some());
            // Without a name, a registry is asked as anybody.
            let Some(registry) = known else { return Ok(Vec::new()) };
            let (name, password) = (registry.username.as_bytes(), registry.password.as_bytes());
            Ok([proto::message(1, name), proto::message(2, password)].concat())
        }
        _ => Err(Status::Unimplemented),
    }
}

/// The first field of the one message of a question: a byte that says it is not compressed, its length in four, itself.
fn first_text(question: &[u8]) -> Result<String, Status> {
    let message = question.get(5..).filter(|_| question[0] == 0).ok_or(Status::InvalidArgument)?;
    let first = proto::fields(message).find(|(field, _)| *field == 1).map(|(_, value)| value.text());
    Ok(first.unwrap_or_default())
}

fn response(status: Status, message: &[u8]) -> Reply {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(status as u16));
    let mut framed = Vec::with_capacity(message.len() + 5);
    if status == Status::Ok {
        framed.push(0);
        framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or_default().to_be_bytes());
        framed.extend_from_slice(message);
    }
    let body = Full::new(Bytes::from(framed)).with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str, id: &str) -> Result<Vec<u8>, Status> {
        let answers = Answers {
            secrets: BTreeMap::from([("TOKEN".to_owned(), "hunter2".to_owned())]),
            registry: Some(Registry::new(Some("ghcr.io"), "robot", "hunter3")),
        };
        let message = proto::message(1, id.as_bytes());
        let mut question = vec![0, 0, 0, 0, u8::try_from(message.len()).expect("short")];
        question.extend(message);
        reply(path, &question, &answers)
    }

    #[test]
    fn a_build_gets_the_secrets_it_may_read_and_no_others() {
        assert_eq!(asked(GET_SECRET, "TOKEN"), Ok(proto::message(1, b"hunter2")));
        assert_eq!(asked(GET_SECRET, "OTHER"), Err(Status::NotFound));
        assert_eq!(asked(GET_SECRET, ""), Err(Status::NotFound));
        assert_eq!(asked("/moby.filesync.v1.FileSync/DiffCopy", "TOKEN"), Err(Status::Unimplemented));
        let nothing = Answers { secrets: BTreeMap::new(), registry: None };
        assert_eq!(reply(GET_SECRET, b"", &nothing), Err(Status::InvalidArgument));
    }

    #[test]
    fn f11_only_the_registry_that_was_named_is_told_who_asks() {
        let expected = [proto::message(1, b"robot"), proto::message(2, b"hunter3")].concat();
        assert_eq!(asked(GET_CREDENTIALS, "ghcr.io"), Ok(expected));
        for other in ["registry-1.docker.io", "ghcr.io.evil.example", "GHCR.IO", ""] {
            assert_eq!(asked(GET_CREDENTIALS, other), Ok(Vec::new()), "{other}");
        }
    }
}
