//! Talking to a running edge over its control socket.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::control::api::{CandidateOptions, DrainStatus, Problem, Status};
use crate::digest::Digest;
use crate::routes::{PauseChange, Route, RouteChange, Switched};

/// How long one call may take, unless set otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Largest reply to a control request in bytes.
const MAX_REPLY_BYTES: usize = 32 * 1024 * 1024;

/// How long one question after a drain waits; the edge may answer earlier.
const DRAIN_POLL: Duration = Duration::from_secs(5);

/// The host of control requests; any name that is no candidate does.
const CONTROL_HOST: &str = "edge.control";

/// A client of one edge. Cheap to clone; each call opens a connection of its own and ends within the deadline.
#[derive(Debug, Clone)]
pub struct EdgeClient {
    socket: PathBuf,
    deadline: Duration,
}

/// The response to a probe.
#[derive(Debug, Clone)]
pub struct ProbeResponse {
    /// Status of the response.
    pub status: StatusCode,
    /// Its headers; `deploy-release` says which release answered.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why a call to an edge did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// No edge answers on the socket. Nothing was changed.
    #[error("the edge cannot be reached: {reason}")]
    Unreachable {
        /// What the system said.
        reason: String,
    },
    /// The request was sent but its reply lost: it may have been carried out or not. Read the state back.
    #[error("the edge's reply was lost, the request may have been carried out: {reason}")]
    Unknown {
        /// What the system said.
        reason: String,
    },
    /// The edge refused. Nothing was changed, unless the code is `route_not_settled`.
    #[error("{}", .0.message)]
    Refused(Problem),
    /// The body of a probe is larger than asked for.
    #[error("the response is larger than {limit} bytes")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The request cannot be sent: the host or path of a probe is not valid.
    #[error("the request is not valid: {reason}")]
    InvalidRequest {
        /// What is wrong.
        reason: String,
    },
}

impl EdgeError {
    /// Stable, machine-readable name of the failure; of a refusal, the edge's own.
    pub fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "edge_unreachable",
            Self::Unknown { .. } => "edge_reply_lost",
            Self::Refused(problem) => &problem.code,
            Self::TooLarge { .. } => "response_too_large",
            Self::InvalidRequest { .. } => "invalid_request",
        }
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "Start the edge, or check that it is running.",
            Self::Unknown { .. } => "Read the route back to see what is in effect.",
            Self::Refused(problem) => &problem.remedy,
            Self::TooLarge { .. } => "Probe a smaller page.",
            Self::InvalidRequest { .. } => "Check the host and the path.",
        }
    }
}

/// A request's connection and what came back so far.
struct Exchange {
    response: Response<Incoming>,
    _connection: Connection,
}

