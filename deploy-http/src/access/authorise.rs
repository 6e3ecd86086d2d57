//! The two gates in front of every handler: one for all requests, one for the route's scope.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deploy_core::engine::SystemClock;
use deploy_core::port::Clock;

use super::caller::Caller;
use super::door::Door;
use super::host::FROM_ANOTHER_SITE;
use super::rate::Client;
use super::scope::Scope;
use super::token::{Presented, TokenRecord};
use crate::api::Api;
use crate::listen::Peer;
use crate::page;
use crate::problem::Problem;

/// The first gate: host and origin, how often, and who. Every request passes it, also one that no route
/// answers, and every answer.
pub(crate) async fn admit(
    State((api, door)): State<(Api, Arc<Door>)>,
    request: Request,
    next: Next,
) -> Response {
    guarded(answer(&api, &door, request, next).await)
}

/// What no answer of an API should be taken for.
fn guarded(mut response: Response) -> Response {
    let fields = response.headers_mut();
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

async fn answer(api: &Api, door: &Door, mut request: Request, next: Next) -> Response {
    if let Some(why) = door.foreign(request.headers(), request.uri()) {
        if why == FROM_ANOTHER_SITE && follows_a_link(&request) {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            return page::elsewhere(path);
        }
        tracing::info!(target: "deploy_http::access", why, "refused");
        let hint = "use the address of this server, or name its host with `deploy serve --host`";
        return Problem::new(StatusCode::FORBIDDEN, "foreign_host", why, hint).into_response();
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    match identify(api, door, request.headers(), peer).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Whether a person follows a link in a browser: it is answered with nothing that is worth anything.
fn follows_a_link(request: &Request) -> bool {
    let is = |name: &str, value: &str| {
        request.headers().get(name).is_some_and(|given| given.as_bytes() == value.as_bytes())
    };
    request.method() == Method::GET
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
        && !request.headers().contains_key(header::ORIGIN)
}

async fn identify(
    api: &Api,
    door: &Door,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
) -> Result<Caller, Problem> {
    let client = peer.map(Client::at);
    if let Some(Err(seconds)) = client.map(|client| api.rates().request(client)) {
        return Err(limited("too many requests", seconds));
    }
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let token = known_token(api, bearer(given).unwrap_or_default(), client).await?;
        return Ok(Caller::with(&token, client, api.sessions().stranger()));
    }
    if let Some(session) = api.sessions().find(headers) {
        // A session is worth what its token is worth now.
        let token = api.token(&session.token).await?;
        if let Some(token) = token.filter(|token| token.is_valid(SystemClock.now())) {
            return Ok(Caller::of_session(&token, client, session.form));
        }
    }
    Ok(Caller::anonymous(door, headers, client, api.sessions().stranger()))
}

/// The record of a token that somebody shows.
///
/// # Errors
/// It is not valid, or this client has shown too many that were not.
pub(crate) async fn known_token(
    api: &Api,
    text: &str,
    client: Option<Client>,
) -> Result<TokenRecord, Problem> {
    let Some(presented) = Presented::parse(text) else { return Err(refused(api, client)) };
    let known = api.token(&presented.id).await?;
    known.filter(|record| presented.opens(record, SystemClock.now())).ok_or_else(|| refused(api, client))
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn limited(title: &str, seconds: u32) -> Problem {
    Problem::later(StatusCode::TOO_MANY_REQUESTS, "rate_limited", title, seconds)
}

fn refused(api: &Api, client: Option<Client>) -> Problem {
    if let Some(Err(seconds)) = client.map(|client| api.rates().refusal(client)) {
        return limited("too many tokens were refused", seconds);
    }
    tracing::info!(target: "deploy_http::access", ?client, "a token was refused");
    let title = "the token is not valid: it is unknown, revoked or expired";
    let hint = "make one with `deploy token create`";
    Problem::new(StatusCode::UNAUTHORIZED, "token_invalid", title, hint)
}

/// The second gate: what this route needs. It lets a request pass or answers it, and has no part in the answer of
/// one that passed.
pub(crate) async fn authorise(
    State(needs): State<Option<Scope>>,
    request: Request,
) -> Result<Request, Problem> {
    let caller = request.extensions().get::<Caller>();
    let (granted, session) = caller.map_or((None, false), |caller| (caller.granted(), caller.has_session()));
    if session && !request.method().is_safe() {
        let title = "a browser's session can't change anything here";
        let hint = "use the page's forms, or send a token with `Authorization: Bearer …`";
        return Err(Problem::new(StatusCode::FORBIDDEN, "session_reads_only", title, hint));
    }
    if granted >= needs {
        return Ok(request);
    }
    let word = needs.map_or("", Scope::as_str);
    let title = format!("this needs a token with the scope {word}");
    let hint = format!("send `Authorization: Bearer …` with a token of `deploy token create --scope {word}`");
    let (status, code) = if request.headers().contains_key(header::AUTHORIZATION) {
        (StatusCode::FORBIDDEN, "scope_missing")
    } else {
        (StatusCode::UNAUTHORIZED, "token_required")
    };
    Err(Problem::new(status, code, title, hint))
}
