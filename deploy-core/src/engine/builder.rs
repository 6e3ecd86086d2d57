//! Putting an engine together from ports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::draft::Previewer;
use super::handle::{Engine, Inner};
use super::limits::Limits;
use super::retention::Passes;
use super::system::{SystemClock, SystemIds};
use super::turnstile::{Turnstile, Unrestricted};
use crate::port::{
    Admission, Catalogue, Clock, Detector, Executor, Explainer, Ids, Journal, Lease, Logs, Moment, Observer,
    Sources,
};

/// Everything the engine remembers with, as one thing.
pub trait Store: Journal + Lease + Catalogue + Logs {}

impl<T: Journal + Lease + Catalogue + Logs> Store for T {}

struct Unobserved;

impl Observer for Unobserved {
    fn moment(&self, _: &Moment) {}
}

/// Builds an [`Engine`].
pub struct Builder {
    store: Arc<dyn Store>,
    sources: Arc<dyn Sources>,
    detector: Arc<dyn Detector>,
    executors: Vec<Arc<dyn Executor>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    observer: Arc<dyn Observer>,
    explainers: Vec<Arc<dyn Explainer>>,
    admission: Arc<dyn Admission>,
    limits: Limits,
}

impl Builder {
    pub(super) fn new(store: Arc<dyn Store>, sources: Arc<dyn Sources>, detector: Arc<dyn Detector>) -> Self {
        Self {
            store,
            sources,
            detector,
            executors: Vec::new(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            observer: Arc::new(Unobserved),
            explainers: Vec::new(),
            admission: Arc::new(Unrestricted),
            limits: Limits::default(),
        }
    }

    /// Adds a target. Of two with the same name the first counts.
    #[must_use]
    pub fn executor(mut self, executor: impl Executor + 'static) -> Self {
        self.executors.push(Arc::new(executor));
        self
    }

    /// Uses another clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Uses other ids.
    #[must_use]
    pub fn ids(mut self, ids: impl Ids + 'static) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// Has every moment seen.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Adds somebody who explains failures. The first answer counts; the rules of
    /// [`crate::diagnosis`] come last.
    #[must_use]
    pub fn explainer(mut self, explainer: impl Explainer + 'static) -> Self {
        self.explainers.push(Arc::new(explainer));
        self
    }

    /// Has somebody say who may deploy, and how much at once. Without, everybody may, as much as the
    /// engine can take.
    #[must_use]
    pub fn admission(mut self, admission: impl Admission + 'static) -> Self {
        self.admission = Arc::new(admission);
        self
    }

    /// Uses other bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The engine. Nothing runs yet; call [`Engine::recover`] to go on with what is unfinished.
    #[must_use]
    pub fn build(self) -> Engine {
        let previewer = Previewer::from_parts(self.sources, self.detector, self.executors, self.clock);
        Engine::from_inner(Inner {
            store: self.store,
            previewer,
            ids: self.ids,
            observer: self.observer,
            explainers: self.explainers,
            effects: Arc::new(Semaphore::new(self.limits.effects)),
            limits: self.limits,
            tasks: Mutex::new(HashMap::new()),
            quarantined: Mutex::new(Vec::new()),
            admission: self.admission,
            turnstile: Turnstile::default(),
            passes: Passes::default(),
            closing: crate::cancel::Cancel::new(),
        })
    }
}
