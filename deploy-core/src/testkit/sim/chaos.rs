//! What happens next: a hostile phase in which anything may, then a calm one in which everything must
//! come to its end.

use super::scenario::Rates;
use super::schedule::Schedule;
use super::state_laws;
use super::store::Word;
use super::truth::{Law, holds};
use crate::command::{Command, Input, StopMode};
use crate::deployment::Gate;
use crate::effect::EffectKind;
use crate::id::DeploymentId;
use crate::lifecycle::Phase;
use crate::plan::Step;
use crate::port::Probe;
use crate::testkit::samples;

/// More steps than any schedule needs to come to rest once nothing goes wrong any more.
const CALM: u32 = 3_000;

impl Schedule {
    /// Runs it to its end.
    pub(super) fn run(&mut self) -> Result<(), Law> {
        self.submit(0)?;
        for _ in 0..self.scenario.chaos {
            self.steps += 1;
            self.anything()?;
            state_laws::inv_12_the_status_is_that_of_the_last_event(&self.store)?;
            if self.wishes.len() == self.scenario.deployments && state_laws::all_ended(&self.store) {
                break;
            }
        }
        self.calm()?;
        self.at_the_end()
    }

    /// Makes it a schedule of two resources, of which only the first meets faults and people. What strikes
    /// the control plane itself strikes both, and is left out.
    pub(super) fn isolate(&mut self) {
        self.isolated = true;
        (self.scenario.resources, self.scenario.deployments) = (2, 2);
        self.rates = Rates { crash: 0, freeze: 0, takeover: 0, clock: 0, early: 0, ..self.rates };
    }

    /// The first deployment's troubles leave no trace in the second one's.
    pub(super) fn inv_24_one_resource_does_not_disturb_another(&self) -> Result<(), Law> {
        const WANTED: [&str; 15] = [
            "Accepted",
            "Claimed",
            "Detected",
            "Planned",
            "Approved",
            "StepStarted",
            "StepCompleted",
            "VerificationStarted",
            "StepStarted",
            "StepCompleted",
            "StepStarted",
            "StepCompleted",
            "StepStarted",
            "StepCompleted",
            "Succeeded",
        ];
        let names: Vec<_> = self.store.rows[1].events.iter().map(|event| event.event.name()).collect();
        holds(names == WANTED, "inv_24_one_resource_does_not_disturb_another", || format!("{names:?}"))
    }

    fn anything(&mut self) -> Result<(), Law> {
        let node = self.rng.below(self.nodes.len());
        if !self.nodes[node].up {
            // A process that died is started again before long.
            return if self.rng.chance(300) { self.start(node) } else { self.progress().map(drop) };
        }
        if self.wishes.len() < self.scenario.deployments && !self.nodes[node].frozen && self.rng.chance(60) {
            return self.submit(node);
        }
        if self.fault(self.rates.freeze) {
            let frozen = &mut self.nodes[node].frozen;
            *frozen = !*frozen;
            let frozen = *frozen;
            self.tell(|| format!("node {node} frozen: {frozen}"));
            return Ok(());
        }
        if self.fault(self.rates.clock) {
            self.nodes[node].skew += self.rng.one(&[-86_400_000, -3_600_000, -2_000, 2_000, 40_000]);
            return Ok(());
        }
        if self.fault(self.rates.takeover) && !self.nodes[node].frozen {
            let number = self.rng.below(self.wishes.len());
            return if self.store.rows[number].word == Word::Ended {
                Ok(())
            } else {
                self.take_over(node, number)
            };
        }
        if self.fault(self.rates.command) {
            return self.command();
        }
        if !self.late.is_empty() && self.rng.chance(300) {
            let index = self.rng.below(self.late.len());
            return self.deliver_late(index);
        }
        if self.fault(self.rates.early) {
            return self.next_timer().map(drop);
        }
        self.progress().map(drop)
    }

    // ---------------------------------------------------------------------------------------------
    // Ordinary progress

