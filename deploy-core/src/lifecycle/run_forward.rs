//! How a run moves forward: what starts next, what a report means, what is due.

use super::PhaseName;
use super::phase::{Conditions, Request, Wanted};
use super::run::Run;
use super::step_state::{StepRecord, StepState};
use crate::auto_rollback::{Verdict, verdict};
use crate::command::{Report, StopMode};
use crate::effect::EffectKind;
use crate::event::{Cause, Doubt, Event, RollbackCause};
use crate::failure::{Failure, FailureClass, FailureCode};
use crate::id::{Digest, StepId};
use crate::plan::{Output, Retry, Step, StepKind, Undo};
use crate::planted::{self, Bug};
use crate::port::Probe;
use crate::reject::Rejection;
use crate::time::{Span, Timestamp};

/// How often a step is read back before a person is asked.
const PROBES: Retry = Retry { attempts: 6, backoff: Span::from_millis(250) };
/// How long reading back may take.
const PROBE_TIMEOUT: Span = Span::from_secs(30);
/// How often a step is started again after lost replies.
const LOST_REPLIES: u32 = 5;

impl Run {
    /// What happens by itself now.
    pub(super) fn forward(&self, phase: PhaseName, c: &Conditions<'_>) -> Option<Event> {
        if let Some(cause) = self.failed(phase) {
            return if self.is_active() || c.held { None } else { Some(self.leave_for(cause, true)) };
        }
        if let Some(request) = c.request.filter(|_| !self.switch_began()) {
            return self.obey(request, c);
        }
        if c.held { None } else { self.next(phase, c) }
    }

    fn failed(&self, phase: PhaseName) -> Option<RollbackCause> {
        self.steps().find_map(|(step, record)| match &record.state {
            StepState::Failed { failure } => {
                let cause = Cause { phase, step: Some(step.id.clone()), failure: (**failure).clone() };
                Some(RollbackCause::Failed { cause })
            }
            StepState::Pending
            | StepState::Running { .. }
            | StepState::InDoubt { .. }
            | StepState::Waiting { .. }
            | StepState::Unknown { .. }
            | StepState::Done { .. }
            | StepState::Skipped => None,
        })
    }

    /// A standing request ends the run as soon as nothing is active.
    fn obey(&self, request: &Request, c: &Conditions<'_>) -> Option<Event> {
        if request.mode() == StopMode::Now
            && let Some((step, _)) =
                self.steps().find(|(_, record)| matches!(record.state, StepState::Running { .. }))
        {
            return Some(doubt_or_reset(step, Doubt::Cancelled));
        }
        if self.is_active() || c.held {
            return None;
        }
        match request {
            Request::Stop { undo: false, .. } => Some(Event::Stopped),
            Request::Stop { undo: true, .. } => Some(self.leave_for(RollbackCause::Stopped, false)),
            Request::Supersede { by } => Some(self.leave_for(RollbackCause::Superseded { by: *by }, false)),
        }
    }

    /// Leaves forwards for good: through a rollback if there is anything to take back.
    fn leave_for(&self, cause: RollbackCause, failed: bool) -> Event {
        // Behind a switch that nobody can take back, taking back what came before it would remove what serves.
        let stays = || {
            let wanted = self.plan().outline().policy.automatic_rollback;
            let back = self.switch().is_some_and(|(step, _)| matches!(step.undo, Undo::Automatic { .. }));
            !(wanted && back && self.goes_back(&cause))
        };
        let keep_the_new_release = failed && self.switch_took_effect() && stays();
        if self.anything_to_undo() && !keep_the_new_release {
            return Event::RollbackStarted { cause };
        }
        match cause {
            RollbackCause::Failed { cause } => Event::Failed { cause },
            RollbackCause::Stopped => Event::Stopped,
            RollbackCause::Superseded { by } => Event::Superseded { by },
        }
    }

    /// Whether going back is the answer to this failure. Where a candidate was checked before the switch it always is.
    fn goes_back(&self, cause: &RollbackCause) -> bool {
        let in_place =
            self.switch().is_some_and(|(step, _)| step.action == StepKind::Switch { needs_check: false });
        let observed = match cause {
            RollbackCause::Failed { cause } => cause.failure.observed.as_deref(),
            RollbackCause::Stopped | RollbackCause::Superseded { .. } => None,
        };
        let verified_before = self.live_before().is_some_and(|live| live.verified);
        !in_place || verdict(observed, verified_before) == Verdict::Trigger
    }

