//! Why a source could not be brought here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deploy_core::cancel::Cancel;
use deploy_core::reason::{Reason, ReasonCode};

/// Why a source could not be brought here.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Something a preview says.
    Reason(Box<Reason>),
    /// Nobody wants it any more.
    Cancelled,
}

impl Fault {
    pub(crate) fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self::Reason(Box::new(Reason::new(code, message)))
    }

    /// It for a preview; whoever cancelled one does not read it.
    pub(crate) fn into_reason(self) -> Box<Reason> {
        match self {
            Self::Reason(reason) => reason,
            Self::Cancelled => {
                Box::new(Reason::new(ReasonCode::SourceUnavailable, "reading the source was stopped"))
            }
        }
    }
}

/// When to give up: on request, when nobody waits any more, or when it takes too long.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    asked: Cancel,
    abandoned: Arc<AtomicBool>,
    until: Instant,
    limit: Duration,
}

impl Stop {
    pub(crate) fn new(asked: &Cancel, limit: Duration) -> Self {
        let until = Instant::now() + limit;
        Self { asked: asked.clone(), abandoned: Arc::default(), until, limit }
    }

    /// Stops when the guard is dropped: when the future that waits for the work is.
    pub(crate) fn when_dropped(&self) -> Abandon {
        Abandon(Arc::clone(&self.abandoned))
    }

    /// Whether to go on.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.asked.is_cancelled() || self.abandoned.load(Ordering::Relaxed) {
            return Err(Fault::Cancelled);
        }
        if Instant::now() < self.until {
            return Ok(());
        }
        let message = format!("the source was not here after {} s", self.limit.as_secs());
        Err(Fault::new(ReasonCode::SourceTimeout, message))
    }
}

/// Stops the work when it is dropped.
pub(crate) struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
