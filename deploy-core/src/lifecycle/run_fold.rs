//! How events change a run. No decisions here: an event either can be, or the history is damaged.

use std::sync::Arc;

use super::phase::{Folding, Impossible};
use super::run::Run;
use super::step_state::{StepRecord, StepState, UndoState};
use crate::event::{Doubt, Event};
use crate::id::StepId;
use crate::plan::StepKind;
use crate::port::Probe;

impl Run {
    fn record(&mut self, id: &StepId) -> Result<&mut StepRecord, Impossible> {
        let index = self.plan.steps().iter().position(|step| step.id == *id).ok_or(Impossible)?;
        self.records.get_mut(index).ok_or(Impossible)
    }

    /// Folds a step's event.
    pub(super) fn evolve(mut self, event: &Event, f: &Folding) -> Result<Self, Impossible> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other event is not a step's")]
        match event {
            Event::StepStarted { step, attempt, deadline } => {
                self.record(step)?.start(*attempt, *deadline, f);
            }
            Event::StepCompleted { step, output } => {
                let output = Arc::new(output.clone());
                self.record(step)?.end(StepState::Done { output, fence: f.fence, at: f.at }, f);
            }
            Event::StepFailed { step, failure } => {
                self.record(step)?.end(StepState::Failed { failure: Arc::new(failure.clone()) }, f);
            }
            Event::StepRetried { step, until, .. } => {
                self.record(step)?.state = StepState::Waiting { until: *until };
            }
            Event::StepDoubted { step, doubt } => {
                self.record(step)?.state = StepState::InDoubt { doubt: *doubt, until: None };
            }
            Event::ProbeRetried { step, until } => self.record(step)?.probe_again_at(*until)?,
            Event::ProbeDue { step } => self.record(step)?.probe_now()?,
            Event::StepReset { step } => self.record(step)?.state = StepState::Pending,
            Event::StepUnknown { step } => self.record(step)?.give_up_probing()?,
            Event::Attested { step, found, .. } => self.record(step)?.attest(found, f)?,
            _ => return Err(Impossible),
        }
        Ok(self)
    }

    /// Folds an undo's event.
    pub(super) fn evolve_undo(mut self, event: &Event) -> Result<Self, Impossible> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other event is not an undo's")]
        match event {
            Event::UndoStarted { step, attempt, deadline } => {
                self.record(step)?.undo = UndoState::Undoing { attempt: *attempt, deadline: *deadline };
            }
            Event::Undone { step } => self.record(step)?.undo = UndoState::Undone,
            Event::UndoRetried { step, until, .. } => {
                let record = self.record(step)?;
                let UndoState::Undoing { attempt, .. } = record.undo else { return Err(Impossible) };
                record.undo = UndoState::Waiting { attempt, until: *until };
            }
            Event::UndoFailed { step, failure } => {
                self.record(step)?.undo = UndoState::Failed { failure: Arc::new(failure.clone()) };
            }
            _ => return Err(Impossible),
        }
        Ok(self)
    }

    /// A new owner knows only what is recorded: what ran is in doubt, and a check that ran is void.
    pub(super) fn recovered(mut self) -> Self {
        for (step, record) in self.plan.steps().iter().zip(&mut self.records) {
            match record.state {
                StepState::Running { .. } if step.action == StepKind::Check => {
                    record.state = StepState::Pending;
                }
                StepState::Running { .. } => {
                    record.state = StepState::InDoubt { doubt: Doubt::Interrupted, until: None };
                }
                StepState::InDoubt { doubt, .. } => record.state = StepState::InDoubt { doubt, until: None },
                StepState::Pending
                | StepState::Waiting { .. }
                | StepState::Unknown { .. }
                | StepState::Done { .. }
                | StepState::Failed { .. }
                | StepState::Skipped => {}
            }
        }
        self
    }
}

impl StepRecord {
    fn start(&mut self, attempt: u32, deadline: crate::time::Timestamp, f: &Folding) {
        self.state = StepState::Running { deadline };
        self.attempts = attempt;
        self.probes = 0;
        self.started_at = Some(f.at);
        self.ended_at = None;
    }

    fn end(&mut self, state: StepState, f: &Folding) {
        self.state = state;
        self.ended_at = Some(f.at);
    }

    const fn doubt(&self) -> Result<Doubt, Impossible> {
        match self.state {
            StepState::InDoubt { doubt, .. } | StepState::Unknown { doubt } => Ok(doubt),
            StepState::Pending
            | StepState::Running { .. }
            | StepState::Waiting { .. }
            | StepState::Done { .. }
            | StepState::Failed { .. }
            | StepState::Skipped => Err(Impossible),
        }
    }

    fn probe_again_at(&mut self, until: crate::time::Timestamp) -> Result<(), Impossible> {
        self.state = StepState::InDoubt { doubt: self.doubt()?, until: Some(until) };
        self.probes += 1;
        Ok(())
    }

    fn probe_now(&mut self) -> Result<(), Impossible> {
        self.state = StepState::InDoubt { doubt: self.doubt()?, until: None };
        Ok(())
    }

    fn give_up_probing(&mut self) -> Result<(), Impossible> {
        self.state = StepState::Unknown { doubt: self.doubt()? };
        Ok(())
    }

    fn attest(&mut self, found: &Probe, f: &Folding) -> Result<(), Impossible> {
        self.doubt()?;
        match found {
            Probe::Present { output } => {
                let output = Arc::new(output.clone());
                self.end(StepState::Done { output, fence: f.fence, at: f.at }, f);
            }
            Probe::Absent => self.state = StepState::Pending,
            Probe::Unknown => return Err(Impossible),
        }
        Ok(())
    }
}
