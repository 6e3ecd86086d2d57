//! Where one step of a run is.

use std::sync::Arc;

use crate::event::Doubt;
use crate::failure::{Failure, FailureCode};
use crate::id::Fence;
use crate::plan::Output;
use crate::time::Timestamp;

/// Where a step is on its way forward.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StepState {
    /// Not started.
    Pending,
    /// Started.
    Running {
        /// When it must have ended.
        deadline: Timestamp,
    },
    /// It is not known whether it took effect.
    InDoubt {
        /// Why.
        doubt: Doubt,
        /// Reading back waits until then.
        until: Option<Timestamp>,
    },
    /// It failed and is tried again later.
    Waiting {
        /// When.
        until: Timestamp,
    },
    /// Nobody can read it back: a person must say.
    Unknown {
        /// Why it was in doubt.
        doubt: Doubt,
    },
    /// It took effect.
    Done {
        /// What it leaves.
        output: Arc<Output>,
        /// The fence it was done under.
        fence: Option<Fence>,
        /// When.
        at: Timestamp,
    },
    /// It failed for good.
    Failed {
        /// How.
        failure: Arc<Failure>,
    },
    /// It will never run.
    Skipped,
}

/// Where a step is on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UndoState {
    /// Nothing was done about it.
    None,
    /// It is being taken back.
    Undoing {
        /// The attempt, from 1.
        attempt: u32,
        /// When it must have ended.
        deadline: Timestamp,
    },
    /// Taking it back failed and is tried again later.
    Waiting {
        /// The attempt that failed.
        attempt: u32,
        /// When.
        until: Timestamp,
    },
    /// It was taken back.
    Undone,
    /// It could not be taken back.
    Failed {
        /// How that failed.
        failure: Arc<Failure>,
    },
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StepRecord {
    /// Forward.
    pub state: StepState,
    /// Back.
    pub undo: UndoState,
    /// How often it was started.
    pub attempts: u32,
    /// How often it was read back without an answer.
    pub probes: u32,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl StepRecord {
    pub(super) const NEW: Self = Self {
        state: StepState::Pending,
        undo: UndoState::None,
        attempts: 0,
        probes: 0,
        started_at: None,
        ended_at: None,
    };

    /// What it leaves, once it took effect.
    #[must_use]
    pub const fn output(&self) -> Option<&Arc<Output>> {
        match &self.state {
            StepState::Done { output, .. } => Some(output),
            StepState::Pending
            | StepState::Running { .. }
            | StepState::InDoubt { .. }
            | StepState::Waiting { .. }
            | StepState::Unknown { .. }
            | StepState::Failed { .. }
            | StepState::Skipped => None,
        }
    }

    /// Whether it occupies the run: started, and its outcome not known yet.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        match self.state {
            StepState::Running { .. } | StepState::InDoubt { .. } | StepState::Unknown { .. } => true,
            StepState::Pending
            | StepState::Waiting { .. }
            | StepState::Done { .. }
            | StepState::Failed { .. }
            | StepState::Skipped => false,
        }
    }

    /// Whether it is yet to be started, for the first time or again.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, StepState::Pending | StepState::Waiting { .. })
    }

    /// Whether its time has come, as far as it is concerned.
    pub(super) fn may_start(&self, at: Timestamp) -> bool {
        self.is_open() && self.waits_until().is_none_or(|until| until <= at)
    }

    /// When it is tried again.
    pub(super) const fn waits_until(&self) -> Option<Timestamp> {
        if let StepState::Waiting { until } = self.state { Some(until) } else { None }
    }

    /// Whether it runs or is being read back: both end, at the latest when their time is up.
    pub(super) const fn ends_by_itself(&self) -> bool {
        matches!(self.state, StepState::Running { .. } | StepState::InDoubt { .. })
    }

    /// When its own time is up: that of the attempt, or of the wait before it is read back again.
    pub(super) const fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            StepState::Running { deadline } => Some(deadline),
            StepState::InDoubt { until, .. } => until,
            StepState::Pending
            | StepState::Waiting { .. }
            | StepState::Unknown { .. }
            | StepState::Done { .. }
            | StepState::Failed { .. }
            | StepState::Skipped => None,
        }
    }

    /// Whether it may have changed the world.
    #[must_use]
    pub fn may_have_taken_effect(&self) -> bool {
        match self.state {
            StepState::Running { .. }
            | StepState::InDoubt { .. }
            | StepState::Unknown { .. }
            | StepState::Done { .. } => true,
            // Nobody found out what became of it.
            StepState::Failed { ref failure } => matches!(failure.code, FailureCode::OutcomeUnknown),
            StepState::Pending | StepState::Waiting { .. } | StepState::Skipped => false,
        }
    }
}
