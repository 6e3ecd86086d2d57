//! Planning: the target is surveyed and the plan drafted.
//!
//! | event | leads to |
//! |---|---|
//! | Planned | Planned |
//! | Blocked | Blocked |
//! | PreparationRetried, PreparationDue | Planning |
//! | Failed, Stopped, Superseded | Ended |

use std::sync::Arc;

use super::phase::{Conditions, Folding, Impossible, Phase};
use super::preparation::Attempt;
use super::{Blocked, Ended, PhaseName, Planned};
use crate::command::Report;
use crate::detect::Detection;
use crate::event::Event;
use crate::plan::Draft;
use crate::reject::Rejection;

/// The plan is being drafted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Planning {
    detection: Arc<Detection>,
    attempt: Attempt,
}

impl Planning {
    pub(super) const fn new(detection: Arc<Detection>) -> Self {
        Self { detection, attempt: Attempt::FIRST }
    }

    pub(super) const fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// What was found in the source.
    #[must_use]
    pub const fn detection(&self) -> &Arc<Detection> {
        &self.detection
    }

    pub(super) fn report(&self, report: &Report, c: &Conditions<'_>) -> Result<Vec<Event>, Rejection> {
        match report {
            Report::Drafted { draft: Draft::Ready(plan), live, version } => {
                Ok(vec![Event::Planned { plan: Arc::clone(plan), live: live.clone(), version: *version }])
            }
            Report::Drafted { draft: Draft::Blocked(blocked), live, .. } => {
                Ok(vec![Event::Blocked { blocked: Arc::clone(blocked), live: live.clone() }])
            }
            Report::PreparationFailed { failure } => {
                Ok(vec![self.attempt.failed(failure, PhaseName::Plan, c.at)])
            }
            Report::Claimed { .. }
            | Report::Deferred { .. }
            | Report::Admitted
            | Report::Inspected { .. }
            | Report::StepDone { .. }
            | Report::StepFailed { .. }
            | Report::Probed { .. }
            | Report::Undone { .. }
            | Report::UndoFailed { .. } => Err(Rejection::NotRunning),
        }
    }

    pub(super) fn evolve(self, event: &Event, f: &Folding) -> Result<Phase, Impossible> {
        if let Some(ended) = Ended::before_a_run(event, PhaseName::Plan) {
            return Ok(Phase::Ended(ended));
        }
        let Self { detection, attempt } = self;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "any other event is impossible here, by the table above"
        )]
        match event {
            Event::Planned { plan, version, .. } => {
                Ok(Phase::Planned(Planned::new(Arc::clone(plan), *version, f.at)))
            }
            Event::Blocked { blocked, .. } => Ok(Phase::Blocked(Blocked::new(Arc::clone(blocked), f.at))),
            Event::PreparationRetried { until, .. } => {
                Ok(Phase::Planning(Self { detection, attempt: attempt.waiting(*until) }))
            }
            Event::PreparationDue => Ok(Phase::Planning(Self { detection, attempt: attempt.next() })),
            _ => Err(Impossible),
        }
    }
}
