//! A store that only remembers: every rule of the ports, nothing on disk.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::history::{HistoryQuery, RunRecord};
use crate::id::{DeploymentId, Digest, Fence, Name, ResourceId, ResourceKey, Seq};
use crate::log::{Found, LogKeeping, LogLine, LogQuery, LogSearch, Tidied, cut_line, holds, removed_notice};
use crate::port::{
    Append, Catalogue, Create, Created, Journal, Keep, Lease, ListQuery, LogSink, Logs, ReleaseChange,
    ReleaseRecord, ReleaseState, ResourceRecord, StoreError, WhenBusy,
};
use crate::status::{Status, StatusName};
use crate::time::{Span, Timestamp};
use crate::wire::Envelope;

/// A store in memory. Clones share what they remember, so one can outlive an engine and be given to
/// the next: a crash without a disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    resources: Vec<ResourceRecord>,
    deployments: Vec<Kept>,
    leases: HashMap<ResourceKey, Held>,
    keys: HashMap<String, (Digest, DeploymentId)>,
    releases: Vec<(ResourceKey, ReleaseRecord)>,
    lines: Vec<LogLine>,
    /// Deployments whose lines count as archived.
    archived: HashSet<DeploymentId>,
    /// The notices that stand where lines were removed.
    notices: HashMap<DeploymentId, Seq>,
}

#[derive(Debug)]
struct Kept {
    id: DeploymentId,
    resource: ResourceKey,
    events: Vec<Envelope>,
    status: Status,
}

#[derive(Debug, Default)]
struct Held {
    epoch: u64,
    by: Option<DeploymentId>,
}

impl Kept {
    fn waits_or_runs(&self) -> bool {
        !self.status.status.is_ended() && self.status.status != StatusName::Blocked
    }

    fn waits_in(&self, workspace: &Name) -> bool {
        self.status.status == StatusName::Queued && self.status.workspace == *workspace
    }

    const fn last(&self) -> Seq {
        Seq(self.events.len() as u64)
    }

    /// Whether it made this release's artifact, or wants to go back to the release.
    fn uses(&self, resource: &ResourceKey, release: &ReleaseRecord) -> bool {
        let source = &self.status.source_summary;
        let wants = source.kind == "release" && source.locator == release.version.to_string();
        !self.status.status.is_ended()
            && (self.status.digest.as_ref() == Some(&release.digest) || (wants && self.resource == *resource))
    }
}

/// Whether an append is whole: its events follow one another, are its deployment's, and end at its status.
fn check_whole(append: &Append) -> Result<(), StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt { what: what.to_owned() };
    let last = append.events.last().ok_or_else(|| corrupt("an append without an event"))?;
    let mut expected = append.after;
    for event in &append.events {
        expected = expected.next();
        if event.sequence != expected || event.deployment != append.deployment {
            return Err(corrupt("an event that is not the next one of its deployment"));
        }
    }
    if append.status.sequence == last.sequence { Ok(()) } else { Err(corrupt("a status of another event")) }
}

impl State {
    fn kept(&self, id: DeploymentId) -> Result<&Kept, StoreError> {
        self.deployments.iter().find(|kept| kept.id == id).ok_or(StoreError::NotFound)
    }

    fn check_fence(&self, append: &Append, resource: &ResourceKey) -> Result<(), StoreError> {
        let Some(fence) = append.fence else { return Ok(()) };
        match self.leases.get(resource) {
            Some(held) if held.epoch == fence.0 && held.by == Some(append.deployment) => Ok(()),
            held => Err(StoreError::Fenced { current: Fence(held.map_or(0, |held| held.epoch)) }),
        }
    }

