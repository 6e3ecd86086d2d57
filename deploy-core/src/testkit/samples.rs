//! Specifications and plans to test with.

use std::sync::Arc;

use async_trait::async_trait;

use crate::detect::{Detection, Found, ProjectKind};
use crate::effect::{Effect, IdempotencyKey};
use crate::evidence::Fact;
use crate::failure::Failure;
use crate::id::{DeploymentId, Digest, ResourceKey, Version};
use crate::lifecycle::PhaseName;
use crate::plan::{
    BlockedPlan, Draft, DraftRequest, Outline, Output, Plan, Retry, Step, StepKind, Undo, draft,
};
use crate::port::{Compiled, Executor, Keep, Live, Probe, StepContext, SurveyRequest};
use crate::reason::Reason;
use crate::spec::{Actor, Approval, Profile, Source, Spec, Trigger};
use crate::time::Span;

/// A specification of the resource `web@production` on the target `fixed`.
#[must_use]
pub fn spec(approval: Approval) -> Spec {
    Spec {
        resource: "web".parse::<ResourceKey>().expect("a resource"),
        target: "fixed".parse().expect("a name"),
        source: Source::Directory { path: "/srv/web".to_owned() },
        profile: Profile::default(),
        trigger: Trigger::Create,
        actor: Actor("tester".to_owned()),
        approval,
        workspace: crate::spec::default_workspace(),
        asked: None,
    }
}

/// Why a policy says no for now.
#[must_use]
pub fn frozen() -> Reason {
    Reason::new(crate::reason::ReasonCode::Frozen, "frozen")
}

/// A digest, different for every seed.
#[must_use]
pub fn digest(seed: &str) -> Digest {
    Digest::of(seed.as_bytes())
}

/// Something that serves: release `v1`.
#[must_use]
pub fn live() -> Live {
    Live {
        release: Version::FIRST,
        digest: digest("v1"),
        host: "web.localhost".to_owned(),
        url: "http://web.localhost/".to_owned(),
        verified: true,
    }
}

/// A step with one attempt, a minute of time and an automatic undo; a check needs none.
#[must_use]
pub fn step(id: &str, phase: PhaseName, action: StepKind) -> Step {
    let undo = match action {
        StepKind::Check => Undo::NotNeeded,
        StepKind::Act | StepKind::Switch { .. } => Undo::Automatic { title: format!("take {id} back") },
    };
    Step {
        id: id.parse().expect("a name"),
        phase,
        title: format!("do {id}"),
        action,
        undo,
        timeout: Span::from_secs(60),
        retry: Retry { attempts: 2, backoff: Span::from_secs(1) },
        repeatable: false,
        beside: false,
    }
}

/// A ready plan of these steps, for [`spec`] with automatic approval.
///
/// # Panics
/// When the steps don't make a plan.
#[must_use]
pub fn plan(steps: Vec<Step>) -> Arc<Plan> {
    plan_for(&spec(Approval::Automatic), steps)
}

/// A ready plan of these steps for a specification of the target `fixed`.
///
/// # Panics
/// When they don't make a plan.
#[must_use]
pub fn plan_for(spec: &Spec, steps: Vec<Step>) -> Arc<Plan> {
    let executor = FixedPlan { steps };
    let detection = Detection {
        planner: "fixed".to_owned(),
        kind: ProjectKind::Static,
        publish_directory: Some(Found {
            value: ".".to_owned(),
            evidence: Fact::new("index.html", "is there"),
        }),
        ..Detection::default()
    };
    let request = DraftRequest {
        spec,
        detection: &detection,
        survey: None,
        executor: Some(&executor),
        installed: &["fixed"],
    };
    match draft(&request) {
        Draft::Ready(plan) => plan,
        Draft::Blocked(blocked) => panic!("blocked: {:?}", blocked.reasons()),
    }
}

/// What drafting comes to when no such target is installed: a plan that says no.
#[must_use]
pub fn blocked() -> Arc<BlockedPlan> {
    let spec = spec(Approval::Automatic);
    let request = DraftRequest {
        spec: &spec,
        detection: &Detection::default(),
        survey: None,
        executor: None,
        installed: &[],
    };
    match draft(&request) {
        Draft::Blocked(blocked) => blocked,
        Draft::Ready(plan) => panic!("ready without a target: {}", plan.fingerprint()),
    }
}

/// An executor named `fixed` that compiles to fixed steps; whatever it is asked to do succeeds at
/// once and changes nothing.
#[derive(Debug, Clone)]
pub struct FixedPlan {
    /// The steps.
    pub steps: Vec<Step>,
}

#[async_trait]
impl Executor for FixedPlan {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn compile(&self, _: &Outline) -> Compiled {
        Compiled { steps: self.steps.clone(), ..Compiled::default() }
    }

    async fn survey(&self, _: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
        Ok(Vec::new())
    }

    async fn perform(&self, _: &Effect, _: &Step, _: &StepContext) -> Result<Output, Failure> {
        Ok(Output::of(digest("made")))
    }

    async fn probe(&self, _: &IdempotencyKey, _: &Step, _: &StepContext) -> Result<Probe, Failure> {
        Ok(Probe::Absent)
    }

    async fn undo(&self, _: &Effect, _: &Step, _: &StepContext) -> Result<(), Failure> {
        Ok(())
    }

    async fn finish(&self, _: DeploymentId) -> Result<(), Failure> {
        Ok(())
    }

    async fn reclaim(&self, _: &Keep) -> Result<(), Failure> {
        Ok(())
    }
}
