//! Who owns what: every interleaving of a few control planes over a few targets, with stateright.
//!
//! What is real here is what decides: each deployment is the core's own [`Deployment`], driven by its own
//! `decide`, `evolve` and `effects`. What is modelled around it, in a few lines each: a journal that takes
//! an append only at the right position and under the right fence, a lease that goes to the elder, a target
//! that refuses a lower fence than it has seen, and control planes that crash, recover each other's work
//! and go on with old knowledge. Time stands still; reading the source and drafting happen with the claim.
//!
//! | variable | means |
//! |---|---|
//! | `DEPLOY_MODEL=full` | three control planes, more of everything that can go wrong: minutes, not seconds |

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::sync::{Arc, OnceLock};

use deploy_core::command::{Command, Input, Report, StopMode};
use deploy_core::deployment::{Deployment, Gate};
use deploy_core::detect::Detection;
use deploy_core::effect::{Effect, EffectKind};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Fence, ResourceId, Version};
use deploy_core::lifecycle::{Outcome, PhaseName};
use deploy_core::plan::{Draft, Output, Plan, StepKind};
use deploy_core::port::Probe;
use deploy_core::spec::{Actor, Approval};
use deploy_core::testkit;
use deploy_core::time::Timestamp;
use stateright::{Checker, Expectation, Model, Property};

/// What may still go wrong, or be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Budget {
    crashes: u8,
    takeovers: u8,
    pauses: u8,
    stops: u8,
    supersedes: u8,
    lost: u8,
    failures: u8,
}

/// A control plane that drives a deployment, with what it knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Host {
    node: u8,
    run: usize,
    state: Deployment,
}

/// An effect on its way. It outlives whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Work {
    node: u8,
    run: usize,
    effect: Effect,
    /// The answer, once it struck.
    answer: Option<Report>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Target {
    epoch: u64,
    holder: Option<usize>,
    /// The highest fence that came to the point of effect.
    seen: u64,
    /// Whose release is routed.
    route: Option<usize>,
    made: Vec<usize>,
}

/// What happened that must not, or that should be possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Marks {
    stale_effect: bool,
    effect_behind_ending: bool,
    refused: bool,
    fenced_out: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    /// What is durable of each deployment.
    journal: Vec<Deployment>,
    targets: Vec<Target>,
    up: Vec<bool>,
    hosts: Vec<Host>,
    works: Vec<Work>,
    budget: Budget,
    marks: Marks,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Claim { host: usize },
    Strike { work: usize, lost: bool, fails: bool },
    Answer { work: usize },
    Crash { node: u8 },
    Start { node: u8 },
    TakeOver { node: u8, run: usize },
    Command { host: usize, command: Command },
}

struct Ownership {
    nodes: u8,
    /// Which target each deployment goes to.
    runs: Vec<usize>,
    budget: Budget,
    /// Whether the target compares fences: without it the checker must find a counterexample.
    guarded: bool,
}

fn plan() -> &'static Arc<Plan> {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    PLAN.get_or_init(|| {
        testkit::plan(vec![
            testkit::step("make", PhaseName::Execute, StepKind::Act),
            testkit::step("switch", PhaseName::Verify, StepKind::Switch { needs_check: false }),
        ])
    })
}

const AT: Timestamp = Timestamp::EPOCH;

fn accepted(run: usize, target: usize) -> Deployment {
    let id = DeploymentId::new(uuid::Uuid::from_u128(run as u128 + 1));
    let resource = ResourceId::new(uuid::Uuid::from_u128(target as u128));
    let event = Deployment::accept(id, resource, Arc::new(testkit::spec(Approval::Automatic)), AT);
    Deployment::replay([&event]).unwrap()
}

/// What an input leads to, if the state allows it.
fn decided(state: &Deployment, input: &Input) -> Option<Deployment> {
    let events = state.decide(input).ok()?;
    Some(events.iter().try_fold(state.clone(), Deployment::evolve).unwrap())
}

fn report(report: Report, fence: Option<Fence>) -> Input {
    Input::Report { report, fence, at: AT }
}

impl World {
    fn target(&mut self, model: &Ownership, run: usize) -> &mut Target {
        &mut self.targets[model.runs[run]]
    }

