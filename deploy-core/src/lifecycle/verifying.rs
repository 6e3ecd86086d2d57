//! Verifying: the new release is checked, switched to, and checked again.
//!
//! | event | leads to |
//! |---|---|
//! | every step event | Verifying |
//! | Succeeded | Ended |
//! | RollbackStarted | RollingBack |
//! | Failed, Stopped, Superseded | Ended |

use super::phase::{Folding, Impossible, Phase};
use super::{Ended, PhaseName, RollingBack, Run};
use crate::event::Event;

/// The new release is checked and switched to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Verifying {
    run: Run,
}

impl Verifying {
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

    pub(super) fn evolve(self, event: &Event, f: &Folding) -> Result<Phase, Impossible> {
        if matches!(event, Event::Succeeded) {
            return Ok(Phase::Ended(Ended::succeeded(self.run)));
        }
        if let Some(outcome) = Ended::outcome_of(event) {
            return Ok(Phase::Ended(Ended::after_a_run(outcome, self.run, PhaseName::Verify)));
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "every other event is a step's, and the run says whether it can be"
        )]
        match event {
            Event::RollbackStarted { cause } => {
                Ok(Phase::RollingBack(RollingBack::new(self.run, cause.clone())))
            }
            _ => Ok(Phase::Verifying(Self { run: self.run.evolve(event, f)? })),
        }
    }
}
