//! The exhaustive test: breadth first over every state and every input of a small plan. Timestamps
//! and sequence numbers don't tell states apart, everything else does.
//!
//! It is what a change of the lifecycle has to get past. How well it stands guard:
//! `cargo mutants -p deploy-core -f 'deploy-core/src/lifecycle/*.rs' -f deploy-core/src/deployment.rs
//! -f deploy-core/src/driver.rs -- --lib`; what changes only `planted::is(…)` is no mutant of what is shipped.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, LazyLock};

use crate::command::{Command, Input, Report, StopMode};
use crate::control::{Control, ControlName};
use crate::deployment::Deployment;
use crate::detect::Detection;
use crate::effect::{Effect, EffectKind};
use crate::event::{Event, EventKind};
use crate::failure::{Failure, FailureCode};
use crate::id::{DeploymentId, Digest, Fence, ResourceId, Version};
use crate::lifecycle::{
    ANYWHERE, EDGES, Outcome, Phase, PhaseKind, PhaseName, Request, StepState, UndoState,
};
use crate::plan::{Draft, DraftRequest, Output, Plan, Retry, Step, StepKind, Undo, draft};
use crate::port::{Live, Probe};
use crate::reject::Rejection;
use crate::spec::{Actor, Approval};
use crate::status::{Status, StatusName};
use crate::testkit;
use crate::time::Timestamp;

/// The highest fence: one takeover in every schedule, at any place in it.
const FENCES: u64 = 2;

static MADE: LazyLock<Digest> = LazyLock::new(|| testkit::digest("made"));
static OTHER: LazyLock<Digest> = LazyLock::new(|| testkit::digest("other"));