    /// The next step, or the end of the phase.
    fn next(&self, phase: PhaseName, c: &Conditions<'_>) -> Option<Event> {
        let unread = |(step, _): &(&Step, &StepRecord)| {
            planted::is(Bug::SuccessBeforeReadBack)
                && step.action == StepKind::Check
                && self.switch_took_effect()
        };
        let Some((first, _)) = self.first_open().filter(|open| !unread(open)) else {
            return Some(if phase == PhaseName::Execute {
                Event::VerificationStarted
            } else {
                Event::Succeeded
            });
        };
        if first.phase == PhaseName::Verify && phase == PhaseName::Execute {
            return Some(Event::VerificationStarted);
        }
        let (step, record) = self.startable().find(|(_, record)| record.may_start(c.at))?;
        if let StepKind::Switch { needs_check: true } = step.action
            && !planted::is(Bug::SwitchWithoutCheck)
            && let Some(objection) = self.objection_to_switch(step, c)
        {
            return Some(objection);
        }
        Some(Event::StepStarted {
            step: step.id.clone(),
            attempt: record.attempts + 1,
            deadline: c.at.after(step.timeout),
        })
    }

    /// The first step that did not take effect yet: nothing behind those that may run beside it starts.
    fn first_open(&self) -> Option<(&Step, &StepRecord)> {
        self.steps().find(|(_, record)| record.output().is_none())
    }

    /// The steps that may start as far as the others are concerned, now or when their time comes.
    fn startable(&self) -> impl Iterator<Item = (&Step, &StepRecord)> {
        let open = self.records.iter().position(|record| record.output().is_none());
        let together = open.map_or(0..0, |index| self.together(index));
        let active = self.records.iter().filter(|record| record.is_active()).count();
        let most = usize::try_from(self.plan().outline().policy.in_flight_max).unwrap_or(usize::MAX);
        let steps = self.steps().skip(together.start).take(together.len());
        steps.filter(move |(_, record)| active < most && record.is_open())
    }

    /// A switch needs a check that passed for the same digest, under the same fence, not too long
    /// ago. A stale check is done again; a check of something else fails the switch.
    fn objection_to_switch(&self, switch: &Step, c: &Conditions<'_>) -> Option<Event> {
        let before = self.steps().take_while(|(step, _)| step.id != switch.id);
        let check = before.filter(|(step, _)| step.action == StepKind::Check).last();
        let Some((check, StepRecord { state: StepState::Done { output, fence, at }, .. })) = check else {
            return Some(refuse_switch(switch, "no check came before it"));
        };
        if *fence != c.fence || at.after(self.plan().outline().policy.check_valid_for) < c.at {
            return Some(Event::StepReset { step: check.id.clone() });
        }
        let same = output.digest.is_some() && output.digest.as_ref() == self.digest();
        (!same).then(|| {
            let text = |digest: Option<&Digest>| digest.map_or("nothing".to_owned(), ToString::to_string);
            let message =
                format!("{} was checked, {} was made", text(output.digest.as_ref()), text(self.digest()));
            refuse_switch(switch, &message)
        })
    }

    /// What a report leads to.
    pub(super) fn report(&self, report: &Report, c: &Conditions<'_>) -> Result<Vec<Event>, Rejection> {
        let event = match report {
            Report::StepDone { step, output } => {
                self.expect_active(step)?;
                Event::StepCompleted { step: step.clone(), output: output.clone() }
            }
            Report::StepFailed { step, failure } => self.step_failed(step, failure, c.at)?,
            Report::Probed { step, found } => self.probed(step, found, c)?,
            Report::Claimed { .. }
            | Report::Deferred { .. }
            | Report::Admitted
            | Report::Inspected { .. }
            | Report::Drafted { .. }
            | Report::PreparationFailed { .. }
            | Report::Undone { .. }
            | Report::UndoFailed { .. } => return Err(Rejection::NotRunning),
        };
        Ok(vec![event])
    }

