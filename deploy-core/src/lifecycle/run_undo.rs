//! How a run is taken back: newest step first, one at a time, each bounded in attempts and time.

use super::phase::Wanted;
use super::run::Run;
use super::step_state::{StepRecord, UndoState};
use crate::effect::EffectKind;
use crate::event::Event;
use crate::failure::{Failure, FailureClass, FailureCode};
use crate::id::StepId;
use crate::plan::{Retry, Step, Undo};
use crate::planted::{self, Bug};
use crate::time::{Span, Timestamp};

/// How often taking back is tried: 6 times, over about 8 seconds.
const RETRY: Retry = Retry { attempts: 6, backoff: Span::from_millis(250) };

impl Run {
    /// Whether a step is to be taken back: it was started at least once, so it may have left
    /// something, and its executor knows how.
    fn is_undoable((step, record): &(&Step, &StepRecord)) -> bool {
        let automatic = matches!(step.undo, Undo::Automatic { .. });
        let passed_over =
            planted::is(Bug::UndoFailureIgnored) && matches!(record.undo, UndoState::Failed { .. });
        let undone = matches!(record.undo, UndoState::Undone) && !planted::is(Bug::UndoTwice);
        automatic && record.attempts > 0 && !undone && !passed_over
    }

    pub(super) fn anything_to_undo(&self) -> bool {
        self.steps().any(|pair| Self::is_undoable(&pair))
    }

    /// The next step to take back: `Some(Err(()))` while it waits, `None` when all is done.
    pub(super) fn next_undo(&self, at: Timestamp) -> Option<Result<Event, ()>> {
        let oldest =
            planted::is(Bug::UndoOldestFirst).then(|| self.steps().find(Self::is_undoable)).flatten();
        let (step, record) = oldest.or_else(|| self.steps().rev().find(Self::is_undoable))?;
        let attempt = match record.undo {
            UndoState::Waiting { until, .. } if until > at => return Some(Err(())),
            UndoState::Waiting { attempt, .. } => attempt + 1,
            UndoState::None | UndoState::Undoing { .. } | UndoState::Undone | UndoState::Failed { .. } => 1,
        };
        Some(Ok(Event::UndoStarted { step: step.id.clone(), attempt, deadline: at.after(step.timeout) }))
    }

    pub(super) fn is_undoing(&self, id: &StepId) -> bool {
        self.step(id).is_some_and(|(_, record)| matches!(record.undo, UndoState::Undoing { .. }))
    }

    pub(super) fn is_undoing_any(&self) -> bool {
        self.records.iter().any(|record| matches!(record.undo, UndoState::Undoing { .. }))
    }

    pub(super) fn failed_undo(&self) -> Option<(&StepId, &Failure)> {
        if planted::is(Bug::UndoFailureIgnored) {
            return None;
        }
        self.steps().find_map(|(step, record)| match &record.undo {
            UndoState::Failed { failure } => Some((&step.id, &**failure)),
            UndoState::None | UndoState::Undoing { .. } | UndoState::Waiting { .. } | UndoState::Undone => {
                None
            }
        })
    }

    /// A failed undo is tried again: undoing is idempotent, so even a lost reply is only another try.
    pub(super) fn undo_failed(&self, id: &StepId, failure: &Failure, at: Timestamp) -> Event {
        let attempt = self.step(id).map_or(u32::MAX, |(_, record)| match record.undo {
            UndoState::Undoing { attempt, .. } | UndoState::Waiting { attempt, .. } => attempt,
            UndoState::None | UndoState::Undone | UndoState::Failed { .. } => u32::MAX,
        });
        let again = failure.class() != FailureClass::Permanent && attempt < RETRY.attempts;
        let (step, failure) = (id.clone(), failure.clone());
        if again {
            Event::UndoRetried { step, failure, until: at.after(RETRY.wait(attempt)) }
        } else {
            Event::UndoFailed { step, failure }
        }
    }

    pub(super) fn tick_undo(&self, at: Timestamp) -> Vec<Event> {
        let due = self
            .steps()
            .find(|(_, record)| matches!(record.undo, UndoState::Undoing { deadline, .. } if deadline <= at));
        let event = due.map(|(step, _)| {
            let message = format!("taking back step {} took longer than {}", step.id, step.timeout);
            // Its own code is final; the class that is retried is a lost reply.
            self.undo_failed(&step.id, &Failure::new(FailureCode::ReplyLost, message), at)
        });
        event.into_iter().collect()
    }

    pub(super) fn wanted_undo(&self) -> Vec<Wanted> {
        let work = |(step, record): (&Step, &StepRecord)| match record.undo {
            UndoState::Undoing { attempt, .. } => {
                Some((EffectKind::Undo { step: step.id.clone() }, attempt, step.timeout))
            }
            UndoState::None | UndoState::Waiting { .. } | UndoState::Undone | UndoState::Failed { .. } => {
                None
            }
        };
        self.steps().filter_map(work).collect()
    }

    pub(super) fn undo_deadline(&self, held: bool) -> Option<Timestamp> {
        let deadline = |record: &StepRecord| match record.undo {
            UndoState::Undoing { deadline, .. } => Some(deadline),
            UndoState::Waiting { until, .. } if !held => Some(until),
            UndoState::Waiting { .. } | UndoState::None | UndoState::Undone | UndoState::Failed { .. } => {
                None
            }
        };
        self.records.iter().filter_map(deadline).min()
    }
}
