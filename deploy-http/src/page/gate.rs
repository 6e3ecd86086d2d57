//! The gate in front of a page: as for the API, but people are sent to where they can sign in, and read
//! their problems as pages. Programs get what the API gives.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http_body_util::BodyExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::trouble;
use crate::access::{Caller, Scope};
use crate::problem::Problem;

/// Lets a request pass that is granted what the page needs.
pub(crate) async fn gate(State(needs): State<Option<Scope>>, request: Request, next: Next) -> Response {
    let person = wants_page(request.headers());
    let answer = match refusal(needs, &request, person) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    if person { readable(answer).await } else { answer }
}

/// Whether a browser asks.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.into_iter().any(|accepts| accepts.contains("text/html"))
}

fn refusal(needs: Option<Scope>, request: &Request, person: bool) -> Option<Response> {
    let caller = request.extensions().get::<Caller>();
    let (granted, known) = caller.map_or((None, false), |caller| (caller.granted(), caller.is_known()));
    if granted >= needs {
        return None;
    }
    if person && !known && request.method() == Method::GET {
        let back = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let back = utf8_percent_encode(back, NON_ALPHANUMERIC);
        return Some(Redirect::to(&format!("/sign-in?next={back}")).into_response());
    }
    let word = needs.map_or("", Scope::as_str);
    let title = format!("this needs a token with the scope {word}");
    let hint = format!("sign in with a token of `deploy token create --scope {word}`");
    let (status, code) = match known {
        true => (StatusCode::FORBIDDEN, "scope_missing"),
        false => (StatusCode::UNAUTHORIZED, "token_required"),
    };
    Some(Problem::new(status, code, title, hint).into_response())
}

/// A problem becomes a page; everything else stays as it is.
async fn readable(answer: Response) -> Response {
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    if kind != Some(b"application/problem+json") {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let Ok(body) = body.collect().await else { return parts.status.into_response() };
    let bytes = body.to_bytes();
    match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) => trouble::page(&problem),
        Err(_) => Response::from_parts(parts, Body::from(bytes)),
    }
}
