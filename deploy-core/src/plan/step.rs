//! One step of a plan, and what it leaves behind for the steps after it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::acceptance::Acceptance;
use crate::id::{Digest, StepId};
use crate::lifecycle::PhaseName;
use crate::time::Span;

/// What a step does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StepKind {
    /// Changes something that no user sees yet: build, upload, start beside the live release.
    Act,
    /// Reads the world and says whether it is as it should be. May be repeated at any time.
    Check,
    /// Sends traffic to the new release.
    Switch {
        /// Whether a passed check of the same digest, under the same fence, must come first.
        /// Only a target that can't run a candidate beside the live release says no.
        needs_check: bool,
    },
}

/// How a step is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Undo {
    /// It leaves nothing behind.
    NotNeeded,
    /// The executor takes it back.
    Automatic {
        /// What is done then.
        title: String,
    },
    /// Nobody can take it back.
    Irreversible {
        /// Why.
        why: String,
    },
}

/// How often a step is tried, and how long between: the wait doubles with each attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The wait after the first failed attempt.
    pub backoff: Span,
}

impl Retry {
    /// One attempt.
    pub const NEVER: Self = Self { attempts: 1, backoff: Span::ZERO };

    /// The wait after the given failed attempt (from 1), at most one minute.
    #[must_use]
    pub fn wait(self, attempt: u32) -> Span {
        let doubled = self.backoff.as_millis().saturating_mul(1 << attempt.saturating_sub(1).min(16));
        Span::from_millis(doubled.min(60_000))
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// Its name within the plan.
    pub id: StepId,
    /// The phase it belongs to: execute or verify.
    pub phase: PhaseName,
    /// What it does, for people.
    pub title: String,
    /// What it does to the world.
    pub action: StepKind,
    /// How it is taken back.
    pub undo: Undo,
    /// How long one attempt may take.
    pub timeout: Span,
    /// How often it is tried.
    pub retry: Retry,
    /// Whether it may be done again when nobody knows whether it was done.
    pub repeatable: bool,
    /// Whether it may run at the same time as the step before it, because it needs nothing of what that
    /// one leaves. Counts between acts of one phase only: a check looks at what was finished, and a
    /// switch is never one of several.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub beside: bool,
}

impl Step {
    /// How long an attempt may take unless said otherwise: a minute.
    pub const TIMEOUT: Span = Span::from_secs(60);

    /// A step that changes something nobody sees yet, in the phase execute. Unless said otherwise it leaves
    /// nothing to take back, may take [`Step::TIMEOUT`], is tried once, and may be repeated when nobody knows
    /// whether it was done.
    pub fn act(id: StepId, title: impl Into<String>) -> Self {
        Self::new(id, PhaseName::Execute, title, StepKind::Act)
    }

    /// A step that looks at the world, in the phase verify.
    pub fn check(id: StepId, title: impl Into<String>) -> Self {
        Self::new(id, PhaseName::Verify, title, StepKind::Check)
    }

    /// The step that sends traffic to the new release, in the phase verify, after a check of the same artifact.
    pub fn switch(id: StepId, title: impl Into<String>) -> Self {
        Self::new(id, PhaseName::Verify, title, StepKind::Switch { needs_check: true })
    }

    fn new(id: StepId, phase: PhaseName, title: impl Into<String>, action: StepKind) -> Self {
        Self {
            id,
            phase,
            title: title.into(),
            action,
            undo: Undo::NotNeeded,
            timeout: Self::TIMEOUT,
            retry: Retry::NEVER,
            repeatable: true,
            beside: false,
        }
    }

    /// The executor can take it back.
    #[must_use]
    pub fn undone_by(mut self, title: impl Into<String>) -> Self {
        self.undo = Undo::Automatic { title: title.into() };
        self
    }

    /// Nobody can take it back; the plan says why before anything runs.
    #[must_use]
    pub fn irreversible(mut self, why: impl Into<String>) -> Self {
        self.undo = Undo::Irreversible { why: why.into() };
        self
    }

    /// How long one attempt may take.
    #[must_use]
    pub const fn within(mut self, timeout: Span) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often it is tried.
    #[must_use]
    pub const fn tried(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// It may run at the same time as the step before it.
    #[must_use]
    pub const fn beside_the_one_before(mut self) -> Self {
        self.beside = true;
        self
    }
}

/// What a completed step leaves for those after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Output {
    /// The artifact that was made, checked or routed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The URL it answers at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What else is worth keeping, for people and for later steps of the same executor.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The acceptance checks that it settled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<Acceptance>,
}

impl Output {
    /// An output that names an artifact.
    #[must_use]
    pub fn of(digest: Digest) -> Self {
        Self { digest: Some(digest), ..Self::default() }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.facts.insert(key.to_owned(), value.into());
        self
    }
}
