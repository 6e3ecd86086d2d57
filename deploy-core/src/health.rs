//! When something counts as healthy: a policy, and the fold that turns observations into a verdict.
//!
//! The verdict is a pure function of the sequence of observations: the same answers at the same
//! times always give the same verdict, so neither luck nor the prober decides.

use serde::{Deserialize, Serialize};

use crate::planted::{self, Bug};
use crate::time::{Span, Timestamp};

/// The health policy of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthPolicy {
    /// The path that is asked for.
    pub path: String,
    /// The time between two attempts.
    pub interval: Span,
    /// How long one attempt may take.
    pub timeout: Span,
    /// How many good answers in a row make it healthy; at least 1.
    pub healthy_after: u32,
    /// How long it may take until it is healthy.
    pub deadline: Span,
    /// The status that counts as good; any 2xx when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_status: Option<u16>,
    /// A text the body must contain.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_body: Option<String>,
}

/// What the fold says after an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not enough good answers in a row yet, and there is time left.
    Undecided,
    /// Healthy.
    Healthy,
    /// The deadline passed first.
    Unhealthy,
}

/// Counts good answers in a row against a policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Judge {
    needed: u32,
    deadline: Timestamp,
    in_a_row: u32,
    attempts: u32,
}

impl Judge {
    /// A judge that starts now.
    #[must_use]
    pub fn new(policy: &HealthPolicy, now: Timestamp) -> Self {
        Self {
            needed: if planted::is(Bug::OneGoodAnswerIsHealthy) { 1 } else { policy.healthy_after.max(1) },
            deadline: now.after(policy.deadline),
            in_a_row: 0,
            attempts: 0,
        }
    }

    /// Takes one observation, made at `at`, and says where that leaves us.
    ///
    /// A bad answer starts the count again. An answer after the deadline can no longer help.
    pub fn observe(&mut self, good: bool, at: Timestamp) -> Verdict {
        self.attempts = self.attempts.saturating_add(1);
        self.in_a_row = if good { self.in_a_row + 1 } else { 0 };
        if self.in_a_row >= self.needed && at <= self.deadline {
            Verdict::Healthy
        } else if at >= self.deadline {
            Verdict::Unhealthy
        } else {
            Verdict::Undecided
        }
    }

    /// How many observations were made.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }
}
