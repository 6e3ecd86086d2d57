//! The three phases of a running edge, and waiting for them.

use tokio::sync::watch;

/// Phases only move forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Accepting and answering.
    Serving,
    /// No new connections; responses in flight end, idle connections close.
    Draining,
    /// Everything is dropped.
    Closed,
}

/// Returns once `wanted` is reached. An edge that was dropped counts as closed.
pub(crate) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // An error means the sender is gone, which is the last phase.
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}
