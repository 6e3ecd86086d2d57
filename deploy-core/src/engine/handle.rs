//! The handle people hold: submit, send, look, recover.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::builder::{Builder, Store};
use super::draft::Previewer;
use super::error::EngineError;
use super::limits::Limits;
use super::retention::Passes;
use super::task::{Mail, Task};
use super::turnstile::{self, Turnstile};
use crate::admission::UNLIMITED;
use crate::cancel::Cancel;
use crate::command::{Command, Input};
use crate::compare::{Comparison, Record};
use crate::deployment::Deployment;
use crate::diagnosis::Diagnosis;
use crate::failure::HEARD_LINES;
use crate::history::{HistoryQuery, RUNS, Stats};
use crate::id::{DeploymentId, Digest, ResourceId, ResourceKey, Seq};
use crate::log::{Found, LogKeeping, LogLine, LogQuery, LogSearch, Tidied};
use crate::plan::PlanDocument;
use crate::port::{
    Admission, Append, Create, Created, Detector, Explainer, Ids, ListQuery, Observer, ReleaseRecord,
    ResourceRecord, Sources, StoreError, WhenBusy,
};
use crate::reject::Rejection;
use crate::spec::{Actor, Approval, Spec, Trigger, default_workspace};
use crate::status::Status;
use crate::wire::Envelope;

/// Lines of each log that are looked at when two deployments are compared.
const COMPARED_LINES: usize = 10_000;

/// The longest an explainer is waited for.
const EXPLAINING: Duration = Duration::from_secs(30);

/// A deployment to submit.
#[derive(Debug, Clone)]
pub struct Submission {
    /// What is asked for.
    pub spec: Spec,
    /// Protects against submitting twice: the same key with the same request is the same deployment.
    pub idempotency_key: Option<String>,
    /// What happens while another deployment of the resource is not finished.
    pub busy: WhenBusy,
}

/// A submission that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// The deployment.
    pub id: DeploymentId,
    /// Whether the same request had been recorded before.
    pub known: bool,
}

/// A deployment whose record can't be folded. It is left alone; others go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The deployment.
    pub id: DeploymentId,
    /// What is wrong with its record.
    pub why: String,
}

/// The engine. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    pub(super) previewer: Previewer,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) explainers: Vec<Arc<dyn Explainer>>,
    pub(super) limits: Limits,
    pub(super) effects: Arc<Semaphore>,
    pub(super) tasks: Mutex<HashMap<DeploymentId, TaskHandle>>,
    pub(super) quarantined: Mutex<Vec<Quarantined>>,
    pub(super) admission: Arc<dyn Admission>,
    /// Who waits for a turn.
    pub(super) turnstile: Turnstile,
    /// Who waits for space to be freed.
    pub(super) passes: Passes,
    /// Set when the engine shuts down.
    pub(super) closing: Cancel,
}

/// How others reach a deployment's task.
#[derive(Clone)]
pub(super) struct TaskHandle {
    pub(super) mail: mpsc::Sender<Mail>,
    pub(super) seen: watch::Receiver<Seq>,
}

impl Inner {
    pub(super) fn tasks(&self) -> MutexGuard<'_, HashMap<DeploymentId, TaskHandle>> {
        // A panic elsewhere can't leave the map half changed: it is only inserted into and removed from.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The deployments that are left alone.
    pub(super) fn left_alone(&self) -> MutexGuard<'_, Vec<Quarantined>> {
        self.quarantined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a deployment alone whose record can't be used.
    pub(super) fn quarantine(&self, id: DeploymentId, why: String) {
        tracing::error!(deployment = %id, why, "quarantined");
        self.left_alone().push(Quarantined { id, why });
    }
}

impl Engine {
    /// Starts building an engine over a store, sources and a detector.
    pub fn builder(
        store: impl Store + 'static,
        sources: impl Sources + 'static,
        detector: impl Detector + 'static,
    ) -> Builder {
        Builder::new(Arc::new(store), Arc::new(sources), Arc::new(detector))
    }

