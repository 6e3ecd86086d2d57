//! Laws over what is durable: every event is checked as it is written, against everything before it
//! and against what the world really holds. Nothing here asks the lifecycle what it would do.

use super::truth::{Law, holds};
use super::world::{Target, Thing};
use crate::event::Event;
use crate::id::{Digest, Fence, StepId};
use crate::plan::{Plan, Step, StepKind, Undo};
use crate::port::{Live, Probe};
use crate::time::Timestamp;
use crate::wire::Envelope;
use std::sync::Arc;

/// What the journal says of one step.
#[derive(Debug, Clone, Default)]
pub(super) struct StepLog {
    pub(super) done: bool,
    pub(super) attempts: u32,
    undone: bool,
    pub(super) undo_attempts: u32,
    /// What a check that passed said of what, under which fence, and when.
    checked: Option<(Option<Digest>, Option<Fence>, Timestamp)>,
}

/// What the journal says of one deployment.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) ended: bool,
    held: bool,
    ending: bool,
    rollbacks: u32,
    recoveries: u32,
    pub(super) fence: Option<Fence>,
    plan: Option<Arc<Plan>>,
    pub(super) steps: Vec<StepLog>,
    live: Option<Live>,
    /// What was routed when the resource was claimed.
    pub(super) before: Option<Digest>,
}

/// What a journal's laws may know of the world.
pub(super) struct Reality<'a> {
    pub(super) target: &'a Target,
    pub(super) things: &'a mut [Thing],
    /// The artifact that this deployment makes.
    pub(super) own: &'a Digest,
}

impl Journal {
    fn step(&self, id: &StepId) -> Result<(usize, &Step), Law> {
        let steps = self.plan.as_ref().map_or(&[][..], |plan| plan.steps());
        let found = steps.iter().enumerate().find(|(_, step)| step.id == *id);
        found.ok_or_else(|| Law {
            name: "inv_29_only_planned_steps",
            seen: format!("step {id} is not in the plan"),
        })
    }

    pub(super) fn switch_started(&self) -> bool {
        let steps = self.plan.as_ref().map_or(&[][..], |plan| plan.steps());
        let mut both = steps.iter().zip(&self.steps);
        both.any(|(step, log)| matches!(step.action, StepKind::Switch { .. }) && log.attempts > 0)
    }

    /// Takes one event as durable.
    pub(super) fn observe(&mut self, envelope: &Envelope, r: &mut Reality<'_>) -> Result<(), Law> {
        let event = &envelope.event;
        holds(!self.ended, "inv_09_an_ending_is_final", || format!("{} behind an ending", event.name()))?;
        self.inv_31_held_starts_nothing(event)?;
        self.inv_30_a_stop_starts_nothing(event)?;
        match event {
            Event::Claimed { fence, live } => self.claimed(*fence, live.as_ref(), r)?,
            Event::Recovered { fence } => {
                self.inv_21_epochs_grow(*fence)?;
                self.recoveries += 1;
                self.fence = *fence;
            }
            Event::Planned { plan, live, .. } => {
                self.steps = vec![StepLog::default(); plan.steps().len()];
                self.plan = Some(Arc::clone(plan));
                self.live.clone_from(live);
            }
            Event::Blocked { .. } => self.fence = None,
            Event::Paused { .. } => self.held = true,
            Event::Resumed { .. } => self.held = false,
            Event::StopRequested { .. } | Event::SupersedeRequested { .. } => {
                (self.held, self.ending) = (false, true);
            }
            Event::StepStarted { step, attempt, .. } => self.started(step, *attempt, envelope.at, r)?,
            Event::StepCompleted { step, output } => {
                let (index, planned) = self.step(step)?;
                inv_11_done_is_what_really_happened(planned, &r.things[index])?;
                self.steps[index].done = true;
                let check = planned_check(self.plan.as_deref(), index);
                self.steps[index].checked = check.then(|| (output.digest.clone(), self.fence, envelope.at));
            }
            Event::Attested { step, found, .. } => {
                let (index, _) = self.step(step)?;
                self.steps[index].done = matches!(found, Probe::Present { .. });
            }
            Event::StepReset { step } => {
                let (index, _) = self.step(step)?;
                (self.steps[index].done, self.steps[index].checked) = (false, None);
            }
            Event::StepRetried { step, .. } => {
                let (index, planned) = self.step(step)?;
                let (attempts, most) = (self.steps[index].attempts, planned.retry.attempts);
                holds(attempts < most, "inv_32_attempts_are_bounded", || {
                    format!("step {step} is tried again after {attempts} of {most} attempts")
                })?;
            }
            Event::RollbackStarted { .. } => {
                self.rollbacks += 1;
                let rollbacks = self.rollbacks;
                holds(rollbacks == 1, "inv_32_one_rollback", || format!("{rollbacks} rollbacks"))?;
            }
            Event::UndoStarted { step, .. } => self.undoing(step)?,
            Event::Undone { step } => {
                let (index, planned) = self.step(step)?;
                let gone = match planned.action {
                    StepKind::Act => !r.things[index].present,
                    StepKind::Switch { .. } => r.target.route == self.before,
                    StepKind::Check => true,
                };
                holds(gone, "inv_11_undone_is_what_really_happened", || {
                    format!("step {step} is still in place")
                })?;
                self.steps[index].undone = true;
            }
            Event::Succeeded => self.inv_07_success_is_live_and_read_back(r)?,
            Event::RolledBack { .. } => self.inv_06_rolled_back_is_what_served_before(r)?,
            Event::Failed { .. } | Event::Stopped | Event::Superseded { .. } => {
                self.inv_05_before_the_switch_nothing_changes(r)?;
            }
            Event::Accepted { .. }
            | Event::Detected { .. }
            | Event::Rechecked { .. }
            | Event::Approved { .. }
            | Event::PreparationRetried { .. }
            | Event::PreparationDue
            | Event::Deferred { .. }
            | Event::Admitted
            | Event::StepFailed { .. }
            | Event::StepDoubted { .. }
            | Event::ProbeRetried { .. }
            | Event::ProbeDue { .. }
            | Event::StepUnknown { .. }
            | Event::VerificationStarted
            | Event::UndoRetried { .. }
            | Event::UndoFailed { .. } => {}
        }
        self.ended = is_ending(event);
        Ok(())
    }

