//! A made-up target that lives in memory: an example of an executor that keeps the contract, and
//! something to deploy to in tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::effect::{Effect, IdempotencyKey};
use crate::failure::{Failure, FailureCode};
use crate::id::{DeploymentId, Digest, Fence, ResourceKey, Seq, StepId};
use crate::log::{LogLevel, LogLine, LogSource};
use crate::plan::{Outline, Output, Step};
use crate::port::{Compiled, Executor, Keep, Probe, StepContext, SurveyRequest};
use crate::reason::Reason;
use crate::time::Timestamp;

/// What the toy's target holds.
#[derive(Debug, Default)]
struct Held {
    /// Which deployment uploaded which artifact.
    uploads: BTreeMap<DeploymentId, Digest>,
    artifacts: BTreeSet<Digest>,
    routes: BTreeMap<ResourceKey, Digest>,
    fences: BTreeMap<ResourceKey, Fence>,
    /// What each switch replaced.
    replaced: BTreeMap<DeploymentId, Option<Digest>>,
    foreign: BTreeSet<String>,
    /// How often something was made anew, which only mistakes make visible.
    made: u32,
}

/// A target in memory: an artifact is named by the source's path, and traffic is an entry in a map.
/// Clones are the same target.
#[derive(Debug, Clone, Default)]
pub struct ToyTarget {
    held: Arc<Mutex<Held>>,
}

impl ToyTarget {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The artifact that users of a resource get.
    #[must_use]
    pub fn live(&self, resource: &ResourceKey) -> Option<Digest> {
        self.held().routes.get(resource).cloned()
    }

    /// Whether an artifact is there.
    #[must_use]
    pub fn has(&self, artifact: &Digest) -> bool {
        self.held().artifacts.contains(artifact)
    }

    /// Puts something on the target that is nobody's business.
    pub fn add_foreign(&self, name: &str) {
        self.held().foreign.insert(name.to_owned());
    }

    /// What is on the target that is nobody's business.
    #[must_use]
    pub fn foreign(&self) -> Vec<String> {
        self.held().foreign.iter().cloned().collect()
    }

    /// Removes everything, whoever it belongs to: what no executor may do.
    pub fn clear(&self) {
        *self.held() = Held::default();
    }

    /// Everything on the target, as a text.
    #[must_use]
    pub fn everything(&self) -> String {
        let Held { uploads, artifacts, routes, replaced, foreign, made, .. } = &*self.held();
        format!("{uploads:?} {artifacts:?} {routes:?} {replaced:?} {foreign:?} {made}")
    }
}

fn wrong(code: FailureCode, message: &str) -> Failure {
    Failure::new(code, message)
}

fn digest(cx: &StepContext) -> Result<Digest, Failure> {
    cx.digest().cloned().ok_or_else(|| wrong(FailureCode::Internal, "nothing was uploaded"))
}

impl Held {
    /// The guard at the point of effect: a lower fence than one that was seen changes nothing.
    fn guard(&mut self, effect: &Effect, resource: &ResourceKey) -> Result<(), Failure> {
        let fence = effect.fence.ok_or_else(|| wrong(FailureCode::Internal, "a route without a fence"))?;
        let highest = self.fences.entry(resource.clone()).or_insert(fence);
        if fence < *highest {
            return Err(wrong(FailureCode::StaleFence, "a newer owner was here"));
        }
        *highest = fence;
        Ok(())
    }

    fn upload(&mut self, cx: &StepContext) -> Output {
        let digest = Digest::of(format!("{:?}", cx.source).as_bytes());
        self.made += u32::from(self.artifacts.insert(digest.clone()));
        self.uploads.insert(cx.deployment, digest.clone());
        Output::of(digest)
    }

    fn switch(&mut self, effect: &Effect, cx: &StepContext) -> Result<Output, Failure> {
        let (digest, resource) = (digest(cx)?, &cx.plan.outline().resource);
        self.guard(effect, resource)?;
        let before = self.routes.get(resource).cloned();
        self.replaced.entry(cx.deployment).or_insert(before);
        self.routes.insert(resource.clone(), digest.clone());
        Ok(Output::of(digest))
    }

