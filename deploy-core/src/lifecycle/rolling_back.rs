//! Rolling back: completed steps are taken back, newest first, one at a time.
//!
//! | event | leads to |
//! |---|---|
//! | UndoStarted, Undone, UndoRetried, UndoFailed | RollingBack |
//! | RolledBack, Failed, Stopped, Superseded | Ended |

use super::phase::{Conditions, Folding, Impossible, Phase};
use super::{Ended, PhaseName, Run};
use crate::command::Report;
use crate::event::{Cause, Event, RollbackCause};
use crate::failure::{Failure, FailureCode};
use crate::id::StepId;
use crate::reject::Rejection;

/// Steps are being taken back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RollingBack {
    run: Run,
    cause: RollbackCause,
    behind_the_switch: bool,
}

impl RollingBack {
    pub(super) fn new(run: Run, cause: RollbackCause) -> Self {
        let behind_the_switch = run.switch_took_effect();
        Self { run: run.abandoned(), cause, behind_the_switch }
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// Why.
    #[must_use]
    pub const fn cause(&self) -> &RollbackCause {
        &self.cause
    }

    pub(super) fn report(&self, report: &Report, c: &Conditions<'_>) -> Result<Vec<Event>, Rejection> {
        match report {
            Report::Undone { step } if self.run.is_undoing(step) => {
                Ok(vec![Event::Undone { step: step.clone() }])
            }
            Report::UndoFailed { step, failure } if self.run.is_undoing(step) => {
                Ok(vec![self.run.undo_failed(step, failure, c.at)])
            }
            Report::Undone { .. }
            | Report::UndoFailed { .. }
            | Report::Claimed { .. }
            | Report::Deferred { .. }
            | Report::Admitted
            | Report::Inspected { .. }
            | Report::Drafted { .. }
            | Report::PreparationFailed { .. }
            | Report::StepDone { .. }
            | Report::StepFailed { .. }
            | Report::Probed { .. } => Err(Rejection::NotRunning),
        }
    }

    pub(super) fn follow_up(&self, c: &Conditions<'_>) -> Option<Event> {
        if let Some((step, failure)) = self.run.failed_undo() {
            return Some(self.gave_up(step, failure));
        }
        if self.run.is_undoing_any() {
            return None;
        }
        // Ending changes nothing in the world; starting another undo does, so only that is held.
        match self.run.next_undo(c.at) {
            Some(Ok(event)) if !c.held => Some(event),
            Some(_) => None,
            None => Some(self.ending()),
        }
    }

    fn ending(&self) -> Event {
        match &self.cause {
            RollbackCause::Failed { cause } if self.behind_the_switch => {
                Event::RolledBack { cause: cause.clone() }
            }
            RollbackCause::Failed { cause } => Event::Failed { cause: cause.clone() },
            RollbackCause::Stopped => Event::Stopped,
            RollbackCause::Superseded { by } => Event::Superseded { by: *by },
        }
    }

    /// A step that can't be taken back ends the rollback: going on could remove what still serves.
    /// Ahead of the switch production is untouched, so the first cause stays the cause.
    fn gave_up(&self, step: &StepId, failure: &Failure) -> Event {
        let own = |failure| Event::Failed {
            cause: Cause { phase: PhaseName::Rollback, step: Some(step.clone()), failure },
        };
        match &self.cause {
            RollbackCause::Failed { cause } if !self.behind_the_switch => {
                Event::Failed { cause: cause.clone() }
            }
            RollbackCause::Failed { cause } => {
                let mut failure = failure.clone();
                failure.code = FailureCode::UndoFailed;
                let first = format!("{}: {}", cause.failure.code.code(), cause.failure.message);
                own(failure.because("first cause", first))
            }
            RollbackCause::Stopped | RollbackCause::Superseded { .. } => own(failure.clone()),
        }
    }

    pub(super) fn evolve(self, event: &Event, _: &Folding) -> Result<Phase, Impossible> {
        if let Some(outcome) = Ended::outcome_of(event) {
            return Ok(Phase::Ended(Ended::after_a_rollback(outcome, self.run, self.behind_the_switch)));
        }
        let run = self.run.evolve_undo(event)?;
        Ok(Phase::RollingBack(Self { run, ..self }))
    }
}