    /// Whether somebody other than this one is neither ended nor waiting behind it.
    fn is_free_for(&self, model: &Ownership, run: usize) -> bool {
        let target = &self.targets[model.runs[run]];
        let active = |other: usize| !self.journal[other].is_ended();
        let held = target.holder.is_some_and(|holder| holder != run && active(holder));
        let elder = (0..run).any(|other| model.runs[other] == model.runs[run] && active(other));
        target.holder == Some(run) || !(held || elder)
    }

    fn acquire(&mut self, model: &Ownership, run: usize) -> Option<Fence> {
        let free = self.is_free_for(model, run);
        let target = self.target(model, run);
        free.then(|| {
            target.epoch += 1;
            target.holder = Some(run);
            Fence(target.epoch)
        })
    }

    /// Appends what a host decided, or sends it away because somebody else is ahead.
    #[expect(clippy::needless_pass_by_value, reason = "the next state replaces the one there is")]
    fn append(&mut self, model: &Ownership, host: usize, fence: Option<Fence>, next: Deployment) {
        let Host { run, state, node } = self.hosts[host].clone();
        let target = &self.targets[model.runs[run]];
        let owns = fence.is_none_or(|fence| fence.0 == target.epoch && target.holder == Some(run));
        if !owns || self.journal[run].seq() != state.seq() {
            self.marks.fenced_out = true;
            self.hosts.remove(host);
            return;
        }
        self.journal[run] = next.clone();
        if next.is_ended() {
            self.hosts.remove(host);
            let target = self.target(model, run);
            if fence.is_some_and(|fence| fence.0 == target.epoch) {
                target.holder = None;
            }
            return;
        }
        self.hosts[host].state = next.clone();
        for effect in next.effects() {
            let known = self.works.iter().any(|work| work.run == run && work.effect == effect);
            if !known && effect.kind != EffectKind::Claim {
                self.works.push(Work { node, run, effect, answer: None });
            }
        }
    }

    fn claim(&mut self, model: &Ownership, host: usize) {
        let run = self.hosts[host].run;
        let Some(fence) = self.acquire(model, run) else { return };
        let held = Some(fence);
        let detection = Arc::new(Detection::default());
        let draft = Draft::Ready(Arc::clone(plan()));
        let reports = [
            Report::Claimed { live: None },
            Report::Inspected { detection },
            Report::Drafted { draft, live: None, version: Version(2) },
        ];
        let state = self.hosts[host].state.clone();
        let next =
            reports.into_iter().try_fold(state, |state, answer| decided(&state, &report(answer, held)));
        if let Some(next) = next {
            self.append(model, host, held, next);
        }
    }

    /// An effect reaches its target.
    fn strike(&mut self, model: &Ownership, index: usize, lost: bool, fails: bool) {
        let Work { run, effect, .. } = self.works[index].clone();
        let step = effect.kind.step().unwrap().clone();
        let fence = effect.fence.map_or(0, |fence| fence.0);
        let failed = |code| Failure::new(code, "modelled");
        let ended = self.journal[run].is_ended();
        let is_switch = step.as_str() == "switch";
        let target = &mut self.targets[model.runs[run]];
        let (stale, there) = (
            fence < target.seen,
            if is_switch { target.route == Some(run) } else { target.made.contains(&run) },
        );
        target.seen = target.seen.max(fence);
        let refused = stale && model.guarded;
        let mutates = !matches!(effect.kind, EffectKind::Probe { .. });
        let strikes = mutates && !refused && !fails;
        if strikes {
            let undoing = matches!(effect.kind, EffectKind::Undo { .. });
            match (is_switch, undoing) {
                (true, false) => target.route = Some(run),
                (true, true) => target.route = None,
                (false, true) => target.made.retain(|made| *made != run),
                (false, false) if there => {}
                (false, false) => target.made.push(run),
            }
        }
        self.marks.stale_effect |= strikes && stale;
        self.marks.effect_behind_ending |= strikes && ended;
        self.marks.refused |= refused && mutates;
        let output = Output::of(testkit::digest("made"));
        self.works[index].answer = Some(match effect.kind {
            EffectKind::Probe { .. } => {
                let found = if there { Probe::Present { output } } else { Probe::Absent };
                Report::Probed { step, found }
            }
            EffectKind::Undo { .. } if refused => {
                Report::UndoFailed { step, failure: failed(FailureCode::StaleFence) }
            }
            EffectKind::Undo { .. } => Report::Undone { step },
            EffectKind::Perform { .. } if refused => {
                Report::StepFailed { step, failure: failed(FailureCode::StaleFence) }
            }
            EffectKind::Perform { .. } if fails => {
                Report::StepFailed { step, failure: failed(FailureCode::BuildFailed) }
            }
            EffectKind::Perform { .. } if lost => {
                Report::StepFailed { step, failure: failed(FailureCode::ReplyLost) }
            }
            EffectKind::Perform { .. } => Report::StepDone { step, output },
            EffectKind::Claim | EffectKind::Inspect | EffectKind::Draft => return,
        });
    }

