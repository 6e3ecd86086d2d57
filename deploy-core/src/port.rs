//! What the engine plugs into. Signatures only: this is the one async part of the pure crate.
//!
//! | you have | implement |
//! |---|---|
//! | somewhere that runs things | [`Executor`] |
//! | sources to read | [`Sources`] and [`Detector`] |
//! | a database | [`Journal`], [`Lease`], [`Catalogue`] and [`Logs`] |
//! | a clock, ids | [`Clock`], [`Ids`] |

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::admission::{Allowance, Petition, Verdict};
use crate::cancel::Cancel;
use crate::detect::Detected;
use crate::diagnosis::Diagnosis;
use crate::effect::{Effect, IdempotencyKey};
use crate::evidence::{Ask, Evidence};
use crate::failure::Failure;
use crate::history::{HistoryQuery, RunRecord};
use crate::id::{
    DeploymentId, Digest, Fence, Name, ReleaseId, ResourceId, ResourceKey, Seq, StepId, Version,
};
use crate::log::{Found, LogKeeping, LogLine, LogQuery, LogSearch, Tidied};
use crate::plan::{Outline, Output, Plan, Reuse, Step};
use crate::reason::{Reason, ReasonCode};
use crate::runtime_log::{RuntimeFrom, RuntimeLog, RuntimeLogError};
use crate::spec::{Profile, Source, Spec};
use crate::status::Status;
use crate::time::Timestamp;
use crate::wire::Envelope;

// ---------------------------------------------------------------------------------------------
// Executing

/// What an executor adds to a plan. Pure: the same outline always gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compiled {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The URL people will reach the release at, as far as it is known.
    pub url: Option<String>,
    /// Why this executor can't carry it out.
    pub blocked: Vec<Reason>,
    /// What is doubtful about it.
    pub warnings: Vec<Reason>,
}

/// What serves a resource now.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Live {
    /// Its number.
    pub release: Version,
    /// Its artifact.
    pub digest: Digest,
    /// The host name it is reached by.
    pub host: String,
    /// Where it answers.
    pub url: String,
    /// Whether it ever passed verification: one that did not is no release to go back to.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub verified: bool,
}

/// What is recorded without saying so was verified.
const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
const fn is_yes(verified: &bool) -> bool {
    *verified
}

/// What the target and the records hold when a plan is drafted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Survey {
    /// The release that serves now.
    pub live: Option<Live>,
    /// The whole record of it, for what the plan changes.
    pub live_release: Option<Arc<ReleaseRecord>>,
    /// The number the new release gets.
    pub next_version: Option<Version>,
    /// The release a rollback goes back to.
    pub release: Option<Arc<ReleaseRecord>>,
    /// What the world says against the plan: host taken, no space, artifact gone.
    pub reasons: Vec<Reason>,
}

/// What an executor reads back about a step after a crash or a lost reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Probe {
    /// The step took effect, whole.
    Present {
        /// What it left for the steps after it.
        output: Output,
    },
    /// It took no effect that another attempt would trip over.
    Absent,
    /// The world would not say.
    Unknown,
}

/// What an effect may see and use while it runs.
#[derive(Clone)]
pub struct StepContext {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The plan it carries out.
    pub plan: Arc<Plan>,
    /// What the steps before it leave, in order, without those that may run at the same time: the same
    /// for every attempt. While a step is taken back, what every completed step leaves, its own included.
    pub outputs: Vec<(StepId, Output)>,
    /// What served when the plan was drafted.
    pub live_before: Option<Live>,
    /// The number of the release in the making.
    pub version: Version,
    /// The source.
    pub source: Source,
    /// Asked to stop: end soon, and say how far it got.
    pub cancel: Cancel,
    /// Where output goes.
    pub logs: Arc<dyn LogSink>,
}

impl StepContext {
    /// The artifact that the steps so far agreed on: the last digest an output names.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.outputs.iter().rev().find_map(|(_, output)| output.digest.as_ref())
    }
}

