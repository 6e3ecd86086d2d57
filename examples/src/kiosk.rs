//! A target of your own, whole: a kiosk whose screen shows the text of `slide.txt`.

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::failure::{Failure, FailureCode as Code};
use deploy_core::id::{Digest, Fence, StepId};
use deploy_core::plan::{Outline, Output, Step};
use deploy_core::port::{Compiled, Executor, Keep, Probe, StepContext};
use deploy_core::spec::Source;

/// What is out there.
#[derive(Default)]
pub struct World {
    /// The slides by their digest.
    pub slides: BTreeMap<Digest, String>,
    /// What the screen shows, and the fence it was told so under.
    pub screen: (Option<Fence>, Option<Digest>),
}

/// The executor. Clones share one world.
#[derive(Clone, Default)]
pub struct Kiosk(Arc<Mutex<World>>);

impl Kiosk {
    /// The world, for a look.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The screen obeys only whoever owns the resource now.
    fn show(&self, effect: &Effect, digest: Option<Digest>) -> Result<(), Failure> {
        let mut world = self.world();
        let owns = effect.fence >= world.screen.0;
        owns.then(|| world.screen = (effect.fence, digest)).ok_or(Failure::new(Code::StaleFence, "overtaken"))
    }
}

/// The slide of this deployment: a kept one, or the text in the source.
fn slide(cx: &StepContext) -> Result<(Digest, Option<String>), Failure> {
    let Source::Directory { path } = &cx.source else {
        let kept = cx.plan.outline().artifact.as_ref().and_then(|artifact| artifact.digest.clone());
        return kept.map(|kept| (kept, None)).ok_or(Failure::new(Code::ArtifactMissing, "no slide is kept"));
    };
    let read = read_to_string(format!("{path}/slide.txt"));
    let text = read.map_err(|error| Failure::new(Code::SourceUnavailable, error.to_string()))?;
    Ok((Digest::of(text.as_bytes()), Some(text)))
}

#[async_trait]
impl Executor for Kiosk {
    fn name(&self) -> &'static str {
        "kiosk"
    }

    fn compile(&self, _: &Outline) -> Compiled {
        let bring = Step::act(StepId::literal("bring"), "bring the slide");
        let check = Step::check(StepId::literal("proofread"), "see that it is there and not empty");
        let show = Step::switch(StepId::literal("show"), "show it").undone_by("show the one before");
        Compiled { steps: vec![bring, check, show], ..Compiled::default() }
    }

    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        let (digest, text) = slide(cx)?;
        let there = self.world().slides.get(&digest).is_some_and(|text| !text.is_empty());
        match (step.id.as_str(), text) {
            ("bring", Some(text)) => drop(self.world().slides.insert(digest.clone(), text)),
            ("bring" | "proofread", _) if there => {}
            ("bring" | "proofread", _) => return Err(Failure::new(Code::Unhealthy, "no text")),
            ("show", _) => self.show(effect, Some(digest.clone()))?,
            (other, _) => return Err(Failure::new(Code::Internal, format!("{other} is not our step"))),
        }
        Ok(Output::of(digest))
    }

    async fn probe(&self, key: &IdempotencyKey, _: &Step, cx: &StepContext) -> Result<Probe, Failure> {
        let ((digest, _), world) = (slide(cx)?, self.world());
        let there = match key.step.as_str() {
            "bring" => world.slides.contains_key(&digest),
            "show" => world.screen.1.as_ref() == Some(&digest),
            _ => false, // a check leaves nothing to find
        };
        Ok(if there { Probe::Present { output: Output::of(digest) } } else { Probe::Absent })
    }

    async fn undo(&self, effect: &Effect, _: &Step, cx: &StepContext) -> Result<(), Failure> {
        self.show(effect, cx.live_before.as_ref().map(|live| live.digest.clone()))
    }

    async fn reclaim(&self, keep: &Keep) -> Result<(), Failure> {
        let busy = !keep.deployments.is_empty(); // what they need is kept once they have ended
        self.world().slides.retain(|digest, _| busy || keep.digests.contains(digest));
        Ok(())
    }
}
