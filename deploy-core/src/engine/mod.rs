//! The engine: drives deployments over ports, one task each, on tokio.
//!
//! ```text
//!             Command                  Report
//!  you ──► Engine::send ──┐   ┌── effect ◄── Executor
//!                         ▼   ▼
//!         one task per deployment: Driver::handle ─► Driver::poll ─► persist ► show ► start/cancel
//! ```
//!
//! A crashed engine is recovered by the same code that runs a normal one: [`Engine::recover`] folds
//! the journal, takes the resource again under a higher fence and goes on.

mod abandon;
mod builder;
mod draft;
mod effects;
mod error;
mod going_back;
mod handle;
mod limits;
mod look;
mod orphans;
mod queue;
mod retention;
mod runtime;
mod system;
mod task;
mod turnstile;

pub use builder::{Builder, Store};
pub use draft::Previewer;
pub use error::EngineError;
pub use handle::{Engine, Quarantined, Submission, Submitted};
pub use limits::Limits;
pub use look::View;
pub use runtime::{RuntimeItem, RuntimeTail};
pub use system::{SystemClock, SystemIds};
