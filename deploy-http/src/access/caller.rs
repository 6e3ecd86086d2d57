//! Who asks, as handlers and the history see it.

use axum::http::{HeaderMap, HeaderValue};
use deploy_core::spec::Actor;

use super::door::Door;
use super::rate::Client;
use super::scope::Scope;
use super::token::TokenRecord;
use crate::page::FormToken;

/// The header in which a client on the unix socket says who asks. The socket is the user's own, so it
/// may be believed; on TCP it is ignored.
const ACTOR: &str = "deploy-actor";

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What they may do; absent for somebody unknown at a door that gives nothing.
    granted: Option<Scope>,
    name: Name,
    /// From where the request came, where that is known.
    client: Option<Client>,
    /// Whether a token says who it is.
    known: bool,
    /// Whether a browser's session says who it is: then only forms of our own may change anything.
    session: bool,
    form: FormToken,
}

/// By what name. It becomes text only where somebody reads it: most requests are polls.
#[derive(Debug, Clone)]
enum Name {
    /// The name of their token.
    Token(String),
    /// What they say, where they may be believed.
    Said(HeaderValue),
    /// None.
    Stranger,
}

impl Caller {
    /// Somebody with a valid token.
    pub(super) fn with(token: &TokenRecord, client: Option<Client>, form: FormToken) -> Self {
        let name = Name::Token(token.name.clone());
        Self { granted: Some(token.scope), name, client, known: true, session: false, form }
    }

    /// Somebody whose browser has signed in with a token that is still valid.
    pub(super) fn of_session(token: &TokenRecord, client: Option<Client>, form: FormToken) -> Self {
        Self { session: true, ..Self::with(token, client, form) }
    }

    /// Somebody without a token.
    pub(super) fn anonymous(
        door: &Door,
        headers: &HeaderMap,
        client: Option<Client>,
        form: FormToken,
    ) -> Self {
        let said = headers.get(ACTOR).filter(|_| door.believes());
        let name = said.map_or(Name::Stranger, |name| Name::Said(name.clone()));
        Self { granted: door.anonymous(), name, client, known: false, session: false, form }
    }

    /// What they may do.
    pub(crate) const fn granted(&self) -> Option<Scope> {
        self.granted
    }

    /// Whether a browser's session says who it is.
    pub(crate) const fn has_session(&self) -> bool {
        self.session
    }

    /// Whether a token says who it is, shown now or when they signed in.
    pub(crate) const fn is_known(&self) -> bool {
        self.known
    }

    /// What their forms hold.
    pub(crate) const fn form(&self) -> &FormToken {
        &self.form
    }

    pub(crate) const fn client(&self) -> Option<Client> {
        self.client
    }

    /// The name that the history shows.
    pub(crate) fn actor(&self) -> Actor {
        match &self.name {
            Name::Token(name) => named(&format!("token {name}")),
            Name::Said(name) => named(&String::from_utf8_lossy(name.as_bytes())),
            Name::Stranger => named("http"),
        }
    }
}

fn named(name: &str) -> Actor {
    Actor(name.chars().filter(|c| !c.is_control()).take(64).collect())
}
