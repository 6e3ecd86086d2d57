//! A store of your own, around one that exists: every event is handed to somebody before it counts.

use std::sync::Arc;

use async_trait::async_trait;
use deploy_core::history::{HistoryQuery, RunRecord};
use deploy_core::id::{DeploymentId, Digest, Fence, Name, ResourceId, ResourceKey, Seq};
use deploy_core::log::{Found, LogKeeping, LogLine, LogQuery, LogSearch, Tidied};
use deploy_core::port::*;
use deploy_core::{engine::Store, status::Status, time::Timestamp, wire::Envelope};

/// Told of every event before it is stored. An error is as good as a disk that is full: nothing goes on.
pub type Auditor = Arc<dyn Fn(&Envelope) -> Result<(), String> + Send + Sync>;

/// The store.
pub struct Audited<S>(pub S, pub Auditor);

impl<S> Audited<S> {
    fn audit(&self, append: &Append) -> Result<(), StoreError> {
        let told = append.events.iter().try_for_each(|event| (self.1)(event));
        told.map_err(|what| StoreError::Unavailable { what })
    }
}

#[async_trait]
impl<S: Store> Journal for Audited<S> {
    async fn create(&self, create: Create) -> Result<Created, StoreError> {
        self.audit(&create.append)?;
        self.0.create(create).await
    }
    async fn known(&self, key: &str, request: &Digest) -> Result<Option<DeploymentId>, StoreError> {
        self.0.known(key, request).await
    }

    async fn append(&self, append: Append) -> Result<(), StoreError> {
        self.audit(&append)?;
        self.0.append(append).await
    }
    async fn events(&self, of: DeploymentId, after: Seq, limit: usize) -> Result<Vec<Envelope>, StoreError> {
        self.0.events(of, after, limit).await
    }
    async fn unfinished(&self) -> Result<Vec<DeploymentId>, StoreError> {
        self.0.unfinished().await
    }
}

#[async_trait]
#[rustfmt::skip]
impl<S: Store> Lease for Audited<S> {
    async fn acquire(&self, of: &ResourceKey, by: DeploymentId, most: u32) -> Result<Fence, StoreError> { self.0.acquire(of, by, most).await }
    async fn turns(&self, of: &Name, most: u32, limit: usize) -> Result<Vec<DeploymentId>, StoreError> { self.0.turns(of, most, limit).await }
    async fn release(&self, resource: &ResourceKey, fence: Fence) -> Result<(), StoreError> { self.0.release(resource, fence).await }
}

#[async_trait]
#[rustfmt::skip]
impl<S: Store> Catalogue for Audited<S> {
    async fn resource(&self, key: &ResourceKey, new: ResourceId) -> Result<ResourceRecord, StoreError> { self.0.resource(key, new).await }
    async fn resource_by_id(&self, id: ResourceId) -> Result<ResourceRecord, StoreError> { self.0.resource_by_id(id).await }
    async fn status(&self, deployment: DeploymentId) -> Result<Status, StoreError> { self.0.status(deployment).await }
    async fn queue(&self, workspace: &Name, limit: usize) -> Result<Vec<Status>, StoreError> { self.0.queue(workspace, limit).await }
    async fn list(&self, query: &ListQuery) -> Result<Vec<Status>, StoreError> { self.0.list(query).await }
    async fn history(&self, query: &HistoryQuery) -> Result<Vec<RunRecord>, StoreError> { self.0.history(query).await }
    async fn releases(&self, resource: &ResourceKey) -> Result<Vec<ReleaseRecord>, StoreError> { self.0.releases(resource).await }
    async fn kept(&self) -> Result<Keep, StoreError> { self.0.kept().await }
    async fn retain(&self, resource: &ResourceKey, keep: u32) -> Result<(), StoreError> { self.0.retain(resource, keep).await }
}

#[rustfmt::skip]
impl<S: Store> LogSink for Audited<S> {
    fn line(&self, line: LogLine) { self.0.line(line); }
}

#[async_trait]
#[rustfmt::skip]
impl<S: Store> Logs for Audited<S> {
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>, StoreError> { self.0.lines(query).await }
    async fn search(&self, search: &LogSearch) -> Result<Found, StoreError> { self.0.search(search).await }
    async fn tidy(&self, now: Timestamp, keep: &LogKeeping) -> Result<Tidied, StoreError> { self.0.tidy(now, keep).await }
    async fn flush(&self) -> Result<(), StoreError> { self.0.flush().await }
}
