//! One schedule: real drivers, a faulty store, a hostile world, and a generator that decides what
//! happens next. After every step every law is checked.

use std::sync::Arc;

use super::host::{Host, Node, Work};
use super::journal_laws::{Journal, Reality};
use super::rng::Rng;
use super::scenario::{RESOURCES, Rates, Scenario, Shape, stock};
use super::state_laws;
use super::store::{Lease, Store, Word};
use super::truth::{Law, holds};
use super::world::{Candidate, Hand, Struck, Target, Thing};
use crate::command::{Input, Report};
use crate::deployment::Deployment;
use crate::detect::Detection;
use crate::driver::{Action, Driver};
use crate::effect::{Effect, EffectKind};
use crate::failure::{Failure, FailureCode};
use crate::id::{DeploymentId, Digest, Fence, ResourceId, Seq, Version};
use crate::lifecycle::Phase;
use crate::plan::Draft;
use crate::port::{Live, StoreError};
use crate::spec::Actor;
use crate::time::Timestamp;

/// How an effect ended.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Report(Report, Option<Fence>),
    /// It was cancelled before it did anything.
    Nothing,
}

/// A deployment of the schedule.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) resource: usize,
    pub(super) shape: &'static Shape,
    pub(super) own: Digest,
    pub(super) candidate: Candidate,
}

/// A schedule that is running.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) rng: Rng,
    pub(super) scenario: Scenario,
    pub(super) rates: Rates,
    /// Whether only the first deployment meets faults and people.
    pub(super) isolated: bool,
    pub(super) now: i64,
    pub(super) wishes: Vec<Wish>,
    pub(super) store: Store,
    pub(super) targets: Vec<Target>,
    pub(super) things: Vec<Vec<Thing>>,
    pub(super) journals: Vec<Journal>,
    /// The newest sequence number that anybody was shown.
    pub(super) shown: Vec<Seq>,
    pub(super) nodes: Vec<Node>,
    pub(super) hosts: Vec<Host>,
    pub(super) works: Vec<Work>,
    /// Reports of earlier owners, on their way to the present one.
    pub(super) late: Vec<(usize, Report, Fence)>,
    pub(super) next_host: u32,
    pub(super) steps: u32,
    pub(super) faults: u32,
    pub(super) refused_late: u32,
    pub(super) trace: Option<Vec<String>>,
}