fn made() -> Digest {
    MADE.clone()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn sample_plan() -> Arc<Plan> {
    testkit::plan(vec![
        testkit::step("make", PhaseName::Execute, StepKind::Act),
        testkit::step("check", PhaseName::Verify, StepKind::Check),
        testkit::step("switch", PhaseName::Verify, StepKind::Switch { needs_check: true }),
        testkit::step("confirm", PhaseName::Verify, StepKind::Check),
    ])
}

/// A plan as a rollback has it: nothing to take back before the switch.
fn restoring_plan() -> Arc<Plan> {
    let mut steps = sample_plan().steps().to_vec();
    steps[0].undo = Undo::NotNeeded;
    testkit::plan(steps)
}

/// A plan whose two steps may run at the same time. One has every fate there is, the other is tried once and
/// can always be read back: with two of the first kind there would be ten times as many states.
fn parallel_plan() -> Arc<Plan> {
    let act = |id| testkit::step(id, PhaseName::Execute, StepKind::Act);
    let once = |step| Step { retry: Retry::NEVER, ..step };
    testkit::plan(vec![act("make"), Step { beside: true, ..once(act("copy")) }])
}

fn blocked() -> Draft {
    let spec = testkit::spec(Approval::Automatic);
    draft(&DraftRequest {
        spec: &spec,
        detection: &Detection::default(),
        survey: None,
        executor: None,
        installed: &[],
    })
}

fn start(approval: Approval) -> Deployment {
    let spec = Arc::new(testkit::spec(approval));
    let id = DeploymentId::new(uuid::Uuid::nil());
    let accepted = Deployment::accept(id, ResourceId::new(uuid::Uuid::nil()), spec, at(0));
    Deployment::replay([&accepted]).unwrap()
}

fn failures() -> [Failure; 3] {
    [FailureCode::TargetUnavailable, FailureCode::SwitchRefused, FailureCode::ReplyLost]
        .map(|code| Failure::new(code, "x"))
}

fn found() -> [Probe; 3] {
    [Probe::Present { output: Output::of(made()) }, Probe::Absent, Probe::Unknown]
}

/// Every answer the world can give to an effect.
fn answers(effect: &Effect, plan: &Arc<Plan>) -> Vec<Report> {
    let preparation = || failures().map(|failure| Report::PreparationFailed { failure });
    match effect.kind.clone() {
        EffectKind::Claim => {
            let mut all =
                vec![Report::Claimed { live: None }, Report::Claimed { live: Some(testkit::live()) }];
            all.push(Report::Deferred { reasons: vec![testkit::frozen()] });
            all.push(Report::Admitted);
            all.extend(preparation());
            all
        }
        EffectKind::Inspect => {
            let mut all = vec![Report::Inspected { detection: Arc::new(Detection::default()) }];
            all.extend(preparation());
            all
        }
        EffectKind::Draft => {
            let drafted = |draft| Report::Drafted { draft, live: Some(testkit::live()), version: Version(2) };
            let mut all = vec![drafted(Draft::Ready(Arc::clone(plan))), drafted(blocked())];
            all.extend(preparation());
            all
        }
        EffectKind::Perform { step } => {
            let mut all = vec![Report::StepDone { step: step.clone(), output: Output::of(made()) }];
            if step.as_str() == "check" {
                all.push(Report::StepDone { step: step.clone(), output: Output::of(OTHER.clone()) });
            }
            all.extend(failures().map(|failure| Report::StepFailed { step: step.clone(), failure }));
            all
        }
        EffectKind::Probe { step } if step.as_str() == "copy" => {
            let known = found().into_iter().filter(|found| *found != Probe::Unknown);
            known.map(|found| Report::Probed { step: step.clone(), found }).collect()
        }
        EffectKind::Probe { step } => {
            found().map(|found| Report::Probed { step: step.clone(), found }).into()
        }
        EffectKind::Undo { step } => {
            let mut all = vec![Report::Undone { step: step.clone() }];
            all.extend(failures().map(|failure| Report::UndoFailed { step: step.clone(), failure }));
            all
        }
    }
}

fn commands(plan: &Plan) -> Vec<Command> {
    let id = DeploymentId::new(uuid::Uuid::max());
    let steps = ["make", "switch"].map(|step| step.parse().unwrap());
    let mut all = vec![
        Command::Pause,
        Command::Resume,
        Command::Recheck,
        Command::Supersede { by: id },
        Command::Approve { fingerprint: plan.fingerprint().clone() },
        Command::Approve { fingerprint: OTHER.clone() },
    ];
    for mode in [StopMode::AfterStep, StopMode::Now] {
        all.extend([false, true].map(|undo| Command::Stop { mode, undo }));
    }
    for step in steps {
        all.extend(found().map(|found| Command::Attest { step: Clone::clone(&step), found }));
    }
    all
}

fn inputs(state: &Deployment, plan: &Arc<Plan>) -> Vec<Input> {
    let by = Actor("tester".to_owned());
    let command = |command| Input::Command { command, by: by.clone(), at: at(0) };
    let mut all: Vec<Input> = commands(plan).into_iter().map(command).collect();
    for effect in state.effects() {
        for report in answers(&effect, plan) {
            let fence = if matches!(report, Report::Claimed { .. }) { Some(Fence(1)) } else { effect.fence };
            all.push(Input::Report { report, fence, at: at(0) });
        }
    }
    let fence = state.fence().map(|fence| Fence(fence.0 + 1));
    if fence.is_none_or(|fence| fence.0 <= FENCES) {
        all.push(Input::Recover { fence, at: at(0) });
    }
    if let Some(deadline) = state.deadline() {
        all.push(Input::Tick { at: deadline });
    }
    all
}

/// What tells states apart. Everything that a decision reads is in it, with times and counts reduced to
/// what they decide: whether something waits, and whether attempts are left.
fn key(state: &Deployment) -> String {
    use std::fmt::Write as _;
    let mut key = String::with_capacity(256);
    let (held, kind) = (state.is_held(), state.phase().kind());
    let request =
        state.request.as_ref().map(|request| (request.mode(), request.ending().kind(), undoes(request)));
    let _ = write!(key, "{kind:?} {:?} {held} {request:?}", state.fence().map(|fence| fence.0));
    let Some(run) = state.phase().run() else {
        let _ = write!(
            key,
            " {:?} {} {}",
            state.effects().first().map(|effect| effect.attempt),
            state.deadline().is_some(),
            state.deferred().len()
        );
        let _ = write!(key, " {:?}", state.outcome().map(std::mem::discriminant));
        return key;
    };
    let failed = state.status().failure.map(|failure| failure.code);
    let _ = write!(key, " {failed:?} {:?}", state.outcome().map(std::mem::discriminant));
    if let Phase::RollingBack(rolling_back) = state.phase() {
        let _ = write!(key, " {:?}", std::mem::discriminant(rolling_back.cause()));
    }
    for (_, record) in run.steps() {
        let _ = match &record.state {
            StepState::InDoubt { doubt, until } => {
                write!(key, " doubt {doubt:?} {} {}", until.is_some(), record.probes)
            }
            StepState::Unknown { doubt } => write!(key, " unknown {doubt:?}"),
            StepState::Done { output, fence, .. } => {
                write!(
                    key,
                    " done {:?} {}",
                    output.digest.as_ref().map(|digest| digest.short()),
                    *fence == state.fence()
                )
            }
            StepState::Failed { failure } => write!(key, " failed {:?}", failure.code),
            StepState::Pending => write!(key, " pending"),
            StepState::Running { .. } => write!(key, " running"),
            StepState::Waiting { .. } => write!(key, " waiting"),
            StepState::Skipped => write!(key, " skipped"),
        };
        let _ = match &record.undo {
            UndoState::None => write!(key, "/{}", record.attempts.min(2)),
            UndoState::Undoing { attempt, .. } => write!(key, "/undoing {attempt}"),
            UndoState::Waiting { attempt, .. } => write!(key, "/waiting {attempt}"),
            UndoState::Undone => write!(key, "/undone"),
            UndoState::Failed { .. } => write!(key, "/failed"),
        };
    }
    key
}

const fn undoes(request: &Request) -> bool {
    match request {
        Request::Stop { undo, .. } => *undo,
        Request::Supersede { .. } => true,
    }
}

type Edge = (PhaseKind, EventKind, PhaseKind);

struct Explored {
    states: Vec<Deployment>,
    /// Which states a state leads to.
    next: Vec<Vec<usize>>,
    edges: BTreeSet<Edge>,
    decisions: usize,
}

fn explore(approval: Approval, plan: &Arc<Plan>) -> Explored {
    let first = start(approval);
    let mut seen = HashMap::from([(key(&first), 0)]);
    let mut explored =
        Explored { states: vec![first], next: Vec::new(), edges: BTreeSet::new(), decisions: 0 };
    let mut queue = VecDeque::from([0]);
    while let Some(index) = queue.pop_front() {
        assert!(explored.states.len() < 200_000, "the model no longer fits: what makes it grow?");
        let state = explored.states[index].clone();
        let mut next = Vec::new();
        for input in inputs(&state, plan) {
            explored.decisions += 1;
            let Ok(events) = state.decide(&input) else { continue };
            laws_of_a_decision(&state, &input, &events);
            let claimed = claimed_live(&input);
            let mut after = state.clone();
            for event in &events {
                let from = after.phase().kind();
                after = after.evolve(event).unwrap();
                explored.edges.insert((from, event.event.kind(), after.phase().kind()));
            }
            if let Some(live) = claimed {
                assert_eq!(after.live_before(), live.as_ref(), "what served is forgotten");
            }
            let known = *seen.entry(key(&after)).or_insert_with(|| {
                explored.states.push(after.clone());
                queue.push_back(explored.states.len() - 1);
                explored.states.len() - 1
            });
            next.push(known);
        }
        explored.next.resize(explored.next.len().max(index + 1), Vec::new());
        explored.next[index] = next;
    }
    explored.next.resize(explored.states.len(), Vec::new());
    explored
}

/// What a claim found to be live, if the input is a claim.
const fn claimed_live(input: &Input) -> Option<&Option<Live>> {
    match input {
        Input::Report { report: Report::Claimed { live }, .. } => Some(live),
        Input::Report { .. } | Input::Command { .. } | Input::Recover { .. } | Input::Tick { .. } => None,
    }
}

// ---------------------------------------------------------------------------------------------
// Laws of every decision

fn laws_of_a_decision(state: &Deployment, input: &Input, events: &[crate::wire::Envelope]) {
    inv_09_ended_is_final(state);
    inv_31_held_starts_nothing(state, input, events);
    inv_03_switch_only_after_a_check_of_the_same_artifact_under_the_same_fence(state, events);
}

fn inv_09_ended_is_final(state: &Deployment) {
    assert!(!state.is_ended(), "an ended deployment decided something: {state:?}");
}

fn inv_31_held_starts_nothing(state: &Deployment, input: &Input, events: &[crate::wire::Envelope]) {
    let opens = matches!(
        input,
        Input::Command { command: Command::Resume | Command::Stop { .. } | Command::Supersede { .. }, .. }
    );
    if state.is_held() && !opens {
        let starts = events.iter().find(|envelope| {
            matches!(
                envelope.event,
                Event::StepStarted { .. } | Event::UndoStarted { .. } | Event::RollbackStarted { .. }
            )
        });
        assert!(starts.is_none(), "started while held: {starts:?} after {input:?}");
    }
}

fn inv_03_switch_only_after_a_check_of_the_same_artifact_under_the_same_fence(
    state: &Deployment,
    events: &[crate::wire::Envelope],
) {
    let mut before = state.clone();
    for event in events {
        if let Event::StepStarted { step, .. } = &event.event
            && step.as_str() == "switch"
        {
            let run = before.phase().run().unwrap();
            let (_, check) = run.step(&"check".parse().unwrap()).unwrap();
            let StepState::Done { output, fence, .. } = &check.state else {
                panic!("switched without a check")
            };
            assert_eq!(*fence, before.fence(), "the check is from another owner");
            assert_eq!(output.digest.as_ref(), run.digest(), "another artifact was checked");
        }
        before = before.evolve(event).unwrap();
    }
}

// ---------------------------------------------------------------------------------------------
// Laws of every state

fn laws_of_a_state(state: &Deployment, plan: &Arc<Plan>) {
    let status = state.status();
    inv_08_every_rest_says_why_what_is_live_and_what_next(state, &status);
    inv_05_before_the_switch_production_is_untouched(state, &status);
    inv_07_succeeded_means_all_done_and_live(state, &status);
    inv_10_something_moves_or_somebody_is_told(state, &status);
    inv_10_a_due_timer_does_something(state);
    inv_11_only_what_may_run_together_does(state);
    inv_21_stale_fence_is_refused(state, plan);
    inv_20_the_resource_is_held_from_the_claim_to_the_end(state, &status);
    every_command_has_its_answer(state, &status, plan);
    a_control_says_what_its_command_is_told(state);
    recovery_needs_a_fence_that_is_not_lower(state);
}

fn inv_20_the_resource_is_held_from_the_claim_to_the_end(state: &Deployment, status: &Status) {
    let without = matches!(status.status, StatusName::Queued | StatusName::Blocked) || state.is_ended();
    assert_eq!(state.holds_resource(), !without, "in {:?}", status.status);
    assert!(state.is_ended() || state.holds_resource() == state.fence().is_some());
}

/// What a control says in advance is what the command is told.
fn a_control_says_what_its_command_is_told(state: &Deployment) {
    for Control { name, refused } in state.controls() {
        let stop = |undo| Command::Stop { mode: StopMode::AfterStep, undo };
        let command = match name {
            ControlName::Approve => {
                let waiting = state.status().plan_fingerprint.unwrap_or_else(|| Digest::of(b"none"));
                Command::Approve { fingerprint: waiting }
            }
            ControlName::Pause => Command::Pause,
            ControlName::Resume => Command::Resume,
            ControlName::Stop => stop(false),
            ControlName::StopAndUndo => stop(true),
            ControlName::Recheck => Command::Recheck,
            ControlName::Retry | ControlName::Redeploy => {
                assert_eq!(refused.is_none(), state.is_ended());
                continue;
            }
        };
        let by = Actor("tester".to_owned());
        let told = state.decide(&Input::Command { command, by, at: at(0) }).err();
        let told = told.map(|told| told.code().to_owned());
        assert_eq!(refused.map(|refused| refused.code), told, "{name:?} in {:?}", state.phase().kind());
    }
}

/// The table of answers: what each command is told in each state, `None` for "it is done".
fn every_command_has_its_answer(state: &Deployment, status: &Status, plan: &Plan) {
    let by = Actor("tester".to_owned());
    for command in commands(plan) {
        let expected = answer(state, status, &command, plan);
        let decided = state.decide(&Input::Command { command: command.clone(), by: by.clone(), at: at(0) });
        let refused = decided.as_ref().err().map(Rejection::code);
        assert_eq!(refused, expected, "{command:?} in {:?}", state.phase());
        assert!(decided.is_err() || decided.is_ok_and(|events| !events.is_empty()));
    }
}

fn answer(state: &Deployment, status: &Status, command: &Command, plan: &Plan) -> Option<&'static str> {
    if state.is_ended() {
        return Some("already_ended");
    }
    let run = state.phase().run();
    let switch = run.and_then(|run| run.step(&"switch".parse().unwrap()));
    let moving = switch.is_some_and(|(_, record)| record.may_have_taken_effect());
    let too_late = (moving || status.status == StatusName::RollingBack).then_some("past_the_switch");
    let asked = state.request.as_ref();
    let forwards = matches!(status.status, StatusName::Executing | StatusName::Verifying);
    match command {
        Command::Pause => status.paused.then_some("already_paused"),
        Command::Resume => (!status.paused).then_some("not_paused"),
        Command::Recheck => (status.status != StatusName::Blocked).then_some("not_blocked"),
        Command::Stop { mode, undo } => too_late.or_else(|| {
            let covered = asked.is_some_and(|now| now.mode() >= *mode && (undoes(now) || !undo));
            let superseded = matches!(asked, Some(Request::Supersede { .. }));
            (covered || superseded).then_some("already_stopping")
        }),
        Command::Supersede { .. } => too_late
            .or_else(|| matches!(asked, Some(Request::Supersede { .. })).then_some("already_stopping")),
        Command::Approve { .. } if status.status != StatusName::Planned => Some("not_waiting_for_approval"),
        Command::Approve { fingerprint } => (fingerprint != plan.fingerprint()).then_some("other_plan"),
        Command::Attest { step, found } => {
            let record = run.and_then(|run| run.step(step)).filter(|_| forwards);
            let unknown = record.is_some_and(|(_, record)| matches!(record.state, StepState::Unknown { .. }));
            (!unknown || *found == Probe::Unknown).then_some("nothing_to_attest")
        }
    }
}