    /// One step of what is under way. False when nothing is.
    fn progress(&mut self) -> Result<bool, Law> {
        let ready = |index: &usize| self.is_ready(*index);
        let works: Vec<usize> = (0..self.works.len()).filter(ready).collect();
        let writing = |index: &usize| {
            let host = &self.hosts[*index];
            host.writing.is_some() && !self.nodes[host.node].frozen
        };
        let writes: Vec<usize> = (0..self.hosts.len()).filter(writing).collect();
        let all = works.len() + writes.len();
        if all == 0 {
            return self.next_timer();
        }
        let chosen = self.rng.below(all);
        if let Some(index) = works.get(chosen) {
            return self.work(*index).map(|()| true);
        }
        self.write(writes[chosen - works.len()]).map(|()| true)
    }

    /// Whether work can go on: it can strike, or its answer can be handed over.
    fn is_ready(&self, index: usize) -> bool {
        let work = &self.works[index];
        if work.answer.is_none() {
            let waits = work.hangs && !work.cancelled;
            let stuck = work.effect.kind == EffectKind::Claim
                && !work.cancelled
                && !self.store.is_free_for(work.deployment);
            return !(waits || stuck) || self.is_orphan(index);
        }
        let host = self.hosts.iter().position(|host| host.number == work.host);
        host.is_none_or(|host| self.is_free(host))
    }

    fn is_orphan(&self, index: usize) -> bool {
        !self.hosts.iter().any(|host| host.number == self.works[index].host)
    }

    fn work(&mut self, index: usize) -> Result<(), Law> {
        let work = &self.works[index];
        if work.answer.is_some() {
            return self.deliver(index);
        }
        let (hangs, orphan) = (work.hangs, self.is_orphan(index));
        let is_claim = work.effect.kind == EffectKind::Claim;
        if hangs || (orphan && is_claim) {
            // What hung ends without an answer when it is told to, and so does what nobody waits for.
            self.works[index].answer = Some(super::schedule::Answer::Nothing);
            return Ok(());
        }
        self.strike(index)?;
        // Most answers come at once; the others leave time for something else to happen first.
        if self.works[index].answer.is_some() && self.is_ready(index) && !self.rng.chance(300) {
            return self.deliver(index);
        }
        Ok(())
    }

    /// Lets time pass to the next timer of a control plane that can hear it, and lets it fire.
    fn next_timer(&mut self) -> Result<bool, Law> {
        let timer = |host: usize| {
            let due = self.hosts[host].driver.deadline()?;
            Some((due.as_millis() - self.nodes[self.hosts[host].node].skew, host))
        };
        let free = (0..self.hosts.len()).filter(|host| self.is_free(*host));
        let Some((due, host)) = free.filter_map(timer).min() else { return Ok(false) };
        self.now = self.now.max(due);
        self.tick(host)?;
        Ok(true)
    }

    // ---------------------------------------------------------------------------------------------
    // People

    fn command(&mut self) -> Result<(), Law> {
        let asked = |host: &usize| self.is_free(*host) && !self.is_spared(self.hosts[*host].deployment);
        let free: Vec<usize> = (0..self.hosts.len()).filter(asked).collect();
        if free.is_empty() {
            return Ok(());
        }
        let host = self.rng.one(&free);
        let command = self.some_command(host);
        self.give(host, command)
    }

    fn give(&mut self, host: usize, command: Command) -> Result<(), Law> {
        let at = self.at(self.hosts[host].node);
        self.input(host, &Input::Command { command, by: Self::somebody(), at })
    }

    fn some_command(&mut self, host: usize) -> Command {
        let stop = |mode, undo| Command::Stop { mode, undo };
        match self.rng.below(12) {
            0..=2 => Command::Pause,
            3 | 4 => Command::Resume,
            5 => stop(StopMode::AfterStep, self.rng.chance(500)),
            6 => stop(StopMode::Now, self.rng.chance(500)),
            7 => Command::Supersede { by: DeploymentId::new(uuid::Uuid::from_u128(99)) },
            8 => Command::Recheck,
            9 => self.attest(host).unwrap_or(Command::Resume),
            10 => Command::Approve { fingerprint: samples::digest("another plan") },
            _ => self.approve(host).unwrap_or(Command::Recheck),
        }
    }

    fn approve(&self, host: usize) -> Option<Command> {
        match self.hosts[host].driver.deployment().phase() {
            Phase::Planned(planned) => Some(planned.approve()),
            Phase::Queued(_)
            | Phase::Detecting(_)
            | Phase::Planning(_)
            | Phase::Blocked(_)
            | Phase::Executing(_)
            | Phase::Verifying(_)
            | Phase::RollingBack(_)
            | Phase::Ended(_) => None,
        }
    }

