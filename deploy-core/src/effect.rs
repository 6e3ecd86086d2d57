//! Effects: the work a state wants done, as data.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, Fence, StepId};
use crate::time::Span;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EffectKind {
    /// Take the resource.
    Claim,
    /// Read the source and detect what it is.
    Inspect,
    /// Survey the target and draft the plan.
    Draft,
    /// Carry out a step.
    Perform {
        /// Which.
        step: StepId,
    },
    /// Read back whether a step took effect.
    Probe {
        /// Which.
        step: StepId,
    },
    /// Take a step back.
    Undo {
        /// Which.
        step: StepId,
    },
}

impl EffectKind {
    /// The step it concerns.
    #[must_use]
    pub const fn step(&self) -> Option<&StepId> {
        match self {
            Self::Claim | Self::Inspect | Self::Draft => None,
            Self::Perform { step } | Self::Probe { step } | Self::Undo { step } => Some(step),
        }
    }
}

/// Doing or taking back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Direction {
    /// Doing.
    Do,
    /// Taking back.
    Undo,
}

/// Names an intention, not an attempt: every retry of a step has the same key, so an executor can
/// derive deterministic names from it and find again what an earlier attempt left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdempotencyKey {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The step.
    pub step: StepId,
    /// Doing or taking back.
    pub direction: Direction,
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Do => "do",
            Direction::Undo => "undo",
        };
        write!(f, "{}-{}-{direction}", self.deployment, self.step)
    }
}

/// One piece of work that a state wants running now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Effect {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What is to be done.
    pub kind: EffectKind,
    /// The attempt, from 1. A new attempt is a new effect with the same key.
    pub attempt: u32,
    /// The fence it acts under; absent where nothing is owned yet.
    pub fence: Option<Fence>,
    /// How long it may take before the engine stops it.
    pub timeout: Span,
}

impl Effect {
    /// The key of the step it concerns.
    #[must_use]
    pub fn key(&self) -> Option<IdempotencyKey> {
        let direction = match self.kind {
            EffectKind::Claim | EffectKind::Inspect | EffectKind::Draft => return None,
            EffectKind::Perform { .. } | EffectKind::Probe { .. } => Direction::Do,
            EffectKind::Undo { .. } => Direction::Undo,
        };
        let step = self.kind.step()?.clone();
        Some(IdempotencyKey { deployment: self.deployment, step, direction })
    }
}