    fn answer(&mut self, model: &Ownership, index: usize) {
        let Work { node, run, effect, answer } = self.works.remove(index);
        let Some(answer) = answer else { return };
        let Some(host) = self.hosts.iter().position(|host| host.node == node && host.run == run) else {
            return;
        };
        let state = &self.hosts[host].state;
        if !state.effects().contains(&effect) {
            // Asked to stop in the meantime: what became of it is read back.
            let next = state.clone();
            for effect in next.effects() {
                let occupied = self
                    .works
                    .iter()
                    .any(|work| work.run == run && work.effect.kind.step() == effect.kind.step());
                if !occupied {
                    self.works.push(Work { node, run, effect, answer: None });
                }
            }
            return;
        }
        let fence = effect.fence;
        if let Some(next) = decided(state, &report(answer, fence)) {
            self.append(model, host, fence, next);
        }
    }

    fn take_over(&mut self, model: &Ownership, node: u8, run: usize) {
        let state = self.journal[run].clone();
        let fence = if state.holds_resource() {
            let Some(fence) = self.acquire(model, run) else { return };
            Some(fence)
        } else {
            None
        };
        let Some(next) = decided(&state, &Input::Recover { fence, at: AT }) else { return };
        self.hosts.retain(|host| host.node != node || host.run != run);
        self.hosts.push(Host { node, run, state });
        let host = self.hosts.len() - 1;
        self.append(model, host, fence, next);
    }

    /// Work on a step waits for older work of the same owner on it.
    fn may_strike(&self, index: usize) -> bool {
        let work = &self.works[index];
        let older = &self.works[..index];
        work.answer.is_none()
            && !older.iter().any(|other| {
                other.node == work.node
                    && other.run == work.run
                    && other.effect.fence == work.effect.fence
                    && other.effect.kind.step() == work.effect.kind.step()
            })
    }

    fn all_ended(&self) -> bool {
        self.journal.iter().all(Deployment::is_ended)
    }
}

