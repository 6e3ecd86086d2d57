//! The preview people and programs see: `deploy.plan/v1`.

use serde::{Deserialize, Serialize};

use super::changes::{Change, changes};
use super::compose::{Access, Artifact, Health, Network, PlannedCommand, Planner, RunPolicy, SourceSummary};
use super::draft::Draft;
use super::reuse::Reuse;
use super::step::Step;
use crate::admission::Verdict;
use crate::asked::again;
use crate::detect::Detection;
use crate::hint::Remedy;
use crate::id::{Digest, ResourceKey};
use crate::port::Survey;
use crate::reason::{Reason, ReasonCode};
use crate::spec::{Source, Spec};
use crate::time::Timestamp;

/// The value of `schemaVersion`.
pub const SCHEMA_VERSION: &str = "deploy.plan/v1";

/// Whether the plan can be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReadinessStatus {
    /// It can.
    Ready,
    /// It can, and something is doubtful.
    Warning,
    /// It says no.
    Blocked,
}

/// Whether the plan can be carried out, and the codes of what speaks against it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Readiness {
    /// The answer.
    pub status: ReadinessStatus,
    /// The codes of the blocking reasons, or of the warnings when none blocks.
    pub reason_codes: Vec<ReasonCode>,
}

/// The preview of a plan, blocked or not. A blocked one carries all that was resolved and all of its
/// reasons.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanDocument {
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// What identifies the plan.
    pub fingerprint: Digest,
    /// When it was made. Not part of the fingerprint.
    pub generated_at: Timestamp,
    /// Whether it can be carried out.
    pub readiness: Readiness,
    /// What is deployed.
    pub resource: ResourceKey,
    /// The executor.
    pub target: String,
    /// The source.
    pub source: SourceSummary,
    /// What was found.
    pub detection: Detection,
    /// The rule that planned it.
    pub planner: Planner,
    /// What is made.
    pub artifact: Option<Artifact>,
    /// What is run to make it.
    pub commands: Vec<PlannedCommand>,
    /// Where the app listens.
    pub network: Network,
    /// When it counts as healthy.
    pub health: Health,
    /// Where people reach it.
    pub access: Access,
    /// How far the engine may go.
    pub policy: RunPolicy,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What differs from the live release; empty offline, where it is not known.
    pub changes: Vec<Change>,
    /// What is taken as it is instead of being made again; empty where it is not known.
    #[serde(default)]
    pub reuses: Vec<Reuse>,
    /// What is doubtful.
    pub warnings: Vec<Reason>,
    /// Why it says no.
    pub blocked_reasons: Vec<Reason>,
    /// What to do next.
    pub next_actions: Vec<Remedy>,
}

impl PlanDocument {
    /// The document of the draft of a specification, compared with what is live where that is known.
    #[must_use]
    pub fn new(draft: &Draft, spec: &Spec, generated_at: Timestamp, survey: Option<&Survey>) -> Self {
        let (fingerprint, outline, reasons) = match draft {
            Draft::Ready(plan) => (plan.fingerprint(), plan.outline(), &[][..]),
            Draft::Blocked(blocked) => (blocked.fingerprint(), blocked.outline(), blocked.reasons()),
        };
        let outline = outline.clone();
        let live = survey.and_then(|survey| Some((survey.live_release.as_deref()?, survey.next_version)));
        Self {
            schema_version: SCHEMA_VERSION.to_owned(),
            fingerprint: fingerprint.clone(),
            generated_at,
            readiness: readiness(reasons, &outline.warnings),
            next_actions: next_actions(reasons, fingerprint, spec),
            changes: live.map(|(live, next)| changes(live, next, &outline)).unwrap_or_default(),
            reuses: Vec::new(),
            resource: outline.resource,
            target: outline.target.as_str().to_owned(),
            source: outline.source,
            detection: outline.detection,
            planner: outline.planner,
            artifact: outline.artifact,
            commands: outline.commands,
            network: outline.network,
            health: outline.health,
            access: outline.access,
            policy: outline.policy,
            steps: outline.steps,
            warnings: outline.warnings,
            blocked_reasons: reasons.to_vec(),
        }
    }
}

impl PlanDocument {
    /// The same, with what the policies say about carrying it out now. The fingerprint is the plan's alone.
    #[must_use]
    pub fn judged(mut self, verdict: Verdict) -> Self {
        let fix = |reason: &Reason| reason.fix.first().cloned();
        if self.blocked_reasons.is_empty() && !verdict.blocked.is_empty() {
            self.next_actions.clear();
        }
        self.next_actions.extend(verdict.blocked.iter().filter_map(fix));
        self.blocked_reasons.extend(verdict.blocked);
        self.warnings.extend(verdict.warnings);
        self.readiness = readiness(&self.blocked_reasons, &self.warnings);
        self
    }
}

fn readiness(reasons: &[Reason], warnings: &[Reason]) -> Readiness {
    let (status, because) = match (reasons, warnings) {
        ([], []) => (ReadinessStatus::Ready, reasons),
        ([], warnings) => (ReadinessStatus::Warning, warnings),
        (reasons, _) => (ReadinessStatus::Blocked, reasons),
    };
    Readiness { status, reason_codes: because.iter().map(|reason| reason.code).collect() }
}

fn next_actions(reasons: &[Reason], fingerprint: &Digest, spec: &Spec) -> Vec<Remedy> {
    if !reasons.is_empty() {
        return reasons.iter().filter_map(|reason| reason.fix.first()).cloned().collect();
    }
    let label = "carry out exactly this plan";
    vec![match (again(spec), &spec.source) {
        (Some(line), Source::Release { .. }) => Remedy::command("go back to it", line),
        (Some(line), _) => Remedy::command(label, line.option("--plan", fingerprint.to_string())),
        (None, _) => Remedy::by_hand(format!("{label}: ask for the same with planFingerprint {fingerprint}")),
    }]
}
