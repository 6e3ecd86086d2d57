//! The engine over HTTP: an axum router that others can mount, and the listeners of `deploy serve`. No
//! decision is made here: a handler parses, calls the engine, and shows what it said.
//!
//! | you want | take |
//! |---|---|
//! | the API in a server of your own | [`router`] over an [`Api`], with the [`Door`] it stands behind |
//! | the API on a unix socket or a TCP address | [`serve_unix`], [`serve_tcp`] |
//! | metrics, and polls that ask the store nothing | [`Instruments::observe`] around the engine's store |
//! | access from outside | [`Tokens`] for where tokens are kept, [`mint`] to make one |
//!
//! `tracing` targets: `deploy_http::access` says at `info` who was refused and why, never a token;
//! `deploy_http::listen` says at `warn` what is wrong with a listener. Nothing is logged per request.

mod access;
mod api;
mod deployments;
mod etag;
mod extract;
mod history;
mod listen;
mod metrics;
mod openapi;
mod operation;
mod operations;
mod page;
mod problem;
mod requests;
mod resources;
mod router;
mod routes;
mod screenshot;
mod stream;
mod tokens;
mod uploads;

pub use access::{Door, Minted, PublicBind, Scope, TokenId, TokenRecord, Tokens, mint};
pub use api::{Api, Limits, Parts};
pub use listen::{Serving, serve_tcp, serve_unix};
pub use metrics::{EdgeCounters, Instruments, Observed};
pub use operations::{Health, Ready};
pub use problem::Problem;
pub use requests::{DeployRequest, PlanRequest, RollbackRequest, StopRequest, Submission};
pub use router::router;
pub use routes::authorisation;
pub use tokens::TokenView;
pub use uploads::Uploaded;
