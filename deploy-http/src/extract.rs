//! What handlers take from a request. Whatever is wrong with it is answered as a problem.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::access::Caller;
use crate::api::{Api, Limits};
use crate::problem::Problem;

/// The one parameter of a path.
pub(crate) struct PathOf<T>(pub(crate) T);

impl<T> FromRequestParts<Api> for PathOf<T>
where
    T: FromStr + Send,
    T::Err: Display,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        let Path(text) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
        text.parse().map(Self).map_err(|error: T::Err| Problem::bad_request(error.to_string()))
    }
}

/// The parameters of a query.
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let query: Result<_, QueryRejection> = Query::<T>::from_request_parts(parts, api).await;
        query.map(|Query(query)| Self(query)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// A JSON body.
pub(crate) struct BodyOf<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for BodyOf<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        parse(&limited_body(request, api.limits(), is_json).await?).map(Self)
    }
}

/// A JSON body, or the default when there is none.
pub(crate) struct BodyOrDefault<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<Api> for BodyOrDefault<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let bytes = limited_body(request, api.limits(), is_json).await?;
        if bytes.is_empty() { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
    }
}

fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request(format!("the body is not as it should be: {error}")))
}

/// The body, if it is of the right kind, within its bounds of size and time.
pub(crate) async fn limited_body(
    request: Request,
    limits: &Limits,
    right: fn(&str) -> bool,
) -> Result<Bytes, Problem> {
    if let Some(kind) = request.headers().get(header::CONTENT_TYPE)
        && !kind.to_str().is_ok_and(right)
    {
        let (title, hint) = ("the body is not of the kind that is asked for", "send application/json");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", title, hint));
    }
    let too_large = || {
        let title = format!("the body is larger than {} bytes", limits.body_bytes);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", title, "send less")
    };
    let body: Limited<Body> = Limited::new(request.into_body(), limits.body_bytes);
    match tokio::time::timeout(limits.body_time, body.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad_request("the body broke off")),
        Err(_) => {
            let title = "the body took too long";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", title, "send it faster"))
        }
    }
}

/// What a browser's form is sent as.
pub(crate) fn is_form(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        // The first gate puts it there; a request that did not pass it has no business here.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let title = "the request did not pass the gate";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, "report this")
        })
    }
}