impl Model for Ownership {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let journal: Vec<Deployment> =
            self.runs.iter().enumerate().map(|(run, target)| accepted(run, *target)).collect();
        let hosts =
            journal.iter().cloned().enumerate().map(|(run, state)| Host { node: 0, run, state }).collect();
        let targets = self.runs.iter().max().unwrap() + 1;
        vec![World {
            journal,
            targets: vec![Target::default(); targets],
            up: vec![true; usize::from(self.nodes)],
            hosts,
            works: Vec::new(),
            budget: self.budget,
            marks: Marks::default(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let budget = world.budget;
        for (index, work) in world.works.iter().enumerate() {
            if work.answer.is_some() {
                actions.push(Action::Answer { work: index });
            } else if world.may_strike(index) {
                actions.push(Action::Strike { work: index, lost: false, fails: false });
                let performs = matches!(work.effect.kind, EffectKind::Perform { .. });
                if performs && budget.lost > 0 {
                    actions.push(Action::Strike { work: index, lost: true, fails: false });
                }
                if performs && budget.failures > 0 {
                    actions.push(Action::Strike { work: index, lost: false, fails: true });
                }
            }
        }
        for (index, host) in world.hosts.iter().enumerate() {
            let claims = host.state.effects().iter().any(|effect| effect.kind == EffectKind::Claim);
            if claims && world.is_free_for(self, host.run) {
                actions.push(Action::Claim { host: index });
            }
            let stop = Command::Stop { mode: StopMode::Now, undo: true };
            let by = DeploymentId::new(uuid::Uuid::max());
            let held = matches!(host.state.gate(), Gate::Held { .. });
            let wanted = [
                (budget.pauses > 0 && !held, Command::Pause),
                (held, Command::Resume),
                (budget.stops > 0, stop),
                (budget.supersedes > 0, Command::Supersede { by }),
            ];
            let commands = wanted.into_iter().filter(|(may, _)| *may);
            actions.extend(commands.map(|(_, command)| Action::Command { host: index, command }));
        }
        for node in 0..self.nodes {
            let up = world.up[usize::from(node)];
            if !up {
                actions.push(Action::Start { node });
                continue;
            }
            if budget.crashes > 0 && world.hosts.iter().any(|host| host.node == node) {
                actions.push(Action::Crash { node });
            }
            for run in (0..self.runs.len()).filter(|run| !world.journal[*run].is_ended()) {
                let hosted = world.hosts.iter().any(|host| host.run == run);
                let own = world.hosts.iter().any(|host| host.run == run && host.node == node);
                if !hosted || (budget.takeovers > 0 && !own) {
                    actions.push(Action::TakeOver { node, run });
                }
            }
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        match action {
            Action::Claim { host } => world.claim(self, host),
            Action::Strike { work, lost, fails } => {
                world.budget.lost -= u8::from(lost);
                world.budget.failures -= u8::from(fails);
                world.strike(self, work, lost, fails);
            }
            Action::Answer { work } => world.answer(self, work),
            Action::Crash { node } => {
                world.budget.crashes -= 1;
                world.up[usize::from(node)] = false;
                world.hosts.retain(|host| host.node != node);
            }
            Action::Start { node } => world.up[usize::from(node)] = true,
            Action::TakeOver { node, run } => {
                let hosted = world.hosts.iter().any(|host| host.run == run);
                world.budget.takeovers -= u8::from(hosted);
                world.take_over(self, node, run);
            }
            Action::Command { host, command } => {
                match &command {
                    Command::Pause => world.budget.pauses -= 1,
                    Command::Stop { .. } => world.budget.stops -= 1,
                    Command::Supersede { .. } => world.budget.supersedes -= 1,
                    Command::Approve { .. } | Command::Resume | Command::Recheck | Command::Attest { .. } => {
                    }
                }
                let state = &world.hosts[host].state;
                let input = Input::Command { command, by: Actor("somebody".to_owned()), at: AT };
                let (fence, next) = (state.fence(), decided(state, &input)?);
                world.append(self, host, fence, next);
            }
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("inv_20 at most one run owns a target", |model: &Self, world: &World| {
                (0..world.targets.len()).all(|target| {
                    let owners = world.journal.iter().zip(&model.runs);
                    owners.filter(|(state, of)| **of == target && state.holds_resource()).count() <= 1
                })
            }),
            Property::always("inv_21 no stale effect", |_: &Self, world: &World| !world.marks.stale_effect),
            Property::always("inv_22 no effect behind an ending", |_: &Self, world: &World| {
                !world.marks.effect_behind_ending
            }),
            Property::always("inv_07 succeeded means routed", |model: &Self, world: &World| {
                let newest = |run: usize| {
                    !(run + 1..world.journal.len()).any(|later| {
                        model.runs[later] == model.runs[run] && !is_queued(&world.journal[later])
                    })
                };
                world.journal.iter().enumerate().all(|(run, state)| {
                    let succeeded = matches!(state.outcome(), Some(Outcome::Succeeded));
                    !(succeeded && newest(run)) || world.targets[model.runs[run]].route == Some(run)
                })
            }),
            Property::eventually("inv_10 every run ends", |_: &Self, world: &World| world.all_ended()),
            Property::sometimes("a stale effect is refused", |_: &Self, world: &World| world.marks.refused),
            Property::sometimes("an owner is fenced out", |_: &Self, world: &World| world.marks.fenced_out),
            Property::sometimes("a run is superseded", |_: &Self, world: &World| {
                ended_as(world, "superseded")
            }),
            Property::sometimes("a run is stopped", |_: &Self, world: &World| ended_as(world, "stopped")),
            Property::sometimes("a run fails", |_: &Self, world: &World| ended_as(world, "failed")),
        ]
    }
}

fn is_queued(state: &Deployment) -> bool {
    state.fence().is_none() && !state.is_ended()
}

fn ended_as(world: &World, status: &str) -> bool {
    let ended = |state: &Deployment| match state.outcome() {
        Some(Outcome::Superseded { .. }) => "superseded",
        Some(Outcome::Stopped) => "stopped",
        Some(Outcome::Failed(_)) => "failed",
        Some(Outcome::Succeeded | Outcome::RolledBack(_)) | None => "",
    };
    world.journal.iter().any(|state| ended(state) == status)
}

const NOTHING: Budget =
    Budget { crashes: 0, takeovers: 0, pauses: 0, stops: 0, supersedes: 0, lost: 0, failures: 0 };

fn full() -> bool {
    std::env::var("DEPLOY_MODEL").is_ok_and(|value| value == "full")
}

/// Checks a model and returns how many states it has.
fn states(what: &str, model: Ownership, sometimes: &[&str]) -> usize {
    let began = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = model.checker().threads(threads).spawn_bfs().join();
    let count = checker.unique_state_count();
    println!("{what}: {count} states in {:.1} s", began.elapsed().as_secs_f64());
    for property in checker.model().properties() {
        let found = checker.discovery(property.name);
        match property.expectation {
            Expectation::Always | Expectation::Eventually => {
                let path = found.map(|path| format!("{:#?}", path.into_actions()));
                assert!(path.is_none(), "{what}: {} is broken by {}", property.name, path.unwrap());
            }
            Expectation::Sometimes => {
                let wanted = sometimes.contains(&property.name);
                assert!(!wanted || found.is_some(), "{what}: never seen that {}", property.name);
            }
        }
    }
    count
}

#[test]
fn two_control_planes_and_one_target() {
    let budget =
        Budget { crashes: 1, takeovers: 1, pauses: 0, stops: 1, supersedes: 0, lost: 0, failures: 0 };
    let model = Ownership { nodes: 2, runs: vec![0, 0], budget, guarded: true };
    let sometimes = ["a stale effect is refused", "an owner is fenced out", "a run is stopped"];
    // A number that moves whenever behaviour moves: look why before you change it.
    assert_eq!(states("two runs, a crash, a takeover, a stop", model, &sometimes), 96_644);
}

#[test]
fn two_control_planes_and_two_targets() {
    let budget = Budget { takeovers: 1, ..NOTHING };
    let model = Ownership { nodes: 2, runs: vec![0, 1], budget, guarded: true };
    let sometimes = ["a stale effect is refused", "an owner is fenced out"];
    assert_eq!(states("two targets, a takeover", model, &sometimes), 1_708);
}

#[test]
fn pauses_lost_replies_failures_and_a_newer_run() {
    let budget = Budget { takeovers: 1, pauses: 1, supersedes: 1, lost: 1, failures: 1, ..NOTHING };
    let model = Ownership { nodes: 2, runs: vec![0], budget, guarded: true };
    let sometimes = ["a stale effect is refused", "a run is superseded", "a run fails"];
    assert_eq!(states("one run, everything but a crash", model, &sometimes), 15_105);
}

#[test]
fn three_control_planes_with_more_of_everything() {
    if !full() {
        println!("DEPLOY_MODEL=full runs it");
        return;
    }
    let budget =
        Budget { crashes: 2, takeovers: 1, pauses: 1, stops: 1, supersedes: 1, lost: 1, failures: 1 };
    let model = Ownership { nodes: 3, runs: vec![0, 0, 1], budget, guarded: true };
    states("three control planes, two targets, three runs", model, &["a stale effect is refused"]);
}

/// The teeth: without the guard at the point of effect the checker finds the way a stale owner moves a route.
#[test]
fn without_a_guard_at_the_target_a_stale_effect_is_found() {
    let budget = Budget { takeovers: 1, ..NOTHING };
    let model = Ownership { nodes: 2, runs: vec![0], budget, guarded: false };
    let checker = model.checker().spawn_bfs().join();
    let path = checker.discovery("inv_21 no stale effect").expect("a counterexample");
    println!("found in {} steps", path.into_actions().len());
}