    fn claimed(&mut self, fence: Fence, live: Option<&Live>, r: &Reality<'_>) -> Result<(), Law> {
        self.inv_21_epochs_grow(Some(fence))?;
        self.fence = Some(fence);
        self.live = live.cloned();
        self.before.clone_from(&r.target.route);
        Ok(())
    }

    fn started(
        &mut self,
        step: &StepId,
        attempt: u32,
        at: Timestamp,
        r: &mut Reality<'_>,
    ) -> Result<(), Law> {
        let (index, planned) = self.step(step)?;
        let planned = planned.clone();
        self.inv_29_steps_run_in_the_order_of_the_plan(index)?;
        self.inv_03_a_switch_needs_a_fresh_check(index, &planned, at, r.own)?;
        self.steps[index].attempts = attempt;
        r.things[index].passed = false;
        self.inv_32_attempts_are_bounded(&planned, attempt)
    }

    fn undoing(&mut self, step: &StepId) -> Result<(), Law> {
        let (index, planned) = self.step(step)?;
        let planned = planned.clone();
        let log = &mut self.steps[index];
        log.undo_attempts += 1;
        let (undone, attempts) = (log.undone, log.undo_attempts);
        holds(!undone, "inv_32_nothing_is_taken_back_twice", || format!("step {step} again"))?;
        holds(attempts <= 6, "inv_32_attempts_are_bounded", || format!("undo {attempts} of {step}"))?;
        holds(planned.undo != Undo::NotNeeded, "inv_29_only_planned_undos", || format!("undo of {step}"))?;
        self.inv_06_newest_first(index)
    }

    fn inv_31_held_starts_nothing(&self, event: &Event) -> Result<(), Law> {
        let starts = matches!(
            event,
            Event::StepStarted { .. }
                | Event::UndoStarted { .. }
                | Event::RollbackStarted { .. }
                | Event::Approved { by: None }
        );
        holds(!(self.held && starts), "inv_31_held_starts_nothing", || event.name().to_owned())
    }

    fn inv_30_a_stop_starts_nothing(&self, event: &Event) -> Result<(), Law> {
        let starts =
            matches!(event, Event::StepStarted { .. } | Event::Approved { .. } | Event::Claimed { .. });
        holds(!(self.ending && starts), "inv_30_a_stop_starts_nothing", || event.name().to_owned())
    }

    fn inv_21_epochs_grow(&self, fence: Option<Fence>) -> Result<(), Law> {
        let grows = fence.is_none() || fence > self.fence;
        holds(grows, "inv_21_epochs_grow", || format!("{fence:?} after {:?}", self.fence))
    }

    fn inv_29_steps_run_in_the_order_of_the_plan(&self, index: usize) -> Result<(), Law> {
        let first = self.plan.as_deref().map_or(0, |plan| first_beside(plan.steps(), index));
        let in_order = self.steps[..first].iter().all(|log| log.done) && !self.steps[index].done;
        holds(in_order, "inv_29_steps_run_in_the_order_of_the_plan", || {
            format!("step {index} of {:?}", self.steps)
        })
    }

