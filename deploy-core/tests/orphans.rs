//! Two control planes on one store: what one of them leaves behind when it goes, the other takes up, and what it
//! looks after, nobody takes from it (invariants 10, 20, 22, 23; threats F23, F24). Time is virtual.

#![expect(clippy::unwrap_used, reason = "a test, not the pure part")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use deploy_core::admission::{Allowance, Petition, Verdict};
use deploy_core::cancel::Cancel;
use deploy_core::command::Command;
use deploy_core::deployment::Deployment;
use deploy_core::detect::AnyProject;
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::engine::{Engine, EngineError, Submission};
use deploy_core::event::Event;
use deploy_core::evidence::{Ask, Evidence};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Name, ResourceKey, Seq};
use deploy_core::plan::{Outline, Output, Step};
use deploy_core::port::{
    Admission, Clock, Compiled, Executor, Keep, Layout, LeftOut, OpenSource, Probe, Sources, StepContext,
    WhenBusy,
};
use deploy_core::reason::Reason;
use deploy_core::spec::{Actor, Profile, Source, Spec, default_workspace};
use deploy_core::status::StatusName;
use deploy_core::testkit::{MemoryStore, ToyTarget};
use deploy_core::time::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A clock that goes with the virtual time.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }
}

/// The toy, each of whose steps takes as long as is said.
struct Slow(ToyTarget, Duration);

#[async_trait]
impl Executor for Slow {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn compile(&self, outline: &Outline) -> Compiled {
        self.0.compile(outline)
    }

    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        tokio::select! {
            () = sleep(self.1) => self.0.perform(effect, step, cx).await,
            () = cx.cancel.cancelled() => Err(Failure::new(FailureCode::Cancelled, "cancelled")),
        }
    }

    async fn probe(&self, key: &IdempotencyKey, step: &Step, cx: &StepContext) -> Result<Probe, Failure> {
        self.0.probe(key, step, cx).await
    }

    async fn undo(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<(), Failure> {
        self.0.undo(effect, step, cx).await
    }

    async fn reclaim(&self, _: &Keep) -> Result<(), Failure> {
        Ok(())
    }
}

/// Everybody may deploy; but nobody hears so while it hangs.
#[derive(Clone)]
struct Hanging(watch::Receiver<bool>);

#[async_trait]
impl Admission for Hanging {
    fn workspace(&self, _: &ResourceKey) -> Name {
        default_workspace()
    }

    fn allowance(&self, _: &Name) -> Allowance {
        Allowance::UNLIMITED
    }

    async fn judge(&self, _: &Petition<'_>) -> Verdict {
        let _ = self.0.clone().wait_for(|hangs| !hangs).await;
        Verdict::ALLOW
    }
}

/// A source of which nothing is known.
struct Nothing;

#[async_trait]
impl OpenSource for Nothing {
    fn commit(&self) -> Option<String> {
        None
    }

    async fn look(&mut self, _: &BTreeSet<Ask>, _: &mut Evidence) -> Result<(), Vec<Reason>> {
        Ok(())
    }
}

#[async_trait]
impl Sources for Nothing {
    async fn open(&self, _: &Source, _: &Profile) -> Result<Box<dyn OpenSource>, Vec<Reason>> {
        Ok(Box::new(Self))
    }

    fn left_out(&self, _: &Path, _: &Path) -> LeftOut {
        Box::new(|_, _| false)
    }

    async fn checkout(
        &self,
        _: &Source,
        _: &Profile,
        _: Layout,
        workspace: &Path,
        _: &Cancel,
    ) -> Result<PathBuf, Failure> {
        Ok(workspace.to_owned())
    }
}

/// What two control planes share.
#[derive(Clone, Default)]
struct World {
    store: MemoryStore,
    toy: ToyTarget,
}

impl World {
    /// A control plane whose steps take so long.
    async fn plane(&self, pace: Duration) -> Engine {
        self.hanging_plane(pace, &watch::channel(false).1).await
    }

    async fn hanging_plane(&self, pace: Duration, hangs: &watch::Receiver<bool>) -> Engine {
        let engine = Engine::builder(self.store.clone(), Nothing, AnyProject)
            .executor(Slow(self.toy.clone(), pace))
            .admission(Hanging(hangs.clone()))
            .clock(Virtual(Instant::now()))
            .build();
        engine.recover().await.unwrap();
        engine
    }
}

fn somebody() -> Actor {
    Actor("anna".to_owned())
}

async fn submit(engine: &Engine, resource: &str) -> DeploymentId {
    let spec = Spec::directory(
        resource.parse().unwrap(),
        "toy".parse().unwrap(),
        format!("/srv/{resource}"),
        somebody(),
    );
    engine.submit(Submission { spec, idempotency_key: None, busy: WhenBusy::Wait }).await.unwrap().id
}