    pub(super) fn previewer(&self) -> &Previewer {
        &self.inner.previewer
    }

    pub(super) fn of(inner: &Arc<Inner>) -> Self {
        Self { inner: Arc::clone(inner) }
    }

    pub(super) const fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(super) fn from_inner(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// What would happen, and every reason why not. Reads only.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn preview(&self, spec: &Spec) -> Result<PlanDocument, EngineError> {
        let detection = self.inner.previewer.inspect(spec).await;
        let survey = self.inner.survey(spec, &detection).await?;
        let draft = self.inner.previewer.draft(spec, &detection, Some(&survey));
        let document = self.inner.previewer.document(&draft, spec, Some(&survey)).await;
        Ok(document.judged(self.admission(spec).await?))
    }

    /// Submits a deployment. When this returns, it is durable and will be carried out.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::KeyReused`] and [`StoreError::Limit`] inside
    /// [`EngineError::Store`]; [`EngineError::Refused`] when a policy says no and the submission does not
    /// wait; [`EngineError::Overloaded`]; [`EngineError::ShuttingDown`].
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, EngineError> {
        if self.inner.closing.is_cancelled() {
            return Err(EngineError::ShuttingDown);
        }
        if self.inner.tasks().len() >= self.inner.limits.deployments {
            return Err(EngineError::Overloaded { what: "unfinished deployments" });
        }
        let Submission { mut spec, idempotency_key, busy } = submission;
        spec.workspace = default_workspace();
        let request = Digest::of(&serde_json::to_vec(&spec).expect("every key is a string"));
        spec.workspace = self.inner.admission.workspace(&spec.resource);
        let replaces = busy == WhenBusy::Supersede
            || (busy == WhenBusy::Wait && self.inner.admission.supersedes(&spec.workspace));
        let idempotency = idempotency_key.map(|key| (key, request));
        if let Some(known) = self.refused(&spec, busy, idempotency.as_ref()).await? {
            return Ok(Submitted { id: known, known: true });
        }
        let resource = self.inner.store.resource(&spec.resource, self.inner.ids.resource()).await?;
        let (id, at) = (self.inner.ids.deployment(), self.inner.previewer.clock().now());
        let key = spec.resource.clone();
        let waiting_max = self.inner.admission.allowance(&spec.workspace).waiting;
        let accepted = Deployment::accept(id, resource.id, Arc::new(spec), at);
        let deployment = Deployment::replay([&accepted]).expect("an acceptance begins a history");
        let status = deployment.status();
        let append = Append {
            deployment: id,
            after: Seq(0),
            fence: None,
            events: vec![accepted],
            status,
            release: None,
        };
        let create = Create { append, resource: key, idempotency, busy, waiting_max };
        match self.inner.store.create(create).await? {
            Created::Known(id) => Ok(Submitted { id, known: true }),
            Created::New => {
                let status = deployment.status();
                self.spawn(deployment, None);
                if replaces {
                    self.supersede_before(&status).await;
                }
                Ok(Submitted { id, known: false })
            }
        }
    }

    /// Whether a policy refuses it now. What was submitted before under the same key is not refused any
    /// more: it is returned.
    async fn refused(
        &self,
        spec: &Spec,
        busy: WhenBusy,
        idempotency: Option<&(String, Digest)>,
    ) -> Result<Option<DeploymentId>, EngineError> {
        if busy != WhenBusy::Refuse {
            return Ok(None);
        }
        let verdict = self.inner.judge(spec).await;
        if verdict.blocked.is_empty() {
            return Ok(None);
        }
        if let Some((key, request)) = idempotency
            && let Some(known) = self.inner.store.known(key, request).await?
        {
            return Ok(Some(known));
        }
        Err(EngineError::Refused(verdict.blocked))
    }

