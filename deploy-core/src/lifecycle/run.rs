//! A run: a plan being carried out, with where each of its steps is. The rules that move it forward
//! are in `run_forward.rs`, those that take it back in `run_undo.rs`, the fold in `run_fold.rs`.

use std::ops::Range;
use std::sync::Arc;

use super::step_state::{StepRecord, StepState, UndoState};
use crate::id::{Digest, StepId, Version};
use crate::plan::{Output, Plan, Step, StepKind, Undo};
use crate::port::Live;
use crate::time::{Span, Timestamp};

/// A plan being carried out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    pub(super) plan: Arc<Plan>,
    pub(super) version: Version,
    pub(super) live_before: Option<Arc<Live>>,
    pub(super) started_at: Timestamp,
    pub(super) records: Vec<StepRecord>,
}

impl Run {
    pub(super) fn new(
        plan: Arc<Plan>,
        version: Version,
        live_before: Option<Arc<Live>>,
        at: Timestamp,
    ) -> Self {
        let records = vec![StepRecord::NEW; plan.steps().len()];
        Self { plan, version, live_before, started_at: at, records }
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The number of the release in the making.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// What served when the plan was drafted.
    #[must_use]
    pub fn live_before(&self) -> Option<&Live> {
        self.live_before.as_deref()
    }

    /// Each step with where it is, in order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = (&Step, &StepRecord)> {
        self.plan.steps().iter().zip(&self.records)
    }

    /// One step with where it is.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<(&Step, &StepRecord)> {
        self.steps().find(|(step, _)| step.id == *id)
    }

    /// What the completed steps leave, in order.
    pub fn outputs(&self) -> impl DoubleEndedIterator<Item = (&Step, &Arc<Output>)> {
        self.steps().filter_map(|(step, record)| Some((step, record.output()?)))
    }

    /// What the steps leave that this one may build on: those before it, without the ones that may run at
    /// the same time. The same for every attempt, however the others went.
    pub fn outputs_before(&self, id: &StepId) -> impl Iterator<Item = (&Step, &Arc<Output>)> {
        let index = self.plan.steps().iter().position(|step| step.id == *id).unwrap_or_default();
        let before = self.steps().take(self.together(index).start);
        before.filter_map(|(step, record)| Some((step, record.output()?)))
    }

    /// The steps that may run at the same time as the one at `index`, itself included.
    pub(super) fn together(&self, index: usize) -> Range<usize> {
        let steps = self.plan.steps();
        let joins = |at: usize| {
            let Some([before, step]) = at.checked_sub(1).and_then(|from| steps.get(from..=at)) else {
                return false;
            };
            let act = |step: &Step| step.action == StepKind::Act;
            step.beside && act(step) && act(before) && step.phase == before.phase
        };
        let start = (0..=index).rev().find(|at| !joins(*at)).unwrap_or_default();
        let end = (index + 1..steps.len()).find(|at| !joins(*at)).unwrap_or(steps.len());
        start..end
    }

    /// The artifact: what the last completed act names. Where none can, because the target itself finds out what a
    /// name means while it switches, what the switch names.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        let named = |kind: fn(StepKind) -> bool| {
            let steps = self.outputs().rev().filter(move |(step, _)| kind(step.action));
            steps.into_iter().find_map(|(_, output)| output.digest.as_ref())
        };
        named(|kind| kind == StepKind::Act)
            .or_else(|| named(|kind| kind == StepKind::Switch { needs_check: false }))
    }

    pub(super) fn switch(&self) -> Option<(&Step, &StepRecord)> {
        self.steps().find(|(step, _)| matches!(step.action, StepKind::Switch { .. }))
    }

    /// Whether the switch was started, or its outcome is open.
    #[must_use]
    pub fn switch_began(&self) -> bool {
        self.switch().is_some_and(|(_, record)| record.may_have_taken_effect())
    }

    /// Whether traffic is, or may be, on the new release.
    #[must_use]
    pub fn switch_took_effect(&self) -> bool {
        self.switch_began()
    }

    /// What serves now as far as this run knows: `Err` while that is open.
    ///
    /// # Errors
    /// [`LiveUnknown`] while the switch, or taking it back, has no known outcome.
    pub fn live_now(&self) -> Result<Option<Live>, LiveUnknown> {
        let Some((_, record)) = self.switch() else { return Ok(self.live_before().cloned()) };
        match (&record.state, &record.undo) {
            (_, UndoState::Undone) => Ok(self.live_before().cloned()),
            (_, UndoState::Undoing { .. } | UndoState::Waiting { .. } | UndoState::Failed { .. }) => {
                Err(LiveUnknown)
            }
            (StepState::Done { output, .. }, UndoState::None) => Ok(self.live_after(output)),
            (
                StepState::Running { .. } | StepState::InDoubt { .. } | StepState::Unknown { .. },
                UndoState::None,
            ) => Err(LiveUnknown),
            (StepState::Failed { .. }, UndoState::None) if record.may_have_taken_effect() => Err(LiveUnknown),
            (
                StepState::Pending
                | StepState::Waiting { .. }
                | StepState::Failed { .. }
                | StepState::Skipped,
                UndoState::None,
            ) => Ok(self.live_before().cloned()),
        }
    }

    /// The new release as what is live.
    fn live_after(&self, switched: &Output) -> Option<Live> {
        let digest = switched.digest.as_ref().or_else(|| self.digest())?.clone();
        let access = &self.plan.outline().access;
        let url = switched.url.clone().or_else(|| access.url.clone()).unwrap_or_default();
        Some(Live {
            release: self.version,
            digest,
            host: access.host.clone(),
            url,
            verified: self.is_verified(),
        })
    }

    /// Whether every step took effect: what serves then has passed all its checks.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.records.iter().all(|record| record.output().is_some())
    }

    /// Completed steps whose effects are still in place and that something could or should undo.
    pub fn residue(&self) -> impl Iterator<Item = &StepId> {
        let remains = |(step, record): &(&Step, &StepRecord)| {
            let undone = matches!(record.undo, UndoState::Undone);
            let stuck = matches!(record.undo, UndoState::Failed { .. });
            (record.may_have_taken_effect() || stuck) && !undone && step.undo != Undo::NotNeeded
        };
        self.steps().filter(remains).map(|(step, _)| &step.id)
    }

    pub(super) fn is_active(&self) -> bool {
        self.records.iter().any(StepRecord::is_active)
    }

    /// What will not run any more is skipped.
    pub(super) fn abandoned(mut self) -> Self {
        for record in &mut self.records {
            if matches!(record.state, StepState::Pending | StepState::Waiting { .. }) {
                record.state = StepState::Skipped;
            }
        }
        self
    }

    /// The time a run was held for does not count against it.
    pub(super) fn later_by(mut self, held_for: Span) -> Self {
        self.started_at = self.started_at.after(held_for);
        self
    }
}

/// It is not known what serves now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveUnknown;
