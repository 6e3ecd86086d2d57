//! Events: what was decided, in the past tense. They are stored for ever, so they change only by
//! addition; a change of meaning is a new schema with an upcast.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::command::StopMode;
use crate::detect::Detection;
use crate::failure::Failure;
use crate::id::{DeploymentId, Fence, ResourceId, StepId, Version};
use crate::lifecycle::PhaseName;
use crate::plan::{BlockedPlan, Output, Plan};
use crate::port::{Live, Probe};
use crate::reason::Reason;
use crate::spec::{Actor, Spec};
use crate::time::Timestamp;

/// Why a step is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Doubt {
    /// Its reply was lost.
    ReplyLost,
    /// It took longer than it may.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// Its owner ended.
    Interrupted,
}

/// Why a run did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cause {
    /// The phase it happened in.
    pub phase: PhaseName,
    /// The step, where one is to blame.
    pub step: Option<StepId>,
    /// How it failed.
    pub failure: Failure,
}

/// Why completed steps are taken back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RollbackCause {
    /// Something failed.
    Failed {
        /// What.
        cause: Cause,
    },
    /// Somebody stopped the run and wants it undone.
    Stopped,
    /// A newer deployment takes over.
    Superseded {
        /// Which.
        by: DeploymentId,
    },
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })?,)*) => {
        /// What was decided.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Event {
            $($(#[$doc])* $variant $({ $($(#[$field_doc])* $field: $type),* })?,)*
        }

        /// The kind of an event, for tables.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $($(#[$doc])* $variant,)*
        }

        impl EventKind {
            /// Every kind, in the order of the type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in Rust, for messages and diagrams.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }

        impl Event {
            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> EventKind {
                match self { $(Self::$variant { .. } => EventKind::$variant,)* }
            }

            /// Its kind's name in Rust, for messages and diagrams.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                self.kind().name()
            }
        }
    };
}

events! {
    /// A submission was accepted.
    Accepted {
        /// What was asked for.
        spec: Arc<Spec>,
        /// The resource it is for.
        resource_id: ResourceId,
    },
    /// The resource is ours.
    Claimed {
        /// The fence we hold it under.
        fence: Fence,
        /// What the records say serves now.
        live: Option<Live>,
    },
    /// The source was read.
    Detected {
        /// What it is.
        detection: Arc<Detection>,
    },
    /// The plan is ready.
    Planned {
        /// The plan.
        plan: Arc<Plan>,
        /// What serves now.
        live: Option<Live>,
        /// The number the new release gets.
        version: Version,
    },
    /// The plan says no.
    Blocked {
        /// The plan and its reasons.
        blocked: Arc<BlockedPlan>,
        /// What serves now.
        live: Option<Live>,
    },
    /// Somebody wants a blocked deployment looked at again.
    Rechecked {
        /// Who.
        by: Actor,
    },
    /// The plan may be carried out.
    Approved {
        /// Who said so; absent when the specification did.
        by: Option<Actor>,
    },
    /// Claiming, inspecting or drafting failed and is tried again later.
    PreparationRetried {
        /// How it failed.
        failure: Failure,
        /// When it is tried again.
        until: Timestamp,
    },
    /// A policy says no for now: it waits, and is in nobody's way.
    Deferred {
        /// Why, and until when.
        reasons: Vec<Reason>,
    },
    /// No policy says no any more: it waits for its turn.
    Admitted,
    /// A wait is over.
    PreparationDue,
    /// A step is about to start.
    StepStarted {
        /// Which.
        step: StepId,
        /// The attempt, from 1.
        attempt: u32,
        /// When it must have ended.
        deadline: Timestamp,
    },
    /// A step took effect.
    StepCompleted {
        /// Which.
        step: StepId,
        /// What it leaves.
        output: Output,
    },
    /// A step failed and is tried again later.
    StepRetried {
        /// Which.
        step: StepId,
        /// How it failed.
        failure: Failure,
        /// When it is tried again.
        until: Timestamp,
    },
    /// A step failed for good.
    StepFailed {
        /// Which.
        step: StepId,
        /// How.
        failure: Failure,
    },
    /// It is not known whether a step took effect.
    StepDoubted {
        /// Which.
        step: StepId,
        /// Why.
        doubt: Doubt,
    },
    /// Reading back a step did not tell; it is tried again later.
    ProbeRetried {
        /// Which.
        step: StepId,
        /// When.
        until: Timestamp,
    },
    /// The wait before reading back is over.
    ProbeDue {
        /// Which.
        step: StepId,
    },
    /// A step is as if it had never started: it took no effect, or its result is too old to use.
    StepReset {
        /// Which.
        step: StepId,
    },
    /// Nobody can read back a step: a person must say.
    StepUnknown {
        /// Which.
        step: StepId,
    },
    /// A person said what became of a step.
    Attested {
        /// Which.
        step: StepId,
        /// What was found.
        found: Probe,
        /// Who said so.
        by: Actor,
    },
    /// Every step before verification is done.
    VerificationStarted,
    /// Completed steps are being taken back.
    RollbackStarted {
        /// Why.
        cause: RollbackCause,
    },
    /// A step is about to be taken back.
    UndoStarted {
        /// Which.
        step: StepId,
        /// The attempt, from 1.
        attempt: u32,
        /// When it must have ended.
        deadline: Timestamp,
    },
    /// A step was taken back.
    Undone {
        /// Which.
        step: StepId,
    },
    /// Taking back failed and is tried again later.
    UndoRetried {
        /// Which.
        step: StepId,
        /// How it failed.
        failure: Failure,
        /// When it is tried again.
        until: Timestamp,
    },
    /// A step could not be taken back.
    UndoFailed {
        /// Which.
        step: StepId,
        /// How.
        failure: Failure,
    },
    /// Nothing new starts.
    Paused {
        /// Who wants so.
        by: Actor,
    },
    /// It goes on.
    Resumed {
        /// Who wants so.
        by: Actor,
    },
    /// The remaining steps will be skipped.
    StopRequested {
        /// Who wants so.
        by: Actor,
        /// How what is running is treated.
        mode: StopMode,
        /// Whether completed steps are taken back.
        undo: bool,
    },
    /// A newer deployment wants the resource.
    SupersedeRequested {
        /// Which.
        by: DeploymentId,
    },
    /// A new owner took over.
    Recovered {
        /// Its fence.
        fence: Option<Fence>,
    },
    /// Live, verified, read back.
    Succeeded,
    /// It failed; production is what it was before, or what `residue` says.
    Failed {
        /// Why.
        cause: Cause,
    },
    /// It failed behind the switch, and the release before serves again.
    RolledBack {
        /// Why.
        cause: Cause,
    },
    /// It was stopped.
    Stopped,
    /// A newer deployment took over.
    Superseded {
        /// Which.
        by: DeploymentId,
    },
}
