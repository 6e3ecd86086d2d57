//! For tests, ours and yours.
//!
//! | you want to | take |
//! |---|---|
//! | know whether your executor or store is right | [`contract`] |
//! | run the whole lifecycle against everything that can go wrong | [`sim`] |
//! | have an engine without a disk | [`MemoryStore`], [`ToyTarget`] |
//! | have a plan, a specification, a digest | [`plan`], [`spec`], [`digest`] |

pub mod contract;
mod memory;
pub(crate) mod samples;
pub mod sim;
mod toy;

pub use memory::MemoryStore;
pub use samples::{FixedPlan, blocked, digest, live, plan, plan_for, spec, step};
pub use toy::ToyTarget;
