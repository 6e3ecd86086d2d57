//! What the edge says itself when no release can answer.
//!
//! Every such response has a status, a short page for a person, and the header `deploy-error` with a stable code for a
//! program. None of them names an address or anything else of the inside.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

use super::body::Body;

/// The header with the code; only ever on responses the edge itself has made.
pub(crate) const ERROR_HEADER: HeaderName = HeaderName::from_static("deploy-error");

/// When to come again after a 503.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// Why a request is not answered by a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request does not name exactly one valid host.
    BadHost,
    /// The request cannot be passed on as it is.
    BadRequest,
    /// The method is for proxies, and this is none of the visitor's.
    MethodNotAllowed,
    /// There is no route.
    NoRoute,
    /// The body did not come in time.
    BodyLate,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The route's release was not there when the edge started.
    ReleaseMissing,
    /// The route is paused, and this request was held for as long as it may be, or too many are.
    Paused,
    /// Too many requests are being answered.
    Busy,
    /// The release was replaced and had not answered by the drain limit.
    Drained,
    /// No address of the upstream accepts a connection.
    Unreachable,
    /// No address of the upstream answered the connection attempt in time.
    ConnectTimeout,
    /// The upstream did not begin to answer in time.
    HeadTimeout,
    /// The upstream closed the connection instead of answering, or its answer is not HTTP.
    BrokenResponse,
}

impl Failure {
    /// Stable, machine-readable name.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::BadHost => "bad_host",
            Self::BadRequest => "bad_request",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NoRoute => "no_route",
            Self::BodyLate => "request_late",
            Self::BodyTooLarge => "request_too_large",
            Self::ReleaseMissing => "release_missing",
            Self::Paused => "paused",
            Self::Busy => "edge_busy",
            Self::Drained => "drained",
            Self::Unreachable => "upstream_unreachable",
            Self::ConnectTimeout => "upstream_connect_timeout",
            Self::HeadTimeout => "upstream_timeout",
            Self::BrokenResponse => "upstream_broken",
        }
    }

    /// Its status.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadHost | Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::BodyLate => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ReleaseMissing | Self::Paused | Self::Busy | Self::Drained => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unreachable | Self::BrokenResponse => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout | Self::HeadTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::BadHost => "The request must name exactly one host.",
            Self::BadRequest => "This request is not valid.",
            Self::MethodNotAllowed => "This method is not supported here.",
            Self::NoRoute => "No site is routed here.",
            Self::BodyLate => "The request did not arrive in time.",
            Self::BodyTooLarge => "The request is too large.",
            Self::ReleaseMissing => "The release of this site is missing. Deploy again.",
            Self::Paused => "This site is being changed. Please try again in a moment.",
            Self::Busy => "Too many requests are being answered. Please try again in a moment.",
            Self::Drained => "This site has just been changed. Please try again.",
            Self::Unreachable => "This site is not running at the moment.",
            Self::ConnectTimeout | Self::HeadTimeout => "This site takes too long to answer.",
            Self::BrokenResponse => "This site did not answer properly.",
        }
    }

    /// As a response.
    pub(crate) fn response(self) -> Response<Body> {
        let (status, sentence) = (self.status(), self.sentence());
        let title = status.canonical_reason().unwrap_or("Error");
        let page = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<h1>{title}</h1>\n<p>{sentence}</p>\n"
        );
        let mut response = Response::new(Body::bytes(page));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(ERROR_HEADER, HeaderValue::from_static(self.code()));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        response
    }
}
