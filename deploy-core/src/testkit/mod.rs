//! For tests, ours and yours.
//!
//! | you want to | take |
//! |---|---|
//! | know whether your executor or store is right | [`contract`] |
//! | test one decision | [`given`] |
//! | test a law over all specifications, plans, inputs and histories | [`strategies`] |
//! | run the whole lifecycle against everything that can go wrong | [`sim`] |
//! | have an engine without a disk | [`MemoryStore`], [`ToyTarget`] |
//! | have a plan, a specification, a digest | [`plan`], [`spec`], [`digest`] |

pub mod contract;
mod decider;
mod memory;
pub(crate) mod samples;
pub mod sim;
pub mod strategies;
mod toy;

pub use decider::{Given, When, accepted, given};
pub use memory::MemoryStore;
pub use samples::{FixedPlan, blocked, digest, frozen, live, plan, plan_for, spec, step};
pub use toy::ToyTarget;
