//! The world around the engine: a target that takes its time, sources of which nothing is known, and a policy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use deploy_core::admission::{Allowance, Petition, UNLIMITED, Verdict};
use deploy_core::cancel::Cancel;
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::evidence::{Ask, Evidence};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Name, ResourceKey};
use deploy_core::plan::{Outline, Output, Step};
use deploy_core::port::{
    Admission, Compiled, Executor, Keep, Layout, LeftOut, OpenSource, Probe, Sources, StepContext,
};
use deploy_core::reason::Reason;
use deploy_core::spec::{Profile, Source};
use deploy_core::testkit::{ToyTarget, frozen};

/// How many of the workspace `acme` may run at once.
const ACME: u32 = 2;
/// How many of it may wait.
const WAITING: u32 = 12;

/// What outlives every control plane.
#[derive(Clone)]
pub(crate) struct World {
    toy: ToyTarget,
    frozen: Arc<AtomicBool>,
    busy: Arc<Mutex<BTreeMap<DeploymentId, Name>>>,
    /// The most of the workspace `acme` that did anything at once.
    most: Arc<AtomicUsize>,
    broken: Arc<Mutex<Vec<String>>>,
    pace: Arc<AtomicU8>,
    bounded: bool,
}

/// How long a step takes.
const STEADY: u8 = 0;
const QUICK: u8 = 1;
const HELD: u8 = 2;

impl World {
    pub(crate) fn new() -> Self {
        Self {
            toy: ToyTarget::default(),
            frozen: Arc::default(),
            busy: Arc::default(),
            most: Arc::default(),
            broken: Arc::default(),
            pace: Arc::default(),
            bounded: true,
        }
    }

    /// Steps take no time, nothing fails, and any number may wait.
    pub(crate) fn quick() -> Self {
        Self { pace: Arc::new(AtomicU8::new(QUICK)), bounded: false, ..Self::new() }
    }

    /// Steps take their time, some fail, and any number may wait.
    pub(crate) fn patient() -> Self {
        Self { bounded: false, ..Self::new() }
    }

    /// Steps do not end until they are let go; then as in [`World::quick`].
    pub(crate) fn held() -> Self {
        Self { pace: Arc::new(AtomicU8::new(HELD)), bounded: false, ..Self::new() }
    }

    pub(crate) fn let_go(&self) {
        self.pace.store(QUICK, Ordering::SeqCst);
    }

    async fn takes_its_time(&self, number: u64) {
        match self.pace.load(Ordering::SeqCst) {
            STEADY => tokio::time::sleep(Duration::from_millis(1 + number % 7)).await,
            _ => {
                while self.pace.load(Ordering::SeqCst) == HELD {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::SeqCst);
    }

    pub(crate) fn kept_its_limits(&self) {
        assert_eq!(*self.broken.lock().unwrap(), Vec::<String>::new());
    }

    /// As many of `acme` did something at once as may, and never more.
    pub(crate) fn used_its_limit(&self) {
        self.kept_its_limits();
        assert_eq!(self.most.load(Ordering::SeqCst), ACME as usize);
    }

    /// Says that a deployment does something, until what this gives is dropped.
    fn works(&self, deployment: DeploymentId, resource: &ResourceKey) -> Working {
        let workspace = self.workspace(resource);
        let mut busy = self.busy.lock().unwrap();
        busy.insert(deployment, workspace.clone());
        let at_once = busy.values().filter(|other| **other == workspace).count();
        if workspace.as_str() == "acme" {
            self.most.fetch_max(at_once, Ordering::SeqCst);
        }
        if at_once > self.allowance(&workspace).concurrent as usize {
            self.broken.lock().unwrap().push(format!("{at_once} of {workspace} work at once: {busy:?}"));
        }
        Working { world: self.clone(), deployment }
    }
}

struct Working {
    world: World,
    deployment: DeploymentId,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.world.busy.lock().unwrap().remove(&self.deployment);
    }
}

#[async_trait]
impl Admission for World {
    fn workspace(&self, resource: &ResourceKey) -> Name {
        let name = resource.resource.as_str();
        let other = name == "r0" || name.starts_with('l');
        if other { "other" } else { "acme" }.parse().unwrap()
    }

    fn allowance(&self, workspace: &Name) -> Allowance {
        match workspace.as_str() {
            "acme" if self.bounded => Allowance { concurrent: ACME, waiting: WAITING },
            "acme" => Allowance { concurrent: ACME, waiting: UNLIMITED },
            _ => Allowance::UNLIMITED,
        }
    }

    async fn judge(&self, petition: &Petition<'_>) -> Verdict {
        let concerned = petition.resource.resource.as_str() == "r1";
        if !concerned || !self.frozen.load(Ordering::SeqCst) {
            return Verdict::ALLOW;
        }
        Verdict { blocked: vec![frozen()], warnings: Vec::new() }
    }
}

/// The toy, which takes its time, fails now and then, and can be cancelled.
pub(crate) struct Slow(pub(crate) World);

#[async_trait]
impl Executor for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn compile(&self, outline: &Outline) -> Compiled {
        self.0.toy.compile(outline)
    }

    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        let _working = self.0.works(cx.deployment, &cx.plan.outline().resource);
        let number =
            cx.deployment.to_string().bytes().fold(0_u64, |sum, byte| sum * 31 % 997 + u64::from(byte));
        tokio::select! {
            () = self.0.takes_its_time(number) => {}
            () = cx.cancel.cancelled() => return Err(Failure::new(FailureCode::Cancelled, "cancelled")),
        }
        let may_fail = self.0.pace.load(Ordering::SeqCst) == STEADY;
        if may_fail && number.is_multiple_of(6) && step.id.as_str() == "check" {
            return Err(Failure::new(FailureCode::Unhealthy, "it is not well"));
        }
        self.0.toy.perform(effect, step, cx).await
    }

    async fn probe(&self, key: &IdempotencyKey, step: &Step, cx: &StepContext) -> Result<Probe, Failure> {
        self.0.toy.probe(key, step, cx).await
    }

    async fn undo(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<(), Failure> {
        let _working = self.0.works(cx.deployment, &cx.plan.outline().resource);
        self.0.toy.undo(effect, step, cx).await
    }

    async fn reclaim(&self, keep: &Keep) -> Result<(), Failure> {
        self.0.toy.reclaim(keep).await
    }
}

/// A source of which nothing is known.
pub(crate) struct Nothing;

#[async_trait]
impl OpenSource for Nothing {
    fn commit(&self) -> Option<String> {
        None
    }

    async fn look(&mut self, _: &BTreeSet<Ask>, _: &mut Evidence) -> Result<(), Vec<Reason>> {
        Ok(())
    }
}

#[async_trait]
impl Sources for Nothing {
    async fn open(&self, _: &Source, _: &Profile) -> Result<Box<dyn OpenSource>, Vec<Reason>> {
        Ok(Box::new(Self))
    }

    fn left_out(&self, _: &Path, _: &Path) -> LeftOut {
        Box::new(|_, _| false)
    }

    async fn checkout(
        &self,
        _: &Source,
        _: &Profile,
        _: Layout,
        workspace: &Path,
        _: &Cancel,
    ) -> Result<PathBuf, Failure> {
        Ok(workspace.to_owned())
    }
}