fn recovery_needs_a_fence_that_is_not_lower(state: &Deployment) {
    let recover = |fence| state.decide(&Input::Recover { fence, at: at(0) });
    let fence = state.fence();
    if state.is_ended() {
        assert_eq!(recover(fence).map_err(|no| no.code()).err(), Some("already_ended"));
        return;
    }
    assert!(recover(fence).is_ok());
    if let Some(fence) = fence {
        assert_eq!(recover(Some(Fence(fence.0 - 1))), Err(Rejection::StaleFence));
        assert_eq!(recover(None), Err(Rejection::StaleFence));
    }
}

fn inv_08_every_rest_says_why_what_is_live_and_what_next(state: &Deployment, status: &Status) {
    if status.status == StatusName::Succeeded {
        assert!(status.failure.is_none() && status.exit_code == Some(0));
    } else if status.status.is_ended() || status.status == StatusName::Blocked {
        assert!(status.failure.is_some(), "no failure: {state:?}");
        assert!(status.recovery.as_ref().is_some_and(|hint| !hint.hint.is_empty() && !hint.next.is_empty()));
        assert!(status.exit_code.is_some_and(|code| code != 0));
    } else {
        assert_eq!(status.exit_code, None);
    }
}

fn inv_05_before_the_switch_production_is_untouched(state: &Deployment, status: &Status) {
    let Some(run) = state.phase().run() else { return };
    let untouched = run.step(&"switch".parse().unwrap()).is_none_or(|(_, record)| record.attempts == 0);
    if untouched {
        assert_eq!(
            status.live_now.as_ref().map(|live| live.release),
            run.live_before().map(|live| live.release)
        );
    }
    if status.status == StatusName::RolledBack {
        assert_eq!(
            status.live_now.as_ref().map(|live| live.release),
            Some(Version(1)),
            "rolled back to something else"
        );
        assert!(status.residue.is_empty(), "rolled back with residue");
    }
}

