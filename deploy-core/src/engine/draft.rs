//! From a specification to a plan: inspect, survey, draft. Reads only.

use std::sync::Arc;

use crate::detect::Detection;
use crate::plan::{Draft, DraftRequest, PlanDocument, draft};
use crate::port::{Clock, Detector, Executor, Sources, Survey};
use crate::spec::{Source, Spec};

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
        if let Source::Release { .. } = spec.source {
            return Detection { planner: "release".to_owned(), ..Detection::default() };
        }
        let wanted = self.detector.wanted();
        match self.sources.read(&spec.source, &spec.profile, wanted).await {
            Ok(evidence) => self.detector.detect(&evidence, &spec.profile),
            Err(blocked) => Detection { blocked, ..Detection::default() },
        }
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
        let live = survey.and_then(|survey| survey.live.as_ref());
        PlanDocument::new(&draft, self.clock.now(), live)
    }
}
