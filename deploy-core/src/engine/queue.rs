//! The line of a workspace: what is said about it before a submission and while one waits.

use std::collections::{BTreeMap, BTreeSet};

use super::error::EngineError;
use super::handle::Engine;
use crate::admission::{UNLIMITED, Verdict};
use crate::command::Command;
use crate::id::{DeploymentId, ResourceKey};
use crate::port::ListQuery;
use crate::queue::{Line, Place, median};
use crate::reason::{Reason, ReasonCode};
use crate::spec::Spec;
use crate::status::{Status, StatusName};
use crate::time::Span;

/// How many of the newest successes of a resource say how long it usually takes.
const SUCCESSES: usize = 15;
/// Of how many resources this is looked up for one answer.
const RESOURCES: usize = 32;

impl Engine {
    /// What the policies say about a specification now, and whether it would have to wait for room in its
    /// workspace. Reads only.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn admission(&self, spec: &Spec) -> Result<Verdict, EngineError> {
        let inner = self.inner();
        let workspace = inner.admission.workspace(&spec.resource);
        let spec = Spec { workspace, ..spec.clone() };
        let mut verdict = inner.judge(&spec).await;
        let concurrent = inner.concurrent(&spec.workspace).await;
        if concurrent != UNLIMITED {
            let line = inner.store.queue(&spec.workspace, inner.limits.line).await?;
            let running = line.iter().filter(|status| status.status != StatusName::Queued).count();
            let asking = line.iter().filter(|status| status.asks_for_its_turn()).count();
            if running + asking >= concurrent as usize {
                let message = format!(
                    "workspace {} may run {concurrent} at once; {running} run and {asking} wait before it",
                    spec.workspace
                );
                verdict.warnings.push(Reason::new(ReasonCode::WorkspaceBusy, message));
            }
        }
        Ok(verdict)
    }

    /// Supersedes what waited for the same resource before. It is submitted whether this succeeds or not: one that
    /// can't be superseded, because it has just begun or ended, is carried out before it.
    pub(super) async fn supersede_before(&self, newest: &Status) {
        let inner = self.inner();
        let line = match inner.store.queue(&newest.workspace, inner.limits.line).await {
            Ok(line) => line,
            Err(error) => {
                tracing::warn!(deployment = %newest.id, %error, "what waits can't be superseded");
                return;
            }
        };
        let same = |status: &&Status| {
            status.resource == newest.resource
                && status.environment == newest.environment
                && status.status == StatusName::Queued
        };
        for status in line.iter().take_while(|status| status.id != newest.id).filter(same) {
            let command = Command::Supersede { by: newest.id };
            if let Err(error) = self.send(status.id, command, newest.actor.clone()).await {
                tracing::debug!(deployment = %status.id, %error, "it waits no more");
            }
        }
    }

    /// Where in the line of its workspace a deployment is; `None` when it does not wait.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](crate::port::StoreError::NotFound), or the store can't be read.
    pub async fn place(&self, id: DeploymentId) -> Result<Option<Place>, EngineError> {
        let status = self.status(id).await?;
        if status.status != StatusName::Queued {
            return Ok(None);
        }
        let inner = self.inner();
        let concurrent = inner.concurrent(&status.workspace).await;
        let statuses = inner.store.queue(&status.workspace, inner.limits.line).await?;
        let usual = self.usual(&statuses).await?;
        let now = inner.previewer.clock().now();
        let damaged: BTreeSet<DeploymentId> = inner.left_alone().iter().map(|left| left.id).collect();
        Ok(Line { statuses: &statuses, concurrent, usual: &usual, damaged: &damaged, now }.place(id))
    }

    /// How long the deployments of the first resources in a line usually take.
    async fn usual(&self, line: &[Status]) -> Result<BTreeMap<ResourceKey, Span>, EngineError> {
        let mut usual = BTreeMap::new();
        let mut asked: Vec<ResourceKey> = Vec::new();
        for status in line {
            let key =
                ResourceKey { resource: status.resource.clone(), environment: status.environment.clone() };
            if asked.contains(&key) || asked.len() >= RESOURCES {
                continue;
            }
            asked.push(key.clone());
            let query = ListQuery {
                resource: Some(key.resource.to_string()),
                environment: Some(key.environment.to_string()),
                status: Some(StatusName::Succeeded.as_str().to_owned()),
                limit: SUCCESSES,
                ..ListQuery::default()
            };
            let past = self.list(&query).await?;
            if let Some(took) = median(past.iter().filter_map(took).collect()) {
                usual.insert(key, took);
            }
        }
        Ok(usual)
    }
}

/// How long a deployment took once its turn had come.
fn took(status: &Status) -> Option<Span> {
    Some(status.ended_at?.since(status.started_at?))
}