    fn inv_03_a_switch_needs_a_fresh_check(
        &self,
        index: usize,
        planned: &Step,
        at: Timestamp,
        own: &Digest,
    ) -> Result<(), Law> {
        if planned.action != (StepKind::Switch { needs_check: true }) {
            return Ok(());
        }
        let valid = self.plan.as_ref().map(|plan| plan.outline().policy.check_valid_for).unwrap_or_default();
        let checked = self.steps[..index].iter().rev().find_map(|log| log.checked.as_ref());
        let fresh = checked.is_some_and(|(digest, fence, passed_at)| {
            digest.as_ref() == Some(own) && *fence == self.fence && at <= passed_at.after(valid)
        });
        holds(fresh, "inv_03_a_switch_needs_a_fresh_check", || {
            format!("switch at {at} under {:?} on the strength of {checked:?}", self.fence)
        })
    }

    /// Each owner, each lost reply and each verdict may cost an attempt; nothing may cost more.
    fn inv_32_attempts_are_bounded(&self, step: &Step, attempt: u32) -> Result<(), Law> {
        let bound = step.retry.attempts + 5 + 8 * (1 + self.recoveries);
        holds(attempt <= bound, "inv_32_attempts_are_bounded", || format!("attempt {attempt} of {}", step.id))
    }

    fn inv_06_newest_first(&self, index: usize) -> Result<(), Law> {
        let steps = self.plan.as_ref().map_or(&[][..], |plan| plan.steps());
        let later = steps.iter().zip(&self.steps).skip(index + 1);
        let mut left = later.filter(|(step, log)| {
            matches!(step.undo, Undo::Automatic { .. }) && log.attempts > 0 && !log.undone
        });
        let first = left.next().map(|(step, _)| step.id.clone());
        holds(first.is_none(), "inv_06_the_newest_is_taken_back_first", || {
            format!("{first:?} is still in place")
        })
    }

    fn inv_07_success_is_live_and_read_back(&self, r: &Reality<'_>) -> Result<(), Law> {
        const NAME: &str = "inv_07_success_is_live_and_read_back";
        let open = self.steps.iter().position(|log| !log.done);
        holds(open.is_none(), NAME, || format!("step {open:?} of {:?} is not done", self.steps))?;
        holds(r.target.route.as_ref() == Some(r.own), NAME, || {
            format!("{:?} is routed, not {}", r.target.route, r.own)
        })
    }

    fn inv_06_rolled_back_is_what_served_before(&self, r: &Reality<'_>) -> Result<(), Law> {
        holds(r.target.route == self.before, "inv_06_rolled_back_is_what_served_before", || {
            format!("{:?} is routed, {:?} was", r.target.route, self.before)
        })
    }

    fn inv_05_before_the_switch_nothing_changes(&self, r: &Reality<'_>) -> Result<(), Law> {
        let untouched = self.fence.is_none() || self.switch_started() || r.target.route == self.before;
        holds(untouched, "inv_05_before_the_switch_nothing_changes", || {
            format!("{:?} is routed, {:?} was", r.target.route, self.before)
        })
    }
}

/// The first of the steps that may run at the same time as this one.
fn first_beside(steps: &[Step], index: usize) -> usize {
    let acts = |step: &Step| step.action == StepKind::Act;
    let joins = |at: usize| {
        let (before, step) = (&steps[at - 1], &steps[at]);
        step.beside && acts(step) && acts(before) && step.phase == before.phase
    };
    (1..=index).rev().take_while(|at| joins(*at)).last().map_or(index, |at| at - 1)
}

fn planned_check(plan: Option<&Plan>, index: usize) -> bool {
    plan.is_some_and(|plan| plan.steps()[index].action == StepKind::Check)
}

/// Success and failure are never assumed: whatever the journal calls done was done.
fn inv_11_done_is_what_really_happened(step: &Step, thing: &Thing) -> Result<(), Law> {
    let really = match step.action {
        StepKind::Act | StepKind::Switch { .. } => thing.ever,
        StepKind::Check => thing.passed,
    };
    holds(really, "inv_11_done_is_what_really_happened", || format!("step {} is called done", step.id))
}

pub(super) const fn is_ending(event: &Event) -> bool {
    matches!(
        event,
        Event::Succeeded
            | Event::Failed { .. }
            | Event::RolledBack { .. }
            | Event::Stopped
            | Event::Superseded { .. }
    )
}