    /// The submission that tries again what an ended deployment was asked to do.
    ///
    /// # Errors
    /// [`Rejection::NotEnded`], [`StoreError::NotFound`], or the store can't be read.
    pub async fn again(&self, id: DeploymentId, actor: Actor) -> Result<Submission, EngineError> {
        self.like(id, actor, Trigger::Retry { of: id }).await
    }

    /// The submission that deploys once more, on purpose, what an ended deployment was asked to deploy: its
    /// source as it is now, with what was fixed then.
    ///
    /// # Errors
    /// As [`Engine::again`].
    pub async fn redeploy(&self, id: DeploymentId, actor: Actor) -> Result<Submission, EngineError> {
        self.like(id, actor, Trigger::Redeploy).await
    }

    async fn like(
        &self,
        id: DeploymentId,
        actor: Actor,
        trigger: Trigger,
    ) -> Result<Submission, EngineError> {
        if !self.status(id).await?.status.is_ended() {
            return Err(Rejection::NotEnded.into());
        }
        let history = self.inner.store.events(id, Seq(0), 1).await?;
        let before = Deployment::replay(&history).map_err(|_| EngineError::Quarantined(id))?;
        let trigger = match before.spec().trigger {
            // Going back stays going back: its release is the source.
            Trigger::Rollback => Trigger::Rollback,
            Trigger::Create | Trigger::Redeploy | Trigger::Retry { .. } => trigger,
        };
        let spec = Spec { trigger, actor, approval: Approval::Automatic, ..(**before.spec()).clone() };
        Ok(Submission { spec, idempotency_key: None, busy: WhenBusy::Refuse })
    }

    fn spawn(&self, deployment: Deployment, first: Option<Input>) {
        let (mail, mailbox) = mpsc::channel(self.inner.limits.mailbox);
        let (shown, seen) = watch::channel(deployment.seq());
        let id = deployment.id();
        self.inner.tasks().insert(id, TaskHandle { mail, seen });
        turnstile::attend(&self.inner);
        let task = Task::new(Arc::clone(&self.inner), deployment, mailbox, shown);
        tokio::spawn(task.run(first));
    }

