//! Who asks, as handlers and the history see it.

use axum::http::HeaderMap;
use deploy_core::spec::Actor;

use super::door::Door;
use super::scope::Scope;
use super::token::TokenRecord;

/// The header in which a client on the unix socket says who asks. The socket is the user's own, so it
/// may be believed; on TCP it is ignored.
const ACTOR: &str = "deploy-actor";

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What they may do; absent for somebody unknown at a door that gives nothing.
    pub(super) granted: Option<Scope>,
    actor: Actor,
}

impl Caller {
    /// Somebody with a valid token.
    pub(super) fn with(token: &TokenRecord) -> Self {
        Self { granted: Some(token.scope), actor: named(&format!("token {}", token.name)) }
    }

    /// Somebody without a token.
    pub(super) fn anonymous(door: &Door, headers: &HeaderMap) -> Self {
        let said = headers.get(ACTOR).filter(|_| door.believes());
        let name = said.map_or_else(|| "http".into(), |name| String::from_utf8_lossy(name.as_bytes()));
        Self { granted: door.anonymous(), actor: named(&name) }
    }

    /// The name that the history shows.
    pub(crate) fn actor(&self) -> Actor {
        self.actor.clone()
    }
}

fn named(name: &str) -> Actor {
    Actor(name.chars().filter(|c| !c.is_control()).take(64).collect())
}
