//! Detecting: the source is being read.
//!
//! | event | leads to |
//! |---|---|
//! | Detected | Planning |
//! | PreparationRetried, PreparationDue | Detecting |
//! | Failed, Stopped, Superseded | Ended |

use std::sync::Arc;

use super::phase::{Conditions, Folding, Impossible, Phase};
use super::preparation::Attempt;
use super::{Ended, PhaseName, Planning};
use crate::command::Report;
use crate::detect::Detection;
use crate::event::Event;
use crate::reject::Rejection;

/// The source is being read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Detecting {
    attempt: Attempt,
}

impl Detecting {
    pub(super) const fn new() -> Self {
        Self { attempt: Attempt::FIRST }
    }

    pub(super) const fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    const fn detected(self, detection: Arc<Detection>) -> Planning {
        Planning::new(detection)
    }

    pub(super) fn report(&self, report: &Report, c: &Conditions<'_>) -> Result<Vec<Event>, Rejection> {
        match report {
            Report::Inspected { detection } => Ok(vec![Event::Detected { detection: Arc::clone(detection) }]),
            Report::PreparationFailed { failure } => {
                Ok(vec![self.attempt.failed(failure, PhaseName::Detect, c.at)])
            }
            Report::Claimed { .. }
            | Report::Deferred { .. }
            | Report::Admitted
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
            Event::Detected { detection } => Ok(Phase::Planning(self.detected(Arc::clone(detection)))),
            Event::PreparationRetried { until, .. } => {
                Ok(Phase::Detecting(Self { attempt: self.attempt.waiting(*until) }))
            }
            Event::PreparationDue => Ok(Phase::Detecting(Self { attempt: self.attempt.next() })),
            _ => Err(Impossible),
        }
    }
}
