//! Connections to the engine for what its client has no words for: a build with a session of our own.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;

use crate::engine::{Engine, EngineError, Sort};

/// How long connecting, and the head of a short answer, may take.
const CONNECT: Duration = Duration::from_secs(10);

pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A response, with the connection that it comes over; dropping it ends both.
pub(super) struct Exchange {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Connection,
}

/// A task that ends with its owner.
pub(super) struct Connection(pub(super) AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first version of the API whose engines have BuildKit, whatever builder they prefer themselves.
const BUILDKIT_SINCE: (u32, u32) = (1, 39);

/// Whether the engine has BuildKit.
pub(super) async fn has_buildkit(engine: &Engine) -> Result<bool, EngineError> {
    let request = Request::get("/_ping").header("host", "docker").body(empty());
    let request = request.map_err(|error| lost(engine, &error, Sort::Read))?;
    let answer = tokio::time::timeout(CONNECT, send(engine, request, Sort::Read)).await;
    let exchange = answer.unwrap_or_else(|_| Err(engine.silent(Sort::Read, CONNECT)))?;
    let header = |name| exchange.response.headers().get(name).and_then(|value| value.to_str().ok());
    // Engines before 23 have it and prefer the classic builder; others that speak the API may have none.
    let old_docker = header("server").is_some_and(|server| server.starts_with("Docker/"))
        && header("api-version").and_then(api_version).is_some_and(|version| version >= BUILDKIT_SINCE);
    Ok(header("builder-version") == Some("2") || old_docker)
}

/// Sends a request over a connection of its own.
pub(super) async fn send(
    engine: &Engine,
    request: Request<Body>,
    sort: Sort,
) -> Result<Exchange, EngineError> {
    match address(engine.host()) {
        Some(Address::Unix(path)) => {
            exchange(engine, connect(engine, UnixStream::connect(path)).await?, request, sort).await
        }
        Some(Address::Tcp(address)) => {
            exchange(engine, connect(engine, TcpStream::connect(address)).await?, request, sort).await
        }
        None => Err(unreachable(engine, "only unix:// and tcp:// are spoken")),
    }
}

fn api_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

enum Address {
    Unix(PathBuf),
    Tcp(String),
}

fn address(host: &str) -> Option<Address> {
    if let Some(path) = host.strip_prefix("unix://") {
        return Some(Address::Unix(path.into()));
    }
    let tcp = host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://"))?;
    Some(Address::Tcp(tcp.trim_end_matches('/').to_owned()))
}

async fn connect<T>(
    engine: &Engine,
    connecting: impl Future<Output = std::io::Result<T>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(CONNECT, connecting).await {
        Ok(connected) => connected.map_err(|error| unreachable(engine, &error.to_string())),
        Err(_) => Err(engine.silent(Sort::Read, CONNECT)),
    }
}

async fn exchange(
    engine: &Engine,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
    sort: Sort,
) -> Result<Exchange, EngineError> {
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| lost(engine, &error, Sort::Read))?;
    let driving = tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to the engine ended early");
        }
    });
    let connection = Connection(driving.abort_handle());
    let response = sender.send_request(request).await.map_err(|error| lost(engine, &error, sort))?;
    Ok(Exchange { response, connection })
}

fn unreachable(engine: &Engine, why: &str) -> EngineError {
    EngineError::Unavailable { host: engine.host().to_owned(), why: why.to_owned() }
}

pub(super) fn lost(engine: &Engine, error: &dyn std::error::Error, sort: Sort) -> EngineError {
    let mut why = error.to_string();
    if let Some(source) = error.source() {
        why = format!("{why}: {source}");
    }
    let host = engine.host().to_owned();
    match sort {
        Sort::Read => EngineError::Unavailable { host, why },
        Sort::Change => EngineError::Lost { host, why },
    }
}