    /// Whether a change of releases can be made: what is restored is there, what is made is new.
    fn check_release(&self, resource: &ResourceKey, change: &ReleaseChange) -> Result<(), StoreError> {
        let usable = |version| {
            self.releases.iter().any(|(key, release)| {
                let usable = matches!(release.state, ReleaseState::Live | ReleaseState::Previous);
                key == resource && release.version == version && usable
            })
        };
        match change {
            ReleaseChange::Restored(version) if !usable(*version) => Err(StoreError::NotFound),
            ReleaseChange::Made(made) if usable(made.version) => {
                Err(StoreError::Corrupt { what: format!("a second release {}", made.version) })
            }
            ReleaseChange::Restored(_) | ReleaseChange::Made(_) | ReleaseChange::Failed(_) => Ok(()),
        }
    }

    fn change_release(&mut self, resource: &ResourceKey, change: ReleaseChange) {
        let own = self.releases.iter_mut().filter(|(key, _)| key == resource).map(|(_, release)| release);
        match change {
            ReleaseChange::Made(made) => {
                own.filter(|release| release.state == ReleaseState::Live)
                    .for_each(|release| release.state = ReleaseState::Previous);
                self.releases.push((resource.clone(), ReleaseRecord { state: ReleaseState::Live, ..*made }));
            }
            ReleaseChange::Restored(version) => own.for_each(|release| match release.state {
                ReleaseState::Live if release.version != version => release.state = ReleaseState::Previous,
                ReleaseState::Previous if release.version == version => release.state = ReleaseState::Live,
                ReleaseState::Live | ReleaseState::Previous | ReleaseState::Failed | ReleaseState::Pruned => {
                }
            }),
            ReleaseChange::Failed(failed) => {
                drop(own);
                self.releases
                    .push((resource.clone(), ReleaseRecord { state: ReleaseState::Failed, ..*failed }));
            }
        }
    }

    /// Who must be waited for: the present holder goes first, then whoever was accepted before.
    fn in_the_way(&self, by: &Kept) -> Option<DeploymentId> {
        let holder = self.leases.get(&by.resource).and_then(|held| held.by);
        if holder == Some(by.id) {
            return None;
        }
        let active = |kept: &&Kept| kept.resource == by.resource && kept.status.is_in_the_way();
        let holds = self.deployments.iter().filter(active).find(|kept| Some(kept.id) == holder);
        let mut elders = self.deployments.iter().take_while(|kept| kept.id != by.id);
        holds.or_else(|| elders.find(active)).map(|kept| kept.id)
    }

    fn is_elder(&self, one: DeploymentId, other: DeploymentId) -> bool {
        let place = |id| self.deployments.iter().position(|kept| kept.id == id);
        place(one) < place(other)
    }

    fn running(&self, workspace: &Name) -> usize {
        let holds =
            |kept: &&Kept| self.leases.get(&kept.resource).is_some_and(|held| held.by == Some(kept.id));
        let of_workspace =
            self.deployments.iter().filter(|k| k.status.workspace == *workspace && k.status.is_in_the_way());
        of_workspace.filter(holds).count()
    }

    /// Those of a workspace that could go on if there were room for all of them, eldest first.
    fn next(&self, workspace: &Name) -> impl Iterator<Item = DeploymentId> {
        let holds =
            |kept: &Kept| self.leases.get(&kept.resource).is_some_and(|held| held.by == Some(kept.id));
        let asking = self
            .deployments
            .iter()
            .filter(move |kept| kept.status.workspace == *workspace && kept.status.asks_for_its_turn());
        asking.filter(move |kept| !holds(kept) && self.in_the_way(kept).is_none()).map(|kept| kept.id)
    }

