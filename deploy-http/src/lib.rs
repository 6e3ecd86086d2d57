//! The engine over HTTP: an axum router and the types it speaks. No decision is made here: a handler
//! parses, calls the engine, and shows what it said.

mod access;
mod deployments;
mod listen;
mod problem;
mod requests;
mod resources;
mod router;
mod stream;

pub use listen::{Listening, Serving, serve_tcp, serve_unix};
pub use problem::Problem;
pub use requests::{DeployRequest, PlanRequest, RollbackRequest, StopRequest, Submission};
pub use router::{Access, Api, router};
