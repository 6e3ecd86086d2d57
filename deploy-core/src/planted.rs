//! Bugs planted on purpose, to prove that the tests find them. Without the feature `planted-bugs`
//! every question is answered `false` at compile time and nothing of this is left in the code.
//!
//! A bug is chosen per thread at run time, so one build serves them all, side by side.

/// A bug that the simulator or the model must find. The numbers are those of the list of planted
/// bugs in the invariants; the others are guards of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    not(feature = "planted-bugs"),
    allow(dead_code, unreachable_pub, reason = "without the feature the bugs are only questions")
)]
pub enum Bug {
    /// P1: the point of effect takes any epoch.
    RouterIgnoresEpoch,
    /// P2: the lease is checked first and taken later.
    LeaseChecksThenActs,
    /// P3: a run succeeds before the public address was read back.
    SuccessBeforeReadBack,
    /// P5: an effect starts before the event that says so is durable.
    EffectBeforeIntent,
    /// P6: a stop is forgotten by the next owner.
    StopOnlyInMemory,
    /// P8: the status that readers see is written in another transaction than the events.
    StatusInAnotherTransaction,
    /// P11: one good answer makes healthy.
    OneGoodAnswerIsHealthy,
    /// P14: what is older by the wall clock counts as late.
    OrderedByWallClock,
    /// A switch needs no check.
    SwitchWithoutCheck,
    /// A report under an old fence is believed.
    StaleFenceAccepted,
    /// A paused deployment goes on.
    PauseIgnored,
    /// A stop lets the next step start.
    StopIgnored,
    /// A lost reply is taken as done.
    InDoubtTakenAsDone,
    /// A new owner takes what was running as done.
    InterruptedTakenAsDone,
    /// The oldest step is taken back first.
    UndoOldestFirst,
    /// What was taken back is taken back again.
    UndoTwice,
    /// What can't be taken back is passed over in silence.
    UndoFailureIgnored,
    /// A step is tried without end.
    RetriesWithoutEnd,
    /// A state is shown before it is durable.
    ShownBeforeDurable,
    /// Work on a step starts while older work on it has not ended.
    WorkOverlaps,
    /// Work that is no longer wanted goes on, and its report is believed.
    CancelForgotten,
}

#[cfg(feature = "planted-bugs")]
impl Bug {
    /// Every bug.
    pub const ALL: &'static [Self] = &[
        Self::RouterIgnoresEpoch,
        Self::LeaseChecksThenActs,
        Self::SuccessBeforeReadBack,
        Self::EffectBeforeIntent,
        Self::StopOnlyInMemory,
        Self::StatusInAnotherTransaction,
        Self::OneGoodAnswerIsHealthy,
        Self::OrderedByWallClock,
        Self::SwitchWithoutCheck,
        Self::StaleFenceAccepted,
        Self::PauseIgnored,
        Self::StopIgnored,
        Self::InDoubtTakenAsDone,
        Self::InterruptedTakenAsDone,
        Self::UndoOldestFirst,
        Self::UndoTwice,
        Self::UndoFailureIgnored,
        Self::RetriesWithoutEnd,
        Self::ShownBeforeDurable,
        Self::WorkOverlaps,
        Self::CancelForgotten,
    ];
}

#[cfg(feature = "planted-bugs")]
mod chosen {
    use super::Bug;
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread, or none.
    pub fn plant(bug: Option<Bug>) {
        CHOSEN.set(bug);
    }

    /// Whether this bug is planted in this thread.
    #[must_use]
    pub fn is(bug: Bug) -> bool {
        CHOSEN.get() == Some(bug)
    }
}

#[cfg(feature = "planted-bugs")]
pub use chosen::{is, plant};

/// No bug is planted.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub(crate) const fn is(_: Bug) -> bool {
    false
}
