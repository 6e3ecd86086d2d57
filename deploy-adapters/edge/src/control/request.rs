//! Reading control requests, within bounds.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::problem;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::web::body::Body;

/// What a control request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Status,
    Stop,
    Candidate(Digest),
    Route(&'a str),
    Pause(&'a str),
    Drain(Digest),
}

/// Reads the path; `None` for anything unknown.
pub(super) fn resource(path: &str) -> Option<Resource<'_>> {
    match path {
        "/status" => return Some(Resource::Status),
        "/stop" => return Some(Resource::Stop),
        _ => {}
    }
    if let Some(digest) = path.strip_prefix("/candidates/") {
        return digest.parse().ok().map(Resource::Candidate);
    }
    if let Some(digest) = path.strip_prefix("/drain/") {
        return digest.parse().ok().map(Resource::Drain);
    }
    let route = path.strip_prefix("/routes/")?;
    match route.split_once('/') {
        None => Some(Resource::Route(route)),
        Some((host, "pause")) => Some(Resource::Pause(host)),
        Some(_) => None,
    }
}

/// What a request to [`Resource::Drain`] asks.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct DrainQuery {
    /// Only the upstreams at this address.
    pub(super) address: Option<SocketAddr>,
    /// How long to wait.
    pub(super) wait: Duration,
}

/// Reads a query; `None` if anything in it is unknown.
pub(super) fn drain_query(query: &str) -> Option<DrainQuery> {
    let mut asked = DrainQuery::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=')? {
            ("address", address) => asked.address = Some(address.parse().ok()?),
            ("wait_ms", wait) => asked.wait = Duration::from_millis(wait.parse().ok()?),
            _ => return None,
        }
    }
    Some(asked)
}

/// The candidate a host names: `<64 hex>.candidate`. No route can have such a host, its label is too long.
pub(super) fn candidate_host(host: &str) -> Option<Digest> {
    host.strip_suffix(".candidate").and_then(Digest::from_dir_name)
}

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadBody {
    /// It did not arrive in time.
    Late,
    /// It is larger than allowed.
    TooLarge,
    /// It is not the JSON that was expected, or was cut off.
    Malformed(String),
}

impl BadBody {
    pub(super) fn to_response(&self) -> Response<Body> {
        let (status, message) = match self {
            Self::Late => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
            Self::Malformed(reason) => (StatusCode::BAD_REQUEST, reason.as_str()),
        };
        problem::simple(status, "invalid_request", message, "Use a client of the same version as the edge.")
    }
}

/// Reads a JSON body; an empty one is `None`.
pub(super) async fn read_json<T: DeserializeOwned>(
    body: Incoming,
    limits: &Limits,
) -> Result<Option<T>, BadBody> {
    let limited = Limited::new(body, limits.control_body_bytes).collect();
    let collected =
        tokio::time::timeout(limits.control_body_timeout, limited).await.map_err(|_| BadBody::Late)?;
    let bytes = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(BadBody::TooLarge),
        Err(error) => return Err(BadBody::Malformed(error.to_string())),
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|e| BadBody::Malformed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_40_only_listed_resources_exist() {
        let digest = Digest::of(b"x");
        assert_eq!(resource("/status"), Some(Resource::Status));
        assert_eq!(resource(&format!("/candidates/{digest}")), Some(Resource::Candidate(digest)));
        assert_eq!(resource("/routes/a.example"), Some(Resource::Route("a.example")));
        assert_eq!(resource("/routes/a.example/pause"), Some(Resource::Pause("a.example")));
        assert_eq!(resource(&format!("/drain/{digest}")), Some(Resource::Drain(digest)));
        for path in
            ["/", "/status/", "/routes", "/routes/a/b", "/candidates/", "/candidates/../x", "//status", "*"]
        {
            assert_eq!(resource(path), None, "{path}");
        }
        assert_eq!(candidate_host(&format!("{}.candidate", digest.dir_name())), Some(digest));
        let asked = DrainQuery { address: Some(([127, 0, 0, 1], 80).into()), wait: Duration::from_millis(5) };
        assert_eq!(drain_query("address=127.0.0.1:80&wait_ms=5"), Some(asked));
        assert_eq!(drain_query(""), Some(DrainQuery::default()));
        for query in ["wait_ms", "wait_ms=-1", "address=x", "other=1"] {
            assert_eq!(drain_query(query), None, "{query}");
        }
        assert_eq!(candidate_host("abc.candidate"), None);
    }
}