impl Schedule {
    pub(super) fn new(seed: u64, tracing: bool) -> Self {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::draw(&mut rng);
        let base = stock().digests.last().cloned();
        let served = scenario.served.then_some(base).flatten();
        let live = served.clone().map(|digest| Live { digest, ..crate::testkit::samples::live() });
        let target = Target { route: served, ..Target::default() };
        Self {
            rates: scenario.rates,
            isolated: false,
            now: 1_700_000_000_000,
            wishes: Vec::new(),
            store: Store {
                rows: Vec::new(),
                leases: vec![Lease::default(); RESOURCES],
                live: vec![live; RESOURCES],
            },
            targets: vec![target; RESOURCES],
            things: Vec::new(),
            journals: Vec::new(),
            shown: Vec::new(),
            nodes: vec![Node { up: true, ..Node::default() }; scenario.nodes],
            hosts: Vec::new(),
            works: Vec::new(),
            late: Vec::new(),
            next_host: 0,
            steps: 0,
            faults: 0,
            refused_late: 0,
            trace: tracing.then(Vec::new),
            rng,
            scenario,
        }
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now} {}", what()));
        }
    }

    pub(super) fn fault(&mut self, per_mille: u32) -> bool {
        let strikes = self.rng.chance(per_mille);
        self.faults += u32::from(strikes);
        strikes
    }

    /// Whether a deployment meets no faults and no people.
    pub(super) const fn is_spared(&self, number: usize) -> bool {
        self.isolated && number > 0
    }

    fn rates_of(&self, number: usize) -> Rates {
        if self.is_spared(number) { Rates::default() } else { self.rates }
    }

    pub(super) fn at(&self, node: usize) -> Timestamp {
        Timestamp::from_millis(self.now + self.nodes[node].skew)
    }

    // ---------------------------------------------------------------------------------------------
    // Submitting, hosting, recovering

    /// Submits the next deployment at a control plane.
    pub(super) fn submit(&mut self, node: usize) -> Result<(), Law> {
        let number = self.wishes.len();
        let spared = self.is_spared(number);
        let resource = if self.isolated { number } else { self.rng.below(self.scenario.resources) };
        let shape = &stock().shapes[if spared { 0 } else { self.rng.below(stock().shapes.len()) }];
        let approval = usize::from(!spared && self.rng.chance(200));
        let sick = self.fault(self.rates_of(number).sick);
        let candidate = if sick {
            self.rng.one(&[Candidate::Sick, Candidate::Flapping, Candidate::Another])
        } else {
            Candidate::Well
        };
        let id = DeploymentId::new(uuid::Uuid::from_u128(number as u128 + 1));
        let own = stock().digests[number].clone();
        let spec = Arc::clone(&shape.specs[resource][approval]);
        let resource_id = ResourceId::new(uuid::Uuid::from_u128(resource as u128));
        let accepted = Deployment::accept(id, resource_id, spec, self.at(node));
        let deployment = Deployment::replay([&accepted]).expect("an acceptance begins a history");
        self.tell(|| format!("submit {number} on resource {resource} at node {node}"));
        self.store.create(resource, accepted);
        self.wishes.push(Wish { resource, shape, own, candidate });
        self.things.push(vec![Thing::default(); shape.plan.steps().len()]);
        self.journals.push(Journal::default());
        self.shown.push(Seq(1));
        self.host(node, number, deployment, None)
    }

    fn host(
        &mut self,
        node: usize,
        number: usize,
        deployment: Deployment,
        first: Option<Input>,
    ) -> Result<(), Law> {
        self.next_host += 1;
        self.hosts.push(Host {
            number: self.next_host,
            node,
            deployment: number,
            lease: match first {
                Some(Input::Recover { fence, .. }) => fence,
                Some(Input::Command { .. } | Input::Report { .. } | Input::Tick { .. }) | None => {
                    deployment.fence()
                }
            },
            driver: Driver::new(deployment),
            writing: None,
        });
        let host = self.hosts.len() - 1;
        match first {
            Some(input) => self.input(host, &input),
            None => self.settle(host),
        }
    }

    /// Takes over one deployment from whoever had it: the lease first, then the history under it.
    pub(super) fn take_over(&mut self, node: usize, number: usize) -> Result<(), Law> {
        self.hosts.retain(|host| host.node != node || host.deployment != number);
        let state = self.replay(number)?;
        let fence = if state.holds_resource() {
            let Some(fence) = self.store.acquire(number, false) else { return Ok(()) };
            Some(fence)
        } else {
            None
        };
        self.tell(|| format!("node {node} takes over {number} under {fence:?}"));
        let at = self.at(node);
        self.host(node, number, state, Some(Input::Recover { fence, at }))
    }

    pub(super) fn replay(&self, number: usize) -> Result<Deployment, Law> {
        let replayed = Deployment::replay(&self.store.rows[number].events);
        replayed.map_err(|error| Law { name: "inv_15_every_prefix_replays", seen: error.to_string() })
    }

    /// Everything that runs in a control plane ends with it; what it sent out is on its way.
    pub(super) fn crash(&mut self, node: usize) {
        self.tell(|| format!("node {node} is killed"));
        self.hosts.retain(|host| host.node != node);
        self.nodes[node] = Node { up: false, frozen: false, skew: self.nodes[node].skew };
    }

    pub(super) fn start(&mut self, node: usize) -> Result<(), Law> {
        self.tell(|| format!("node {node} starts"));
        self.nodes[node].up = true;
        for number in 0..self.wishes.len() {
            let hosted = self.hosts.iter().any(|host| host.deployment == number);
            if self.store.rows[number].word != Word::Ended && !hosted && self.nodes[node].up {
                self.take_over(node, number)?;
            }
        }
        Ok(())
    }

    pub(super) fn is_free(&self, host: usize) -> bool {
        let host = &self.hosts[host];
        !self.nodes[host.node].frozen && host.writing.is_none()
    }

    // ---------------------------------------------------------------------------------------------
    // One input, and all it leads to

    pub(super) fn input(&mut self, host: usize, input: &Input) -> Result<(), Law> {
        let answer = self.hosts[host].driver.handle(input);
        if self.trace.is_some() {
            let shown = format!("{input:?}");
            let (number, head): (_, String) =
                (self.hosts[host].deployment, shown.chars().take(160).collect());
            self.tell(|| format!("{number}: {head} -> {answer:?}"));
        }
        self.settle(host)
    }

    /// Carries out actions until there are none, or the process dies between two of them.
    pub(super) fn settle(&mut self, host: usize) -> Result<(), Law> {
        let number = self.hosts[host].number;
        while let Some(action) = self.hosts[host].driver.poll() {
            if self.fault(self.rates.crash) {
                self.crash(self.hosts[host].node);
                return Ok(());
            }
            match action {
                Action::Persist { after, events } => {
                    let write = self.hosts[host].write(after, events);
                    self.hosts[host].writing = Some(write);
                    // Most writes are quick; the others leave time for somebody else to come first.
                    if !self.rng.chance(200) {
                        self.write(host)?;
                    }
                    // The process may have died, or given up, over it; if not, writing has settled it.
                    return Ok(());
                }
                Action::Publish => self.publish(host)?,
                Action::Start(effect) => self.begin(host, effect),
                Action::Cancel(effect) => {
                    let own = self.works.iter_mut().find(|work| work.host == number && work.effect == effect);
                    own.into_iter().for_each(|work| work.cancelled = true);
                }
            }
        }
        state_laws::of_a_quiet_driver(&self.hosts[host].driver)?;
        if self.hosts[host].driver.is_finished() {
            let done = self.hosts.swap_remove(host);
            if let Some(fence) = done.lease {
                self.store.release(self.wishes[done.deployment].resource, fence);
            }
        }
        Ok(())
    }

    /// Makes one attempt to write what waits to be written.
    pub(super) fn write(&mut self, host: usize) -> Result<(), Law> {
        let (number, node) = (self.hosts[host].deployment, self.hosts[host].node);
        let Some(write) = self.hosts[host].writing.take() else { return Ok(()) };
        let fails = self.fault(self.rates_of(number).store);
        let reaches_the_store = !fails || self.rng.chance(500);
        let dies = self.fault(self.rates.crash);
        let mut result = Err(StoreError::Unavailable { what: "simulated".to_owned() });
        if reaches_the_store {
            result = self.append(number, host, &write, dies)?;
        }
        if dies {
            self.crash(node);
            return Ok(());
        }
        if fails {
            let what = "simulated".to_owned();
            result = Err(if self.rng.chance(500) {
                StoreError::Unknown { what }
            } else {
                StoreError::Unavailable { what }
            });
        }
        self.written(host, write, &result)
    }

    /// One append as the store takes it, with every law of the journal.
    fn append(
        &mut self,
        number: usize,
        host: usize,
        write: &super::store::Write,
        dies: bool,
    ) -> Result<Result<(), StoreError>, Law> {
        if let Err(refused) = self.store.append(number, write, dies) {
            return Ok(Err(refused));
        }
        if self.trace.is_some() {
            let names: Vec<String> =
                write.events.iter().map(|e| format!("{} {}", e.sequence, e.event.name())).collect();
            self.tell(|| format!("{number}: durable {}", names.join(", ")));
        }
        let wish = &self.wishes[number];
        let journal = &mut self.journals[number];
        let mut reality = Reality {
            target: &self.targets[wish.resource],
            things: &mut self.things[number],
            own: &wish.own,
        };
        for envelope in &write.events {
            journal.observe(envelope, &mut reality)?;
        }
        state_laws::inv_14_numbers_have_no_gap(&self.store.rows[number])?;
        state_laws::inv_20_one_owner_per_resource(&self.store)?;
        if write.word != Word::Moving {
            let state = self.hosts[host].driver.deployment();
            state_laws::of_a_rest(state, &mut self.targets[wish.resource])?;
            self.at_rest(number, host)?;
        }
        Ok(Ok(()))
    }

    /// What the world holds when a deployment ends is what its last state says.
    fn at_rest(&mut self, number: usize, host: usize) -> Result<(), Law> {
        let wish = &self.wishes[number];
        let state = self.hosts[host].driver.deployment();
        let Some(run) = state.phase().run() else { return Ok(()) };
        let mut faults = 0;
        let hand = Hand {
            target: &mut self.targets[wish.resource],
            things: &mut self.things[number],
            candidate: wish.candidate,
            run,
            own: &wish.own,
            before: self.journals[number].before.as_ref(),
            fence: None,
            rates: &self.rates,
            rng: &mut self.rng,
            faults: &mut faults,
            at: Timestamp::EPOCH,
        };
        state_laws::inv_27_what_is_left_behind_is_named(state, hand.left_behind())
    }

    /// What the engine does with the store's answer.
    fn written(
        &mut self,
        host: usize,
        write: super::store::Write,
        result: &Result<(), StoreError>,
    ) -> Result<(), Law> {
        let number = self.hosts[host].deployment;
        let row = &self.store.rows[number];
        let upto = Seq(write.after.0 + write.events.len() as u64);
        let is_there = || row.events.get(write.after.0 as usize..) == Some(&write.events[..]);
        let done = match result {
            Ok(()) => true,
            Err(StoreError::Conflict { .. } | StoreError::Unknown { .. }) if is_there() => true,
            Err(StoreError::Conflict { .. } | StoreError::Fenced { .. }) => {
                self.tell(|| format!("{number}: another owner is ahead"));
                self.abandon(host);
                return Ok(());
            }
            Err(_) => false,
        };
        if !done {
            self.hosts[host].writing = Some(write);
            return Ok(());
        }
        self.hosts[host].driver.persisted(upto);
        self.settle(host)
    }

    /// Leaves a deployment to its next owner: what runs is asked to end.
    fn abandon(&mut self, host: usize) {
        let gone = self.hosts.swap_remove(host);
        let own = self.works.iter_mut().filter(|work| work.host == gone.number);
        own.for_each(|work| work.cancelled = true);
    }

    fn publish(&mut self, host: usize) -> Result<(), Law> {
        let Host { deployment: number, driver, .. } = &self.hosts[host];
        let (number, state) = (*number, driver.deployment());
        let shown = state.seq();
        let durable = self.store.rows[number].last();
        holds(shown <= durable, "inv_12_nothing_is_shown_before_it_is_durable", || {
            format!("event {shown} is shown, {durable} is durable")
        })?;
        let gives_back = !state.holds_resource() && !state.is_ended();
        self.shown[number] = self.shown[number].max(shown);
        if gives_back && let Some(fence) = self.hosts[host].lease.take() {
            self.store.release(self.wishes[number].resource, fence);
        }
        Ok(())
    }

    fn begin(&mut self, host: usize, effect: Effect) {
        let Host { number, deployment, driver, .. } = &self.hosts[host];
        let work = Work {
            host: *number,
            deployment: *deployment,
            asked_in: driver.deployment().clone(),
            cancelled: false,
            hangs: false,
            saw_it_free: effect.kind == EffectKind::Claim && self.store.is_unheld(*deployment),
            effect,
            answer: None,
        };
        self.works.push(work);
    }

    // ---------------------------------------------------------------------------------------------
    // Effects

    /// Lets an effect strike, or lets it end without having struck.
    pub(super) fn strike(&mut self, index: usize) -> Result<(), Law> {
        let work = &self.works[index];
        let (number, effect) = (work.deployment, work.effect.clone());
        if work.cancelled && self.rng.chance(500) {
            self.works[index].answer = Some(Answer::Nothing);
            return Ok(());
        }
        let fence = effect.fence;
        let rates = self.rates_of(number);
        let preparation = |failed: bool, report: Report| {
            let failure = Failure::new(FailureCode::TargetUnavailable, "simulated");
            Some(Answer::Report(if failed { Report::PreparationFailed { failure } } else { report }, fence))
        };
        let answer = match &effect.kind {
            EffectKind::Claim => self.claim(index),
            EffectKind::Inspect => {
                let failed = self.fault(rates.fail);
                preparation(failed, Report::Inspected { detection: Arc::new(Detection::default()) })
            }
            EffectKind::Draft => {
                let failed = self.fault(rates.fail);
                let drafted = self.draft(number);
                preparation(failed, drafted)
            }
            EffectKind::Perform { .. } | EffectKind::Probe { .. } | EffectKind::Undo { .. } => {
                self.strike_step(index, &effect)?
            }
        };
        self.tell(|| format!("{number}: {:?} #{} under {fence:?} ends", effect.kind, effect.attempt));
        match answer {
            Some(answer) => self.works[index].answer = Some(answer),
            None => self.works[index].hangs = true,
        }
        Ok(())
    }

    fn claim(&mut self, index: usize) -> Option<Answer> {
        let Work { deployment: number, saw_it_free, .. } = self.works[index];
        let failure = || Failure::new(FailureCode::TargetUnavailable, "simulated");
        if let Some(news) = self.news_of_policies(index) {
            return Some(Answer::Report(news, None));
        }
        let Some(fence) = self.store.acquire(number, saw_it_free) else {
            return Some(Answer::Report(Report::PreparationFailed { failure: failure() }, None));
        };
        // The resource is ours, but nobody was told.
        if self.fault(self.rates_of(number).lose) {
            return Some(Answer::Report(Report::PreparationFailed { failure: failure() }, None));
        }
        let live = self.store.live[self.wishes[number].resource].clone();
        Some(Answer::Report(Report::Claimed { live }, Some(fence)))
    }

    /// A policy says no now and then, and has nothing against it when it is asked again.
    fn news_of_policies(&mut self, index: usize) -> Option<Report> {
        let Work { deployment: number, host, .. } = self.works[index];
        let asked = self.hosts.iter().find(|known| known.number == host)?;
        if !asked.driver.deployment().deferred().is_empty() {
            return Some(Report::Admitted);
        }
        let says_no = self.fault(self.rates_of(number).block);
        says_no.then(|| Report::Deferred { reasons: vec![crate::testkit::samples::frozen()] })
    }

    fn draft(&mut self, number: usize) -> Report {
        let wish = &self.wishes[number];
        let live = self.store.live[wish.resource].clone();
        let version = live.as_ref().map_or(Version::FIRST, |live| live.release.next());
        let plan = Arc::clone(&wish.shape.plan);
        let blocked = self.fault(self.rates_of(number).block);
        let draft = if blocked { stock().blocked.clone() } else { Draft::Ready(plan) };
        Report::Drafted { draft, live, version }
    }

    fn strike_step(&mut self, index: usize, effect: &Effect) -> Result<Option<Answer>, Law> {
        let number = self.works[index].deployment;
        self.inv_25_an_effect_has_a_durable_intent(number, effect)?;
        let rates = self.rates_of(number);
        let wish = &self.wishes[number];
        let at = Timestamp::from_millis(self.now);
        let Some(run) = self.works[index].asked_in.phase().run() else { return Ok(Some(Answer::Nothing)) };
        let before = self.targets[wish.resource].changed_under;
        let mut hand = Hand {
            target: &mut self.targets[wish.resource],
            things: &mut self.things[number],
            candidate: wish.candidate,
            run,
            own: &wish.own,
            before: self.journals[number].before.as_ref(),
            fence: effect.fence,
            rates: &rates,
            rng: &mut self.rng,
            faults: &mut self.faults,
            at,
        };
        let struck = match &effect.kind {
            EffectKind::Perform { step } => hand.perform(step)?,
            EffectKind::Probe { step } => Struck::Reports(hand.probe(step)),
            EffectKind::Undo { step } => hand.undo(step)?,
            EffectKind::Claim | EffectKind::Inspect | EffectKind::Draft => return Ok(Some(Answer::Nothing)),
        };
        let ended = self.store.rows[number].word == Word::Ended;
        let changed = self.targets[wish.resource].changed_under > before;
        // An undo that was given up for taking too long may still come true: what it failed to take back is
        // named as left behind, and less is left then.
        let too_late = ended && changed && !matches!(effect.kind, EffectKind::Undo { .. });
        holds(!too_late, "inv_22_nothing_changes_behind_an_ending", || format!("{:?}", effect.kind))?;
        Ok(match struck {
            Struck::Reports(report) => Some(Answer::Report(report, effect.fence)),
            Struck::Hangs => None,
        })
    }

    fn inv_25_an_effect_has_a_durable_intent(&self, number: usize, effect: &Effect) -> Result<(), Law> {
        let steps = self.wishes[number].shape.plan.steps();
        let log = effect.kind.step().and_then(|id| {
            let index = steps.iter().position(|step| step.id == *id)?;
            self.journals[number].steps.get(index)
        });
        let intended = log.is_some_and(|log| match effect.kind {
            EffectKind::Perform { .. } => log.attempts >= effect.attempt,
            EffectKind::Undo { .. } => log.undo_attempts >= effect.attempt,
            EffectKind::Probe { .. } => log.attempts > 0,
            EffectKind::Claim | EffectKind::Inspect | EffectKind::Draft => true,
        });
        holds(intended, "inv_25_an_effect_has_a_durable_intent", || {
            format!("{:?} #{}", effect.kind, effect.attempt)
        })
    }

    /// Hands the answer of an effect to whoever asked for it, if they are still there.
    pub(super) fn deliver(&mut self, index: usize) -> Result<(), Law> {
        let Work { host: number, effect, answer, deployment, .. } = self.works.swap_remove(index);
        let Some(answer) = answer else { return Ok(()) };
        let Some(host) = self.hosts.iter().position(|host| host.number == number) else {
            if let Answer::Report(report, Some(fence)) = answer
                && !matches!(report, Report::Claimed { .. })
                && self.fault(self.rates.late)
            {
                self.late.push((deployment, report, fence));
            }
            return Ok(());
        };
        let wanted = self.hosts[host].driver.settled(&effect);
        let again = self.hosts[host].driver.settled(&effect);
        holds(!again, "inv_11_work_ends_once", || format!("{:?} ended twice", effect.kind))?;
        let at = self.at(self.hosts[host].node);
        match answer {
            Answer::Report(report, fence) if wanted => self.input(host, &Input::Report { report, fence, at }),
            Answer::Report(Report::Claimed { .. }, Some(fence)) => {
                self.store.release(self.wishes[deployment].resource, fence);
                self.settle(host)
            }
            Answer::Report(..) | Answer::Nothing => self.settle(host),
        }
    }

    /// A report of an earlier owner reaches the present one.
    pub(super) fn deliver_late(&mut self, index: usize) -> Result<(), Law> {
        let (number, report, fence) = self.late.swap_remove(index);
        let ready = |host: &usize| self.hosts[*host].deployment == number && self.is_free(*host);
        let Some(host) = (0..self.hosts.len()).find(ready) else { return Ok(()) };
        let own = self.hosts[host].driver.deployment().fence();
        if own == Some(fence) {
            return Ok(());
        }
        let at = self.at(self.hosts[host].node);
        let before = self.hosts[host].driver.deployment().seq();
        let taken = self.hosts[host].driver.handle(&Input::Report { report, fence: Some(fence), at }).is_ok();
        let after = self.hosts[host].driver.deployment().seq();
        self.refused_late += u32::from(!taken);
        holds(!taken && before == after, "inv_21_a_report_under_an_old_fence_is_refused", || {
            format!("a report under {fence:?} is believed by the owner under {own:?}")
        })
    }

    pub(super) fn tick(&mut self, host: usize) -> Result<(), Law> {
        let at = self.at(self.hosts[host].node);
        self.input(host, &Input::Tick { at })
    }

    pub(super) fn somebody() -> Actor {
        Actor("somebody".to_owned())
    }

    pub(super) fn unknown_step(state: &Deployment) -> Option<&crate::id::StepId> {
        let run = match state.phase() {
            Phase::Executing(executing) => executing.run(),
            Phase::Verifying(verifying) => verifying.run(),
            Phase::Queued(_)
            | Phase::Detecting(_)
            | Phase::Planning(_)
            | Phase::Blocked(_)
            | Phase::Planned(_)
            | Phase::RollingBack(_)
            | Phase::Ended(_) => return None,
        };
        let unknown = |record: &crate::lifecycle::StepRecord| {
            matches!(record.state, crate::lifecycle::StepState::Unknown { .. })
        };
        run.steps().find(|(_, record)| unknown(record)).map(|(step, _)| &step.id)
    }
}
