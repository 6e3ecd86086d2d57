//! Talking to the control plane over its unix socket.

use std::path::PathBuf;
use std::time::Duration;

use deploy_core::reason::ReasonCode;
use deploy_http::Problem;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::exit::{Exit, Failed};
use crate::request::actor;
use crate::state::State;

/// How long an answer may take; a long poll says its own.
const ANSWER: Duration = Duration::from_secs(60);
/// The largest answer that is read: 64 MiB.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A client of the control plane.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    socket: PathBuf,
}

impl Client {
    pub(crate) fn new(state: &State) -> Self {
        Self { socket: state.control_socket() }
    }

    /// Whether a control plane answers.
    pub(crate) async fn is_there(&self) -> bool {
        self.get::<serde_json::Value>("/health/ready").await.is_ok()
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.call(Method::GET, path, Bytes::new(), None).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        key: Option<&str>,
    ) -> Result<T, Failed> {
        let body = serde_json::to_vec(body).expect("every key is a string");
        self.call(Method::POST, path, body.into(), key).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        key: Option<&str>,
    ) -> Result<T, Failed> {
        let answer = tokio::time::timeout(ANSWER, async {
            let response = self.send(method, path, body, key).await?;
            let status = response.status();
            let body = http_body_util::Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            Ok::<_, Failed>((status, body.map_err(|error| broke_off(&error))?.to_bytes()))
        });
        let (status, body) = answer.await.map_err(|_| broke_off(&"no answer in time"))??;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| Failed::internal("read the control plane's answer", error));
        }
        Err(refused(&body))
    }

    /// Opens a stream of NDJSON lines.
    pub(crate) async fn lines(&self, path: &str) -> Result<Lines, Failed> {
        let response = self.send(Method::GET, path, Bytes::new(), None).await?;
        if response.status().is_success() {
            return Ok(Lines { body: response.into_body(), buffer: Vec::new() });
        }
        let body = response.into_body().collect().await.map_err(|error| broke_off(&error))?.to_bytes();
        Err(refused(&body))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        key: Option<&str>,
    ) -> Result<Response<Incoming>, Failed> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|_| not_there())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broke_off(&error))?;
        // It ends with the last byte of the answer, or when the answer is dropped.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("deploy-actor", actor().0.into_bytes());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request =
            request.body(Full::new(body)).map_err(|error| Failed::internal("build a request", error))?;
        sender.send_request(request).await.map_err(|error| broke_off(&error))
    }
}

fn not_there() -> Failed {
    Failed::new(
        Exit::Usage,
        "control_plane_not_running",
        "no control plane is running for this state directory",
    )
    .command("start it", "deploy serve")
}

fn broke_off(error: &impl std::fmt::Display) -> Failed {
    Failed::new(Exit::Internal, "control_plane_gone", format!("the control plane broke off: {error}"))
        .hint("what was accepted goes on when it is back: `deploy list`")
}

fn refused(body: &[u8]) -> Failed {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return Failed::internal(
            "read the control plane's answer",
            String::from_utf8_lossy(body).chars().take(200).collect::<String>(),
        );
    };
    let says_no = ReasonCode::ALL.iter().any(|reason| reason.code() == problem.code);
    let exit = match problem.status {
        _ if says_no => Exit::Blocked,
        400 | 404 => Exit::Usage,
        409 | 429 | 503 | 507 => Exit::Refused,
        _ => Exit::Internal,
    };
    let mut failed = Failed::new(exit, &problem.code, problem.title);
    (failed.phase, failed.retryable, failed.next) = (problem.phase, problem.retryable, problem.next);
    if failed.next.is_empty() { failed.hint(problem.hint) } else { failed }
}

/// Lines of a stream.
pub(crate) struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Lines {
    /// The next line, or `None` when the stream has ended, well or not.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