fn inv_07_succeeded_means_all_done_and_live(state: &Deployment, status: &Status) {
    if let Some(Outcome::Succeeded) = state.outcome() {
        let run = state.phase().run().unwrap();
        assert!(run.steps().all(|(_, record)| matches!(record.state, StepState::Done { .. })));
        let switches = run.steps().any(|(step, _)| matches!(step.action, StepKind::Switch { .. }));
        assert_eq!(
            status.live_now.as_ref().map(|live| live.release),
            Some(Version(if switches { 2 } else { 1 }))
        );
    }
}

fn inv_10_something_moves_or_somebody_is_told(state: &Deployment, status: &Status) {
    if !state.is_ended() && state.effects().is_empty() && state.deadline().is_none() {
        assert!(status.recovery.is_some(), "stuck, and nobody is told: {:?}", state.phase());
        assert!(state.is_held(), "stuck without being held: {:?}", state.phase());
    }
}

/// A timer that is due and does nothing would be due again at once, for ever.
fn inv_10_a_due_timer_does_something(state: &Deployment) {
    if let Some(deadline) = state.deadline() {
        let events = state.decide(&Input::Tick { at: deadline });
        assert!(
            events.is_ok_and(|events| !events.is_empty()),
            "a due timer did nothing in {:?}",
            state.phase()
        );
    }
}

