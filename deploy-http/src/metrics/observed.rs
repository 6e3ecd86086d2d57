//! A store that is looked at while it works.

use std::time::Instant;

use async_trait::async_trait;
use deploy_core::history::{HistoryQuery, RunRecord};
use deploy_core::id::{DeploymentId, Digest, Fence, Name, ResourceId, ResourceKey, Seq};
use deploy_core::log::{Found, LogKeeping, LogLine, LogQuery, LogSearch, Tidied};
use deploy_core::port::{
    Append, Catalogue, Create, Created, Journal, Keep, Lease, ListQuery, LogSink, Logs, ReleaseRecord,
    ResourceRecord, StoreError,
};
use deploy_core::status::Status;
use deploy_core::time::Timestamp;
use deploy_core::wire::Envelope;

use super::Instruments;
use super::statuses::Written;

/// A store that is looked at while it works. It changes no answer. Only one process may write to the
/// store beneath it: a status that another one wrote would not be seen.
#[derive(Clone)]
pub struct Observed<S> {
    store: S,
    instruments: Instruments,
}

impl<S> Observed<S> {
    pub(super) const fn new(store: S, instruments: Instruments) -> Self {
        Self { store, instruments }
    }

    fn wrote(&self, append: &Append, began: Instant) {
        self.instruments.table().committed(began.elapsed());
        self.instruments.table().appended(append);
        self.instruments.statuses().keep(Written::new(append.status.clone()));
        if append.status.status.is_ended() {
            self.instruments.ended(&append.status);
        }
    }
}

#[async_trait]
impl<S: Journal + Catalogue> Journal for Observed<S> {
    async fn create(&self, create: Create) -> Result<Created, StoreError> {
        let (append, began) = (create.append.clone(), Instant::now());
        let created = self.store.create(create).await?;
        match created {
            Created::New => self.wrote(&append, began),
            Created::Known(_) => {}
        }
        Ok(created)
    }

    async fn known(&self, key: &str, request: &Digest) -> Result<Option<DeploymentId>, StoreError> {
        self.store.known(key, request).await
    }

    async fn append(&self, append: Append) -> Result<(), StoreError> {
        // What is about to change is forgotten: a write whose outcome is not known leaves nothing behind
        // that may be wrong.
        self.instruments.statuses().forget(append.deployment);
        let began = Instant::now();
        self.store.append(append.clone()).await?;
        self.wrote(&append, began);
        Ok(())
    }

    async fn events(&self, id: DeploymentId, after: Seq, limit: usize) -> Result<Vec<Envelope>, StoreError> {
        self.store.events(id, after, limit).await
    }

    async fn unfinished(&self) -> Result<Vec<DeploymentId>, StoreError> {
        let unfinished = self.store.unfinished().await?;
        for id in &unfinished {
            // One that can't be read is left out here; the engine says what is wrong with it.
            if let Ok(status) = self.store.status(*id).await {
                self.instruments.table().stands(&status);
            }
        }
        Ok(unfinished)
    }
}

#[async_trait]
impl<S: Lease> Lease for Observed<S> {
    async fn acquire(
        &self,
        resource: &ResourceKey,
        by: DeploymentId,
        concurrent: u32,
    ) -> Result<Fence, StoreError> {
        self.store.acquire(resource, by, concurrent).await
    }

    async fn turns(
        &self,
        workspace: &Name,
        concurrent: u32,
        limit: usize,
    ) -> Result<Vec<DeploymentId>, StoreError> {
        self.store.turns(workspace, concurrent, limit).await
    }

    async fn release(&self, resource: &ResourceKey, fence: Fence) -> Result<(), StoreError> {
        self.store.release(resource, fence).await
    }
}

#[async_trait]
impl<S: Catalogue> Catalogue for Observed<S> {
    async fn resource(&self, key: &ResourceKey, candidate: ResourceId) -> Result<ResourceRecord, StoreError> {
        self.store.resource(key, candidate).await
    }

    async fn resource_by_id(&self, id: ResourceId) -> Result<ResourceRecord, StoreError> {
        self.store.resource_by_id(id).await
    }

    async fn status(&self, id: DeploymentId) -> Result<Status, StoreError> {
        if let Some(written) = self.instruments.statuses().get(id) {
            return Ok((*written.status).clone());
        }
        let status = self.store.status(id).await?;
        // One that has ended never changes again, so it can be kept whoever wrote it.
        if status.status.is_ended() {
            self.instruments.statuses().keep(Written::new(status.clone()));
        }
        Ok(status)
    }

    async fn queue(&self, workspace: &Name, limit: usize) -> Result<Vec<Status>, StoreError> {
        self.store.queue(workspace, limit).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Status>, StoreError> {
        self.store.list(query).await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<RunRecord>, StoreError> {
        self.store.history(query).await
    }

    async fn releases(&self, resource: &ResourceKey) -> Result<Vec<ReleaseRecord>, StoreError> {
        self.store.releases(resource).await
    }

    async fn kept(&self) -> Result<Keep, StoreError> {
        self.store.kept().await
    }

    async fn retain(&self, resource: &ResourceKey, keep: u32) -> Result<(), StoreError> {
        self.store.retain(resource, keep).await
    }
}

impl<S: LogSink> LogSink for Observed<S> {
    fn line(&self, line: LogLine) {
        self.store.line(line);
    }
}

#[async_trait]
impl<S: Logs> Logs for Observed<S> {
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>, StoreError> {
        self.store.lines(query).await
    }

    async fn search(&self, search: &LogSearch) -> Result<Found, StoreError> {
        self.store.search(search).await
    }

    async fn tidy(&self, now: Timestamp, keep: &LogKeeping) -> Result<Tidied, StoreError> {
        self.store.tidy(now, keep).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.store.flush().await
    }
}
