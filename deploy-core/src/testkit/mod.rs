//! For tests, ours and yours: sample plans, and a store that only remembers.

mod memory;
mod samples;

pub use memory::MemoryStore;
pub use samples::{FixedPlan, digest, live, plan, spec, step};