    fn expect_active(&self, id: &StepId) -> Result<(&Step, &StepRecord), Rejection> {
        self.step(id).filter(|(_, record)| record.is_active()).ok_or(Rejection::NotRunning)
    }

    fn step_failed(&self, id: &StepId, failure: &Failure, at: Timestamp) -> Result<Event, Rejection> {
        let (step, record) = self.expect_active(id)?;
        if !matches!(record.state, StepState::Running { .. }) {
            // In doubt: only reading back can tell.
            return Err(Rejection::NotRunning);
        }
        Ok(match failure.class() {
            FailureClass::InDoubt if planted::is(Bug::InDoubtTakenAsDone) => {
                Event::StepCompleted { step: id.clone(), output: Output::default() }
            }
            FailureClass::InDoubt if step.action != StepKind::Check => {
                Event::StepDoubted { step: id.clone(), doubt: Doubt::ReplyLost }
            }
            FailureClass::InDoubt | FailureClass::Transient => {
                retry_or_fail(step, record, failure.clone(), at)
            }
            FailureClass::Permanent => Event::StepFailed { step: id.clone(), failure: failure.clone() },
        })
    }

    fn probed(&self, id: &StepId, found: &Probe, c: &Conditions<'_>) -> Result<Event, Rejection> {
        let (step, record) = self.step(id).ok_or(Rejection::NotRunning)?;
        let StepState::InDoubt { doubt, .. } = record.state else { return Err(Rejection::NotRunning) };
        Ok(match found {
            Probe::Absent if doubt == Doubt::Interrupted && planted::is(Bug::InterruptedTakenAsDone) => {
                Event::StepCompleted { step: id.clone(), output: Output::default() }
            }
            Probe::Present { output } => Event::StepCompleted { step: id.clone(), output: output.clone() },
            Probe::Absent => absent(step, record, doubt, c.at),
            Probe::Unknown if record.probes + 1 < PROBES.attempts => {
                Event::ProbeRetried { step: id.clone(), until: c.at.after(PROBES.wait(record.probes + 1)) }
            }
            // Only if it is started again at once: an ending in between would forget what it may have left.
            Probe::Unknown
                if step.repeatable && doubt != Doubt::Cancelled && c.request.is_none() && !c.held =>
            {
                Event::StepReset { step: id.clone() }
            }
            Probe::Unknown => Event::StepUnknown { step: id.clone() },
        })
    }

    /// What a person's word about an unknown step leads to.
    pub(crate) fn attested(&self, id: &StepId, found: &Probe) -> Result<(), Rejection> {
        let unknown = |(_, record): &(&Step, &StepRecord)| matches!(record.state, StepState::Unknown { .. });
        let nothing = || Rejection::NothingToAttest { step: id.clone() };
        self.step(id).filter(unknown).ok_or_else(nothing)?;
        if *found == Probe::Unknown { Err(nothing()) } else { Ok(()) }
    }

    /// What is due.
    pub(super) fn tick(&self, c: &Conditions<'_>) -> Vec<Event> {
        let step_due = self.steps().find_map(|(step, record)| match record.state {
            StepState::Running { deadline } if deadline <= c.at => Some(timed_out(step)),
            StepState::InDoubt { until: Some(until), .. } if until <= c.at => {
                Some(Event::ProbeDue { step: step.id.clone() })
            }
            StepState::Running { .. }
            | StepState::InDoubt { .. }
            | StepState::Pending
            | StepState::Waiting { .. }
            | StepState::Unknown { .. }
            | StepState::Done { .. }
            | StepState::Failed { .. }
            | StepState::Skipped => None,
        });
        let run_due = (!c.held && self.ends_at() <= c.at).then(|| self.run_timed_out());
        step_due.or_else(|| run_due.flatten()).into_iter().collect()
    }

    fn ends_at(&self) -> Timestamp {
        self.started_at.after(self.plan().outline().policy.run_timeout)
    }

