//! Who waits for a turn, and who is told that it may be theirs.
//!
//! The store decides whose turn it is, in the transaction that grants it. But a thousand that wait must not all
//! ask whenever one ends: somebody asks once for all of them, whenever a resource was given back here, and
//! now and then because another engine on the same store may have given one back. Being called is a hint;
//! whoever is called asks the store.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::handle::Inner;
use super::orphans::Orphans;
use crate::admission::{Allowance, Petition, Verdict};
use crate::command::Report;
use crate::deployment::Deployment;
use crate::id::{DeploymentId, Name, ResourceKey};
use crate::port::Admission;
use crate::spec::{Spec, default_workspace};

/// How often the store is asked whose turn it is, for what other engines gave back.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often one that waits asks for itself, should a call have been missed.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(30);
/// How often the policies are asked again about one that they defer.
pub(super) const JUDGE_AGAIN: Duration = Duration::from_secs(1);
/// How many are called at once.
const CALLED: usize = 64;

/// Those that wait for a turn in this engine.
#[derive(Default)]
pub(super) struct Turnstile {
    waiting: Mutex<HashMap<DeploymentId, (Name, Arc<Notify>)>>,
    bell: Arc<Notify>,
    attended: AtomicBool,
}

impl Turnstile {
    fn waiting(&self) -> MutexGuard<'_, HashMap<DeploymentId, (Name, Arc<Notify>)>> {
        // A panic elsewhere can't leave the map half changed: it is only inserted into and removed from.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that somebody else may go on.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Waits until the place that this gives is dropped.
    pub(super) fn enter(&self, id: DeploymentId, workspace: &Name) -> Place<'_> {
        let called = Arc::new(Notify::new());
        self.waiting().insert(id, (workspace.clone(), Arc::clone(&called)));
        Place { turnstile: self, id, called }
    }

    fn workspaces(&self) -> BTreeSet<Name> {
        self.waiting().values().map(|(workspace, _)| workspace.clone()).collect()
    }

    fn call(&self, ids: &[DeploymentId]) {
        let waiting = self.waiting();
        ids.iter().filter_map(|id| waiting.get(id)).for_each(|(_, called)| called.notify_one());
    }
}

/// The place of one that waits.
pub(super) struct Place<'a> {
    turnstile: &'a Turnstile,
    id: DeploymentId,
    called: Arc<Notify>,
}

impl Place<'_> {
    /// Returns when it may be its turn.
    pub(super) async fn called(&self) {
        self.called.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turnstile.waiting().remove(&self.id);
    }
}

/// Has somebody call those whose turn it is, from the first deployment on until the engine is gone.
pub(super) fn attend(inner: &Arc<Inner>) {
    if inner.turnstile.attended.swap(true, Ordering::SeqCst) {
        return;
    }
    let (weak, bell) = (Arc::downgrade(inner), Arc::clone(&inner.turnstile.bell));
    tokio::spawn(async move {
        let mut orphans = Orphans::default();
        loop {
            let _ = tokio::time::timeout(LOOK_AGAIN, bell.notified()).await;
            let Some(inner) = weak.upgrade().filter(|inner| !inner.closing.is_cancelled()) else { return };
            inner.call_next().await;
            orphans.look(&inner).await;
        }
    });
}

impl Inner {
    async fn call_next(&self) {
        for workspace in self.turnstile.workspaces() {
            let concurrent = self.concurrent(&workspace).await;
            match self.store.turns(&workspace, concurrent, CALLED).await {
                Ok(next) => self.turnstile.call(&next),
                Err(error) => {
                    tracing::warn!(%workspace, %error, "nobody knows whose turn it is; asking again");
                }
            }
        }
    }

    /// How many of a workspace may own their resource at once, as the store counts: whoever is left alone because of a
    /// damaged record owns one and does nothing, so it takes nobody's room.
    pub(super) async fn concurrent(&self, workspace: &Name) -> u32 {
        let mut concurrent = self.admission.allowance(workspace).concurrent;
        let left_alone: Vec<DeploymentId> = self.left_alone().iter().map(|left| left.id).collect();
        for id in left_alone {
            let status = self.store.status(id).await;
            if status.is_ok_and(|status| status.workspace == *workspace && status.owns_its_resource()) {
                concurrent = concurrent.saturating_add(1);
            }
        }
        concurrent
    }

    /// What the policies say about it now.
    pub(super) async fn judge(&self, spec: &Spec) -> Verdict {
        let Spec { resource, workspace, actor, trigger, .. } = spec;
        let at = self.previewer.clock().now();
        self.admission.judge(&Petition { resource, workspace, actor, trigger, at }).await
    }

    /// What the policies say about one that waits, if that is not what is recorded.
    pub(super) async fn news_of_policies(&self, deployment: &Deployment) -> Option<Report> {
        let verdict = self.judge(deployment.spec()).await;
        if verdict.blocks_like(deployment.deferred()) {
            return None;
        }
        match verdict.blocked.is_empty() {
            true => Some(Report::Admitted),
            false => Some(Report::Deferred { reasons: verdict.blocked }),
        }
    }
}

/// Everybody may deploy, as much as the engine can take.
pub(super) struct Unrestricted;

#[async_trait]
impl Admission for Unrestricted {
    fn workspace(&self, _: &ResourceKey) -> Name {
        default_workspace()
    }

    fn allowance(&self, _: &Name) -> Allowance {
        Allowance::UNLIMITED
    }

    async fn judge(&self, _: &Petition<'_>) -> Verdict {
        Verdict::ALLOW
    }
}