    fn switch_back(&mut self, effect: &Effect, cx: &StepContext) -> Result<(), Failure> {
        let resource = &cx.plan.outline().resource;
        self.guard(effect, resource)?;
        match self.replaced.remove(&cx.deployment) {
            Some(Some(before)) => drop(self.routes.insert(resource.clone(), before)),
            Some(None) => drop(self.routes.remove(resource)),
            None => {}
        }
        Ok(())
    }

    fn remove_upload(&mut self, deployment: DeploymentId) {
        let Some(digest) = self.uploads.remove(&deployment) else { return };
        let used = self.routes.values().chain(self.uploads.values()).any(|other| *other == digest);
        if !used {
            self.artifacts.remove(&digest);
        }
    }
}

fn named(id: &str) -> StepId {
    id.parse().expect("the names below are names")
}

#[async_trait]
impl Executor for ToyTarget {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn compile(&self, _: &Outline) -> Compiled {
        let steps = vec![
            Step::act(named("upload"), "put the artifact on the target").undone_by("remove it"),
            Step::check(named("check"), "look whether it is whole"),
            Step::switch(named("switch"), "send traffic to it").undone_by("send traffic back"),
            Step::check(named("confirm"), "look where traffic goes"),
        ];
        Compiled { steps, ..Compiled::default() }
    }

    async fn survey(&self, _: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
        Ok(Vec::new())
    }

    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        cx.logs.line(LogLine {
            sequence: Seq(0),
            deployment: cx.deployment,
            at: Timestamp::EPOCH,
            source: LogSource::System,
            level: LogLevel::Info,
            step: Some(step.id.clone()),
            message: step.title.clone(),
        });
        let mut held = self.held();
        match step.id.as_str() {
            "upload" => Ok(held.upload(cx)),
            "check" if held.artifacts.contains(&digest(cx)?) => Ok(Output::of(digest(cx)?)),
            "check" => Err(wrong(FailureCode::Unhealthy, "the artifact is not there")),
            "switch" => held.switch(effect, cx),
            "confirm" if held.routes.get(&cx.plan.outline().resource) == Some(&digest(cx)?) => {
                Ok(Output::of(digest(cx)?))
            }
            "confirm" => Err(wrong(FailureCode::WrongRelease, "traffic goes elsewhere")),
            _ => Err(wrong(FailureCode::Internal, "the toy has no such step")),
        }
    }

    async fn probe(&self, key: &IdempotencyKey, step: &Step, cx: &StepContext) -> Result<Probe, Failure> {
        let held = self.held();
        let there = match step.id.as_str() {
            "upload" => held.uploads.get(&key.deployment).cloned(),
            "switch" if held.replaced.contains_key(&key.deployment) => held
                .routes
                .get(&cx.plan.outline().resource)
                .filter(|routed| cx.digest() == Some(*routed))
                .cloned(),
            _ => None,
        };
        Ok(there.map_or(Probe::Absent, |digest| Probe::Present { output: Output::of(digest) }))
    }

    async fn undo(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<(), Failure> {
        let mut held = self.held();
        match step.id.as_str() {
            "upload" => held.remove_upload(cx.deployment),
            "switch" => held.switch_back(effect, cx)?,
            _ => {}
        }
        Ok(())
    }

    async fn finish(&self, _: DeploymentId) -> Result<(), Failure> {
        Ok(())
    }

    async fn reclaim(&self, keep: &Keep) -> Result<(), Failure> {
        let mut held = self.held();
        let Held { uploads, artifacts, routes, .. } = &mut *held;
        uploads.retain(|deployment, digest| {
            keep.deployments.contains(deployment)
                || keep.digests.contains(digest)
                || routes.values().any(|routed| routed == digest)
        });
        artifacts.retain(|digest| {
            let routed = routes.values().any(|routed| routed == digest);
            keep.digests.contains(digest) || routed || uploads.values().any(|other| other == digest)
        });
        Ok(())
    }
}
