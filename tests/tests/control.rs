//! Random control of the real engine on the SQLite store, against the reference: the pure decider.
//!
//! Many submissions, pauses, stops, retries and redeploys of a few resources in two workspaces, with a policy
//! that freezes now and then, and a control plane that is killed in between. What has to hold, whatever the
//! order (invariants 8, 9, 12, 14, 15, 19, 20, 23, 30, 31):
//!
//! - an answer to a command is what the decider says of the recorded state at some moment between question
//!   and answer, and what was answered as done is in the journal;
//! - no more deployments of a workspace do anything at once than may, and the turns of a resource go by
//!   acceptance;
//! - nothing that was acknowledged is lost or doubled, and everything ends once nobody holds it any more.
//!
//! And many submissions: the limit of a workspace is held, and used, at 200 of them a second.
//!
//! `DEPLOY_CONTROL_SEEDS=N` tries more seeds; `DEPLOY_CONTROL_SEED=S` tries one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "control/target.rs"]
mod target;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use deploy_core::command::{Command, Input, StopMode};
use deploy_core::deployment::Deployment;
use deploy_core::detect::AnyProject;
use deploy_core::engine::{Engine, EngineError, Limits, Submission};
use deploy_core::event::Event;
use deploy_core::id::{DeploymentId, Fence, Seq};
use deploy_core::port::{Journal as _, ListQuery, StoreError, WhenBusy};
use deploy_core::spec::{Actor, Spec};
use deploy_core::time::Timestamp;
use deploy_core::wire::Envelope;
use deploy_store_sqlite::SqliteStore;
use target::{Nothing, Slow, World};
use tokio::runtime::{Builder, Runtime};

/// How long everything may take to end once nobody holds it: far more than it takes.
const QUIET: Duration = Duration::from_secs(60);
const RESOURCES: u64 = 5;
const STEPS: u64 = 60;

/// A sequence of numbers that a seed determines.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A control plane that can be killed: its runtime is dropped, and with it everything it was about to do.
struct Plane {
    runtime: Runtime,
    engine: Engine,
    store: SqliteStore,
}

impl Plane {
    fn start(dir: &Path, world: &World) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let store = SqliteStore::open(dir, Default::default()).unwrap();
        let engine = Engine::builder(store.clone(), Nothing, AnyProject)
            .executor(Slow(world.clone()))
            .admission(world.clone())
            .limits(Limits { effects: 16, ..Limits::default() })
            .build();
        runtime.block_on(engine.recover()).unwrap();
        Self { runtime, engine, store }
    }

    fn kill(self) {
        self.runtime.shutdown_timeout(Duration::from_millis(1));
    }
}

/// What was done, and what was answered.
struct Session {
    dice: Dice,
    world: World,
    /// Every acknowledged submission, by its idempotency key.
    accepted: BTreeMap<String, (DeploymentId, Submission)>,
}

fn actor() -> Actor {
    Actor("tester".to_owned())
}

impl Session {
    async fn step(&mut self, engine: &Engine) {
        match self.dice.roll(16) {
            0..=5 => self.submit(engine).await,
            6 => self.submit_again(engine).await,
            7 => self.world.freeze(self.dice.roll(2) == 0),
            8 => self.follow_up(engine).await,
            9 | 10 => tokio::time::sleep(Duration::from_millis(self.dice.roll(12))).await,
            11 | 12 => self.command(engine, Command::Pause).await,
            13 | 14 => self.command(engine, Command::Resume).await,
            _ => {
                let mode = if self.dice.roll(2) == 0 { StopMode::Now } else { StopMode::AfterStep };
                let undo = self.dice.roll(2) == 0;
                self.command(engine, Command::Stop { mode, undo }).await;
            }
        }
    }

    async fn submit(&mut self, engine: &Engine) {
        let resource = format!("r{}", self.dice.roll(RESOURCES));
        let path = format!("/srv/{resource}/{}", self.dice.roll(1_000));
        let spec = Spec::directory(resource.parse().unwrap(), "slow".parse().unwrap(), path, actor());
        let busy = if self.dice.roll(4) == 0 { WhenBusy::Refuse } else { WhenBusy::Wait };
        self.send(engine, Submission { spec, idempotency_key: None, busy }).await;
    }

