//! Blocked: the plan says no. Nothing is owned; somebody may mend the cause and have it rechecked.
//!
//! | event | leads to |
//! |---|---|
//! | Rechecked | Queued |
//! | Failed (nobody mended it in time), Stopped, Superseded | Ended |

use std::sync::Arc;

use super::phase::{Folding, Impossible, Phase};
use super::{Ended, PhaseName, Queued};
use crate::command::Command;
use crate::event::{Cause, Event};
use crate::failure::{Failure, FailureCode};
use crate::plan::BlockedPlan;
use crate::reason::Reason;
use crate::time::{Span, Timestamp};

/// How long a blocked deployment waits to be rechecked before it ends.
pub const BLOCKED_WINDOW: Span = Span::from_secs(24 * 3600);

/// The plan says no.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Blocked {
    plan: Arc<BlockedPlan>,
    since: Timestamp,
}

impl Blocked {
    pub(super) const fn new(plan: Arc<BlockedPlan>, since: Timestamp) -> Self {
        Self { plan, since }
    }

    /// What was resolved, and why it says no.
    #[must_use]
    pub const fn plan(&self) -> &Arc<BlockedPlan> {
        &self.plan
    }

    /// Why it says no.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        self.plan.reasons()
    }

    /// The command that has it looked at again.
    #[must_use]
    pub const fn recheck(&self) -> Command {
        Command::Recheck
    }

    /// When it ends if nobody does anything.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.since.after(BLOCKED_WINDOW)
    }

    /// The phase that says no: detection comes first, so if it does the answer lies there.
    pub(super) fn phase(&self) -> PhaseName {
        self.plan.reasons().iter().map(|reason| reason.phase).min().unwrap_or(PhaseName::Plan)
    }

    pub(super) fn tick(&self, at: Timestamp) -> Vec<Event> {
        if at < self.expires_at() {
            return Vec::new();
        }
        let first = self.plan.reasons().first();
        let failure = Failure::new(
            FailureCode::BlockedTooLong,
            format!(
                "the plan stayed blocked for {BLOCKED_WINDOW}: {}",
                first.map_or("", |reason| reason.message.as_str())
            ),
        );
        vec![Event::Failed { cause: Cause { phase: self.phase(), step: None, failure } }]
    }

    fn rechecked(self) -> Queued {
        Queued::new()
    }

    pub(super) fn evolve(self, event: &Event, _: &Folding) -> Result<Phase, Impossible> {
        let phase = self.phase();
        if let Some(ended) = Ended::before_a_run(event, phase) {
            return Ok(Phase::Ended(ended));
        }
        let Event::Rechecked { .. } = event else { return Err(Impossible) };
        Ok(Phase::Queued(self.rechecked()))
    }
}
