//! What a listener gives: to whom it answers, and what somebody without a token may do.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Uri};
use thiserror::Error;

use super::host::{self, Hosts};
use super::scope::Scope;

/// What a listener gives.
#[derive(Debug, Clone)]
pub struct Door {
    hosts: Hosts,
    /// What somebody without a token may do.
    anonymous: Option<Scope>,
    /// Whether a client may say who it is.
    believes: bool,
}

/// A bind that would let strangers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{address} is reachable from other machines, and there is no token yet")]
pub struct PublicBind {
    /// The address.
    pub address: SocketAddr,
}

impl Door {
    /// A unix socket that only its owner can open: whoever comes through is that user.
    #[must_use]
    pub const fn socket() -> Self {
        Self { hosts: Hosts::Any, anonymous: Some(Scope::Admin), believes: true }
    }

    /// A TCP address. On loopback, with no name of its own, anybody on this machine may look and a
    /// token gives more. Everything else asks for a token on every route but `/health`; `names` are the
    /// host names it is reached by.
    ///
    /// # Errors
    /// [`PublicBind`] when strangers could reach it and no token exists.
    pub fn tcp(address: SocketAddr, names: Vec<String>, has_tokens: bool) -> Result<Self, PublicBind> {
        if address.ip().is_loopback() && names.is_empty() {
            return Ok(Self { hosts: Hosts::Loopback, anonymous: Some(Scope::Read), believes: false });
        }
        // A name on loopback means that something in front passes strangers on.
        if !has_tokens {
            return Err(PublicBind { address });
        }
        Ok(Self { hosts: Hosts::Named(names), anonymous: None, believes: false })
    }

    /// What somebody without a token may do.
    #[must_use]
    pub const fn anonymous(&self) -> Option<Scope> {
        self.anonymous
    }

    /// Whether a client may say who it is.
    pub(super) const fn believes(&self) -> bool {
        self.believes
    }

    pub(super) fn foreign(&self, headers: &HeaderMap, uri: &Uri) -> Option<&'static str> {
        host::foreign(&self.hosts, headers, uri)
    }
}
