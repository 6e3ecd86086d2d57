//! The world that deployments change: what a target really holds, and a fake executor that changes it
//! the way the contract of [`crate::port::Executor`] asks for.

use super::rng::Rng;
use super::scenario::{Rates, stock};
use super::truth::{Law, holds};
use crate::command::Report;
use crate::failure::{Failure, FailureCode};
use crate::health::{HealthPolicy, Judge, Verdict};
use crate::id::{Digest, Fence, StepId};
use crate::lifecycle::Run;
use crate::plan::{Output, StepKind, Undo};
use crate::planted::{self, Bug};
use crate::port::Probe;
use crate::time::{Span, Timestamp};

/// What a step really did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Thing {
    /// It is there now.
    pub(super) present: bool,
    /// It was there at some time.
    pub(super) ever: bool,
    /// A check really passed since it was last started.
    pub(super) passed: bool,
}

/// One resource's target.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    /// The artifact that traffic goes to.
    pub(super) route: Option<Digest>,
    /// The highest fence that came to the point of effect.
    pub(super) seen: u64,
    /// The highest fence under which anything was changed.
    pub(super) changed_under: u64,
    /// Nobody knows what serves since a rollback failed: the records say what may, and are only right
    /// again once a deployment has succeeded.
    pub(super) uncertain: bool,
    /// How often a lower fence was refused.
    pub(super) refused: u32,
}

/// How the candidate of a deployment answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Candidate {
    Well,
    Sick,
    /// Every other answer is good.
    Flapping,
    /// Something else answers in its place.
    Another,
}

/// What one deployment may touch of the world, while one of its effects strikes.
pub(super) struct Hand<'a> {
    pub(super) target: &'a mut Target,
    pub(super) things: &'a mut [Thing],
    pub(super) candidate: Candidate,
    pub(super) run: &'a Run,
    pub(super) own: &'a Digest,
    /// What was routed when the resource was claimed.
    pub(super) before: Option<&'a Digest>,
    pub(super) fence: Option<Fence>,
    pub(super) rates: &'a Rates,
    pub(super) rng: &'a mut Rng,
    pub(super) faults: &'a mut u32,
    pub(super) at: Timestamp,
}

/// How an effect ended for whoever asked for it.
pub(super) enum Struck {
    Reports(Report),
    /// It hangs until it is cancelled.
    Hangs,
}

fn failure(code: FailureCode) -> Failure {
    Failure::new(code, "simulated")
}

