//! The lifecycle: one enum of phases, one file per phase, and the table of every edge between them.
//!
//! Legal moves are consuming methods that exist only on the right phase and are private to this
//! module, so an impossible transition does not compile; storage, replay and front ends see the
//! plain enum [`Phase`].
//!
//! A blocked plan can't be approved:
//! ```compile_fail,E0599
//! fn approve(blocked: &deploy_core::lifecycle::Blocked) -> deploy_core::command::Command {
//!     blocked.approve()
//! }
//! ```
//! Nobody starts executing without a plan that was approved:
//! ```compile_fail,E0451
//! fn execute(run: deploy_core::lifecycle::Run) -> deploy_core::lifecycle::Executing {
//!     deploy_core::lifecycle::Executing { run }
//! }
//! ```
//! And a plan with a reason against it is not a plan:
//! ```compile_fail,E0451
//! fn ignore(blocked: &deploy_core::plan::BlockedPlan) -> deploy_core::plan::Plan {
//!     let (fingerprint, outline) = (blocked.fingerprint().clone(), blocked.outline().clone());
//!     deploy_core::plan::Plan { fingerprint, outline }
//! }
//! ```

#![doc = include_str!("../../docs/lifecycle.md")]

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
