//! Deployments, events and releases for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deploy_core::admission::UNLIMITED;
use deploy_core::detect::Detection;
use deploy_core::event::Event;
use deploy_core::health::HealthPolicy;
use deploy_core::id::{DeploymentId, Digest, Fence, ReleaseId, ResourceId, ResourceKey, Seq, Version};
use deploy_core::lifecycle::PhaseName;
use deploy_core::log::{LogLevel, LogLine, LogQuery, LogSource};
use deploy_core::plan::{Access, Health, Network, Origin, Outline, Planner, RunPolicy, SourceSummary};
use deploy_core::port::{
    Append, Create, Journal as _, ReleaseChange, ReleaseRecord, ReleaseState, StoreError, WhenBusy,
};
use deploy_core::spec::{Actor, Approval, Profile, Source, Spec, Trigger, default_workspace};
use deploy_core::status::{RunStatus, Status, StatusName};
use deploy_core::time::{Span, Timestamp};
use deploy_core::wire::{Envelope, SCHEMA};
use deploy_store_sqlite::{Limits, SqliteStore};
use uuid::Uuid;

pub(crate) fn new_id() -> DeploymentId {
    DeploymentId::new(Uuid::now_v7())
}

/// An id that depends on nothing but a number.
pub(crate) fn id_of(number: u128) -> DeploymentId {
    DeploymentId::new(Uuid::from_u128(number))
}

pub(crate) fn key(name: &str) -> ResourceKey {
    name.parse().unwrap()
}

/// The id that the resource of a name has in these tests.
pub(crate) fn resource_id(key: &ResourceKey) -> ResourceId {
    let digest = Digest::of(key.to_string().as_bytes());
    format!("res_{}", &digest.hex()[..32]).parse().unwrap()
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(crate) fn spec(key: &ResourceKey) -> Arc<Spec> {
    Arc::new(Spec {
        resource: key.clone(),
        target: "static".parse().unwrap(),
        source: Source::Directory { path: "/srv/site".to_owned() },
        profile: Profile::default(),
        trigger: Trigger::Create,
        actor: Actor("tester".to_owned()),
        approval: Approval::Automatic,
        workspace: default_workspace(),
        asked: None,
    })
}

/// One deployment, as its writer sees it.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: DeploymentId,
    pub(crate) key: ResourceKey,
    pub(crate) last: Seq,
    pub(crate) fence: Option<Fence>,
    pub(crate) digest: Option<Digest>,
}

impl Run {
    pub(crate) fn new(name: &str) -> Self {
        Self::with_id(name, new_id())
    }

    pub(crate) fn with_id(name: &str, id: DeploymentId) -> Self {
        Self { id, key: key(name), last: Seq(0), fence: None, digest: None }
    }

    pub(crate) fn status(&self, status: StatusName, sequence: Seq) -> Status {
        Status {
            id: self.id,
            resource_id: resource_id(&self.key),
            resource: self.key.resource.clone(),
            environment: self.key.environment.clone(),
            workspace: default_workspace(),
            target: "static".parse().unwrap(),
            trigger: Trigger::Create,
            actor: Actor("tester".to_owned()),
            status,
            run_status: RunStatus::InProgress,
            current_phase: PhaseName::Execute,
            paused: false,
            source_summary: SourceSummary::of(&spec(&self.key)),
            plan_fingerprint: None,
            steps: Vec::new(),
            blocked_reasons: Vec::new(),
            deferred_reasons: Vec::new(),
            failure: None,
            recovery: None,
            recovery_hint: None,
            residue: Vec::new(),
            live_now: None,
            release: None,
            digest: self.digest.clone(),
            exit_code: None,
            acceptance: Vec::new(),
            sequence,
            created_at: at(0),
            started_at: None,
            updated_at: at(0),
            ended_at: None,
            phases: Vec::new(),
        }
    }

    fn envelope(&self, sequence: Seq, event: Event) -> Envelope {
        Envelope {
            schema: SCHEMA,
            deployment: self.id,
            sequence,
            at: at(0),
            phase: PhaseName::Execute,
            event,
        }
    }

