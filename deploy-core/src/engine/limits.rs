//! Every bound of the engine, in one place.

use std::time::Duration;

/// Every bound of the engine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Unfinished deployments at once; a submission beyond is refused as busy. 1,000.
    pub deployments: usize,
    /// Deployments of one workspace that are looked at to say when one of them starts. 1,000.
    pub line: usize,
    /// Effects that run at once over all deployments, waiting for a resource not counted. 8.
    pub effects: usize,
    /// Commands that may wait for one deployment. 64.
    pub mailbox: usize,
    /// How long a cancelled effect may take to end before it is aborted. 10 s.
    pub cancel_grace: Duration,
    /// The longest wait between two attempts to write to a store that fails. 5 s.
    pub store_backoff: Duration,
    /// Events read at once from the journal. 1,000.
    pub page: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deployments: 1_000,
            line: 1_000,
            effects: 8,
            mailbox: 64,
            cancel_grace: Duration::from_secs(10),
            store_backoff: Duration::from_secs(5),
            page: 1_000,
        }
    }
}
