//! From a specification to a plan: inspect, survey, draft. Reads only.

use std::sync::Arc;
use std::time::Duration;

use crate::detect::{Detected, Detection};
use crate::evidence::Evidence;
use crate::plan::{Draft, DraftRequest, PlanDocument, draft};
use crate::port::{Clock, Detector, Executor, OpenSource, Sources, Survey};
use crate::reason::{Reason, ReasonCode};
use crate::spec::{Profile, Source, Spec};

/// How often a source is looked at for one detection. Rules follow references a few levels deep, so an ordinary project
/// takes three or four rounds.
const ROUNDS: usize = 32;

/// How long a target may take to say what it has already.
const SOON: Duration = Duration::from_secs(3);

/// Makes previews. It needs no store and no running process, and writes nothing.
#[derive(Clone)]
pub struct Previewer {
    sources: Arc<dyn Sources>,
    detector: Arc<dyn Detector>,
    executors: Vec<Arc<dyn Executor>>,
    clock: Arc<dyn Clock>,
}

impl Previewer {
    /// A previewer over these ports.
    #[must_use]
    pub fn from_parts(
        sources: Arc<dyn Sources>,
        detector: Arc<dyn Detector>,
        executors: Vec<Arc<dyn Executor>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { sources, detector, executors, clock }
    }

    pub(super) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn executors(&self) -> &[Arc<dyn Executor>] {
        &self.executors
    }

    /// The executor of that name.
    pub(super) fn executor(&self, name: &str) -> Option<&Arc<dyn Executor>> {
        self.executors.iter().find(|executor| executor.name() == name)
    }

    /// What the source is. What speaks against reading it is part of the answer.
    pub async fn inspect(&self, spec: &Spec) -> Detection {
        match &spec.source {
            Source::Release { .. } => {
                return Detection { planner: "release".to_owned(), ..Detection::default() };
            }
            Source::Image { reference } => return Detection::of_image(reference),
            Source::Directory { .. } | Source::Git { .. } | Source::Archive { .. } => {}
        }
        let blocked = |blocked| Detection { blocked, ..Detection::default() };
        match self.sources.open(&spec.source, &spec.profile).await {
            Ok(mut source) => {
                self.look_and_judge(source.as_mut(), &spec.profile).await.unwrap_or_else(blocked)
            }
            Err(reasons) => blocked(reasons),
        }
    }

    /// Looks up what the detector asks for until it asks for nothing more.
    async fn look_and_judge(
        &self,
        source: &mut dyn OpenSource,
        profile: &Profile,
    ) -> Result<Detection, Vec<Reason>> {
        let mut evidence = Evidence { commit: source.commit(), ..Evidence::default() };
        for _ in 0..ROUNDS {
            match self.detector.detect(&evidence, profile) {
                Detected::Done(detection) => {
                    return Ok(Detection { source_digest: source.digest(), ..*detection });
                }
                Detected::Needs(asks) => source.look(&asks, &mut evidence).await?,
            }
        }
        let message = format!("the source was looked at {ROUNDS} times, and there was still more to look at");
        Err(vec![Reason::new(ReasonCode::SourceTooLarge, message)])
    }

    /// The draft from what was found.
    #[must_use]
    pub fn draft(&self, spec: &Spec, detection: &Detection, survey: Option<&Survey>) -> Draft {
        let installed: Vec<&'static str> = self.executors.iter().map(|executor| executor.name()).collect();
        let executor = self.executor(spec.target.as_str()).map(AsRef::as_ref);
        draft(&DraftRequest { spec, detection, survey, executor, installed: &installed })
    }

    /// The preview of a specification, compared with what is live where that is known.
    pub async fn preview(&self, spec: &Spec, survey: Option<&Survey>) -> PlanDocument {
        let detection = self.inspect(spec).await;
        let draft = self.draft(spec, &detection, survey);
        self.document(&draft, spec, survey).await
    }

    /// What people see of a draft, with what its target has already, as far as that knows it soon.
    pub(super) async fn document(&self, draft: &Draft, spec: &Spec, survey: Option<&Survey>) -> PlanDocument {
        let outline = match draft {
            Draft::Ready(plan) => plan.outline(),
            Draft::Blocked(blocked) => blocked.outline(),
        };
        let reuses = match self.executor(outline.target.as_str()) {
            Some(executor) => tokio::time::timeout(SOON, executor.reuses(outline)).await.unwrap_or_default(),
            None => Vec::new(),
        };
        PlanDocument { reuses, ..PlanDocument::new(draft, spec, self.clock.now(), survey) }
    }
}
