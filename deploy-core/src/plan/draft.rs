//! Drafting: specification, detection and survey become a plan, or every reason why not. Pure.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::compose::{self, Outline};
use super::step::Step;
use crate::detect::Detection;
use crate::id::Digest;
use crate::port::{Executor, Survey};
use crate::reason::{Reason, ReasonCode};
use crate::spec::{Approval, Source, Spec};

/// A plan that can be carried out. It exists only without a blocking reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Plan {
    fingerprint: Digest,
    outline: Outline,
}

impl Plan {
    /// What identifies this plan: equal for the same source facts, profile and target, wherever the
    /// source lies and whenever it is planned.
    #[must_use]
    pub const fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }

    /// What it says.
    #[must_use]
    pub const fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The steps in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.outline.steps
    }
}

/// A plan that says no, with everything that was resolved and all of its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlockedPlan {
    fingerprint: Digest,
    outline: Outline,
    reasons: Vec<Reason>,
}

impl BlockedPlan {
    /// What identifies what was resolved.
    #[must_use]
    pub const fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }

    /// What was resolved.
    #[must_use]
    pub const fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Why it says no; never empty.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }
}

/// What drafting comes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Draft {
    /// It can be carried out.
    Ready(Arc<Plan>),
    /// It says no.
    Blocked(Arc<BlockedPlan>),
}

/// What a draft is made from.
#[derive(Clone, Copy)]
pub struct DraftRequest<'a> {
    /// What was asked for.
    pub spec: &'a Spec,
    /// What was found.
    pub detection: &'a Detection,
    /// What the target holds now; absent in an offline preview.
    pub survey: Option<&'a Survey>,
    /// The executor the specification names, if it is installed.
    pub executor: Option<&'a dyn Executor>,
    /// The names of the executors that are installed, for the message when it is not.
    pub installed: &'a [&'static str],
}

/// Drafts a plan. The same request always gives the byte-same draft.
#[must_use]
pub fn draft(request: &DraftRequest<'_>) -> Draft {
    let (mut outline, mut reasons) = match &request.spec.source {
        Source::Directory { .. } | Source::Git { .. } | Source::Archive { .. } | Source::Image { .. } => {
            compose::outline(request.spec, request.detection)
        }
        Source::Release { .. } => rollback_outline(request),
    };
    if let Some(survey) = request.survey {
        reasons.extend(survey.reasons.iter().cloned());
    }
    let nothing_to_restore = matches!(request.spec.source, Source::Release { .. })
        && request.survey.is_none_or(|survey| survey.release.is_none());
    match request.executor {
        Some(_) if nothing_to_restore => {}
        Some(executor) => {
            let compiled = executor.compile(&outline);
            outline.steps = compiled.steps;
            outline.access.url = compiled.url;
            outline.warnings.extend(compiled.warnings);
            reasons.extend(compiled.blocked);
        }
        None => reasons.push(unsupported_target(request)),
    }
    let fingerprint = fingerprint(&outline);
    if let Approval::Exactly { fingerprint: approved } = &request.spec.approval
        && *approved != fingerprint
    {
        let message = format!("the approved plan was {approved}, this one is {fingerprint}");
        reasons.push(Reason::new(ReasonCode::PlanChanged, message));
    }
    if reasons.is_empty() {
        Draft::Ready(Arc::new(Plan { fingerprint, outline }))
    } else {
        Draft::Blocked(Arc::new(BlockedPlan { fingerprint, outline, reasons }))
    }
}

/// A rollback takes over the outline of the release it goes back to.
fn rollback_outline(request: &DraftRequest<'_>) -> (Outline, Vec<Reason>) {
    let kept = request.survey.and_then(|survey| survey.release.as_deref());
    match kept {
        Some(release) => {
            (compose::restored(request.spec, &release.outline, release.version, &release.digest), Vec::new())
        }
        None => compose::outline(request.spec, request.detection),
    }
}

fn unsupported_target(request: &DraftRequest<'_>) -> Reason {
    let target = &request.spec.target;
    Reason::new(
        ReasonCode::UnsupportedTarget,
        format!("there is no target {target:?}", target = target.as_str()),
    )
    .because("--target", format!("supported: {}", request.installed.join(", ")))
}

/// The parts of an outline that say what will be done. Where the source lies, the URL (its port is
/// known only at run time) and warnings are left out: they do not change what is done.
#[derive(Serialize)]
struct Fingerprinted<'a> {
    resource: &'a crate::id::ResourceKey,
    target: &'a crate::id::Name,
    source: (&'a str, Option<&'a str>, Option<&'a str>),
    detection: &'a Detection,
    planner: &'a compose::Planner,
    artifact: &'a Option<compose::Artifact>,
    commands: &'a [compose::PlannedCommand],
    network: &'a compose::Network,
    health: &'a compose::Health,
    access: (&'a str, Option<u16>),
    profile: &'a crate::spec::Profile,
    policy: &'a compose::RunPolicy,
    steps: &'a [Step],
}

fn fingerprint(outline: &Outline) -> Digest {
    let parts = Fingerprinted {
        resource: &outline.resource,
        target: &outline.target,
        source: (
            &outline.source.kind,
            outline.source.commit.as_deref(),
            outline.source.base_directory.as_deref(),
        ),
        detection: &outline.detection,
        planner: &outline.planner,
        artifact: &outline.artifact,
        commands: &outline.commands,
        network: &outline.network,
        health: &outline.health,
        access: (&outline.access.host, outline.access.port),
        profile: &outline.profile,
        policy: &outline.policy,
        steps: &outline.steps,
    };
    let bytes =
        serde_json::to_vec(&parts).expect("every key is a string and every value a number, text or list");
    Digest::of(&bytes)
}
