//! The two gates in front of every handler: one for all requests, one for the route's scope.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use deploy_core::engine::SystemClock;
use deploy_core::port::Clock;

use super::caller::Caller;
use super::door::Door;
use super::rate::Client;
use super::scope::Scope;
use super::token::Presented;
use crate::api::Api;
use crate::listen::Peer;
use crate::problem::Problem;

/// The first gate: host and origin, how often, and who. Every request passes it, also one that no route
/// answers.
pub(crate) async fn admit(
    State((api, door)): State<(Api, Arc<Door>)>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(why) = door.foreign(request.headers(), request.uri()) {
        tracing::info!(target: "deploy_http::access", why, "refused");
        let hint = "use the address of this server, or name its host with `deploy serve --host`";
        return Problem::new(StatusCode::FORBIDDEN, "foreign_host", why, hint).into_response();
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    match identify(&api, &door, request.headers(), peer).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
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
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Ok(Caller::anonymous(door, headers));
    };
    let Some(presented) = bearer(given).and_then(Presented::parse) else {
        return Err(refused(api, client));
    };
    let known = api.token(&presented.id).await?;
    match known.filter(|record| presented.opens(record, SystemClock.now())) {
        Some(record) => Ok(Caller::with(&record)),
        None => Err(refused(api, client)),
    }
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

/// The second gate: what this route needs.
pub(crate) async fn authorise(State(needs): State<Option<Scope>>, request: Request, next: Next) -> Response {
    let granted = request.extensions().get::<Caller>().and_then(|caller| caller.granted);
    if granted >= needs {
        return next.run(request).await;
    }
    let word = needs.map_or("", Scope::as_str);
    let title = format!("this needs a token with the scope {word}");
    let hint = format!("send `Authorization: Bearer …` with a token of `deploy token create --scope {word}`");
    let (status, code) = if request.headers().contains_key(header::AUTHORIZATION) {
        (StatusCode::FORBIDDEN, "scope_missing")
    } else {
        (StatusCode::UNAUTHORIZED, "token_required")
    };
    Problem::new(status, code, title, hint).into_response()
}