/// What is active at the same time is of one group, as many as the policy allows, and nothing behind it was
/// started. Whatever else is done is one thing.
fn inv_11_only_what_may_run_together_does(state: &Deployment) {
    let Some(run) = state.phase().run() else { return assert!(state.effects().len() <= 1) };
    let active: Vec<_> = run.steps().enumerate().filter(|(_, (_, record))| record.is_active()).collect();
    let most = run.plan().outline().policy.in_flight_max as usize;
    assert!(active.len() <= most && state.effects().len() <= most.max(1), "more than {most} at once");
    let (Some((first, _)), Some((last, _))) = (active.first(), active.last()) else { return };
    let act = |index: usize| run.plan().steps()[index].action == StepKind::Act;
    let beside = (first + 1..=*last).all(|index| run.plan().steps()[index].beside && act(index));
    assert!(first == last || beside && act(*first), "two things at once that may not be");
}

fn inv_21_stale_fence_is_refused(state: &Deployment, plan: &Arc<Plan>) {
    let Some(fence) = state.fence() else { return };
    for effect in state.effects() {
        for report in answers(&effect, plan) {
            let late = Input::Report { report, fence: Some(Fence(fence.0 - 1)), at: at(0) };
            assert_eq!(state.decide(&late), Err(Rejection::StaleFence));
        }
    }
}