    pub(crate) fn submission(&self, busy: WhenBusy) -> Create {
        let event = Event::Accepted { spec: spec(&self.key), resource_id: resource_id(&self.key) };
        let append = Append {
            deployment: self.id,
            after: Seq(0),
            fence: None,
            events: vec![self.envelope(Seq(1), event)],
            status: self.status(StatusName::Queued, Seq(1)),
            release: None,
        };
        Create { append, resource: self.key.clone(), idempotency: None, busy, waiting_max: UNLIMITED }
    }

    pub(crate) fn events(&self, count: u64, status: StatusName) -> Append {
        let last = Seq(self.last.0 + count);
        let events = (self.last.0 + 1..=last.0).map(|n| self.envelope(Seq(n), Event::VerificationStarted));
        Append {
            deployment: self.id,
            after: self.last,
            fence: self.fence,
            events: events.collect(),
            status: self.status(status, last),
            release: None,
        }
    }

    /// Submits it, so that it waits for its turn.
    pub(crate) async fn submit(name: &str, store: &SqliteStore) -> Self {
        let mut run = Self::new(name);
        store.create(run.submission(WhenBusy::Wait)).await.unwrap();
        run.last = Seq(1);
        run
    }

    pub(crate) async fn append(
        &mut self,
        store: &SqliteStore,
        count: u64,
        status: StatusName,
    ) -> Result<(), StoreError> {
        store.append(self.events(count, status)).await?;
        self.last = Seq(self.last.0 + count);
        Ok(())
    }

    pub(crate) async fn end(
        &mut self,
        store: &SqliteStore,
        status: StatusName,
        release: Option<ReleaseChange>,
    ) -> Result<(), StoreError> {
        store.append(Append { release, ..self.events(1, status) }).await?;
        self.last = self.last.next();
        Ok(())
    }

    pub(crate) fn release(&self, version: u32, artifact: &str) -> Box<ReleaseRecord> {
        Box::new(ReleaseRecord {
            id: ReleaseId::new(Uuid::now_v7()),
            version: Version(version),
            state: ReleaseState::Live,
            digest: digest(artifact),
            url: "http://web.localhost".to_owned(),
            deployment: self.id,
            verified: true,
            created_at: at(0),
            outline: outline(&self.key),
        })
    }

    pub(crate) fn line(&self, message: impl Into<String>) -> LogLine {
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

    pub(crate) fn lines(&self) -> LogQuery {
        LogQuery::of(self.id)
    }
}

pub(crate) fn outline(key: &ResourceKey) -> Outline {
    Outline {
        resource: key.clone(),
        target: "static".parse().unwrap(),
        source: SourceSummary::of(&spec(key)),
        detection: Detection::default(),
        planner: Planner { key: "static-html".to_owned(), origin: Origin::Detected },
        artifact: None,
        commands: Vec::new(),
        network: Network { internal_port: None, protocol: "http".to_owned(), origin: Origin::Default },
        health: Health { policy: health(), origin: Origin::Default },
        access: Access { url: None, host: "web.localhost".to_owned(), port: None, origin: Origin::Default },
        profile: Profile::default(),
        policy: RunPolicy {
            automatic_rollback: true,
            keep: 5,
            build_timeout: Span::from_secs(900),
            run_timeout: Span::from_secs(3_600),
            check_valid_for: Span::from_secs(60),
            in_flight_max: 4,
        },
        steps: Vec::new(),
        warnings: Vec::new(),
    }
}

fn health() -> HealthPolicy {
    HealthPolicy {
        path: "/".to_owned(),
        interval: Span::from_secs(1),
        timeout: Span::from_secs(1),
        healthy_after: 2,
        deadline: Span::from_secs(60),
        ..HealthPolicy::default()
    }
}

/// A store in a directory that goes away with it.
pub(crate) struct Temp {
    pub(crate) store: SqliteStore,
    pub(crate) dir: tempfile::TempDir,
}

impl Temp {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), limits).unwrap();
        Self { store, dir }
    }

    /// Closes the store and opens it again.
    pub(crate) async fn reopened(self) -> Self {
        self.store.close().await;
        let store = SqliteStore::open(self.dir.path(), Limits::default()).unwrap();
        Self { store, dir: self.dir }
    }

    /// A connection of its own, for looking and for damage.
    pub(crate) fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.dir.path().join("store.db")).unwrap()
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A name no other test uses.
pub(crate) fn fresh_name() -> String {
    format!("r{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