/// It goes, and what it was about to do with it.
async fn gone(engine: Engine) {
    engine.shutdown(Duration::from_secs(30)).await;
}

/// Its status once it has ended; it must within some minutes.
async fn ended(engine: &Engine, id: DeploymentId) -> StatusName {
    let ended = tokio::time::timeout(Duration::from_secs(3_600), engine.rested(id)).await;
    ended.expect("it is stuck").unwrap().status
}

/// How often it was taken up again. Its journal can be folded.
async fn taken_up(engine: &Engine, id: DeploymentId) -> usize {
    let events = engine.events(id, Seq(0), 10_000).await.unwrap();
    Deployment::replay(&events).unwrap();
    events.iter().filter(|event| matches!(event.event, Event::Recovered { .. })).count()
}

const QUICK: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn inv_23_a_queued_run_of_a_control_plane_that_is_gone_is_taken_up_by_one_that_lives() {
    let world = World::default();
    let (living, dying) = (world.plane(QUICK).await, world.plane(QUICK).await);
    let id = submit(&dying, "web").await;
    gone(dying).await;
    assert_eq!(living.status(id).await.unwrap().status, StatusName::Queued);
    let began = Instant::now();
    assert_eq!(ended(&living, id).await, StatusName::Succeeded);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn inv_23_a_run_that_was_in_the_middle_of_a_step_is_taken_up_once_it_had_to_say_something() {
    let world = World::default();
    let (living, dying) = (world.plane(QUICK).await, world.plane(Duration::from_secs(40)).await);
    let id = submit(&dying, "web").await;
    let behind = submit(&dying, "web").await;
    sleep(Duration::from_secs(20)).await;
    gone(dying).await;
    assert_eq!(living.status(id).await.unwrap().status, StatusName::Executing);
    assert_eq!(ended(&living, id).await, StatusName::Succeeded);
    assert_eq!(ended(&living, behind).await, StatusName::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn inv_20_nobody_takes_what_somebody_looks_after() {
    let world = World::default();
    let (other, slow) = (world.plane(QUICK).await, world.plane(Duration::from_secs(50)).await);
    let running = submit(&slow, "web").await;
    let waiting = submit(&slow, "web").await;
    let error = other.send(running, Command::Pause, somebody()).await.unwrap_err();
    assert!(matches!(error, EngineError::Elsewhere(id) if id == running), "{error:?}");
    for id in [running, waiting] {
        assert_eq!(ended(&other, id).await, StatusName::Succeeded);
        assert_eq!(taken_up(&other, id).await, 0, "it was taken from whoever drove it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_somebody_paused_is_resumed_by_whoever_is_asked() {
    let world = World::default();
    let (living, dying) = (world.plane(QUICK).await, world.plane(Duration::from_secs(5)).await);
    let id = submit(&dying, "web").await;
    sleep(Duration::from_secs(1)).await;
    dying.send(id, Command::Pause, somebody()).await.unwrap();
    gone(dying).await;
    sleep(Duration::from_secs(600)).await;
    assert!(living.status(id).await.unwrap().paused, "nobody resumed it");
    assert_eq!(taken_up(&living, id).await, 0);
    assert!(!living.send(id, Command::Resume, somebody()).await.unwrap().paused);
    assert_eq!(ended(&living, id).await, StatusName::Succeeded);
}

/// It was only slow, wakes up, and both want to drive it: one of them does, to the end.
#[tokio::test(start_paused = true)]
async fn inv_22_an_owner_that_was_only_slow_leaves_nothing_stuck_and_nothing_doubled() {
    for pause in [0, 1, 7, 16, 18, 20, 21, 25, 30, 40] {
        let world = World::default();
        let (hold, hangs) = watch::channel(true);
        let slow = world.hanging_plane(QUICK, &hangs).await;
        let other = world.plane(Duration::from_secs(3)).await;
        let id = submit(&slow, "web").await;
        sleep(Duration::from_secs(pause)).await;
        hold.send(false).unwrap();
        let woken = Instant::now();
        assert_eq!(ended(&other, id).await, StatusName::Succeeded, "after {pause} s");
        assert!(woken.elapsed() < Duration::from_secs(45), "after {pause} s it lay there for a while");
        assert!(taken_up(&other, id).await <= 3, "they took it from one another again and again");
        let live = world.toy.live(&"web".parse().unwrap());
        assert_eq!(live, other.status(id).await.unwrap().digest, "after {pause} s");
    }
}
