//! The data plane: content-addressed static releases, the fenced route table, and the server and reverse proxy in
//! front of both.
//!
//! - [`publish::publish`] turns a directory into an immutable release named by the digest of its content.
//! - [`serve`] (or [`Edge::start`], to embed it) answers public requests by host from the releases the route table
//!   names, from their files or through the process they run as, and control requests on a unix socket.
//! - [`EdgeClient`] is the other end of that socket: load a candidate, probe it, switch to it, pause a route, wait
//!   until the release it had before is drained.
//!
//! What this crate never does: decide what should be live, talk to anything but its two sockets, its two directories
//! and the upstreams of its routes and candidates, or open a file that the live release does not list.

mod beneath;
mod bind;
pub mod client;
mod content;
pub mod control;
pub mod digest;
mod durable;
mod edge;
pub mod host;
mod instance;
mod lifecycle;
mod limits;
pub mod manifest;
mod plane;
mod proxy;
pub mod publish;
pub mod release;
pub mod routes;
mod server;
mod site;
mod stats;
mod visit;
mod web;

pub use client::{EdgeClient, EdgeError, ProbeResponse, candidate_host};
pub use control::api::{CandidateOptions, Counters, DrainStatus, Problem, Status};
pub use digest::Digest;
pub use edge::{Config, Edge, Listen, RunningEdge, ServeError, serve};
pub use host::normalize_host;
pub use instance::control_socket;
pub use limits::Limits;
pub use manifest::Manifest;
pub use plane::SwitchError;
pub use publish::{PublishError, PublishRequest, Published, publish, sweep_staging};
pub use release::{Depth, ReleaseError, remove_release, verify_release};
pub use routes::{Expect, Pause, PauseChange, Protocol, Refused, Route, RouteChange, Switched, Upstream};

pub use ipnet::IpNet;