/// A target: where releases run.
///
/// `perform` is idempotent per key: a second call with the same key has no second effect. `undo` is
/// idempotent and may be called for a step that was never performed.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Its name: the value of `target`.
    fn name(&self) -> &'static str;

    /// Adds its steps to a plan. Pure: no I/O, no clock.
    fn compile(&self, outline: &Outline) -> Compiled;

    /// Reads what speaks against a plan now: a host that is taken, an artifact that is gone. Reads
    /// only. A target that can't know in advance says nothing.
    async fn survey(&self, _request: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
        Ok(Vec::new())
    }

    /// What of a plan is there already, so that it will be taken as it is. Reads only, and answers soon; what can't
    /// be known is left out. It never changes what is served in the end.
    async fn reuses(&self, _outline: &Outline) -> Vec<Reuse> {
        Vec::new()
    }

    /// Which of these artifacts are certainly not there any more: somebody else removed them. Reads only, and
    /// answers soon; what can't be known is taken to be there.
    async fn missing(&self, _artifacts: &[Digest]) -> Vec<Digest> {
        Vec::new()
    }

    /// Carries out one step.
    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure>;

    /// Reads back whether a step took effect. An error counts as [`Probe::Unknown`].
    async fn probe(&self, key: &IdempotencyKey, step: &Step, cx: &StepContext) -> Result<Probe, Failure>;

    /// Takes a step back.
    async fn undo(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<(), Failure>;

    /// Frees what only `deployment` used and no release needs: workspaces, staged files. Called once
    /// after every ending; what it misses is found again by [`Executor::reclaim`].
    async fn finish(&self, _deployment: DeploymentId) -> Result<(), Failure> {
        Ok(())
    }

    /// Removes every artifact and leftover that neither a kept release nor an unfinished deployment
    /// needs. Never touches what is not ours.
    async fn reclaim(&self, keep: &Keep) -> Result<(), Failure>;

    /// Whether [`Executor::runtime_log`] has something to open for releases of this target. Asks nobody.
    fn keeps_output(&self) -> bool {
        false
    }

    /// Opens what a release writes while it serves. Reads only.
    ///
    /// # Errors
    /// [`RuntimeLogError::Absent`] where the target keeps no such output.
    async fn runtime_log(
        &self,
        _release: &ReleaseRecord,
        _from: RuntimeFrom,
    ) -> Result<Box<dyn RuntimeLog>, RuntimeLogError> {
        Err(RuntimeLogError::Absent { why: "this target keeps no output of a running release" })
    }
}

/// What [`Executor::survey`] is asked about.
#[derive(Debug, Clone, Copy)]
pub struct SurveyRequest<'a> {
    /// What is deployed.
    pub resource: &'a ResourceKey,
    /// What was asked for.
    pub spec: &'a Spec,
    /// The host name the plan wants.
    pub host: &'a str,
    /// The artifact a rollback needs.
    pub digest: Option<&'a Digest>,
}

/// What retention must not touch, over all resources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keep {
    /// Artifacts of live and kept releases.
    pub digests: Vec<Digest>,
    /// Deployments that are not finished.
    pub deployments: Vec<DeploymentId>,
}

// ---------------------------------------------------------------------------------------------
// Reading sources

/// How a source is laid out on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As it is; nothing may be written there.
    ReadOnly,
    /// A copy of its own in the given workspace, without what ignore files leave out.
    Workspace,
}

/// Says of a path, and whether it is a directory, that it is not published.
pub type LeftOut = Box<dyn Fn(&str, bool) -> bool + Send + Sync>;

/// Reads sources. Never runs anything from them and never follows a link out of them.
#[async_trait]
pub trait Sources: Send + Sync {
    /// Opens a source to be asked about. Fetches it first where it is somewhere else.
    ///
    /// # Errors
    /// Every reason why it can't be read, for the preview.
    async fn open(&self, source: &Source, profile: &Profile) -> Result<Box<dyn OpenSource>, Vec<Reason>>;

    /// What is not published although it lies in `directory` of a checkout: our own files, and what
    /// ignore files name. Paths are relative to `directory`.
    fn left_out(&self, checkout: &Path, directory: &Path) -> LeftOut;

    /// The base directory of the source on this machine.
    async fn checkout(
        &self,
        source: &Source,
        profile: &Profile,
        layout: Layout,
        workspace: &Path,
        cancel: &Cancel,
    ) -> Result<PathBuf, Failure>;
}

/// A source that answers questions. Dropping it removes whatever was made to read it.
#[async_trait]
pub trait OpenSource: Send {
    /// The commit it is at, where it is a checkout.
    fn commit(&self) -> Option<String>;

    /// The content of the archive that it is, where it is one.
    fn digest(&self) -> Option<Digest> {
        None
    }

    /// Answers every ask into `evidence`. What can't be read is an answer, too.
    ///
    /// # Errors
    /// Reasons why the source as a whole can't be read any more.
    async fn look(&mut self, asks: &BTreeSet<Ask>, evidence: &mut Evidence) -> Result<(), Vec<Reason>>;
}

/// Recognises projects. Pure: evidence and profile in, detection out.
pub trait Detector: Send + Sync {
    /// What the evidence says, or what has to be known before that can be said.
    ///
    /// It depends on what it asked for only: knowing more of the same source changes nothing.
    fn detect(&self, evidence: &Evidence, profile: &Profile) -> Detected;
}

