//! The contract of a store: what its fixture must offer, and a writer to drive it with.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::admission::UNLIMITED;
use crate::deployment::Deployment;
use crate::engine::Store;
use crate::event::Event;
use crate::id::{DeploymentId, Digest, Fence, Name, ReleaseId, ResourceId, ResourceKey, Seq, Version};
use crate::lifecycle::PhaseName;
use crate::log::{LogLevel, LogLine, LogQuery, LogSource};
use crate::port::{Append, Create, ReleaseChange, ReleaseRecord, ReleaseState, StoreError, WhenBusy};
use crate::reason::Reason;
use crate::spec::{Approval, Spec, default_workspace};
use crate::status::{Status, StatusName};
use crate::testkit::samples;
use crate::time::Timestamp;
use crate::wire::{Envelope, SCHEMA};

crate::__store_laws!(__define_laws, StoreFixture);

/// A store to be checked.
#[async_trait]
pub trait StoreFixture: Send + Sync {
    /// The store, empty at first. All handles are the same store.
    fn store(&self) -> Arc<dyn Store>;

    /// Closes the store and opens it again, as after a restart; `None` where nothing outlives it.
    async fn reopened(&self) -> Option<Arc<dyn Store>> {
        None
    }
}

/// A new id, greater than any before it.
pub(crate) fn new_id() -> DeploymentId {
    DeploymentId::new(Uuid::now_v7())
}

/// A time of the samples.
#[must_use]
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

/// The id that the resource of a name has in these tests.
#[must_use]
pub fn resource_id(key: &ResourceKey) -> ResourceId {
    let digest = Digest::of(key.to_string().as_bytes());
    format!("res_{}", &digest.hex()[..32]).parse().expect("32 hex digits")
}

/// One deployment, as its writer sees it: a driver that decides nothing and writes what it is told.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The deployment.
    pub id: DeploymentId,
    /// What is deployed.
    pub key: ResourceKey,
    /// Its last event as far as this writer knows.
    pub last: Seq,
    /// The fence it writes under.
    pub fence: Option<Fence>,
    /// The artifact it made.
    pub digest: Option<Digest>,
    /// The workspace it counts for.
    pub workspace: Name,
    /// Whether it is paused.
    pub paused: bool,
    /// Why a policy does not let it go on.
    pub deferred: Vec<Reason>,
}

impl Writer {
    /// A deployment of a resource, not yet submitted.
    ///
    /// # Panics
    /// When the name is none.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::with_id(name, new_id())
    }

    /// The same with an id of one's choice.
    ///
    /// # Panics
    /// When the name is none.
    #[must_use]
    pub fn with_id(name: &str, id: DeploymentId) -> Self {
        let key = name.parse().expect("a resource");
        Self {
            id,
            key,
            last: Seq(0),
            fence: None,
            digest: None,
            workspace: default_workspace(),
            paused: false,
            deferred: Vec::new(),
        }
    }

    fn spec(&self) -> Arc<Spec> {
        Arc::new(Spec {
            resource: self.key.clone(),
            workspace: self.workspace.clone(),
            ..samples::spec(Approval::Automatic)
        })
    }

    fn accepted(&self) -> Envelope {
        Deployment::accept(self.id, resource_id(&self.key), self.spec(), at(0))
    }

    /// Its status with another word.
    ///
    /// # Panics
    /// Never: an acceptance begins a history.
    #[must_use]
    pub fn status(&self, status: StatusName, sequence: Seq) -> Status {
        let begun = Deployment::replay([&self.accepted()]).expect("an acceptance begins a history");
        let (digest, deferred_reasons) = (self.digest.clone(), self.deferred.clone());
        let ended_at = status.is_ended().then(|| at(1_000 * i64::try_from(sequence.0).unwrap_or(i64::MAX)));
        Status { status, sequence, ended_at, digest, paused: self.paused, deferred_reasons, ..begun.status() }
    }

    /// What submits it.
    #[must_use]
    pub fn submission(&self, busy: WhenBusy) -> Create {
        let append = Append {
            deployment: self.id,
            after: Seq(0),
            fence: None,
            events: vec![self.accepted()],
            status: self.status(StatusName::Queued, Seq(1)),
            release: None,
        };
        Create { append, resource: self.key.clone(), idempotency: None, busy, waiting_max: UNLIMITED }
    }

    /// What submits it under an idempotency key, with the digest of the request.
    #[must_use]
    pub fn submission_under(&self, key: &str, request: &str) -> Create {
        let idempotency = Some((key.to_owned(), samples::digest(request)));
        Create { idempotency, ..self.submission(WhenBusy::Wait) }
    }

    /// The next events, all alike, that lead to a status.
    #[must_use]
    pub fn events(&self, count: u64, status: StatusName) -> Append {
        let last = Seq(self.last.0 + count);
        let envelope = |sequence| Envelope {
            schema: SCHEMA,
            deployment: self.id,
            sequence,
            at: at(0),
            phase: PhaseName::Execute,
            event: Event::VerificationStarted,
        };
        Append {
            deployment: self.id,
            after: self.last,
            fence: self.fence,
            events: (self.last.0 + 1..=last.0).map(|number| envelope(Seq(number))).collect(),
            status: self.status(status, last),
            release: None,
        }
    }

    /// Submits a new deployment, so that it waits for its turn.
    ///
    /// # Errors
    /// What the store says.
    pub async fn submit(name: &str, store: &dyn Store) -> Result<Self, StoreError> {
        let mut writer = Self::new(name);
        store.create(writer.submission(WhenBusy::Wait)).await?;
        writer.last = Seq(1);
        Ok(writer)
    }

    /// Appends events that lead to a status.
    ///
    /// # Errors
    /// What the store says.
    pub async fn append(
        &mut self,
        store: &dyn Store,
        count: u64,
        status: StatusName,
    ) -> Result<(), StoreError> {
        store.append(self.events(count, status)).await?;
        self.last = Seq(self.last.0 + count);
        Ok(())
    }

    /// Appends one event that leads to a status and changes releases.
    ///
    /// # Errors
    /// What the store says.
    pub async fn end(
        &mut self,
        store: &dyn Store,
        status: StatusName,
        release: Option<ReleaseChange>,
    ) -> Result<(), StoreError> {
        store.append(Append { release, ..self.events(1, status) }).await?;
        self.last = self.last.next();
        Ok(())
    }

    /// A release of an artifact of this name.
    #[must_use]
    pub fn release(&self, version: u32, artifact: &str) -> Box<ReleaseRecord> {
        let outline = samples::plan_for(&self.spec(), Vec::new()).outline().clone();
        Box::new(ReleaseRecord {
            id: ReleaseId::new(Uuid::now_v7()),
            version: Version(version),
            state: ReleaseState::Live,
            digest: samples::digest(artifact),
            url: "http://web.localhost".to_owned(),
            deployment: self.id,
            verified: true,
            created_at: at(0),
            outline,
        })
    }

    /// A line of its log.
    #[must_use]
    pub fn line(&self, message: impl Into<String>) -> LogLine {
        LogLine {
            sequence: Seq(0),
            deployment: self.id,
            at: at(0),
            source: LogSource::Build,
            level: LogLevel::Info,
            step: None,
            message: message.into(),
        }
    }

    /// All lines of its log.
    #[must_use]
    pub const fn lines(&self) -> LogQuery {
        LogQuery::of(self.id)
    }
}