    /// What an honest person says who went to look.
    fn attest(&mut self, host: usize) -> Option<Command> {
        let number = self.hosts[host].deployment;
        let state = self.hosts[host].driver.deployment();
        let step = Self::unknown_step(state)?.clone();
        let found = self.look(number, &step);
        Some(Command::Attest { step, found })
    }

    fn look(&mut self, number: usize, step: &crate::id::StepId) -> Probe {
        let wish = &self.wishes[number];
        let steps: &[Step] = wish.shape.plan.steps();
        let Some(index) = steps.iter().position(|other| other.id == *step) else { return Probe::Unknown };
        let present = match steps[index].action {
            crate::plan::StepKind::Act | crate::plan::StepKind::Check => self.things[number][index].present,
            crate::plan::StepKind::Switch { .. } => {
                self.targets[wish.resource].route.as_ref() == Some(&wish.own)
            }
        };
        let output = crate::plan::Output::of(wish.own.clone());
        if present { Probe::Present { output } } else { Probe::Absent }
    }

    // ---------------------------------------------------------------------------------------------
    // The calm

    /// Faults stop, everybody is back, and everything must come to its end.
    fn calm(&mut self) -> Result<(), Law> {
        self.tell(|| "calm".to_owned());
        self.rates = Rates::default();
        while self.wishes.len() < self.scenario.deployments {
            self.submit_somewhere()?;
        }
        for node in 0..self.nodes.len() {
            self.nodes[node].frozen = false;
            if !self.nodes[node].up {
                self.start(node)?;
            }
        }
        for _ in 0..CALM {
            if state_laws::all_ended(&self.store) && self.works.is_empty() && self.hosts.is_empty() {
                return Ok(());
            }
            self.steps += 1;
            self.recover_what_nobody_drives()?;
            self.help()?;
            self.progress()?;
            state_laws::inv_12_the_status_is_that_of_the_last_event(&self.store)?;
        }
        let open = self.store.rows.iter().position(|row| row.word != Word::Ended);
        let state = open.map(|number| self.replay(number)).transpose()?;
        holds(false, "inv_10_every_run_comes_to_an_end", || {
            format!("deployment {open:?} is in {:?}", state.as_ref().map(|state| state.phase()))
        })
    }

    fn submit_somewhere(&mut self) -> Result<(), Law> {
        let up = self.nodes.iter().position(|node| node.up);
        match up {
            Some(node) => self.submit(node),
            None => self.start(0),
        }
    }

    fn recover_what_nobody_drives(&mut self) -> Result<(), Law> {
        for number in 0..self.wishes.len() {
            let driven = self.hosts.iter().any(|host| host.deployment == number);
            if self.store.rows[number].word != Word::Ended && !driven {
                self.take_over(0, number)?;
            }
        }
        Ok(())
    }

    /// A person looks after what waits for one.
    fn help(&mut self) -> Result<(), Law> {
        for host in (0..self.hosts.len()).rev() {
            if host >= self.hosts.len() || !self.is_free(host) {
                continue;
            }
            let state = self.hosts[host].driver.deployment();
            let held = matches!(state.gate(), Gate::Held { .. }).then_some(Command::Resume);
            let blocked = matches!(state.phase(), Phase::Blocked(_)).then_some(Command::Recheck);
            let command = held.or(blocked).or_else(|| self.approve(host)).or_else(|| self.attest(host));
            if let Some(command) = command {
                self.give(host, command)?;
            }
        }
        Ok(())
    }

    fn at_the_end(&mut self) -> Result<(), Law> {
        for number in 0..self.wishes.len() {
            let state = self.replay(number)?;
            holds(state.is_ended(), "inv_15_replay_is_the_state", || format!("{:?}", state.phase()))?;
            let durable = self.store.rows[number].last();
            holds(self.shown[number] <= durable, "inv_13_what_was_shown_is_durable", || {
                format!("{} was shown, {durable} is durable", self.shown[number])
            })?;
        }
        state_laws::inv_02_records_and_router_agree(&self.store, &self.targets)
    }
}
