//! Where in the line a deployment is, why it waits, and when it starts if everything takes as long as it
//! usually does. Pure: the line, the durations and the time are handed in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, ResourceKey};
use crate::status::{Status, StatusName};
use crate::time::{Span, Timestamp};

/// Why a deployment waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WaitsFor {
    /// Another deployment of the resource.
    Resource,
    /// Room in its workspace.
    Workspace,
    /// A policy; `deferredReasons` of its status say which.
    Policy,
    /// Somebody who resumes it.
    Resume,
    /// Nothing: it is about to start.
    Nothing,
}

/// The place of a deployment in the line of its workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Place {
    /// Its place among those that wait for their turn: 1 is next. Absent while a policy or a pause keeps it
    /// from taking one.
    pub position: Option<u32>,
    /// Why it waits.
    pub waits_for: WaitsFor,
    /// The deployment that is in the way, where it is one.
    pub behind: Option<DeploymentId>,
    /// The same for people.
    pub message: String,
    /// When it starts if everything takes as long as it usually does; absent where that is not known.
    pub expected_start: Option<Timestamp>,
}

/// What the place in a line follows from.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The unfinished deployments of a workspace, oldest first.
    pub statuses: &'a [Status],
    /// How many of them may own their resource at once.
    pub concurrent: u32,
    /// How long a deployment of a resource usually takes, where that is known.
    pub usual: &'a BTreeMap<ResourceKey, Span>,
    /// Those whose records are damaged: they stay where they are until somebody abandons them.
    pub damaged: &'a BTreeSet<DeploymentId>,
    /// Now.
    pub now: Timestamp,
}

fn key(status: &Status) -> ResourceKey {
    ResourceKey { resource: status.resource.clone(), environment: status.environment.clone() }
}

fn runs(status: &Status) -> bool {
    status.status != StatusName::Queued
}

impl Line<'_> {
    /// The place of a deployment; `None` when it does not wait in this line.
    #[must_use]
    pub fn place(&self, id: DeploymentId) -> Option<Place> {
        let own = self.statuses.iter().find(|status| status.id == id && !runs(status))?;
        if !own.asks_for_its_turn() {
            return Some(Self::kept_from_asking(own));
        }
        let elders = self.statuses.iter().take_while(|status| status.id != id);
        let asking = elders.filter(|status| status.asks_for_its_turn()).count();
        let (waits_for, behind, message) = self.reason(own);
        Some(Place {
            position: Some(u32::try_from(asking + 1).unwrap_or(u32::MAX)),
            waits_for,
            behind,
            message,
            expected_start: self.expected_start(id),
        })
    }

    fn kept_from_asking(own: &Status) -> Place {
        let message = own.recovery_hint.clone().unwrap_or_default();
        let until: Option<Vec<Timestamp>> = own.deferred_reasons.iter().map(|reason| reason.until).collect();
        let expected_start = until.and_then(|until| until.into_iter().max()).filter(|_| !own.paused);
        let waits_for = if own.paused { WaitsFor::Resume } else { WaitsFor::Policy };
        Place { position: None, waits_for, behind: None, message, expected_start }
    }

    fn reason(&self, own: &Status) -> (WaitsFor, Option<DeploymentId>, String) {
        let same = |other: &&Status| other.id != own.id && key(other) == key(own) && other.is_in_the_way();
        let owner = self.statuses.iter().filter(same).find(|other| runs(other));
        let elder = self.statuses.iter().take_while(|other| other.id != own.id).find(same);
        if let Some(other) = owner.or(elder) {
            let message = if self.damaged.contains(&other.id) {
                format!(
                    "the record of {} of {} is damaged: nobody knows what it did. Look at the target, then `deploy abandon {}`",
                    other.id,
                    key(own),
                    other.id
                )
            } else {
                let paused = if other.paused { ", which is paused" } else { "" };
                format!("{} of {} goes first{paused}", other.id, key(own))
            };
            return (WaitsFor::Resource, Some(other.id), message);
        }
        let running = self.statuses.iter().filter(|status| runs(status)).count();
        if running < self.concurrent as usize {
            return (WaitsFor::Nothing, None, "it is about to start".to_owned());
        }
        // Damaged records own a resource and do nothing: they take nobody's room.
        let idle =
            self.statuses.iter().filter(|other| runs(other) && self.damaged.contains(&other.id)).count();
        let (workspace, running) = (&own.workspace, running.saturating_sub(idle));
        let most = (self.concurrent as usize).saturating_sub(idle);
        let run = if running == 1 { "deployment" } else { "deployments" };
        let message = format!("{running} {run} of workspace {workspace} at work, {most} may be");
        (WaitsFor::Workspace, None, message)
    }

    /// Lets everything in the line take as long as it usually does, until this one starts.
    fn expected_start(&self, id: DeploymentId) -> Option<Timestamp> {
        // Whoever runs, with the time of its end; unknown is for ever.
        let mut running: Vec<(Option<Timestamp>, ResourceKey)> = Vec::new();
        for status in self.statuses.iter().filter(|status| runs(status)) {
            let since = status.started_at.unwrap_or(status.created_at);
            let end = self.usual.get(&key(status)).map(|usual| since.after(*usual).max(self.now));
            let moves = !status.paused && !self.damaged.contains(&status.id);
            running.push((end.filter(|_| moves), key(status)));
        }
        let mut waiting: Vec<&Status> = self.statuses.iter().filter(|status| !runs(status)).collect();
        let mut now = self.now;
        loop {
            self.start_what_can(&mut waiting, &mut running, now);
            if !waiting.iter().any(|status| status.id == id) {
                return Some(now);
            }
            let (index, end) = running
                .iter()
                .enumerate()
                .filter_map(|(index, (end, _))| Some((index, (*end)?)))
                .min_by_key(|(_, end)| *end)?;
            now = end;
            running.swap_remove(index);
        }
    }

    fn start_what_can(
        &self,
        waiting: &mut Vec<&Status>,
        running: &mut Vec<(Option<Timestamp>, ResourceKey)>,
        now: Timestamp,
    ) {
        let mut taken: Vec<ResourceKey> = running.iter().map(|(_, key)| key.clone()).collect();
        waiting.retain(|status| {
            if !status.is_in_the_way() {
                return true;
            }
            let key = key(status);
            let free = !taken.contains(&key);
            // An elder that is paused keeps its resource's line waiting, but nobody's room.
            taken.push(key.clone());
            let starts = free && status.asks_for_its_turn() && running.len() < self.concurrent as usize;
            if starts {
                running.push((self.usual.get(&key).map(|usual| now.after(*usual)), key));
            }
            !starts
        });
    }
}

/// The median of some durations.
#[must_use]
pub fn median(mut durations: Vec<Span>) -> Option<Span> {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied()
}

#[cfg(test)]
mod tests;