/// The task that drives a connection; ended with the call.
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl EdgeClient {
    /// A client of the edge whose control socket is `socket`; see [`crate::control_socket`].
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self { socket: socket.as_ref().to_owned(), deadline: DEFAULT_DEADLINE }
    }

    /// The same client with another deadline per call.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What the edge is and does.
    ///
    /// # Errors
    /// [`EdgeError`]
    pub async fn status(&self) -> Result<Status, EdgeError> {
        self.call(Method::GET, "/status", None::<&()>).await
    }

    /// The route of `host`, if there is one.
    ///
    /// # Errors
    /// [`EdgeError`]
    pub async fn route(&self, host: &str) -> Result<Option<Route>, EdgeError> {
        match self.call(Method::GET, &format!("/routes/{host}"), None::<&()>).await {
            Ok(route) => Ok(Some(route)),
            Err(EdgeError::Refused(problem)) if problem.code == "route_unknown" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a change: with a release it switches the route, to its files or to its upstream; without one it removes
    /// the route. `Ok` means durable and in effect: every request that comes from now on is answered by the release,
    /// and those the one before has accepted go on until they end or its drain limit is over.
    ///
    /// # Errors
    /// [`EdgeError::Refused`] with the codes of [`crate::SwitchError`]; [`EdgeError::Unknown`] if it may have been
    /// made. Repeating the same change is safe.
    pub async fn switch(&self, change: &RouteChange) -> Result<Switched, EdgeError> {
        let method = if change.to.is_some() { Method::PUT } else { Method::DELETE };
        self.call(method, &format!("/routes/{}", change.host), Some(change)).await
    }

    /// Pauses a route, or ends its pause. `Ok` means durable and in effect: with a pause, no request that comes from
    /// now on is answered before it ends.
    ///
    /// # Errors
    /// As for [`Self::switch`].
    pub async fn pause(&self, change: &PauseChange) -> Result<Switched, EdgeError> {
        let method = if change.pause.is_some() { Method::PUT } else { Method::DELETE };
        self.call(method, &format!("/routes/{}/pause", change.host), Some(change)).await
    }

    /// How far the upstreams of a release, at one address or at all, are from being drained; answers once they are,
    /// or after `wait`, which the edge bounds by [`crate::Limits::control_wait`].
    ///
    /// # Errors
    /// [`EdgeError`]
    pub async fn drain_status(
        &self,
        digest: &Digest,
        address: Option<SocketAddr>,
        wait: Duration,
    ) -> Result<DrainStatus, EdgeError> {
        let mut path = format!("/drain/{digest}?wait_ms={}", wait.as_millis());
        if let Some(address) = address {
            path.push_str(&format!("&address={address}"));
        }
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// Waits until the upstreams of a release, at one address or at all, are drained: then its process can be stopped
    /// without harm to anybody. Returns the last status, drained or not, after at most `limit`.
    ///
    /// # Errors
    /// [`EdgeError`]
    pub async fn wait_drained(
        &self,
        digest: &Digest,
        address: Option<SocketAddr>,
        limit: Duration,
    ) -> Result<DrainStatus, EdgeError> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let status = self.drain_status(digest, address, left.min(DRAIN_POLL)).await?;
            if status.is_drained() || Instant::now() >= deadline {
                return Ok(status);
            }
        }
    }

    /// Loads a release for a coming switch, so that it can be probed and the switch is instant.
    ///
    /// # Errors
    /// [`EdgeError::Refused`] with `artifact_missing` or `artifact_damaged` if the release cannot be served.
    pub async fn put_candidate(&self, digest: &Digest, options: &CandidateOptions) -> Result<(), EdgeError> {
        self.call_for_nothing(Method::PUT, &format!("/candidates/{digest}"), Some(options)).await
    }

    /// Forgets a candidate; one that is not there is fine.
    ///
    /// # Errors
    /// [`EdgeError`]
    pub async fn forget_candidate(&self, digest: &Digest) -> Result<(), EdgeError> {
        self.call_for_nothing(Method::DELETE, &format!("/candidates/{digest}"), None::<&()>).await
    }

    /// Asks the edge to stop gracefully. Returns when it has agreed, not when it has ended.
    ///
    /// # Errors
    /// [`EdgeError`]
    pub async fn stop(&self) -> Result<(), EdgeError> {
        self.call_for_nothing(Method::POST, "/stop", None::<&()>).await
    }

    /// Requests `path` with a Host header of the caller's choice; [`candidate_host`] gives the one of a candidate.
    ///
    /// # Errors
    /// [`EdgeError::TooLarge`] if the body has more than `max_body` bytes, else as for any call.
    pub async fn get(&self, host: &str, path: &str, max_body: usize) -> Result<ProbeResponse, EdgeError> {
        let request = build(Method::GET, host, path, Bytes::new())?;
        self.exchange(request, max_body).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, EdgeError> {
        let changes = method != Method::GET;
        let reply = self.send(method, path, body).await?;
        serde_json::from_slice(&reply.body).map_err(|e| lost(changes, &e))
    }

    async fn call_for_nothing(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(), EdgeError> {
        self.send(method, path, body).await.map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<ProbeResponse, EdgeError> {
        let invalid = |e: serde_json::Error| EdgeError::InvalidRequest { reason: e.to_string() };
        let body = body.map(serde_json::to_vec).transpose().map_err(invalid)?.unwrap_or_default();
        let changes = method != Method::GET;
        let request = build(method, CONTROL_HOST, path, body.into())?;
        let reply = self.exchange(request, MAX_REPLY_BYTES).await?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        match serde_json::from_slice(&reply.body) {
            Ok(problem) => Err(EdgeError::Refused(problem)),
            Err(error) => Err(lost(changes, &error)),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        max_body: usize,
    ) -> Result<ProbeResponse, EdgeError> {
        let changes = request.method() != Method::GET;
        let call = async {
            let exchange = self.request(request).await?;
            let (head, body) = exchange.response.into_parts();
            let body = Limited::new(body, max_body).collect().await;
            let body = body.map_err(|e| {
                if e.is::<LengthLimitError>() {
                    EdgeError::TooLarge { limit: max_body }
                } else {
                    lost(changes, &*e)
                }
            })?;
            Ok(ProbeResponse { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        let ended = tokio::time::timeout(self.deadline, call).await;
        ended.unwrap_or_else(|elapsed| Err(lost(changes, &elapsed)))
    }

    async fn request(&self, request: Request<Full<Bytes>>) -> Result<Exchange, EdgeError> {
        let changes = request.method() != Method::GET;
        let unreachable = |e: &dyn std::error::Error| EdgeError::Unreachable { reason: e.to_string() };
        let stream = UnixStream::connect(&self.socket).await.map_err(|e| unreachable(&e))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(&e))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the edge ended early");
            }
        });
        let connection = Connection(driver.abort_handle());
        let response = sender.send_request(request).await.map_err(|e| lost(changes, &e))?;
        Ok(Exchange { response, _connection: connection })
    }
}

/// The host under which a candidate answers on the control socket.
pub fn candidate_host(digest: &Digest) -> String {
    format!("{}.candidate", digest.dir_name())
}

fn build(method: Method, host: &str, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, EdgeError> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body));
    request.map_err(|e| EdgeError::InvalidRequest { reason: e.to_string() })
}

/// A failure after the request may have reached the edge.
fn lost(changes: bool, error: &(dyn std::error::Error + 'static)) -> EdgeError {
    let reason = error.to_string();
    if changes { EdgeError::Unknown { reason } } else { EdgeError::Unreachable { reason } }
}