    /// Sends a command and returns the status it led to, once that is durable.
    ///
    /// # Errors
    /// [`EngineError::Rejected`] when the state forbids it; [`StoreError::NotFound`];
    /// [`EngineError::Overloaded`] when too many commands wait.
    pub async fn send(&self, id: DeploymentId, command: Command, by: Actor) -> Result<Status, EngineError> {
        let known = self.inner.tasks().get(&id).cloned();
        let handle = match known {
            Some(handle) => handle,
            None => self.taken_up(id).await?,
        };
        let (reply, answer) = oneshot::channel();
        match handle.mail.try_send(Mail { command, by, reply }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Err(EngineError::Overloaded { what: "commands for this deployment" });
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.why_not_running(id).await),
        }
        match answer.await {
            Ok(answer) => answer,
            // The task ended before it came to this command.
            Err(_) if self.inner.closing.is_cancelled() => Err(EngineError::ShuttingDown),
            Err(_) => Err(self.why_not_running(id).await),
        }
    }

    /// A deployment without a task has ended, is quarantined, is driven elsewhere, or does not exist.
    pub(super) async fn why_not_running(&self, id: DeploymentId) -> EngineError {
        match self.inner.store.status(id).await {
            Ok(status) if status.status.is_ended() => {
                Rejection::AlreadyEnded { status: status.status.as_str() }.into()
            }
            Ok(_) if self.inner.left_alone().iter().any(|left| left.id == id) => EngineError::Quarantined(id),
            Ok(_) => EngineError::Elsewhere(id),
            Err(error) => error.into(),
        }
    }

    /// Goes on with everything that is unfinished. Call it once, after building.
    ///
    /// Returns how many were taken up. A record that can't be folded is quarantined, not fatal.
    ///
    /// # Errors
    /// The list of the unfinished can't be read.
    pub async fn recover(&self) -> Result<usize, EngineError> {
        turnstile::attend(&self.inner);
        let unfinished = self.inner.store.unfinished().await?;
        // Before anything runs again: what a step is about to find must not vanish under it.
        self.inner.reclaim().await;
        let mut taken_up = 0;
        for id in unfinished {
            match self.recover_one(id).await {
                Ok(()) => taken_up += 1,
                Err(why) => self.inner.quarantine(id, why),
            }
        }
        Ok(taken_up)
    }

    pub(super) async fn recover_one(&self, id: DeploymentId) -> Result<(), String> {
        let history = self.history(id).await.map_err(|error| error.to_string())?;
        let deployment = Deployment::replay(&history).map_err(|error| error.to_string())?;
        if deployment.is_ended() {
            return Ok(());
        }
        let at = self.inner.previewer.clock().now();
        let fence = match deployment.holds_resource() {
            true => {
                // What ran before the crash goes on, whatever may start now.
                let acquired = self.inner.store.acquire(&deployment.spec().resource, id, UNLIMITED).await;
                Some(acquired.map_err(|error| error.to_string())?)
            }
            false => None,
        };
        self.spawn(deployment, Some(Input::Recover { fence, at }));
        Ok(())
    }

    pub(super) async fn history(&self, id: DeploymentId) -> Result<Vec<Envelope>, StoreError> {
        let mut history: Vec<Envelope> = Vec::new();
        loop {
            let after = history.last().map_or(Seq(0), |envelope| envelope.sequence);
            let page = self.inner.store.events(id, after, self.inner.limits.page).await?;
            let last_page = page.len() < self.inner.limits.page;
            history.extend(page);
            if last_page {
                return Ok(history);
            }
        }
    }

    /// The deployments whose records are damaged.
    #[must_use]
    pub fn quarantined(&self) -> Vec<Quarantined> {
        self.inner.left_alone().clone()
    }

    // -----------------------------------------------------------------------------------------
    // Looking

    /// The status of a deployment at its last durable event.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the store can't be read.
    pub async fn status(&self, id: DeploymentId) -> Result<Status, EngineError> {
        Ok(self.inner.store.status(id).await?)
    }

    /// The status once it is newer than `after`, or as it is when `wait` is over.
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub async fn changed(&self, id: DeploymentId, after: Seq, wait: Duration) -> Result<Status, EngineError> {
        let seen = self.inner.tasks().get(&id).map(|handle| handle.seen.clone());
        if let Some(mut seen) = seen {
            // An error means that the task has ended, which is a change too.
            let _ = tokio::time::timeout(wait, seen.wait_for(|seq| *seq > after)).await;
            return self.status(id).await;
        }
        let status = self.status(id).await?;
        if !status.status.is_ended() {
            // Nobody drives it: asking again at once would get the same answer.
            tokio::time::sleep(wait.min(Duration::from_secs(1))).await;
        }
        Ok(status)
    }

    /// The status once the deployment has ended, or waits for a person.
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub async fn rested(&self, id: DeploymentId) -> Result<Status, EngineError> {
        let mut status = self.status(id).await?;
        while status.status.is_moving() {
            status = self.changed(id, status.sequence, Duration::from_secs(60)).await?;
        }
        Ok(status)
    }

    /// Deployments, newest first.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn list(&self, query: &ListQuery) -> Result<Vec<Status>, EngineError> {
        Ok(self.inner.store.list(query).await?)
    }

    /// Events after a number, in order, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the store can't be read.
    pub async fn events(
        &self,
        id: DeploymentId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Envelope>, EngineError> {
        Ok(self.inner.store.events(id, after, limit).await?)
    }

    /// Log lines.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn logs(&self, query: &LogQuery) -> Result<Vec<LogLine>, EngineError> {
        self.inner.store.flush().await?;
        Ok(self.inner.store.lines(query).await?)
    }

    /// Two deployments side by side.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when one of them is none, or the store can't be read.
    pub async fn compare(&self, a: DeploymentId, b: DeploymentId) -> Result<Comparison, EngineError> {
        let (before, after) = (self.record(a).await?, self.record(b).await?);
        let lines = |id| LogQuery { limit: COMPARED_LINES, ..LogQuery::of(id) };
        let logs = (self.logs(&lines(a)).await?, self.logs(&lines(b)).await?);
        Ok(Comparison::of(&before, &after, (&logs.0, &logs.1)))
    }

    /// What there is to compare of a deployment.
    async fn record(&self, id: DeploymentId) -> Result<Record, EngineError> {
        let mut record = Record::new(self.status(id).await?);
        let mut last = Seq(0);
        loop {
            let page = self.events(id, last, self.inner.limits.page).await?;
            let Some(newest) = page.last() else { return Ok(record) };
            last = newest.sequence;
            page.iter().for_each(|envelope| record.read(envelope));
        }
    }

    /// What the runs so far say together.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn stats(&self, query: &HistoryQuery) -> Result<Stats, EngineError> {
        let limit = query.limit.min(RUNS);
        let runs = self.inner.store.history(&HistoryQuery { limit, ..query.clone() }).await?;
        Ok(Stats::of(&runs, limit))
    }

    /// Looks for a text in live and archived log lines.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it names a deployment that is none, or the store can't be read.
    pub async fn search_logs(&self, search: &LogSearch) -> Result<Found, EngineError> {
        self.inner.store.flush().await?;
        Ok(self.inner.store.search(search).await?)
    }

    /// Archives and removes log lines that are old enough, all there are now. No event is touched.
    ///
    /// # Errors
    /// The store can't be read or written; what was done until then stays done.
    pub async fn tidy_logs(&self, keep: &LogKeeping) -> Result<Tidied, EngineError> {
        let now = self.inner.previewer.clock().now();
        let mut all = Tidied::default();
        loop {
            let some = self.inner.store.tidy(now, keep).await?;
            all = Tidied { archived: all.archived + some.archived, removed: all.removed + some.removed };
            if some == Tidied::default() || self.inner.closing.is_cancelled() {
                return Ok(all);
            }
        }
    }

    /// The likely cause of a failed deployment: what an explainer says, or else the rules.
    ///
    /// # Errors
    /// As [`Engine::status`].
    pub async fn explain(&self, id: DeploymentId) -> Result<Option<Diagnosis>, EngineError> {
        let status = self.status(id).await?;
        let Some(failure) = &status.failure else { return Ok(None) };
        if !self.inner.explainers.is_empty() {
            let query = LogQuery { limit: HEARD_LINES, newest: true, ..LogQuery::of(id) };
            let log = self.logs(&query).await?;
            for explainer in &self.inner.explainers {
                let explained = tokio::time::timeout(EXPLAINING, explainer.explain(&status, &log)).await;
                if let Ok(Some(diagnosis)) = explained {
                    return Ok(Some(diagnosis));
                }
            }
        }
        Ok(failure.likely.clone())
    }

    /// The releases of a resource, newest first. One whose artifact somebody else removed is shown as pruned.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn releases(&self, resource: &ResourceKey) -> Result<Vec<ReleaseRecord>, EngineError> {
        let mut releases = self.inner.store.releases(resource).await?;
        self.inner.look_for_artifacts(&mut releases).await;
        Ok(releases)
    }

    /// The resource of an id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the store can't be read.
    pub async fn resource_by_id(&self, id: ResourceId) -> Result<ResourceRecord, EngineError> {
        Ok(self.inner.store.resource_by_id(id).await?)
    }

    /// Deployments that are being driven now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.inner.tasks().len()
    }

    /// Stops driving, without ending any deployment: what runs is cancelled or abandoned within the
    /// grace, and the next owner goes on from the journal.
    pub async fn shutdown(&self, grace: Duration) {
        self.inner.closing.cancel();
        let all_gone = async {
            while self.running() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(grace, all_gone).await;
        let _ = self.inner.store.flush().await;
    }
}
