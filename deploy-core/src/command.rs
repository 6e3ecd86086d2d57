//! What goes into the decider: commands, reports, recovery and time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::detect::Detection;
use crate::failure::Failure;
use crate::id::{DeploymentId, Digest, Fence, StepId, Version};
use crate::plan::{Draft, Output};
use crate::port::{Live, Probe};
use crate::reason::Reason;
use crate::spec::Actor;
use crate::time::Timestamp;

/// How a stop treats what is running. It only gets more severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StopMode {
    /// The running step ends first.
    AfterStep,
    /// The running step is cancelled.
    Now,
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Command {
    /// Carry out the plan with this fingerprint.
    Approve {
        /// The fingerprint that was seen.
        fingerprint: Digest,
    },
    /// Start nothing new; what runs ends.
    Pause,
    /// Go on.
    Resume,
    /// Skip the remaining steps. Completed steps stay unless `undo` says otherwise.
    Stop {
        /// How what is running is treated.
        mode: StopMode,
        /// Whether completed steps are taken back.
        #[serde(default)]
        undo: bool,
    },
    /// Look at the source of a blocked deployment again.
    Recheck,
    /// Say what a person found out about a step that nobody could read back.
    Attest {
        /// The step.
        step: StepId,
        /// What was found.
        found: Probe,
    },
    /// Make room for a newer deployment.
    Supersede {
        /// The newer one.
        by: DeploymentId,
    },
}

/// What the world answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Report {
    /// The resource is ours under this fence.
    Claimed {
        /// What the records say serves now.
        live: Option<Live>,
    },
    /// A policy says no for now.
    Deferred {
        /// Why, and until when.
        reasons: Vec<Reason>,
    },
    /// No policy says no any more.
    Admitted,
    /// The source was read.
    Inspected {
        /// What it is.
        detection: Arc<Detection>,
    },
    /// The plan was drafted.
    Drafted {
        /// What it came to.
        draft: Draft,
        /// What serves now.
        live: Option<Live>,
        /// The number the new release gets.
        version: Version,
    },
    /// Claiming, inspecting or drafting failed.
    PreparationFailed {
        /// How.
        failure: Failure,
    },
    /// A step took effect.
    StepDone {
        /// Which.
        step: StepId,
        /// What it leaves.
        output: Output,
    },
    /// A step failed.
    StepFailed {
        /// Which.
        step: StepId,
        /// How.
        failure: Failure,
    },
    /// A step was read back.
    Probed {
        /// Which.
        step: StepId,
        /// What was found.
        found: Probe,
    },
    /// A step was taken back.
    Undone {
        /// Which.
        step: StepId,
    },
    /// Taking back failed.
    UndoFailed {
        /// Which.
        step: StepId,
        /// How.
        failure: Failure,
    },
}

/// One input to the decider. The time is part of it: the decider has no clock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// Somebody wants something.
    Command {
        /// What.
        command: Command,
        /// Who.
        by: Actor,
        /// When.
        at: Timestamp,
    },
    /// The world answered.
    Report {
        /// What.
        report: Report,
        /// The fence of the effect that is answered; for a claim, the fence that was got.
        fence: Option<Fence>,
        /// When.
        at: Timestamp,
    },
    /// A new owner took over after a crash.
    Recover {
        /// The new owner's fence; absent where the deployment holds nothing.
        fence: Option<Fence>,
        /// When.
        at: Timestamp,
    },
    /// Time passed.
    Tick {
        /// Now.
        at: Timestamp,
    },
}

impl Input {
    /// When it came.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Command { at, .. }
            | Self::Report { at, .. }
            | Self::Recover { at, .. }
            | Self::Tick { at } => *at,
        }
    }
}
