//! Why an input is refused: somebody asked for something that the state forbids.

use thiserror::Error;

use crate::hint::{CommandLine, Hint, Remedy};
use crate::id::{DeploymentId, Digest, Seq, StepId};

/// A refused input. The state is untouched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
pub enum Rejection {
    /// The deployment has ended.
    #[error("the deployment has ended as {status}")]
    AlreadyEnded {
        /// How.
        status: &'static str,
    },
    /// It is paused already.
    #[error("the deployment is paused already")]
    AlreadyPaused,
    /// It is not paused.
    #[error("the deployment is not paused")]
    NotPaused,
    /// It is being stopped already, at least as severely.
    #[error("the deployment is being stopped already")]
    AlreadyStopping,
    /// Nothing waits for an approval.
    #[error("no plan waits for approval")]
    NotWaitingForApproval,
    /// The approved plan is not the one that waits.
    #[error("the plan that waits has the fingerprint {waiting}")]
    OtherPlan {
        /// The one that waits.
        waiting: Digest,
    },
    /// It is not blocked.
    #[error("the deployment is not blocked")]
    NotBlocked,
    /// Nobody asks about this step.
    #[error("nothing is unknown about step {step}")]
    NothingToAttest {
        /// The step.
        step: StepId,
    },
    /// Traffic is switched or being switched: the run ends by itself, forward or back.
    #[error("traffic is being switched: the run can no longer be stopped")]
    PastTheSwitch,
    /// It has not ended, so there is nothing to try again.
    #[error("the deployment has not ended yet")]
    NotEnded,
    /// Its record is sound, so it can be stopped like any other.
    #[error("the record of the deployment is not damaged")]
    NotDamaged,
    /// The report comes from an owner that was fenced out.
    #[error("the report carries a fence that is no longer valid")]
    StaleFence,
    /// The report answers nothing that is running.
    #[error("the report answers nothing that is running")]
    NotRunning,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyEnded { .. } => "already_ended",
            Self::AlreadyPaused => "already_paused",
            Self::NotPaused => "not_paused",
            Self::AlreadyStopping => "already_stopping",
            Self::NotWaitingForApproval => "not_waiting_for_approval",
            Self::OtherPlan { .. } => "other_plan",
            Self::NotBlocked => "not_blocked",
            Self::NothingToAttest { .. } => "nothing_to_attest",
            Self::PastTheSwitch => "past_the_switch",
            Self::NotEnded => "not_ended",
            Self::NotDamaged => "not_damaged",
            Self::StaleFence => "stale_fence",
            Self::NotRunning => "not_running",
        }
    }

    /// What to do instead.
    #[must_use]
    pub fn hint(&self, deployment: DeploymentId) -> Hint {
        let cli = |name| CommandLine::from(["deploy", name]).with(deployment.to_string());
        let show = || Remedy::command("look at its state", cli("show"));
        let next = match self {
            Self::AlreadyEnded { .. } => {
                vec![show(), Remedy::by_hand("deploy again: an ended deployment never moves")]
            }
            Self::AlreadyPaused => vec![Remedy::command("go on", cli("resume"))],
            Self::OtherPlan { waiting } => {
                vec![Remedy::by_hand(format!("look at the plan that waits and approve {waiting}"))]
            }
            Self::PastTheSwitch => vec![show(), Remedy::by_hand("when it has ended, roll back")],
            Self::NotPaused
            | Self::AlreadyStopping
            | Self::NotWaitingForApproval
            | Self::NotBlocked
            | Self::NothingToAttest { .. }
            | Self::NotEnded
            | Self::NotDamaged
            | Self::StaleFence
            | Self::NotRunning => vec![show()],
        };
        Hint { hint: self.to_string(), next }
    }
}

/// A stored history that doesn't fold: a bug or damage, never an ordinary state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
pub enum ReplayError {
    /// The first event does not begin a deployment.
    #[error("the history does not begin with an accepted deployment")]
    NoBeginning,
    /// A number is missing or doubled.
    #[error("event {found} follows event {last}")]
    Gap {
        /// The last number.
        last: Seq,
        /// The number after it.
        found: Seq,
    },
    /// The event can't happen in that state.
    #[error("event {seq} ({event}) can't happen in phase {phase}")]
    Impossible {
        /// The number.
        seq: Seq,
        /// The event.
        event: &'static str,
        /// The phase.
        phase: &'static str,
    },
}
