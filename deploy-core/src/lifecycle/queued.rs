//! Queued: accepted, and waiting for the resource.
//!
//! | event | leads to |
//! |---|---|
//! | Claimed | Detecting |
//! | PreparationRetried, PreparationDue | Queued |
//! | Deferred, Admitted | Queued |
//! | Failed, Stopped, Superseded | Ended |

use super::phase::{Conditions, Folding, Impossible, Phase};
use super::preparation::Attempt;
use super::{Detecting, Ended, PhaseName};
use crate::command::Report;
use crate::event::Event;
use crate::reason::Reason;
use crate::reject::Rejection;

/// It waits for the resource, or for a policy to let it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queued {
    attempt: Attempt,
    deferred: Vec<Reason>,
}

impl Queued {
    pub(crate) const fn new() -> Self {
        Self { attempt: Attempt::FIRST, deferred: Vec::new() }
    }

    pub(super) const fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// Why a policy does not let it go on; empty when none says no.
    #[must_use]
    pub fn deferred(&self) -> &[Reason] {
        &self.deferred
    }

    pub(super) fn report(&self, report: &Report, c: &Conditions<'_>) -> Result<Vec<Event>, Rejection> {
        match report {
            Report::Claimed { live } => {
                let fence = c.fence.ok_or(Rejection::StaleFence)?;
                Ok(vec![Event::Claimed { fence, live: live.clone() }])
            }
            Report::Deferred { reasons } if reasons.is_empty() || *reasons == self.deferred => {
                Err(Rejection::NotRunning)
            }
            Report::Deferred { reasons } => Ok(vec![Event::Deferred { reasons: reasons.clone() }]),
            Report::Admitted if self.deferred.is_empty() => Err(Rejection::NotRunning),
            Report::Admitted => Ok(vec![Event::Admitted]),
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
            Event::Claimed { .. } => Ok(Phase::Detecting(Detecting::new())),
            Event::Deferred { reasons } => Ok(Phase::Queued(Self { deferred: reasons.clone(), ..self })),
            Event::Admitted => Ok(Phase::Queued(Self { deferred: Vec::new(), ..self })),
            Event::PreparationRetried { until, .. } => {
                Ok(Phase::Queued(Self { attempt: self.attempt.waiting(*until), ..self }))
            }
            Event::PreparationDue => Ok(Phase::Queued(Self { attempt: self.attempt.next(), ..self })),
            _ => Err(Impossible),
        }
    }
}