    /// The run took too long: the step it waits for fails. One that runs has a deadline of its own, and
    /// one that nobody can read back is waited for no longer.
    fn run_timed_out(&self) -> Option<Event> {
        if self.records.iter().any(StepRecord::ends_by_itself) {
            return None;
        }
        let unknown = self.steps().find(|(_, record)| matches!(record.state, StepState::Unknown { .. }));
        let (step, code) = match unknown {
            Some((step, _)) => (step, FailureCode::OutcomeUnknown),
            None => (self.first_open()?.0, FailureCode::RunTimedOut),
        };
        let limit = self.plan().outline().policy.run_timeout;
        let failure = Failure::new(code, format!("the run did not end within {limit}"));
        Some(Event::StepFailed { step: step.id.clone(), failure })
    }

    /// The work a run wants forwards.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let work = |(step, record): (&Step, &StepRecord)| match record.state {
            StepState::Running { .. } => {
                Some((EffectKind::Perform { step: step.id.clone() }, record.attempts, step.timeout))
            }
            StepState::InDoubt { until: None, .. } => {
                Some((EffectKind::Probe { step: step.id.clone() }, record.probes + 1, PROBE_TIMEOUT))
            }
            StepState::InDoubt { until: Some(_), .. }
            | StepState::Pending
            | StepState::Waiting { .. }
            | StepState::Unknown { .. }
            | StepState::Done { .. }
            | StepState::Failed { .. }
            | StepState::Skipped => None,
        };
        self.steps().filter_map(work).collect()
    }

    /// When a run wants a tick: when a step's own time is up, when a waiting step may start, and, while
    /// nothing ends by itself, when the run must have ended.
    pub(super) fn deadline(&self, held: bool, asked_to_end: bool) -> Option<Timestamp> {
        let failed = self.records.iter().any(|record| matches!(record.state, StepState::Failed { .. }));
        let starts_more = !held && !failed && (!asked_to_end || self.switch_began());
        let starts = self.startable().filter_map(|(_, record)| record.waits_until());
        let idle = !held && !self.records.iter().any(StepRecord::ends_by_itself);
        let own = self.records.iter().filter_map(StepRecord::due_at);
        own.chain(starts.filter(|_| starts_more)).chain(idle.then(|| self.ends_at())).min()
    }
}

fn refuse_switch(switch: &Step, why: &str) -> Event {
    let failure =
        Failure::new(FailureCode::SwitchRefused, format!("the switch is not covered by a check: {why}"));
    Event::StepFailed { step: switch.id.clone(), failure }
}

/// Interrupting a check leaves nothing behind; anything else must be read back.
fn doubt_or_reset(step: &Step, doubt: Doubt) -> Event {
    if step.action == StepKind::Check {
        Event::StepReset { step: step.id.clone() }
    } else {
        Event::StepDoubted { step: step.id.clone(), doubt }
    }
}

fn timed_out(step: &Step) -> Event {
    if step.action == StepKind::Check {
        Event::StepFailed { step: step.id.clone(), failure: too_long(step) }
    } else {
        Event::StepDoubted { step: step.id.clone(), doubt: Doubt::TimedOut }
    }
}

fn too_long(step: &Step) -> Failure {
    Failure::new(FailureCode::StepTimedOut, format!("step {} took longer than {}", step.id, step.timeout))
}

fn retry_or_fail(step: &Step, record: &StepRecord, failure: Failure, at: Timestamp) -> Event {
    if record.attempts < step.retry.attempts || planted::is(Bug::RetriesWithoutEnd) {
        let until = at.after(step.retry.wait(record.attempts));
        Event::StepRetried { step: step.id.clone(), failure, until }
    } else {
        Event::StepFailed { step: step.id.clone(), failure }
    }
}

/// A step that took no effect starts again, unless what put it in doubt was its own fault.
fn absent(step: &Step, record: &StepRecord, doubt: Doubt, at: Timestamp) -> Event {
    match doubt {
        Doubt::TimedOut => retry_or_fail(step, record, too_long(step), at),
        Doubt::ReplyLost if record.attempts >= LOST_REPLIES => {
            let message = format!("the target's answer was lost {LOST_REPLIES} times");
            Event::StepFailed {
                step: step.id.clone(),
                failure: Failure::new(FailureCode::ReplyLost, message),
            }
        }
        Doubt::ReplyLost | Doubt::Cancelled | Doubt::Interrupted => {
            Event::StepReset { step: step.id.clone() }
        }
    }
}