    async fn send(&mut self, engine: &Engine, submission: Submission) {
        let key = format!("key-{}", self.dice.roll(u64::MAX));
        let submission = Submission { idempotency_key: Some(key.clone()), ..submission };
        match engine.submit(submission.clone()).await {
            Ok(submitted) => {
                assert!(!submitted.known, "a new key is known");
                self.accepted.insert(key, (submitted.id, submission));
            }
            Err(EngineError::Store(StoreError::Busy { .. })) => {
                assert_eq!(submission.busy, WhenBusy::Refuse, "whoever waits is never busy");
            }
            Err(EngineError::Refused(reasons)) => {
                assert!(!reasons.is_empty() && submission.busy == WhenBusy::Refuse);
            }
            Err(EngineError::Store(StoreError::Limit { .. })) => {}
            Err(error) => panic!("a submission is answered {error:?}"),
        }
    }

    /// Invariant 19: the same key with the same request is the same deployment, whatever happened since.
    async fn submit_again(&mut self, engine: &Engine) {
        let Some((_, (id, submission))) = self.any() else { return };
        let again = engine.submit(submission).await.unwrap();
        assert_eq!((again.id, again.known), (id, true));
    }

    /// A retry or a redeploy of something that was accepted.
    async fn follow_up(&mut self, engine: &Engine) {
        let Some((_, (id, _))) = self.any() else { return };
        let ended = engine.status(id).await.unwrap().status.is_ended();
        let submission = match self.dice.roll(2) {
            0 => engine.again(id, actor()).await,
            _ => engine.redeploy(id, actor()).await,
        };
        match submission {
            Ok(submission) => self.send(engine, submission).await,
            Err(error) => assert!(!ended && error.code() == "not_ended", "{error:?}"),
        }
    }

    fn any(&mut self) -> Option<(String, (DeploymentId, Submission))> {
        let index = self.dice.roll(self.accepted.len().max(1) as u64);
        self.accepted.iter().nth(index as usize).map(|(key, known)| (key.clone(), known.clone()))
    }

    /// Sends a command and compares the answer with what the reference says.
    async fn command(&mut self, engine: &Engine, command: Command) {
        let Some((_, (id, _))) = self.any() else { return };
        let before = engine.status(id).await.unwrap().sequence;
        let answer = engine.send(id, command.clone(), actor()).await;
        let history = history(engine, id).await;
        let told = match &answer {
            Ok(status) => {
                let last = status.sequence.0 as usize;
                assert!(last <= history.len(), "answered before it was durable");
                let done = history[before.0 as usize..last].iter().any(|event| carries(event, &command));
                assert!(done, "{command:?} was answered as done, and is not in the journal of {id}");
                None
            }
            Err(EngineError::Rejected(rejection)) => Some(rejection.code()),
            Err(error) => panic!("{command:?} is answered {error:?}"),
        };
        let moments = before.0 as usize..=history.len();
        let possible = moments.map(|moment| decided(&history[..moment], &command)).collect::<Vec<_>>();
        assert!(
            possible.contains(&told),
            "{command:?} of {id} is answered {told:?}; right is one of {possible:?}"
        );
    }
}

/// What the decider says to a command behind some events: the code of its refusal.
fn decided(history: &[Envelope], command: &Command) -> Option<&'static str> {
    let state = Deployment::replay(history).unwrap();
    let input = Input::Command { command: command.clone(), by: actor(), at: Timestamp::EPOCH };
    state.decide(&input).err().map(|rejection| rejection.code())
}

/// Whether an event is what a command leads to.
fn carries(event: &Envelope, command: &Command) -> bool {
    match command {
        Command::Pause => matches!(event.event, Event::Paused { .. }),
        Command::Resume => matches!(event.event, Event::Resumed { .. }),
        Command::Stop { .. } => matches!(event.event, Event::StopRequested { .. }),
        Command::Approve { .. } | Command::Recheck | Command::Attest { .. } | Command::Supersede { .. } => {
            false
        }
    }
}

async fn history(engine: &Engine, id: DeploymentId) -> Vec<Envelope> {
    engine.events(id, Seq(0), 10_000).await.unwrap()
}

/// Nobody holds anything any more: everything has to end.
async fn settle(engine: &Engine, session: &Session) {
    session.world.freeze(false);
    let started = tokio::time::Instant::now();
    loop {
        let mut unfinished = Vec::new();
        for (id, _) in session.accepted.values() {
            let status = engine.status(*id).await.unwrap();
            if status.paused {
                let _ = engine.send(*id, Command::Resume, actor()).await;
            }
            unfinished.extend((!status.status.is_ended()).then_some(status));
        }
        let Some(one) = unfinished.first() else { return };
        let place = engine.place(one.id).await;
        assert!(started.elapsed() < QUIET, "stuck: {one:#?} {place:?}");
        let _ = engine.changed(one.id, one.sequence, Duration::from_millis(200)).await;
    }
}

