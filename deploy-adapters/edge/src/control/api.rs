//! What goes over the control socket.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::routes::{Route, Upstream};
pub use crate::stats::Counters;

/// A running edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the running edge.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Its public address.
    pub address: SocketAddr,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// All routes, by host.
    pub routes: Vec<Route>,
    /// Releases loaded for a coming switch, longest-kept first.
    pub candidates: Vec<Digest>,
    /// What it has done.
    pub counters: Counters,
    /// What a person should know: a table restored from its previous copy, a release or port that is missing.
    pub warnings: Vec<String>,
}

/// How a candidate is to answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidateOptions {
    /// See [`Route::fallback`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// See [`Route::upstream`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
}

/// How far the upstreams of a release are from getting no more requests and having none left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DrainStatus {
    /// Requests accepted and not answered to their end, upgraded connections included.
    pub in_flight: u64,
    /// A route that is not paused still sends requests to it.
    pub takes_requests: bool,
    /// Milliseconds until what is left is cut, if a switch away from it has set a limit.
    pub cut_in_ms: Option<u64>,
}

impl DrainStatus {
    /// Nothing is left and nothing more comes: the process can be stopped.
    pub fn is_drained(&self) -> bool {
        self.in_flight == 0 && !self.takes_requests
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, machine-readable name, for instance `stale_epoch`.
    pub code: String,
    /// What happened, for a person.
    pub message: String,
    /// What to do about it, for a person.
    pub remedy: String,
    /// The state that stood in the way: the current epoch for `stale_epoch`, the current route (or null) for
    /// `unexpected_current`, the owner for `host_taken`.
    #[serde(default)]
    pub current: Option<serde_json::Value>,
}
