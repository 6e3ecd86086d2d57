//! Ended: nothing will ever change again. A retry is a new deployment that names this one.

use super::{PhaseName, Run};
use crate::event::{Cause, Event};
use crate::failure::FailureCode;
use crate::id::DeploymentId;
use crate::reject::Rejection;
use crate::status::StatusName;

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Live, verified, read back.
    Succeeded,
    /// It failed.
    Failed(Cause),
    /// It failed behind the switch, and the release before serves again.
    RolledBack(Cause),
    /// It was stopped.
    Stopped,
    /// A newer deployment took over.
    Superseded {
        /// Which.
        by: DeploymentId,
    },
}

/// It has ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ended {
    outcome: Outcome,
    run: Option<Run>,
    phase: PhaseName,
    behind_the_switch: bool,
}

impl Ended {
    pub(super) fn succeeded(run: Run) -> Self {
        Self {
            outcome: Outcome::Succeeded,
            run: Some(run),
            phase: PhaseName::Verify,
            behind_the_switch: true,
        }
    }

    pub(super) fn after_a_run(outcome: Outcome, run: Run, phase: PhaseName) -> Self {
        let behind_the_switch = run.switch_took_effect();
        Self { outcome, run: Some(run.abandoned()), phase, behind_the_switch }
    }

    pub(super) const fn after_a_rollback(outcome: Outcome, run: Run, behind_the_switch: bool) -> Self {
        Self { outcome, run: Some(run), phase: PhaseName::Rollback, behind_the_switch }
    }

    /// The ending an event is, in a phase before any step ran.
    pub(super) fn before_a_run(event: &Event, phase: PhaseName) -> Option<Self> {
        let outcome = Self::outcome_of(event).filter(|outcome| !matches!(outcome, Outcome::RolledBack(_)))?;
        Some(Self { outcome, run: None, phase, behind_the_switch: false })
    }

    /// The ending an event is; success is not among them, for it needs a verified run.
    pub(super) fn outcome_of(event: &Event) -> Option<Outcome> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other event is not an ending")]
        match event {
            Event::Failed { cause } => Some(Outcome::Failed(cause.clone())),
            Event::RolledBack { cause } => Some(Outcome::RolledBack(cause.clone())),
            Event::Stopped => Some(Outcome::Stopped),
            Event::Superseded { by } => Some(Outcome::Superseded { by: *by }),
            _ => None,
        }
    }

    /// How it ended.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The run, if any step was planned.
    #[must_use]
    pub const fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// The phase it ended in: for a failure, the one that failed.
    #[must_use]
    pub const fn phase(&self) -> PhaseName {
        match &self.outcome {
            Outcome::Failed(cause) => cause.phase,
            Outcome::RolledBack(_) | Outcome::Succeeded | Outcome::Stopped | Outcome::Superseded { .. } => {
                self.phase
            }
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn status(&self) -> StatusName {
        match &self.outcome {
            Outcome::Succeeded => StatusName::Succeeded,
            Outcome::Failed(_) => StatusName::Failed,
            Outcome::RolledBack(_) => StatusName::RolledBack,
            Outcome::Stopped => StatusName::Stopped,
            Outcome::Superseded { .. } => StatusName::Superseded,
        }
    }

    /// The exit code of contract.md.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match &self.outcome {
            Outcome::Succeeded => 0,
            Outcome::RolledBack(_) => 5,
            Outcome::Stopped | Outcome::Superseded { .. } => 7,
            Outcome::Failed(cause) => Self::failed_code(cause),
        }
    }

    fn failed_code(cause: &Cause) -> u8 {
        match (cause.phase, cause.failure.code) {
            (PhaseName::Rollback, _) => 6,
            (_, FailureCode::Internal) => 10,
            (
                _,
                FailureCode::Unhealthy
                | FailureCode::PageFailed
                | FailureCode::WrongRelease
                | FailureCode::ReleaseExited
                | FailureCode::OutOfMemory,
            ) => 1,
            (PhaseName::Detect | PhaseName::Plan, FailureCode::BlockedTooLong | FailureCode::PlanBlocked) => {
                4
            }
            (PhaseName::Detect | PhaseName::Plan | PhaseName::Execute | PhaseName::Verify, _) => 3,
        }
    }

    pub(super) const fn rejection(&self) -> Rejection {
        Rejection::AlreadyEnded { status: self.status().as_str() }
    }

    /// Whether traffic had been sent to the new release at any time.
    #[must_use]
    pub const fn was_behind_the_switch(&self) -> bool {
        self.behind_the_switch
    }
}