// ---------------------------------------------------------------------------------------------
// Remembering

/// What one append writes, all in one transaction.
#[derive(Debug, Clone)]
pub struct Append {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The sequence number the writer believes to be the last.
    pub after: Seq,
    /// The fence the writer believes to hold; `None` where the deployment holds no lease.
    pub fence: Option<Fence>,
    /// The events, numbered from `after + 1` without a gap.
    pub events: Vec<Envelope>,
    /// The status at the last of these events: what every reader sees from now on.
    pub status: Status,
    /// What the events change about releases.
    pub release: Option<ReleaseChange>,
}

/// What a submission writes, all in one transaction.
#[derive(Debug, Clone)]
pub struct Create {
    /// The first event, with its status.
    pub append: Append,
    /// What is deployed.
    pub resource: ResourceKey,
    /// Protects against submitting twice, with the digest of the request it belongs to.
    pub idempotency: Option<(String, Digest)>,
    /// What happens if another deployment of the resource is not finished.
    pub busy: WhenBusy,
    /// How many of its workspace may wait, this one included.
    pub waiting_max: u32,
}

/// What happens to a submission while another deployment of the resource is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WhenBusy {
    /// It is refused.
    #[default]
    Refuse,
    /// It waits for its turn, first come, first served.
    Wait,
    /// It waits for its turn, and those of its resource that wait already are superseded: of all that wait, only
    /// the newest is deployed. What runs goes on. One whose turn comes at that very moment is stopped as early as
    /// may be.
    Supersede,
}

/// How a submission was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is recorded.
    New,
    /// The same request came before under the same idempotency key: this is its deployment.
    Known(DeploymentId),
}

/// Why the store said no, or could not say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Somebody else wrote at this position.
    #[error("another writer is ahead: the last event is {actual}")]
    Conflict {
        /// The last sequence number there is.
        actual: Seq,
    },
    /// A newer owner holds the resource.
    #[error("a newer owner holds the resource under fence {}", current.0)]
    Fenced {
        /// The fence that is valid.
        current: Fence,
    },
    /// Another deployment of the resource is not finished.
    #[error("{holder} is not finished")]
    Busy {
        /// The deployment that is not.
        holder: DeploymentId,
    },
    /// As many deployments of the workspace run as may, or the turns that are left belong to elder ones.
    #[error("{running} deployments of the workspace run, and it is not this one's turn")]
    WorkspaceFull {
        /// How many own their resource.
        running: u32,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// There is no such record.
    #[error("there is no such record")]
    NotFound,
    /// A limit of the store is reached.
    #[error("the store's limit is reached: {what}")]
    Limit {
        /// Which one.
        what: String,
    },
    /// No space left. Reading still works.
    #[error("the store has no space left")]
    Full,
    /// A record can't be read.
    #[error("a record can't be read: {what}")]
    Corrupt {
        /// Which one, and what is wrong.
        what: String,
    },
    /// It is not known whether the write happened: read before writing again.
    #[error("it is not known whether the store wrote: {what}")]
    Unknown {
        /// What went wrong.
        what: String,
    },
    /// The store can't be reached.
    #[error("the store can't be reached: {what}")]
    Unavailable {
        /// What went wrong.
        what: String,
    },
}

impl StoreError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "store_conflict",
            Self::Fenced { .. } => "stale_fence",
            Self::Busy { .. } => "resource_busy",
            Self::WorkspaceFull { .. } => "workspace_full",
            Self::KeyReused => "idempotency_key_reused",
            Self::NotFound => "not_found",
            Self::Limit { .. } => "store_limit",
            Self::Full => "store_full",
            Self::Corrupt { .. } => "store_corrupt",
            Self::Unknown { .. } => "store_unknown",
            Self::Unavailable { .. } => "store_unavailable",
        }
    }
}

/// The journal: durable before it acknowledges.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Records a submission, or says which deployment it already is.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the resource has an unfinished deployment and the request says
    /// [`WhenBusy::Refuse`]; [`StoreError::Limit`] when as many of the workspace wait as may;
    /// [`StoreError::KeyReused`]; and what [`Journal::append`] says.
    async fn create(&self, create: Create) -> Result<Created, StoreError>;

    /// The deployment that was submitted under a key, if there is one.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`] when it was another request.
    async fn known(&self, key: &str, request: &Digest) -> Result<Option<DeploymentId>, StoreError>;

    /// Appends events, with the status and release they lead to, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when `after` is not the last event; [`StoreError::Fenced`] when the
    /// fence is not the resource's; [`StoreError::Unknown`] when the writer must read first.
    async fn append(&self, append: Append) -> Result<(), StoreError>;

    /// At most `limit` events after a sequence number, in order.
    async fn events(
        &self,
        deployment: DeploymentId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Envelope>, StoreError>;

    /// Every deployment without an ending, oldest first.
    async fn unfinished(&self) -> Result<Vec<DeploymentId>, StoreError>;
}

