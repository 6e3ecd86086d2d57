//! The lifecycle: one enum of phases, one file per phase, and the table of every edge between them.
//!
//! Legal moves are consuming methods that exist only on the right phase and are private to this
//! module, so an impossible transition does not compile; storage, replay and front ends see the
//! plain enum [`Phase`].

mod blocked;
mod detecting;
mod edges;
mod ended;
mod executing;
mod name;
mod phase;
mod planned;
mod planning;
mod preparation;
mod queued;
mod rolling_back;
mod run;
mod run_fold;
mod run_forward;
mod run_undo;
mod step_state;
mod verifying;

pub use blocked::{BLOCKED_WINDOW, Blocked};
pub use detecting::Detecting;
pub use edges::{ANYWHERE, EDGES};
pub use ended::{Ended, Outcome};
pub use executing::Executing;
pub use name::PhaseName;
pub(crate) use phase::{Conditions, Folding, Impossible};
pub use phase::{Phase, PhaseKind, Request};
pub use planned::{APPROVAL_WINDOW, Planned};
pub use planning::Planning;
pub use queued::Queued;
pub use rolling_back::RollingBack;
pub use run::{LiveUnknown, Run};
pub use step_state::{StepRecord, StepState, UndoState};
pub use verifying::Verifying;
