//! Signing in: a token is shown once, and a cookie stands for it until it ends.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::form::FormOf;
use super::layout::{Frame, Place, here};
use super::text::clean;
use crate::access::{Caller, Scope, known_token};
use crate::api::Api;
use crate::extract::QueryOf;
use crate::problem::Problem;

/// What is asked for in the address.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    next: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Given {
    token: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn page(caller: Caller, QueryOf(asked): QueryOf<Asked>) -> Response {
    let frame = Frame::of(&caller);
    let content = form(&frame, &asked.next, None);
    frame.page(Place::new("Sign in"), &content)
}

fn form(frame: &Frame, next: &str, refused: Option<&str>) -> Markup {
    html! {
        section.card.narrow {
            h1 { "Sign in" }
            @if let Some(why) = refused { p.notice role="alert" { (clean(why)) "." } }
            p { "Make a token on the machine of the control plane, and paste it here." }
            pre tabindex="0" { "deploy token create --scope " (Scope::Deploy.as_str()) }
            form method="post" action="/sign-in" {
                (frame.proof())
                input type="hidden" name="next" value=(next);
                label { "Token" input type="password" name="token" required autocomplete="current-password" spellcheck="false"; }
                button type="submit" { "Sign in" }
            }
        }
    }
}

pub(super) async fn sign_in(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    FormOf(given): FormOf<Given>,
) -> Result<Response, Problem> {
    let token = match known_token(&api, given.token.trim(), caller.client()).await {
        Ok(token) => token,
        Err(problem) => {
            let frame = Frame::of(&caller);
            let content = form(&frame, &given.next, Some(&problem.title));
            let page = frame.page(Place::new("Sign in"), &content);
            return Ok((problem.status(), page).into_response());
        }
    };
    let no_randomness = |_| {
        Problem::later(axum::http::StatusCode::SERVICE_UNAVAILABLE, "internal", "no session can be made", 5)
    };
    let cookie = api.sessions().begin(token.id, &headers, is_secure(&headers)).map_err(no_randomness)?;
    Ok(with_cookie(cookie, here(&given.next)))
}

pub(super) async fn sign_out(State(api): State<Api>, headers: HeaderMap, FormOf(()): FormOf<()>) -> Response {
    with_cookie(api.sessions().end(&headers), "/")
}

fn with_cookie(cookie: HeaderValue, next: &str) -> Response {
    ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response()
}

/// Whether the browser came by TLS, which then ends in front of us.
fn is_secure(headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}
