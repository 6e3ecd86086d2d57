//! Counters of a running edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use serde::{Deserialize, Serialize};

/// Counters, shared by all connections.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    by_class: [AtomicU64; 5],
    switches: AtomicU64,
    open_connections: AtomicU64,
}

/// What an edge has done since it started. Requests to the control socket are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Requests answered.
    pub requests: u64,
    /// Of these with status 2xx.
    pub success: u64,
    /// With status 3xx.
    pub redirection: u64,
    /// With status 4xx.
    pub client_error: u64,
    /// With status 5xx.
    pub server_error: u64,
    /// Accepted route changes.
    pub switches: u64,
    /// Public connections open now.
    pub open_connections: u64,
}

impl Stats {
    pub(crate) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100);
        if let Some(counter) = class.checked_sub(1).and_then(|at| self.by_class.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn switched(&self) {
        self.switches.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection as open until the result is dropped.
    pub(crate) fn connected(self: &Arc<Self>) -> OpenConnection {
        self.open_connections.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(self))
    }

    pub(crate) fn read(&self) -> Counters {
        let [other, success, redirection, client_error, server_error] =
            [0, 1, 2, 3, 4].map(|at: usize| self.by_class[at].load(Ordering::Relaxed));
        Counters {
            requests: other + success + redirection + client_error + server_error,
            success,
            redirection,
            client_error,
            server_error,
            switches: self.switches.load(Ordering::Relaxed),
            open_connections: self.open_connections.load(Ordering::Relaxed),
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<Stats>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open_connections.fetch_sub(1, Ordering::Relaxed);
    }
}