/// Exclusive ownership of a resource, one deployment at a time, and so many at once of a workspace.
///
/// The order of a workspace is that of acceptance, over those that could go on: whose resource is free and
/// has no elder in the way. Whoever is paused, or deferred by a policy, takes nobody's turn and keeps its
/// place. So everybody's turn comes: only finitely many are elder, and nobody overtakes who could go on.
#[async_trait]
pub trait Lease: Send + Sync {
    /// Takes the resource for a deployment and returns a fence greater than any before. Taking it
    /// again for the same deployment gives a new fence: the old owner is fenced out.
    ///
    /// `concurrent` is how many of the workspace may own their resource at once. It is compared in the
    /// transaction that grants, so it holds for any number of engines on one store.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while another deployment holds it, or waits since before this one;
    /// [`StoreError::WorkspaceFull`] while it is not its turn in the workspace.
    async fn acquire(
        &self,
        resource: &ResourceKey,
        by: DeploymentId,
        concurrent: u32,
    ) -> Result<Fence, StoreError>;

    /// Those of a workspace whose turn it is now, eldest first, at most `limit`: acquiring would be
    /// granted to each of them, if nothing changes meanwhile.
    async fn turns(
        &self,
        workspace: &Name,
        concurrent: u32,
        limit: usize,
    ) -> Result<Vec<DeploymentId>, StoreError>;

    /// Gives it back. Giving back what is no longer held is fine.
    async fn release(&self, resource: &ResourceKey, fence: Fence) -> Result<(), StoreError>;
}

/// Whether a release can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReleaseState {
    /// It serves now.
    Live,
    /// It served and can serve again.
    Previous,
    /// It never passed verification.
    Failed,
    /// Its artifact was removed.
    Pruned,
}

impl ReleaseState {
    /// Why nobody can go back to such a release, as a code and the rest of a sentence; `None` when
    /// somebody can.
    #[must_use]
    pub const fn refusal(self) -> Option<(ReasonCode, &'static str)> {
        match self {
            Self::Previous => None,
            Self::Live => Some((ReasonCode::ReleaseAlreadyLive, "is live already")),
            Self::Failed => Some((ReasonCode::ReleaseNotUsable, "never passed verification")),
            Self::Pruned => Some((ReasonCode::ReleaseNotUsable, "was pruned")),
        }
    }
}

/// A release: a numbered artifact with the configuration it was verified with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReleaseRecord {
    /// Its id.
    pub id: ReleaseId,
    /// Its number within the resource.
    pub version: Version,
    /// Whether it can be used.
    pub state: ReleaseState,
    /// Its artifact.
    pub digest: Digest,
    /// Where it answered.
    pub url: String,
    /// The deployment that made it.
    pub deployment: DeploymentId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it passed verification. One that serves although it did not is not one to go back to.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub verified: bool,
    /// The configuration it was verified with.
    pub outline: Outline,
}

/// What an ending changes about releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseChange {
    /// This new release serves now; the one that did is `previous`.
    Made(Box<ReleaseRecord>),
    /// This kept release serves again.
    Restored(Version),
    /// This new release did not pass; nothing else changes.
    Failed(Box<ReleaseRecord>),
}

/// A resource and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRecord {
    /// Its id.
    pub id: ResourceId,
    /// Its name and environment.
    pub key: ResourceKey,
}

/// Which deployments a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListQuery {
    /// Only this resource (any environment).
    pub resource: Option<String>,
    /// Only this environment.
    pub environment: Option<String>,
    /// Only this status.
    pub status: Option<String>,
    /// Only with this trigger: see [`Trigger::as_str`](crate::spec::Trigger::as_str).
    pub trigger: Option<String>,
    /// Only asked for by this actor.
    pub actor: Option<String>,
    /// Only accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Only accepted before this time.
    pub until: Option<Timestamp>,
    /// Only older than this one.
    pub before: Option<DeploymentId>,
    /// At most this many.
    pub limit: usize,
}

