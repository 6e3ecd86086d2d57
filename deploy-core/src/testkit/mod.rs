//! For tests, ours and yours: sample plans, a store that only remembers, and a simulator.

mod memory;
pub(crate) mod samples;
pub mod sim;

pub use memory::MemoryStore;
pub use samples::{FixedPlan, blocked, digest, live, plan, plan_for, spec, step};
