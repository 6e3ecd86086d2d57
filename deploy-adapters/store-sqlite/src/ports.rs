//! The ports of the core, each method one line to the writer or the readers.

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

use crate::job::Space;
use crate::record::{Entry, Submission};
use crate::store::SqliteStore;
use crate::{catalogue, history, idempotency, journal, lease, logs, releases, retention, rows};

#[async_trait]
impl Journal for SqliteStore {
    async fn create(&self, create: Create) -> Result<Created, StoreError> {
        let limits = self.shared.limits.clone();
        let submission = Submission::new(&create, &limits)?;
        self.write(move |db, space| journal::create(db, &submission, space, &limits)).await
    }

    async fn known(&self, key: &str, request: &Digest) -> Result<Option<DeploymentId>, StoreError> {
        let (key, request) = (key.to_owned(), request.clone());
        self.read(move |db| idempotency::find(db, &key, &request)).await
    }

    async fn append(&self, append: Append) -> Result<(), StoreError> {
        let limits = self.shared.limits.clone();
        let entry = Entry::new(&append, &limits)?;
        self.write(move |db, _| journal::append(db, &entry, &limits)).await
    }

    async fn events(
        &self,
        deployment: DeploymentId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Envelope>, StoreError> {
        self.read(move |db| journal::events(db, deployment, after, limit)).await
    }

    async fn unfinished(&self) -> Result<Vec<DeploymentId>, StoreError> {
        self.read(journal::unfinished).await
    }
}

#[async_trait]
impl Lease for SqliteStore {
    async fn acquire(
        &self,
        resource: &ResourceKey,
        by: DeploymentId,
        concurrent: u32,
    ) -> Result<Fence, StoreError> {
        let key = resource.clone();
        self.write(move |db, _| lease::acquire(db, &key, by, concurrent)).await
    }

    async fn turns(
        &self,
        workspace: &Name,
        concurrent: u32,
        limit: usize,
    ) -> Result<Vec<DeploymentId>, StoreError> {
        let workspace = workspace.clone();
        self.read(move |db| lease::turns(db, &workspace, concurrent, limit)).await
    }

    async fn release(&self, resource: &ResourceKey, fence: Fence) -> Result<(), StoreError> {
        let key = resource.clone();
        self.write(move |db, _| lease::release(db, &key, fence)).await
    }
}

#[async_trait]
impl Catalogue for SqliteStore {
    async fn resource(&self, key: &ResourceKey, candidate: ResourceId) -> Result<ResourceRecord, StoreError> {
        let (read, write) = (key.clone(), key.clone());
        match self.read(move |db| rows::resource(db, &read)).await? {
            Some((_, record)) => Ok(record),
            None => {
                let ensured = move |db: &_, space: Space| {
                    space.for_something_new()?;
                    rows::ensure_resource(db, &write, candidate)
                };
                self.write(ensured).await.map(|(_, record)| record)
            }
        }
    }

    async fn resource_by_id(&self, id: ResourceId) -> Result<ResourceRecord, StoreError> {
        self.read(move |db| rows::resource_by_id(db, id)).await
    }

    async fn status(&self, deployment: DeploymentId) -> Result<Status, StoreError> {
        self.read(move |db| catalogue::status(db, deployment)).await
    }

    async fn queue(&self, workspace: &Name, limit: usize) -> Result<Vec<Status>, StoreError> {
        let workspace = workspace.clone();
        self.read(move |db| catalogue::line(db, &workspace, limit)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Status>, StoreError> {
        let (query, limits) = (query.clone(), self.shared.limits.clone());
        self.read(move |db| catalogue::list(db, &query, &limits)).await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Vec<RunRecord>, StoreError> {
        let (query, limits) = (query.clone(), self.shared.limits.clone());
        self.read(move |db| history::history(db, &query, &limits)).await
    }

    async fn releases(&self, resource: &ResourceKey) -> Result<Vec<ReleaseRecord>, StoreError> {
        let key = resource.clone();
        self.read(move |db| releases::releases(db, &key)).await
    }

    async fn kept(&self) -> Result<Keep, StoreError> {
        self.read(retention::kept).await
    }

    async fn retain(&self, resource: &ResourceKey, keep: u32) -> Result<(), StoreError> {
        let key = resource.clone();
        self.write(move |db, _| retention::retain(db, &key, keep)).await
    }
}

impl LogSink for SqliteStore {
    fn line(&self, line: LogLine) {
        if self.shared.lines.push(line) {
            self.wake();
        }
    }
}

#[async_trait]
impl Logs for SqliteStore {
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>, StoreError> {
        let (query, shared) = (query.clone(), self.shared.clone());
        self.read(move |db| logs::lines(db, shared.dir(), &query, &shared.limits.logs)).await
    }

    async fn search(&self, search: &LogSearch) -> Result<Found, StoreError> {
        let (search, shared) = (search.clone(), self.shared.clone());
        self.read(move |db| logs::search(db, shared.dir(), &search, &shared.limits.logs)).await
    }

    async fn tidy(&self, now: Timestamp, keep: &LogKeeping) -> Result<Tidied, StoreError> {
        self.tidy_logs(now, *keep).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.flush_lines().await
    }
}
