//! Queued: accepted, and waiting for the resource.
//!
//! | event | leads to |
//! |---|---|
//! | Claimed | Detecting |
//! | PreparationRetried, PreparationDue | Queued |
//! | Failed, Stopped, Superseded | Ended |

use super::phase::{Conditions, Folding, Impossible, Phase};
use super::preparation::Attempt;
use super::{Detecting, Ended, PhaseName};
use crate::command::Report;
use crate::event::Event;
use crate::reject::Rejection;

/// It waits for the resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queued {
    attempt: Attempt,
}

impl Queued {
    pub(crate) const fn new() -> Self {
        Self { attempt: Attempt::FIRST }
    }

    pub(super) const fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    const fn claimed(self) -> Detecting {
        Detecting::new()
    }

    pub(super) fn report(&self, report: &Report, c: &Conditions<'_>) -> Result<Vec<Event>, Rejection> {
        match report {
            Report::Claimed { live } => {
                let fence = c.fence.ok_or(Rejection::StaleFence)?;
                Ok(vec![Event::Claimed { fence, live: live.clone() }])
            }
            Report::PreparationFailed { failure } => {
                Ok(vec![self.attempt.failed(failure, PhaseName::Detect, c.at)])
            }
            Report::Inspected { .. }
            | Report::Drafted { .. }
            | Report::StepDone { .. }
            | Report::StepFailed { .. }
            | Report::Probed { .. }
            | Report::Undone { .. }
            | Report::UndoFailed { .. } => Err(Rejection::NotRunning),
        }
    }

    pub(super) fn evolve(self, event: &Event, _: &Folding) -> Result<Phase, Impossible> {
        if let Some(ended) = Ended::before_a_run(event, PhaseName::Detect) {
            return Ok(Phase::Ended(ended));
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "any other event is impossible here, by the table above"
        )]
        match event {
            Event::Claimed { .. } => Ok(Phase::Detecting(self.claimed())),
            Event::PreparationRetried { until, .. } => {
                Ok(Phase::Queued(Self { attempt: self.attempt.waiting(*until) }))
            }
            Event::PreparationDue => Ok(Phase::Queued(Self { attempt: self.attempt.next() })),
            _ => Err(Impossible),
        }
    }
}