/// Reading what is recorded. Every answer shows a state that was durable.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The id of a resource; `candidate` becomes its id if it has none yet.
    async fn resource(&self, key: &ResourceKey, candidate: ResourceId) -> Result<ResourceRecord, StoreError>;

    /// The resource of an id.
    async fn resource_by_id(&self, id: ResourceId) -> Result<ResourceRecord, StoreError>;

    /// The status of a deployment at its last durable event.
    async fn status(&self, deployment: DeploymentId) -> Result<Status, StoreError>;

    /// The unfinished deployments of a workspace that do not rest in `blocked`, oldest first, at most `limit`.
    async fn queue(&self, workspace: &Name, limit: usize) -> Result<Vec<Status>, StoreError>;

    /// Deployments, newest first.
    async fn list(&self, query: &ListQuery) -> Result<Vec<Status>, StoreError>;

    /// What is left of deployments when only figures are wanted, in the order of acceptance. It reads no
    /// event and no status.
    async fn history(&self, query: &HistoryQuery) -> Result<Vec<RunRecord>, StoreError>;

    /// The releases of a resource, newest first.
    async fn releases(&self, resource: &ResourceKey) -> Result<Vec<ReleaseRecord>, StoreError>;

    /// What retention must keep, over all resources.
    async fn kept(&self) -> Result<Keep, StoreError>;

    /// Marks the releases beyond the newest `keep` usable ones as pruned, never the live one. What it costs does not
    /// grow with other resources: it happens behind every deployment.
    async fn retain(&self, resource: &ResourceKey, keep: u32) -> Result<(), StoreError>;
}

// ---------------------------------------------------------------------------------------------
// Output

/// Takes log lines. Never blocks; under a flood it drops and counts, and says so in the log.
pub trait LogSink: Send + Sync {
    /// Takes one line.
    fn line(&self, line: LogLine);
}

/// Log lines that are kept.
#[async_trait]
pub trait Logs: LogSink {
    /// At most `query.limit` lines, in order, archived ones like any others.
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>, StoreError>;

    /// Looks for a text in live and archived lines. Bounded: what was not looked at is said.
    async fn search(&self, search: &LogSearch) -> Result<Found, StoreError>;

    /// Archives and removes lines of deployments that ended long enough before `now`, some at a time: call
    /// it again until it has done nothing. No event is touched.
    async fn tidy(&self, now: Timestamp, keep: &LogKeeping) -> Result<Tidied, StoreError>;

    /// Returns when every line taken before is readable.
    async fn flush(&self) -> Result<(), StoreError>;
}

// ---------------------------------------------------------------------------------------------
// Explaining

/// Explains failures beyond what the rules of [`crate::diagnosis`] know: a runbook, a search, a language
/// model. It is asked only when somebody asks, and never decides anything.
#[async_trait]
pub trait Explainer: Send + Sync {
    /// The likely cause, from the status of a deployment that failed and the last lines of its log.
    async fn explain(&self, status: &Status, log: &[LogLine]) -> Option<Diagnosis>;
}

// ---------------------------------------------------------------------------------------------
// Admitting

/// Says who may deploy now, and how much at once. It is asked at a preview, at a submission, and again
/// whenever a deployment could leave the queue; so whatever it says may change at any time.
#[async_trait]
pub trait Admission: Send + Sync {
    /// The workspace that a resource belongs to.
    fn workspace(&self, resource: &ResourceKey) -> Name;

    /// How much the workspace may have going on at once.
    fn allowance(&self, workspace: &Name) -> Allowance;

    /// Whether a submission of this workspace that waits supersedes those of its resource that wait already.
    fn supersedes(&self, _workspace: &Name) -> bool {
        false
    }

    /// What speaks against carrying it out now. It answers soon, and reads only.
    async fn judge(&self, petition: &Petition<'_>) -> Verdict;
}

// ---------------------------------------------------------------------------------------------
// Time and ids

/// The time. The lifecycle never asks; the engine puts it into every input.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// New ids.
pub trait Ids: Send + Sync {
    /// A new deployment.
    fn deployment(&self) -> DeploymentId;
    /// A new resource.
    fn resource(&self) -> ResourceId;
    /// A new release.
    fn release(&self) -> ReleaseId;
}

/// What the engine is about to do or has done, for tests and instruments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// Events are about to be written.
    Appending(DeploymentId, Seq),
    /// Events were acknowledged as durable.
    Appended(DeploymentId, Seq),
    /// An effect is about to start.
    Starting(Effect),
    /// An effect has ended in the world; nothing about that is recorded yet.
    Ended(Effect),
}

/// Sees every moment. It is called in line, so it must be quick.
pub trait Observer: Send + Sync {
    /// Sees one.
    fn moment(&self, moment: &Moment);
}
