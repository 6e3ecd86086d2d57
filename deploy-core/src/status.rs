//! The read model: the words people and programs see. CLI and HTTP serialise it and decide nothing.

use serde::{Deserialize, Serialize};

use crate::acceptance::Acceptance;
use crate::diagnosis::Diagnosis;
use crate::evidence::Fact;
use crate::failure::FailureCode;
use crate::hint::Hint;
use crate::id::{DeploymentId, Digest, Name, ResourceId, Seq, StepId, Version};
use crate::lifecycle::PhaseName;
use crate::plan::SourceSummary;
use crate::reason::Reason;
use crate::spec::{Actor, Trigger, default_workspace};
use crate::time::Timestamp;

/// Where a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StatusName {
    /// It waits for its turn.
    Queued,
    /// The source is being read.
    Detecting,
    /// The plan is being drafted.
    Planning,
    /// The plan says no.
    Blocked,
    /// The plan waits for approval.
    Planned,
    /// Steps run that no user sees.
    Executing,
    /// The new release is being checked and switched to.
    Verifying,
    /// Steps are being taken back.
    RollingBack,
    /// Live, verified, read back.
    Succeeded,
    /// It failed.
    Failed,
    /// It failed, and the release before serves again.
    RolledBack,
    /// It was stopped.
    Stopped,
    /// A newer deployment took over.
    Superseded,
}

impl StatusName {
    /// Every status.
    pub const ALL: [Self; 13] = [
        Self::Queued,
        Self::Detecting,
        Self::Planning,
        Self::Blocked,
        Self::Planned,
        Self::Executing,
        Self::Verifying,
        Self::RollingBack,
        Self::Succeeded,
        Self::Failed,
        Self::RolledBack,
        Self::Stopped,
        Self::Superseded,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Detecting => "detecting",
            Self::Planning => "planning",
            Self::Blocked => "blocked",
            Self::Planned => "planned",
            Self::Executing => "executing",
            Self::Verifying => "verifying",
            Self::RollingBack => "rolling-back",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::Stopped => "stopped",
            Self::Superseded => "superseded",
        }
    }

    /// Whether nothing will ever change again.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Queued
            | Self::Detecting
            | Self::Planning
            | Self::Blocked
            | Self::Planned
            | Self::Executing
            | Self::Verifying
            | Self::RollingBack => false,
            Self::Succeeded | Self::Failed | Self::RolledBack | Self::Stopped | Self::Superseded => true,
        }
    }

    /// Whether it moves without anybody doing anything: neither ended nor waiting for a person.
    #[must_use]
    pub const fn is_moving(self) -> bool {
        match self {
            Self::Queued
            | Self::Detecting
            | Self::Planning
            | Self::Executing
            | Self::Verifying
            | Self::RollingBack => true,
            Self::Blocked | Self::Planned => false,
            Self::Succeeded | Self::Failed | Self::RolledBack | Self::Stopped | Self::Superseded => false,
        }
    }
}

/// The status folded for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RunStatus {
    /// Nothing has run yet.
    Started,
    /// It runs.
    InProgress,
    /// It succeeded.
    Completed,
    /// It did not.
    Failed,
    /// It waits for somebody to resume it.
    Paused,
    /// It was stopped or superseded.
    Stopped,
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StepStatusName {
    /// Not started.
    Pending,
    /// Started; its outcome may be in doubt.
    Running,
    /// It took effect.
    Completed,
    /// It failed.
    Failed,
    /// It will never run.
    Skipped,
}

/// One step as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepStatus {
    /// Its name.
    pub id: StepId,
    /// Its phase.
    pub phase: PhaseName,
    /// What it does.
    pub title: String,
    /// Where it is.
    pub state: StepStatusName,
    /// Whether it was taken back.
    pub undone: bool,
    /// How often it was started.
    pub attempts: u32,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Why a deployment did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailureStatus {
    /// The phase.
    pub phase: PhaseName,
    /// The step, where one is to blame.
    pub step: Option<StepId>,
    /// The stable code.
    pub code: FailureCode,
    /// What happened.
    pub message: String,
    /// Whether trying again, with nothing changed, can help.
    pub retryable: bool,
    /// The profile field it concerns, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile_field: Option<String>,
    /// What shows it.
    pub evidence: Vec<Fact>,
    /// The last lines of output.
    pub tail: Vec<String>,
    /// What most likely caused it, where a rule knows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub likely: Option<Diagnosis>,
}

/// What serves now.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LiveNow {
    /// The release.
    pub release: Version,
    /// Where it answers.
    pub url: String,
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PhaseTiming {
    /// The phase.
    pub phase: PhaseName,
    /// When it began.
    pub started_at: Timestamp,
    /// When the next one began, or the deployment ended.
    pub ended_at: Option<Timestamp>,
}

/// A deployment as people and programs see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// The deployment.
    pub id: DeploymentId,
    /// The resource.
    pub resource_id: ResourceId,
    /// The resource's name.
    pub resource: Name,
    /// Its environment.
    pub environment: Name,
    /// The workspace that it counts for.
    #[serde(default = "default_workspace")]
    pub workspace: Name,
    /// The executor.
    pub target: Name,
    /// Why it exists.
    pub trigger: Trigger,
    /// Who asked for it.
    pub actor: Actor,
    /// Where it is.
    pub status: StatusName,
    /// The same, folded for people.
    pub run_status: RunStatus,
    /// The phase it is in, or ended in.
    pub current_phase: PhaseName,
    /// Whether somebody paused it.
    pub paused: bool,
    /// The source.
    pub source_summary: SourceSummary,
    /// The plan it carries out.
    pub plan_fingerprint: Option<Digest>,
    /// Its steps, in order.
    pub steps: Vec<StepStatus>,
    /// Why the plan says no.
    pub blocked_reasons: Vec<Reason>,
    /// Why a policy does not let it go on yet, and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferred_reasons: Vec<Reason>,
    /// Why it did not succeed.
    pub failure: Option<FailureStatus>,
    /// What to do about that, or about what it waits for.
    pub recovery: Option<Hint>,
    /// The hint alone.
    pub recovery_hint: Option<String>,
    /// Completed steps whose effects are still in place after an ending without success.
    pub residue: Vec<StepId>,
    /// What serves now; absent when nothing does, or when it is not known.
    pub live_now: Option<LiveNow>,
    /// The acceptance checks that were settled so far.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub acceptance: Vec<Acceptance>,
    /// The release it made or restored; absent until it succeeded.
    pub release: Option<Version>,
    /// The artifact, once there is one.
    pub digest: Option<Digest>,
    /// Its exit code (contract.md), once it rests.
    pub exit_code: Option<u8>,
    /// The number of the last event.
    pub sequence: Seq,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its turn came; absent while it waits for it.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When the last event was decided.
    pub updated_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its phases so far.
    pub phases: Vec<PhaseTiming>,
}

impl Status {
    /// Whether it waits for its turn and would take it: nobody paused it, and no policy says no.
    #[must_use]
    pub fn asks_for_its_turn(&self) -> bool {
        self.status == StatusName::Queued && !self.paused && self.deferred_reasons.is_empty()
    }

    /// Whether it owns its resource: its turn has come, and it neither ended nor rests.
    #[must_use]
    pub fn owns_its_resource(&self) -> bool {
        self.status != StatusName::Queued && self.is_in_the_way()
    }

    /// Whether it is in the way of those behind it: neither ended nor resting, and let go on by every policy.
    #[must_use]
    pub fn is_in_the_way(&self) -> bool {
        !self.status.is_ended() && self.status != StatusName::Blocked && self.deferred_reasons.is_empty()
    }
}
