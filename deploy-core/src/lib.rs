//! A deployment as **detect → plan → execute → verify → rollback**: a pure decider, and (behind the
//! feature `engine`) the engine that drives it over ports.
//!
//! ```text
//!           Claimed      Detected      Planned      Approved       VerificationStarted   Succeeded
//!  Queued ─────────► Detecting ──► Planning ──► Planned ──► Executing ──────────► Verifying ──► Ended
//!    ▲                                │                          │  RollbackStarted  │           ▲
//!    │            Rechecked           ▼ Blocked                  └───► RollingBack ◄─┘           │
//!    └─────────────────────────── Blocked                                  └─────────────────────┘
//! ```
//!
//! Every edge, and the endings that lead from each phase, is in [`lifecycle::EDGES`].
//!
//! Without features this crate never does I/O, never asks a clock, draws no random number and reads no
//! environment: time, ids and answers of the world come in as values ([`command::Input`]), and work
//! to be done goes out as values ([`effect::Effect`]). `tests/purity.rs` keeps it so.
//!
//! | you want to | look at |
//! |---|---|
//! | decide and fold yourself | [`deployment::Deployment`] |
//! | drive one deployment with I/O of your own | [`driver::Driver`] |
//! | have it all driven on tokio | `engine::Engine` (feature `engine`) |
//! | plug in a target, a database, a source | [`port`] |
//! | know why a plan says no, and what can fail | [`reason::ReasonCode`], [`failure::FailureCode`] |
//!
//! ```
//! use std::sync::Arc;
//! use deploy_core::command::{Command, Input, StopMode};
//! use deploy_core::deployment::Deployment;
//! use deploy_core::id::{DeploymentId, ResourceId};
//! use deploy_core::spec::{Actor, Spec};
//! use deploy_core::time::Timestamp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let by = Actor("anna".into());
//! let spec = Spec::directory("web".parse()?, "static".parse()?, "/srv/web", by.clone());
//! let id: DeploymentId = "dep_01890a5d96e07b3c9b7c000000000001".parse()?;
//! let resource: ResourceId = "res_01890a5d96e07b3c9b7c000000000002".parse()?;
//! let accepted = Deployment::accept(id, resource, Arc::new(spec), Timestamp::EPOCH);
//!
//! let queued = Deployment::replay([&accepted])?;
//! assert_eq!(queued.effects().len(), 1); // it wants to claim its resource
//!
//! let stop = Command::Stop { mode: StopMode::AfterStep, undo: false };
//! let events = queued.decide(&Input::Command { command: stop, by, at: Timestamp::EPOCH })?;
//! let stopped = events.iter().try_fold(queued, Deployment::evolve)?;
//! assert_eq!(stopped.status().status.as_str(), "stopped");
//! # Ok(())
//! # }
//! ```

pub mod cancel;
#[doc = include_str!("../docs/codes.md")]
pub mod codes {}
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
pub mod path;
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