impl Hand<'_> {
    fn fault(&mut self, per_mille: u32) -> bool {
        let strikes = self.rng.chance(per_mille);
        *self.faults += u32::from(strikes);
        strikes
    }

    fn index(&self, step: &StepId) -> usize {
        self.run.plan().steps().iter().position(|other| other.id == *step).expect("a step of the plan")
    }

    /// The guard at the point of effect: a fence lower than one that was seen is refused.
    fn guard(&mut self, is_switch: bool) -> Result<Result<(), Failure>, Law> {
        let fence = self.fence.map_or(0, |fence| fence.0);
        let open = is_switch && planted::is(Bug::RouterIgnoresEpoch);
        if fence < self.target.seen && !open {
            self.target.refused += 1;
            return Ok(Err(failure(FailureCode::StaleFence)));
        }
        holds(fence >= self.target.seen, "inv_21_a_lower_fence_changes_nothing", || {
            format!("an effect under fence {fence} strikes behind fence {}", self.target.seen)
        })?;
        self.target.seen = self.target.seen.max(fence);
        self.target.changed_under = self.target.changed_under.max(fence);
        Ok(Ok(()))
    }

    fn output(&self, kind: StepKind) -> Output {
        let url = matches!(kind, StepKind::Switch { .. }).then(|| "http://web.localhost/".to_owned());
        Output { url, ..Output::of(self.own.clone()) }
    }

    pub(super) fn perform(&mut self, step: &StepId) -> Result<Struck, Law> {
        let index = self.index(step);
        let kind = self.run.plan().steps()[index].action;
        if kind == StepKind::Check {
            return Ok(Struck::Reports(self.check(step, index)));
        }
        if let Err(failure) = self.guard(matches!(kind, StepKind::Switch { .. }))? {
            return Ok(Struck::Reports(Report::StepFailed { step: step.clone(), failure }));
        }
        if self.fault(self.rates.fail) {
            let code = self.rng.one(&[FailureCode::TargetUnavailable, FailureCode::BuildFailed]);
            return Ok(Struck::Reports(Report::StepFailed { step: step.clone(), failure: failure(code) }));
        }
        let lost = self.fault(self.rates.lose);
        let hangs = !lost && self.fault(self.rates.hang);
        if !(lost || hangs) || self.rng.chance(500) {
            self.take_effect(kind, index);
        }
        if hangs {
            return Ok(Struck::Hangs);
        }
        Ok(Struck::Reports(if lost {
            Report::StepFailed { step: step.clone(), failure: failure(FailureCode::ReplyLost) }
        } else {
            Report::StepDone { step: step.clone(), output: self.output(kind) }
        }))
    }

    fn take_effect(&mut self, kind: StepKind, index: usize) {
        if matches!(kind, StepKind::Switch { .. }) {
            self.target.route = Some(self.own.clone());
        }
        self.things[index].present = true;
        self.things[index].ever = true;
    }

    fn check(&mut self, step: &StepId, index: usize) -> Report {
        let failed = |code| Report::StepFailed { step: step.clone(), failure: failure(code) };
        if self.fault(self.rates.fail) {
            return failed(FailureCode::TargetUnavailable);
        }
        let behind =
            self.run.plan().steps()[..index].iter().any(|s| matches!(s.action, StepKind::Switch { .. }));
        if behind && self.target.route.as_ref() != Some(self.own) {
            return failed(FailureCode::WrongRelease);
        }
        if self.verdict() == Verdict::Unhealthy {
            return failed(FailureCode::Unhealthy);
        }
        let another = self.candidate == Candidate::Another && !behind;
        self.things[index].passed = matches!(self.candidate, Candidate::Well | Candidate::Another);
        let digest =
            if another { stock().digests[stock().digests.len() - 1].clone() } else { self.own.clone() };
        Report::StepDone { step: step.clone(), output: Output::of(digest) }
    }

    /// The verdict of the real judge over what the candidate answers.
    fn verdict(&mut self) -> Verdict {
        let policy = HealthPolicy {
            path: String::new(),
            interval: Span::from_secs(1),
            timeout: Span::from_secs(1),
            healthy_after: 2,
            deadline: Span::from_secs(5),
            ..HealthPolicy::default()
        };
        let mut judge = Judge::new(&policy, self.at);
        let slow = self.rng.below(3);
        (0..=5)
            .map(|n| {
                let good = match self.candidate {
                    Candidate::Well | Candidate::Another => n >= slow,
                    Candidate::Sick => false,
                    Candidate::Flapping => n % 2 == 1,
                };
                judge.observe(good, self.at.after(Span::from_secs(n as u64)))
            })
            .find(|verdict| *verdict != Verdict::Undecided)
            .unwrap_or(Verdict::Unhealthy)
    }

    /// Reads a step back, and lets the point of effect know who owns the resource now: nothing that an
    /// earlier owner left on its way may arrive behind this answer.
    pub(super) fn probe(&mut self, step: &StepId) -> Report {
        self.target.seen = self.target.seen.max(self.fence.map_or(0, |fence| fence.0));
        let step = step.clone();
        if self.fault(self.rates.unknown) {
            return Report::Probed { step, found: Probe::Unknown };
        }
        Report::Probed { found: self.look(&step), step }
    }

    /// What is really there of a step.
    pub(super) fn look(&self, step: &StepId) -> Probe {
        let index = self.index(step);
        let kind = self.run.plan().steps()[index].action;
        if self.is_there(index) { Probe::Present { output: self.output(kind) } } else { Probe::Absent }
    }

    fn is_there(&self, index: usize) -> bool {
        match self.run.plan().steps()[index].action {
            StepKind::Act => self.things[index].present,
            StepKind::Switch { .. } => self.target.route.as_ref() == Some(self.own),
            StepKind::Check => false,
        }
    }

    pub(super) fn undo(&mut self, step: &StepId) -> Result<Struck, Law> {
        let index = self.index(step);
        let switch = matches!(self.run.plan().steps()[index].action, StepKind::Switch { .. });
        let failed =
            |code| Struck::Reports(Report::UndoFailed { step: step.clone(), failure: failure(code) });
        if let Err(refused) = self.guard(switch)? {
            return Ok(failed(refused.code));
        }
        let fails = self.fault(self.rates.undo);
        let code = self.rng.one(&[
            FailureCode::TargetUnavailable,
            FailureCode::TargetUnavailable,
            FailureCode::SwitchRefused,
            FailureCode::ReplyLost,
        ]);
        if fails && code != FailureCode::ReplyLost {
            return Ok(failed(code));
        }
        if !fails || self.rng.chance(500) {
            if switch {
                self.target.route = self.before.cloned();
            }
            self.things[index].present = false;
        }
        Ok(if fails { failed(code) } else { Struck::Reports(Report::Undone { step: step.clone() }) })
    }

    /// The steps whose effects are really there although nobody would say so is told by this list.
    pub(super) fn left_behind(&self) -> impl Iterator<Item = &StepId> {
        let steps = self.run.plan().steps().iter().enumerate();
        steps.filter(|(n, step)| self.is_there(*n) && step.undo != Undo::NotNeeded).map(|(_, step)| &step.id)
    }
}
