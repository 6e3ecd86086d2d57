//! Planned: the plan is ready and waits until it may be carried out.
//!
//! | event | leads to |
//! |---|---|
//! | Approved | Executing |
//! | Failed (nobody approved in time), Stopped, Superseded | Ended |

use std::sync::Arc;

use super::phase::{Conditions, Folding, Impossible, Phase};
use super::{Ended, Executing, PhaseName, Run};
use crate::command::Command;
use crate::event::{Cause, Event};
use crate::failure::{Failure, FailureCode};
use crate::id::Version;
use crate::plan::Plan;
use crate::spec::Approval;
use crate::time::{Span, Timestamp};

/// How long a plan waits for approval before the deployment ends.
pub const APPROVAL_WINDOW: Span = Span::from_secs(3600);

/// The plan is ready.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Planned {
    plan: Arc<Plan>,
    version: Version,
    since: Timestamp,
}

impl Planned {
    pub(super) const fn new(plan: Arc<Plan>, version: Version, since: Timestamp) -> Self {
        Self { plan, version, since }
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The command that has exactly this plan carried out.
    #[must_use]
    pub fn approve(&self) -> Command {
        Command::Approve { fingerprint: self.plan.fingerprint().clone() }
    }

    /// When the deployment ends if nobody approves.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.since.after(APPROVAL_WINDOW)
    }

    /// The specification may have approved beforehand. Drafting has compared the fingerprint then.
    pub(super) fn follow_up(&self, c: &Conditions<'_>) -> Option<Event> {
        match &c.spec.approval {
            Approval::Automatic | Approval::Exactly { .. } if !c.held => Some(Event::Approved { by: None }),
            Approval::Automatic | Approval::Exactly { .. } | Approval::Required => None,
        }
    }

    pub(super) fn tick(&self, c: &Conditions<'_>) -> Vec<Event> {
        if c.held || c.at < self.expires_at() {
            return Vec::new();
        }
        let message = format!("nobody approved the plan within {APPROVAL_WINDOW}");
        let failure = Failure::new(FailureCode::ApprovalExpired, message);
        vec![Event::Failed { cause: Cause { phase: PhaseName::Plan, step: None, failure } }]
    }

    /// The only way to an [`Executing`].
    fn approved(self, f: &Folding) -> Executing {
        Executing::new(Run::new(self.plan, self.version, f.live.clone(), f.at))
    }

    pub(super) fn evolve(self, event: &Event, f: &Folding) -> Result<Phase, Impossible> {
        if let Some(ended) = Ended::before_a_run(event, PhaseName::Plan) {
            return Ok(Phase::Ended(ended));
        }
        let Event::Approved { .. } = event else { return Err(Impossible) };
        Ok(Phase::Executing(self.approved(f)))
    }
}
