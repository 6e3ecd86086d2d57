//! The contract of an executor: what its fixture must offer, and a bench that takes one plan through it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::store::new_id;
use super::{Breach, Law};
use crate::cancel::Cancel;
use crate::detect::Detection;
use crate::effect::{Effect, EffectKind};
use crate::failure::Failure;
use crate::id::{DeploymentId, Digest, Fence, StepId, Version};
use crate::log::LogLine;
use crate::plan::{Draft, DraftRequest, Output, Plan, Step, StepKind, draft};
use crate::port::{Executor, Live, LogSink, Probe, StepContext};
use crate::spec::Spec;

crate::__executor_laws!(__define_laws, ExecutorFixture);

/// A target to be checked, with nothing of anybody's deployed on it yet.
#[async_trait]
pub trait ExecutorFixture: Send + Sync {
    /// The executor.
    fn executor(&self) -> &dyn Executor;

    /// Something this executor can deploy, always of the same resource; another number is another
    /// artifact. Its sources are in place when this returns.
    fn spec(&self, number: u32) -> Spec;

    /// What detection says about it.
    fn detection(&self, number: u32) -> Detection;

    /// The artifact that answers users of the resource now, as they would see it.
    async fn live(&self) -> Option<Digest>;

    /// Whether an artifact is on the target, whole.
    async fn has_artifact(&self, digest: &Digest) -> bool;

    /// Everything on the target that an effect could have changed, as a text; the same as long as nothing
    /// was changed. What differs each time by nature (a time, a process id) is left out.
    async fn everything(&self) -> String;

    /// Puts things on the target that are not the executor's; [`ExecutorFixture::foreign`] describes them.
    async fn add_foreign(&self) {}

    /// What became of the things that are not the executor's.
    async fn foreign(&self) -> String {
        String::new()
    }

    /// Values the executor gets to see and must never repeat.
    fn canaries(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Keeps the lines of a bench.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<Vec<LogLine>>);

impl LogSink for Lines {
    fn line(&self, line: LogLine) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Lines {
    pub(super) fn all(&self) -> Vec<LogLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One deployment on its way through an executor, step by step, without an engine.
pub(super) struct Bench<'a> {
    pub(super) law: Law,
    pub(super) executor: &'a dyn Executor,
    pub(super) spec: Spec,
    pub(super) deployment: DeploymentId,
    pub(super) plan: Arc<Plan>,
    pub(super) fence: u64,
    pub(super) live_before: Option<Live>,
    pub(super) outputs: Vec<(StepId, Output)>,
    pub(super) lines: Arc<Lines>,
    pub(super) cancel: Cancel,
}

impl<'a> Bench<'a> {
    /// Plans what the fixture wants deployed.
    pub(super) fn new(
        law: Law,
        fixture: &'a impl ExecutorFixture,
        number: u32,
        fence: u64,
    ) -> Result<Self, Breach> {
        let (spec, detection, executor) =
            (fixture.spec(number), fixture.detection(number), fixture.executor());
        let request = DraftRequest {
            spec: &spec,
            detection: &detection,
            survey: None,
            executor: Some(executor),
            installed: &[executor.name()],
        };
        let plan = match draft(&request) {
            Draft::Ready(plan) => plan,
            Draft::Blocked(blocked) => {
                let reasons = blocked.reasons();
                return Err(law.breach(format!("the fixture's specification is blocked: {reasons:?}")));
            }
        };
        Ok(Self {
            law,
            executor,
            spec,
            deployment: new_id(),
            plan,
            fence,
            live_before: None,
            outputs: Vec::new(),
            lines: Arc::default(),
            cancel: Cancel::new(),
        })
    }

    /// The same for a deployment that comes after another one that went live.
    pub(super) fn after(
        before: &Bench<'_>,
        fixture: &'a impl ExecutorFixture,
        number: u32,
    ) -> Result<Self, Breach> {
        let mut bench = Self::new(before.law, fixture, number, before.fence + 1)?;
        let access = &before.plan.outline().access;
        bench.live_before = before.digest().map(|digest| Live {
            release: Version::FIRST,
            digest,
            host: access.host.clone(),
            url: access.url.clone().unwrap_or_default(),
            verified: true,
        });
        Ok(bench)
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.plan.steps().to_vec()
    }

    /// The artifact that the acts made.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.outputs.iter().rev().find_map(|(_, output)| output.digest.clone())
    }

    fn context(&self) -> StepContext {
        StepContext {
            deployment: self.deployment,
            plan: Arc::clone(&self.plan),
            outputs: self.outputs.clone(),
            live_before: self.live_before.clone(),
            version: Version(if self.live_before.is_some() { 2 } else { 1 }),
            source: self.spec.source.clone(),
            cancel: self.cancel.clone(),
            logs: Arc::clone(&self.lines) as Arc<dyn LogSink>,
        }
    }

    fn effect(&self, kind: EffectKind, step: &Step) -> Effect {
        let fence = Some(Fence(self.fence));
        Effect { deployment: self.deployment, kind, attempt: 1, fence, timeout: step.timeout }
    }

    pub(super) async fn perform(&self, step: &Step) -> Result<Output, Failure> {
        let effect = self.effect(EffectKind::Perform { step: step.id.clone() }, step);
        self.executor.perform(&effect, step, &self.context()).await
    }

    /// Performs a step as part of the run: what it leaves is there for those after it.
    pub(super) async fn run(&mut self, step: &Step) -> Result<Output, Breach> {
        let output = self.law.ok(&format!("step {}", step.id), self.perform(step).await)?;
        self.outputs.push((step.id.clone(), output.clone()));
        Ok(output)
    }

    /// Runs every step before the first one of this kind.
    pub(super) async fn run_up_to(&mut self, last: impl Fn(&Step) -> bool) -> Result<(), Breach> {
        for step in self.steps() {
            if last(&step) {
                return Ok(());
            }
            self.run(&step).await?;
        }
        Ok(())
    }

    pub(super) async fn run_all(&mut self) -> Result<(), Breach> {
        self.run_up_to(|_| false).await
    }

    pub(super) async fn probe(&self, step: &Step) -> Result<Probe, Breach> {
        let effect = self.effect(EffectKind::Probe { step: step.id.clone() }, step);
        let key = effect.key().expect("reading back is about a step");
        let found = self.executor.probe(&key, step, &self.context()).await;
        self.law.ok(&format!("reading back {}", step.id), found)
    }

    pub(super) async fn try_undo(&self, step: &Step) -> Result<(), Failure> {
        let effect = self.effect(EffectKind::Undo { step: step.id.clone() }, step);
        self.executor.undo(&effect, step, &self.context()).await
    }

    pub(super) async fn undo(&self, step: &Step) -> Result<(), Breach> {
        self.law.ok(&format!("undoing {}", step.id), self.try_undo(step).await)
    }

    /// The switch of the plan, if it has one.
    pub(super) fn switch(&self) -> Option<Step> {
        self.plan.steps().iter().find(|step| is_switch(step)).cloned()
    }
}

pub(super) const fn is_switch(step: &Step) -> bool {
    matches!(step.action, StepKind::Switch { .. })
}
