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
//! # What do I need?
//!
//! | you want to | look at |
//! |---|---|
//! | decide and fold yourself | [`deployment::Deployment`] |
//! | drive one deployment with I/O of your own | [`driver::Driver`] |
//! | have it all driven on tokio | `engine::Engine` (feature `engine`) |
//! | know why a plan says no, and what can fail | [`codes`], [`reason::ReasonCode`], [`failure::FailureCode`] |
//! | describe what is stored or sent to other programs | `schema::DOCUMENTS`: JSON Schemas of every public type (feature `schema`) |
//! | test what you plug in, or decisions built on these | `testkit` (feature `testkit`) |
//!
//! # Which port do I implement?
//!
//! | you have | implement | and prove it with |
//! |---|---|---|
//! | somewhere that runs things | [`port::Executor`]: five methods | `testkit`'s contract of executors |
//! | a database of your own | [`port::Journal`], [`port::Lease`], [`port::Catalogue`], [`port::Logs`] | its contract of stores |
//! | sources that are neither directories, archives, images nor git | [`port::Sources`] | |
//! | projects that the catalogue doesn't know | [`port::Detector`]; [`detect::AnyProject`] where your target looks for itself | |
//! | rules of your own about who may deploy when | [`port::Admission`]; [`admission`] has rules to build on | |
//! | a runbook, or a model that explains failures | [`port::Explainer`] | |
//!
//! # What survives kill -9?
//!
//! Everything that was acknowledged. An input becomes events, the events are durable before anything is shown or
//! started, and an effect is started only after the event that says so. After a crash the history is folded again:
//!
//! | it was killed while | then |
//! |---|---|
//! | a submission was being written | it is there whole, or not at all; the same idempotency key finds it |
//! | waiting, detecting or planning | that is done again: it only reads |
//! | a step ran | its outcome is *in doubt*: the executor reads the world back ([`port::Executor::probe`]), and the step counts as done, is started again under the same key, or waits for a person's word |
//! | a check ran, or had passed under the old owner | it is done again: a check says something about now only |
//! | traffic was being switched | the route is read back; it is completed or taken back, never half |
//! | taking back | taking back goes on; it may be repeated |
//! | paused, or asked to stop | it is still paused, or stops |
//!
//! The old owner, should it wake up, holds a lower fence: the journal refuses its events and the target its effects.
//!
//! # A program
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

pub mod acceptance;
pub mod admission;
pub mod asked;
pub mod auto_rollback;
pub mod browser;
pub mod cancel;
#[doc = include_str!("../docs/codes.md")]
pub mod codes {}
pub mod command;
pub mod compare;
pub mod control;
pub mod deployment;
pub mod detect;
pub mod diagnosis;
pub mod driver;
pub mod effect;
#[cfg(feature = "engine")]
pub mod engine;
pub mod event;
pub mod evidence;
pub mod failure;
pub mod health;
pub mod hint;
pub mod history;
pub mod id;
pub mod lifecycle;
pub mod lines;
pub mod log;
pub mod path;
pub mod plan;
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
pub mod planted;
#[cfg(not(feature = "planted-bugs"))]
mod planted;
pub mod port;
pub mod project;
mod projection;
pub mod queue;
pub mod reason;
mod recovery;
pub mod redact;
pub mod reject;
pub mod runtime_log;
#[cfg(feature = "schema")]
pub mod schema;
pub mod secret_hash;
pub mod size;
pub mod source;
pub mod spec;
pub mod status;
pub mod step_log;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod time;
pub mod wire;

#[cfg(test)]
mod model_test;
