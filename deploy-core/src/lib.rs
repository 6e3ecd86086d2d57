//! A deployment as **detect → plan → execute → verify → rollback**: a pure decider, and the engine
//! that drives it over ports.

pub mod cancel;
pub mod command;
pub mod deployment;
pub mod detect;
pub mod driver;
pub mod effect;
#[cfg(feature = "engine")]
pub mod engine;
pub mod event;
pub mod evidence;
pub mod failure;
pub mod health;
pub mod hint;
pub mod id;
pub mod lifecycle;
pub mod log;
pub mod plan;
pub mod port;
mod projection;
pub mod reason;
pub mod reject;
pub mod spec;
pub mod status;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod time;
pub mod wire;

#[cfg(test)]
mod model_test;