    fn keep(&self) -> Keep {
        let usable =
            |release: &&ReleaseRecord| matches!(release.state, ReleaseState::Live | ReleaseState::Previous);
        let unfinished = || self.deployments.iter().filter(|kept| !kept.status.status.is_ended());
        let made = unfinished().filter_map(|kept| kept.status.digest.clone());
        Keep {
            digests: self
                .releases
                .iter()
                .map(|(_, release)| release)
                .filter(usable)
                .map(|r| r.digest.clone())
                .chain(made)
                .collect(),
            deployments: unfinished().map(|kept| kept.id).collect(),
        }
    }
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryStore {
    async fn create(&self, create: Create) -> Result<Created, StoreError> {
        let mut state = self.state();
        let Create { append, resource, idempotency, busy, waiting_max } = create;
        check_whole(&append)?;
        if let Some((key, digest)) = &idempotency
            && let Some((known, deployment)) = state.keys.get(key)
        {
            return if known == digest {
                Ok(Created::Known(*deployment))
            } else {
                Err(StoreError::KeyReused)
            };
        }
        if let Ok(known) = state.kept(append.deployment) {
            return Err(StoreError::Conflict { actual: known.last() });
        }
        let holder = state.deployments.iter().find(|kept| kept.resource == resource && kept.waits_or_runs());
        if let (Some(holder), WhenBusy::Refuse) = (holder, busy) {
            return Err(StoreError::Busy { holder: holder.id });
        }
        let waiting = state.deployments.iter().filter(|kept| kept.waits_in(&append.status.workspace)).count();
        if waiting >= waiting_max as usize {
            return Err(StoreError::Limit { what: format!("{waiting} deployments of the workspace wait") });
        }
        if let Some((key, digest)) = idempotency {
            state.keys.insert(key, (digest, append.deployment));
        }
        let Append { deployment, events, status, .. } = append;
        state.deployments.push(Kept { id: deployment, resource, events, status });
        Ok(Created::New)
    }

    async fn known(&self, key: &str, request: &Digest) -> Result<Option<DeploymentId>, StoreError> {
        match self.state().keys.get(key) {
            Some((known, deployment)) if known == request => Ok(Some(*deployment)),
            Some(_) => Err(StoreError::KeyReused),
            None => Ok(None),
        }
    }

    async fn append(&self, append: Append) -> Result<(), StoreError> {
        let mut state = self.state();
        check_whole(&append)?;
        let kept = state.kept(append.deployment)?;
        let (actual, resource) = (kept.last(), kept.resource.clone());
        state.check_fence(&append, &resource)?;
        if actual != append.after {
            return Err(StoreError::Conflict { actual });
        }
        if let Some(change) = &append.release {
            state.check_release(&resource, change)?;
        }
        let kept = state
            .deployments
            .iter_mut()
            .find(|kept| kept.id == append.deployment)
            .ok_or(StoreError::NotFound)?;
        kept.events.extend(append.events);
        kept.status = append.status;
        if let Some(change) = append.release {
            state.change_release(&resource, change);
        }
        Ok(())
    }

    async fn events(
        &self,
        deployment: DeploymentId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Envelope>, StoreError> {
        let state = self.state();
        let events = state.kept(deployment)?.events.iter().filter(|event| event.sequence > after);
        Ok(events.take(limit).cloned().collect())
    }

    async fn unfinished(&self) -> Result<Vec<DeploymentId>, StoreError> {
        Ok(self.state().keep().deployments)
    }
}

#[async_trait]
impl Lease for MemoryStore {
    async fn acquire(
        &self,
        resource: &ResourceKey,
        by: DeploymentId,
        concurrent: u32,
    ) -> Result<Fence, StoreError> {
        let mut state = self.state();
        let asking = state.kept(by)?;
        if asking.resource != *resource {
            return Err(StoreError::NotFound);
        }
        if asking.status.status.is_ended() {
            return Err(StoreError::Conflict { actual: asking.last() });
        }
        if let Some(holder) = state.in_the_way(asking) {
            return Err(StoreError::Busy { holder });
        }
        let holder = state.leases.get(resource).and_then(|held| held.by);
        let workspace = &asking.status.workspace;
        let running = state.running(workspace);
        let elders = state.next(workspace).take_while(|elder| state.is_elder(*elder, by)).count();
        if holder != Some(by) && running + elders >= concurrent as usize {
            return Err(StoreError::WorkspaceFull { running: u32::try_from(running).unwrap_or(u32::MAX) });
        }
        let held = state.leases.entry(resource.clone()).or_default();
        held.epoch += 1;
        held.by = Some(by);
        Ok(Fence(held.epoch))
    }

    async fn turns(
        &self,
        workspace: &Name,
        concurrent: u32,
        limit: usize,
    ) -> Result<Vec<DeploymentId>, StoreError> {
        let state = self.state();
        let room = (concurrent as usize).saturating_sub(state.running(workspace)).min(limit);
        Ok(state.next(workspace).take(room).collect())
    }

    async fn release(&self, resource: &ResourceKey, fence: Fence) -> Result<(), StoreError> {
        if let Some(held) = self.state().leases.get_mut(resource).filter(|held| held.epoch == fence.0) {
            held.by = None;
        }
        Ok(())
    }
}

#[async_trait]
impl Catalogue for MemoryStore {
    async fn resource(&self, key: &ResourceKey, candidate: ResourceId) -> Result<ResourceRecord, StoreError> {
        let mut state = self.state();
        if let Some(known) = state.resources.iter().find(|resource| resource.key == *key) {
            return Ok(known.clone());
        }
        let record = ResourceRecord { id: candidate, key: key.clone() };
        state.resources.push(record.clone());
        Ok(record)
    }

    async fn resource_by_id(&self, id: ResourceId) -> Result<ResourceRecord, StoreError> {
        self.state().resources.iter().find(|resource| resource.id == id).cloned().ok_or(StoreError::NotFound)
    }

    async fn status(&self, deployment: DeploymentId) -> Result<Status, StoreError> {
        Ok(self.state().kept(deployment)?.status.clone())
    }

    async fn queue(&self, workspace: &Name, limit: usize) -> Result<Vec<Status>, StoreError> {
        let state = self.state();
        let unfinished = state.deployments.iter().filter(|kept| kept.waits_or_runs());
        let own = unfinished.filter(|kept| kept.status.workspace == *workspace);
        Ok(own.take(limit).map(|kept| kept.status.clone()).collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Status>, StoreError> {
        let state = self.state();
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let wanted = |status: &&Status| {
            is(&query.resource, status.resource.as_str())
                && is(&query.environment, status.environment.as_str())
                && is(&query.status, status.status.as_str())
                && is(&query.trigger, status.trigger.as_str())
                && is(&query.actor, &status.actor.0)
                && query.since.is_none_or(|since| status.created_at >= since)
                && query.until.is_none_or(|until| status.created_at < until)
        };
        if let Some(before) = query.before {
            state.kept(before)?;
        }
        let newest_first = state.deployments.iter().rev();
        let from = newest_first.skip_while(|kept| query.before.is_some_and(|before| kept.id != before));
        let from = from.skip(usize::from(query.before.is_some())).map(|kept| &kept.status);
        Ok(from.filter(wanted).take(query.limit).cloned().collect())
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<RunRecord>, StoreError> {
        let HistoryQuery { resource, environment, since, until, limit } = query.clone();
        let list = ListQuery { resource, environment, since, until, limit, ..ListQuery::default() };
        Ok(self.list(&list).await?.iter().rev().map(RunRecord::of).collect())
    }

    async fn releases(&self, resource: &ResourceKey) -> Result<Vec<ReleaseRecord>, StoreError> {
        let state = self.state();
        let own = state.releases.iter().rev().filter(|(key, _)| key == resource);
        Ok(own.map(|(_, release)| release.clone()).collect())
    }

    async fn kept(&self) -> Result<Keep, StoreError> {
        Ok(self.state().keep())
    }

    async fn retain(&self, resource: &ResourceKey, keep: u32) -> Result<(), StoreError> {
        let mut state = self.state();
        let State { releases, deployments, .. } = &mut *state;
        let mut own: Vec<&mut ReleaseRecord> =
            releases.iter_mut().filter(|(key, _)| key == resource).map(|(_, release)| release).collect();
        own.sort_by_key(|release| std::cmp::Reverse((release.state == ReleaseState::Live, release.version)));
        let usable =
            own.into_iter().filter(|r| matches!(r.state, ReleaseState::Live | ReleaseState::Previous));
        usable
            .skip(usize::try_from(keep.max(1)).unwrap_or(usize::MAX))
            .filter(|release| !deployments.iter().any(|kept| kept.uses(resource, release)))
            .for_each(|release| release.state = ReleaseState::Pruned);
        Ok(())
    }
}

impl LogSink for MemoryStore {
    fn line(&self, mut line: LogLine) {
        /// What the log of all deployments together may hold.
        const LINES: usize = 100_000;
        let mut state = self.state();
        if state.lines.len() < LINES && state.kept(line.deployment).is_ok() {
            line.message = cut_line(&line.message);
            let own = state.lines.iter().filter(|kept| kept.deployment == line.deployment);
            line.sequence = own.map(|kept| kept.sequence).max().unwrap_or_default().next();
            state.archived.remove(&line.deployment);
            state.lines.push(line);
        }
    }
}

#[async_trait]
impl Logs for MemoryStore {
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>, StoreError> {
        let state = self.state();
        state.kept(query.deployment)?;
        let wanted = |line: &&LogLine| {
            line.deployment == query.deployment
                && line.sequence > query.after
                && query.step.as_ref().is_none_or(|step| line.step.as_ref() == Some(step))
                && query.source.is_none_or(|source| line.source == source)
                && query.level.is_none_or(|level| line.level >= level)
        };
        let lines: Vec<LogLine> = state.lines.iter().filter(wanted).cloned().collect();
        let surplus = lines.len().saturating_sub(query.limit);
        let passed_over = if query.newest { surplus } else { 0 };
        Ok(lines.into_iter().skip(passed_over).take(query.limit).collect())
    }

    async fn search(&self, search: &LogSearch) -> Result<Found, StoreError> {
        let state = self.state();
        if let Some(deployment) = search.deployment {
            state.kept(deployment)?;
        }
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|name| name == found);
        let newest_first = state.deployments.iter().rev().filter(|kept| {
            search.deployment.is_none_or(|id| id == kept.id)
                && is(&search.resource, kept.resource.resource.as_str())
                && is(&search.environment, kept.resource.environment.as_str())
        });
        let lines =
            newest_first.flat_map(|kept| state.lines.iter().filter(|line| line.deployment == kept.id));
        let mut found: Vec<LogLine> =
            lines.filter(|line| holds(&line.message, &search.text)).cloned().collect();
        let complete = found.len() <= search.limit;
        found.truncate(search.limit);
        Ok(Found { lines: found, complete })
    }

    async fn tidy(&self, now: Timestamp, keep: &LogKeeping) -> Result<Tidied, StoreError> {
        let mut state = self.state();
        let ended = state.deployments.iter().filter_map(|kept| Some((kept.id, kept.status.ended_at?)));
        let ended: Vec<_> = ended.collect();
        let mut done = Tidied::default();
        for (id, ended_at) in ended {
            let due = |after: Option<Span>| after.filter(|after| ended_at.after(*after) <= now);
            let last =
                state.lines.iter().filter(|line| line.deployment == id).map(|line| line.sequence).max();
            let Some(last) = last.filter(|last| state.notices.get(&id) != Some(last)) else { continue };
            if let Some(after) = due(keep.remove_after) {
                state.lines.retain(|line| line.deployment != id);
                state.lines.push(removed_notice(id, last, now, after));
                state.notices.insert(id, last);
                done.removed += 1;
            } else if due(keep.archive_after).is_some() && state.archived.insert(id) {
                done.archived += 1;
            }
        }
        Ok(done)
    }

    async fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