/// What the records say in the end.
async fn judge(engine: &Engine, store: &SqliteStore, session: &Session) {
    assert_eq!(store.unfinished().await.unwrap(), []);
    assert!(store.check().await.unwrap().is_sound());
    let mut all = Vec::new();
    loop {
        let before = all.last().map(|status: &deploy_core::status::Status| status.id);
        let page = engine.list(&ListQuery { before, limit: 100, ..ListQuery::default() }).await.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    all.reverse();
    for (id, _) in session.accepted.values() {
        let found = all.iter().filter(|status| status.id == *id).count();
        assert_eq!(found, 1, "{id} was acknowledged and is there {found} times");
    }
    // Whatever else is there was submitted while the control plane was killed: its answer was lost.
    let mut last_fence = BTreeMap::new();
    for status in &all {
        let history = history(engine, status.id).await;
        let state = Deployment::replay(&history).unwrap();
        assert!(state.is_ended() && state.status() == *status, "{} is not what its events say", status.id);
        assert!(status.exit_code.is_some() && (status.failure.is_none() == (status.exit_code == Some(0))));
        let deferred = history.iter().any(|event| matches!(event.event, Event::Deferred { .. }));
        let claimed = history.iter().find_map(fence_of_a_claim);
        if let Some(fence) = claimed.filter(|_| !deferred) {
            let last = last_fence.insert(status.resource.clone(), fence);
            assert!(
                last.is_none_or(|last| last < fence),
                "{} overtook an elder of {}",
                status.id,
                status.resource
            );
        }
    }
}

fn fence_of_a_claim(event: &Envelope) -> Option<Fence> {
    if let Event::Claimed { fence, .. } = &event.event { Some(*fence) } else { None }
}

fn run(seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let world = World::new();
    let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut session = Session { dice, world: world.clone(), accepted: BTreeMap::new() };
    let mut plane = Plane::start(directory.path(), &world);
    for _ in 0..STEPS {
        if session.dice.roll(20) == 0 {
            plane.kill();
            plane = Plane::start(directory.path(), &world);
        }
        plane.runtime.block_on(session.step(&plane.engine));
    }
    plane.runtime.block_on(settle(&plane.engine, &session));
    plane.runtime.block_on(judge(&plane.engine, &plane.store, &session));
    world.kept_its_limits();
    plane.kill();
}

#[test]
fn random_control_of_the_real_engine_keeps_to_the_reference() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("DEPLOY_CONTROL_SEED") {
        return run(seed);
    }
    for seed in 1..=number("DEPLOY_CONTROL_SEEDS").unwrap_or(12) {
        let failed = std::panic::catch_unwind(|| run(seed));
        assert!(failed.is_ok(), "seed {seed} fails: DEPLOY_CONTROL_SEED={seed} tries it alone");
    }
}

/// Submits as many as are asked for, 200 a second, each on its own.
async fn submit_many(
    engine: &Engine,
    numbers: std::ops::Range<u64>,
) -> BTreeMap<String, (DeploymentId, Submission)> {
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    let mut sent = tokio::task::JoinSet::new();
    for number in numbers {
        beat.tick().await;
        let engine = engine.clone();
        sent.spawn(async move {
            // `r0` is of another workspace.
            let resource = format!("r{}", 1 + number % 40);
            let spec =
                Spec::directory(resource.parse().unwrap(), "slow".parse().unwrap(), "/srv/it", actor());
            let key = format!("key-{number}");
            let submission = Submission { spec, idempotency_key: Some(key.clone()), busy: WhenBusy::Wait };
            let submitted = engine.submit(submission.clone()).await.unwrap();
            (key, (submitted.id, submission))
        });
    }
    sent.join_all().await.into_iter().collect()
}

#[test]
fn inv_20_the_limit_of_a_workspace_is_held_at_200_submissions_a_second_and_across_crashes() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::patient();
    let mut session = Session { dice: Dice(1), world: world.clone(), accepted: BTreeMap::new() };
    let mut plane = Plane::start(directory.path(), &world);
    for second in 0..3 {
        let accepted = plane.runtime.block_on(submit_many(&plane.engine, second * 200..(second + 1) * 200));
        session.accepted.extend(accepted);
        plane.kill();
        plane = Plane::start(directory.path(), &world);
    }
    assert_eq!(session.accepted.len(), 600);
    plane.runtime.block_on(settle(&plane.engine, &session));
    plane.runtime.block_on(judge(&plane.engine, &plane.store, &session));
    world.used_its_limit();
    plane.kill();
}
