//! Runs that nobody drives any more: their control plane is gone, and this one lives on the same store.
//!
//! Nobody says that it lives. A run that is looked after moves, or waits for something that its journal shows: its
//! turn, a deadline, a person. One that stands still although its turn has come, or long after it had to say
//! something, is taken up. Were its owner only slow, no harm is done: its fence is stale from then on, so nothing that
//! it does counts. A run that waits for a person is taken up when somebody tells it something.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error::EngineError;
use super::handle::{Engine, Inner, TaskHandle};
use crate::deployment::Deployment;
use crate::id::{DeploymentId, Seq};
use crate::port::StoreError;
use crate::queue::{Line, WaitsFor};
use crate::status::{Status, StatusName};

/// How often it is looked for runs that nobody drives.
const LOOK: Duration = Duration::from_secs(5);
/// How long one may stand still although its turn has come: an owner that lives is called every half second.
const TURN: Duration = Duration::from_secs(15);
/// How long one may be silent after its deadline, or between two phases.
const SILENCE: Duration = Duration::from_secs(60);
/// How long one may be silent that has no deadline: reading a source is bounded, but takes its time.
const READING: Duration = Duration::from_secs(30 * 60);
/// How many are looked at in one go, the eldest first.
const AT_ONCE: usize = 64;

/// What was seen of runs that others drive, if anybody does.
#[derive(Default)]
pub(super) struct Orphans {
    looked: Option<Instant>,
    seen: HashMap<DeploymentId, (Seq, Instant)>,
}

impl Orphans {
    /// Takes up what nobody drives. It looks only now and then, however often it is called.
    pub(super) async fn look(&mut self, inner: &Arc<Inner>) {
        let now = Instant::now();
        if self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
            return;
        }
        self.looked = Some(now);
        match self.find(inner, now).await {
            Ok(found) => {
                for id in found {
                    tracing::warn!(deployment = %id, "nobody drives it any more; it is taken up");
                    self.seen.remove(&id);
                    Engine::of(inner).take_up(id).await;
                }
            }
            Err(error) => tracing::warn!(%error, "nobody knows what others drive; looking again"),
        }
    }

    async fn find(&mut self, inner: &Arc<Inner>, now: Instant) -> Result<Vec<DeploymentId>, StoreError> {
        let unfinished = inner.store.unfinished().await?;
        let elsewhere: Vec<DeploymentId> =
            unfinished.into_iter().filter(|id| !inner.knows(*id)).take(AT_ONCE).collect();
        self.seen.retain(|id, _| elsewhere.contains(id));
        let mut found = Vec::new();
        for id in elsewhere {
            // One whose status can't be read is the business of whoever starts next.
            let Ok(status) = inner.store.status(id).await else { continue };
            if self.stands_still(inner, &status, now).await? {
                found.push(id);
            }
        }
        Ok(found)
    }

    /// Whether it has stood still for longer than it would if anybody drove it.
    async fn stands_still(
        &mut self,
        inner: &Arc<Inner>,
        status: &Status,
        now: Instant,
    ) -> Result<bool, StoreError> {
        if waits_for_somebody(status) {
            self.seen.remove(&status.id);
            return Ok(false);
        }
        if status.status == StatusName::Queued && !inner.is_its_turn(status).await? {
            self.seen.remove(&status.id);
            return Ok(false);
        }
        let seen = self.seen.entry(status.id).or_insert((status.sequence, now));
        if seen.0 != status.sequence {
            *seen = (status.sequence, now);
        }
        let still = now.duration_since(seen.1);
        match status.status {
            StatusName::Queued => Ok(still >= TURN),
            StatusName::Detecting
            | StatusName::Planning
            | StatusName::Executing
            | StatusName::Verifying
            | StatusName::RollingBack => Ok(still >= SILENCE && inner.is_overdue(status.id, still).await?),
            StatusName::Blocked
            | StatusName::Planned
            | StatusName::Succeeded
            | StatusName::Failed
            | StatusName::RolledBack
            | StatusName::Stopped
            | StatusName::Superseded => Ok(false),
        }
    }
}

/// Whether only a person, or a policy, lets it go on.
fn waits_for_somebody(status: &Status) -> bool {
    status.paused || !status.status.is_moving() || !status.deferred_reasons.is_empty()
}

impl Inner {
    /// Whether this engine drives it, or leaves it alone.
    fn knows(&self, id: DeploymentId) -> bool {
        self.tasks().contains_key(&id) || self.left_alone().iter().any(|quarantined| quarantined.id == id)
    }

    /// Whether nobody is in the way of one that waits. Its resource may be its own already: whoever drove it may
    /// have died between taking it and saying so.
    async fn is_its_turn(&self, status: &Status) -> Result<bool, StoreError> {
        let concurrent = self.concurrent(&status.workspace).await;
        let statuses = self.store.queue(&status.workspace, self.limits.line).await?;
        let (usual, damaged, now) = (BTreeMap::new(), BTreeSet::new(), self.previewer.clock().now());
        let line = Line { statuses: &statuses, concurrent, usual: &usual, damaged: &damaged, now };
        Ok(line.place(status.id).is_some_and(|place| place.waits_for == WaitsFor::Nothing))
    }

    /// Whether whoever drives it had to say something long ago.
    async fn is_overdue(self: &Arc<Self>, id: DeploymentId, still: Duration) -> Result<bool, StoreError> {
        let history = Engine::of(self).history(id).await?;
        // One that can't be folded is shown as such by whoever takes it up.
        let Ok(deployment) = Deployment::replay(&history) else { return Ok(true) };
        let Some(deadline) = deployment.deadline() else { return Ok(still >= READING) };
        Ok(self.previewer.clock().now().since(deadline).as_duration() >= SILENCE)
    }
}

impl Engine {
    /// Goes on with one from its journal. If that can't be read, it is left alone.
    pub(super) async fn take_up(&self, id: DeploymentId) {
        if let Err(why) = self.recover_one(id).await {
            self.inner().quarantine(id, why);
        }
    }

    /// The task of an unfinished deployment that this engine does not drive yet: one that waits for a person is taken
    /// up by whoever that person talks to.
    ///
    /// # Errors
    /// It has ended, is quarantined, moves elsewhere, or does not exist.
    pub(super) async fn taken_up(&self, id: DeploymentId) -> Result<TaskHandle, EngineError> {
        let status = self.status(id).await?;
        let inner = self.inner();
        if !status.status.is_ended() && waits_for_somebody(&status) && !inner.knows(id) {
            self.take_up(id).await;
        }
        let handle = inner.tasks().get(&id).cloned();
        match handle {
            Some(handle) => Ok(handle),
            None => Err(self.why_not_running(id).await),
        }
    }
}
