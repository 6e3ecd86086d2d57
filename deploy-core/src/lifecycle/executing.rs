//! Executing: steps run that no user sees.
//!
//! | event | leads to |
//! |---|---|
//! | every step event | Executing |
//! | VerificationStarted | Verifying |
//! | RollbackStarted | RollingBack |
//! | Failed, Stopped, Superseded | Ended |

use super::phase::{Folding, Impossible, Phase};
use super::{Ended, PhaseName, RollingBack, Run, Verifying};
use crate::event::Event;

/// Steps run that no user sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Executing {
    run: Run,
}

impl Executing {
    pub(super) const fn new(run: Run) -> Self {
        Self { run }
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    pub(super) fn map(self, change: impl FnOnce(Run) -> Run) -> Self {
        Self { run: change(self.run) }
    }

    fn verifying(self) -> Verifying {
        Verifying::new(self.run)
    }

    pub(super) fn evolve(self, event: &Event, f: &Folding) -> Result<Phase, Impossible> {
        if let Some(outcome) = Ended::outcome_of(event) {
            return Ok(Phase::Ended(Ended::after_a_run(outcome, self.run, PhaseName::Execute)));
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "every other event is a step's, and the run says whether it can be"
        )]
        match event {
            Event::VerificationStarted => Ok(Phase::Verifying(self.verifying())),
            Event::RollbackStarted { cause } => {
                Ok(Phase::RollingBack(RollingBack::new(self.run, cause.clone())))
            }
            _ => Ok(Phase::Executing(Self { run: self.run.evolve(event, f)? })),
        }
    }
}