fn inv_10_an_end_is_reachable_from_every_state(explored: &Explored) {
    let mut before: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, next) in explored.next.iter().enumerate() {
        next.iter().for_each(|to| before.entry(*to).or_default().push(from));
    }
    let good = |index: &usize| explored.states[*index].is_ended();
    let mut queue: VecDeque<usize> = (0..explored.states.len()).filter(good).collect();
    let mut reaches: BTreeSet<usize> = queue.iter().copied().collect();
    while let Some(index) = queue.pop_front() {
        for from in before.get(&index).into_iter().flatten() {
            if reaches.insert(*from) {
                queue.push_back(*from);
            }
        }
    }
    let stuck = (0..explored.states.len()).find(|index| !reaches.contains(index));
    assert!(
        stuck.is_none(),
        "no end is reachable from {:?}",
        stuck.map(|index| explored.states[index].phase())
    );
}

/// Explores one plan and checks every state of it.
#[expect(clippy::disallowed_methods, reason = "says how long it took")]
fn check(approval: Approval, plan: &Arc<Plan>) -> (usize, BTreeSet<Edge>) {
    let started = std::time::Instant::now();
    let explored = explore(approval, plan);
    explored.states.iter().for_each(|state| laws_of_a_state(state, plan));
    inv_10_an_end_is_reachable_from_every_state(&explored);
    let (states, took) = (explored.states.len(), started.elapsed());
    println!("{states} states, {} decisions, {took:?}", explored.decisions);
    (states, explored.edges)
}

