//! Every edge of the lifecycle as data: the diagram and the exhaustive test read this table.

use super::phase::PhaseKind;
use super::phase::PhaseKind as P;
use crate::event::EventKind;
use crate::event::EventKind as E;

/// Events that may happen in every phase but the last and keep it as it is.
pub const ANYWHERE: &[EventKind] =
    &[E::Paused, E::Resumed, E::StopRequested, E::SupersedeRequested, E::Recovered];

/// From which phase which event leads where.
#[rustfmt::skip]
pub const EDGES: &[(PhaseKind, EventKind, PhaseKind)] = &[
    (P::Queued,      E::Claimed,             P::Detecting),
    (P::Queued,      E::Deferred,            P::Queued),
    (P::Queued,      E::Admitted,            P::Queued),
    (P::Queued,      E::PreparationRetried,  P::Queued),
    (P::Queued,      E::PreparationDue,      P::Queued),
    (P::Queued,      E::Failed,              P::Ended),
    (P::Queued,      E::Stopped,             P::Ended),
    (P::Queued,      E::Superseded,          P::Ended),

    (P::Detecting,   E::Detected,            P::Planning),
    (P::Detecting,   E::PreparationRetried,  P::Detecting),
    (P::Detecting,   E::PreparationDue,      P::Detecting),
    (P::Detecting,   E::Failed,              P::Ended),
    (P::Detecting,   E::Stopped,             P::Ended),
    (P::Detecting,   E::Superseded,          P::Ended),

    (P::Planning,    E::Planned,             P::Planned),
    (P::Planning,    E::Blocked,             P::Blocked),
    (P::Planning,    E::PreparationRetried,  P::Planning),
    (P::Planning,    E::PreparationDue,      P::Planning),
    (P::Planning,    E::Failed,              P::Ended),
    (P::Planning,    E::Stopped,             P::Ended),
    (P::Planning,    E::Superseded,          P::Ended),

    (P::Blocked,     E::Rechecked,           P::Queued),
    (P::Blocked,     E::Failed,              P::Ended),
    (P::Blocked,     E::Stopped,             P::Ended),
    (P::Blocked,     E::Superseded,          P::Ended),

    (P::Planned,     E::Approved,            P::Executing),
    (P::Planned,     E::Failed,              P::Ended),
    (P::Planned,     E::Stopped,             P::Ended),
    (P::Planned,     E::Superseded,          P::Ended),

    (P::Executing,   E::StepStarted,         P::Executing),
    (P::Executing,   E::StepCompleted,       P::Executing),
    (P::Executing,   E::StepRetried,         P::Executing),
    (P::Executing,   E::StepFailed,          P::Executing),
    (P::Executing,   E::StepDoubted,         P::Executing),
    (P::Executing,   E::ProbeRetried,        P::Executing),
    (P::Executing,   E::ProbeDue,            P::Executing),
    (P::Executing,   E::StepReset,           P::Executing),
    (P::Executing,   E::StepUnknown,         P::Executing),
    (P::Executing,   E::Attested,            P::Executing),
    (P::Executing,   E::VerificationStarted, P::Verifying),
    (P::Executing,   E::RollbackStarted,     P::RollingBack),
    (P::Executing,   E::Failed,              P::Ended),
    (P::Executing,   E::Stopped,             P::Ended),
    (P::Executing,   E::Superseded,          P::Ended),

    (P::Verifying,   E::StepStarted,         P::Verifying),
    (P::Verifying,   E::StepCompleted,       P::Verifying),
    (P::Verifying,   E::StepRetried,         P::Verifying),
    (P::Verifying,   E::StepFailed,          P::Verifying),
    (P::Verifying,   E::StepDoubted,         P::Verifying),
    (P::Verifying,   E::ProbeRetried,        P::Verifying),
    (P::Verifying,   E::ProbeDue,            P::Verifying),
    (P::Verifying,   E::StepReset,           P::Verifying),
    (P::Verifying,   E::StepUnknown,         P::Verifying),
    (P::Verifying,   E::Attested,            P::Verifying),
    (P::Verifying,   E::Succeeded,           P::Ended),
    (P::Verifying,   E::RollbackStarted,     P::RollingBack),
    (P::Verifying,   E::Failed,              P::Ended),
    (P::Verifying,   E::Stopped,             P::Ended),
    (P::Verifying,   E::Superseded,          P::Ended),

    (P::RollingBack, E::UndoStarted,         P::RollingBack),
    (P::RollingBack, E::Undone,              P::RollingBack),
    (P::RollingBack, E::UndoRetried,         P::RollingBack),
    (P::RollingBack, E::UndoFailed,          P::RollingBack),
    (P::RollingBack, E::RolledBack,          P::Ended),
    (P::RollingBack, E::Failed,              P::Ended),
    (P::RollingBack, E::Stopped,             P::Ended),
    (P::RollingBack, E::Superseded,          P::Ended),
];
