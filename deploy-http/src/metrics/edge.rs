//! What the data plane counts.

/// What an edge has counted since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EdgeCounters {
    /// Answers with status 2xx.
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
