//! The web page: the engine's statuses as HTML, and forms that ask it for something. It works without a
//! script; the script makes it move. Nothing is decided here: what is possible, and why something is not,
//! is what the engine says.
//!
//! Text from outside becomes markup nowhere: `maud` escapes whatever stands in a template, the script only
//! sets `textContent`, and the policy of [`layout`] forbids scripts and styles that are not our two files.

mod acceptance;
mod assets;
mod compare;
mod controls;
mod form;
mod gate;
mod layout;
mod log;
mod outcome;
mod plan;
mod releases;
mod run;
mod runs;
mod runtime;
mod sent;
mod session;
mod settings;
mod sign_in;
mod stats;
mod text;
mod trouble;
mod words;

use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

use crate::access::Scope;
use crate::api::Api;

pub(crate) use gate::{gate, wants_page};
pub(crate) use layout::elsewhere;
pub(crate) use session::{FormToken, Sessions};
pub(crate) use trouble::no_such_page;

/// One route of the page.
pub(crate) struct PageRoute {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// What a caller must be granted; nothing when absent.
    pub(crate) needs: Option<Scope>,
    pub(crate) handler: MethodRouter<Api>,
}

/// Every route of the page.
#[rustfmt::skip]
pub(crate) fn routes() -> Vec<PageRoute> {
    let (read, deploy) = (Some(Scope::Read), Some(Scope::Deploy));
    let shows = |path, needs, handler| PageRoute { method: Method::GET, path, needs, handler };
    let does = |path, needs, handler| PageRoute { method: Method::POST, path, needs, handler };
    vec![
        shows("/", read, get(runs::page)),
        shows("/runs/{id}", read, get(run::page)),
        shows("/runs/{id}/panel", read, get(run::panel)),
        shows("/runs/{id}/runtime", read, get(runtime::page)),
        does("/runs/{id}/{control}", deploy, post(controls::ask)),
        shows("/resources/{id}", read, get(releases::page)),
        shows("/resources/{id}/rollback/{version}", deploy, get(releases::preview)),
        does("/resources/{id}/rollback/{version}", deploy, post(releases::roll_back)),
        shows("/compare", read, get(compare::page)),
        shows("/stats", read, get(stats::page)),
        shows("/plan", deploy, get(plan::page)),
        does("/plan", deploy, post(plan::preview)),
        does("/plan/archive", deploy, post(sent::archive)),
        does("/deploy", deploy, post(plan::deploy)),
        shows("/sign-in", None, get(sign_in::page)),
        does("/sign-in", None, post(sign_in::sign_in)),
        does("/sign-out", None, post(sign_in::sign_out)),
        shows("/assets/{name}", None, get(assets::asset)),
    ]
}