#[test]
fn every_state_and_every_input_keep_the_laws() {
    let models = [
        (Approval::Automatic, sample_plan()),
        (Approval::Required, sample_plan()),
        (Approval::Automatic, restoring_plan()),
        (Approval::Automatic, parallel_plan()),
    ];
    let explored = std::thread::scope(|scope| {
        let models = models.map(|(approval, plan)| scope.spawn(move || check(approval, &plan)));
        models.map(|model| model.join().unwrap())
    });
    let states = explored.each_ref().map(|(states, _)| *states);
    let edges = explored.into_iter().flat_map(|(_, edges)| edges);
    let taken: BTreeSet<_> = edges.filter(|(_, event, _)| !ANYWHERE.contains(event)).collect();
    let listed: BTreeSet<_> = EDGES.iter().copied().collect();
    assert_eq!(
        taken.difference(&listed).collect::<Vec<_>>(),
        Vec::<&_>::new(),
        "edges that the table does not list"
    );
    assert_eq!(listed.difference(&taken).collect::<Vec<_>>(), Vec::<&_>::new(), "edges that nothing takes");
    assert!(matches!(start(Approval::Automatic).phase(), Phase::Queued(_)));
    // A number that moves whenever behaviour moves: look why before you change it.
    assert_eq!(states, [29_762, 29_764, 17_708, 58_706]);
}

/// Takes the first answer to everything; `last` is what comes after two of them.
fn third(approval: Approval, last: u32) -> Deployment {
    const HOPED: u32 = 5;
    let spec = testkit::spec(approval);
    let history = testkit::strategies::drive(spec, &sample_plan(), &[HOPED, HOPED, last]);
    Deployment::replay(&history).unwrap()
}

#[test]
fn inv_10_what_waits_for_a_person_says_until_when() {
    let drafted = at(2_000);
    let planned = third(Approval::Required, 5);
    assert!(matches!(planned.phase(), Phase::Planned(_)));
    assert_eq!(planned.deadline(), Some(drafted.after(crate::lifecycle::APPROVAL_WINDOW)));
    // The second of the answers to a draft is a plan that says no.
    let blocked = third(Approval::Automatic, 2 + (1 << 3));
    assert!(matches!(blocked.phase(), Phase::Blocked(_)));
    assert_eq!(blocked.deadline(), Some(drafted.after(crate::lifecycle::BLOCKED_WINDOW)));
}

#[test]
fn inv_10_what_waits_for_a_person_ends_at_its_time_and_not_before() {
    for waiting in [third(Approval::Required, 5), third(Approval::Automatic, 2 + (1 << 3))] {
        let due = waiting.deadline().unwrap();
        let tick = |state: &Deployment, at: Timestamp| {
            let events = state.decide(&Input::Tick { at }).unwrap();
            events.iter().map(|envelope| envelope.event.kind()).collect::<Vec<_>>()
        };
        assert_eq!(tick(&waiting, Timestamp::from_millis(due.as_millis() - 1)), []);
        assert_eq!(tick(&waiting, due), [EventKind::Failed]);
    }
}

#[test]
fn inv_31_a_held_plan_outlives_its_time() {
    let planned = third(Approval::Required, 5);
    let due = planned.deadline().unwrap();
    let pause = Input::Command { command: Command::Pause, by: Actor("anna".into()), at: at(3_000) };
    let events = planned.decide(&pause).unwrap();
    let held = events.iter().try_fold(planned, Deployment::evolve).unwrap();
    assert_eq!(held.deadline(), None);
    assert_eq!(held.decide(&Input::Tick { at: due }).unwrap(), []);
}

#[test]
fn a_plan_that_was_approved_beforehand_waits_for_nobody() {
    assert!(matches!(third(Approval::Automatic, 5).phase(), Phase::Executing(_)));
}

#[test]
fn phases_are_called_by_their_names() {
    for kind in EDGES.iter().flat_map(|(from, _, to)| [from, to]) {
        assert_eq!(kind.name(), format!("{kind:?}"));
    }
}
