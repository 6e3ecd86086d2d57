//! The routes, each with the access it needs, in one table.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{MethodRouter, get, post};
use deploy_core::cancel::Cancel;
use deploy_core::engine::{Engine, SystemClock};
use deploy_core::port::Clock;
use serde_json::json;

use crate::problem::Problem;
use crate::{access, deployments, resources, stream};

/// The largest body a request may have: 256 KiB.
const BODY_BYTES: usize = 256 * 1024;

/// What a route needs, and what a listener gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Looking.
    Read,
    /// Changing something.
    Deploy,
}

/// What handlers share.
#[derive(Clone)]
pub struct Api {
    /// The engine.
    pub engine: Engine,
    /// Set when streams must end, so that they don't hold up a shutdown.
    pub closing: Cancel,
    /// The longest a poll may wait.
    pub wait_max: Duration,
}

impl Api {
    /// An API over an engine, with the default bounds.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine, closing: Cancel::new(), wait_max: Duration::from_secs(60) }
    }
}

/// Every route with what it needs. A route that is not here does not exist.
fn routes() -> Vec<(&'static str, Access, MethodRouter<Api>)> {
    use Access::{Deploy, Read};
    vec![
        ("/health", Read, get(health)),
        ("/health/ready", Read, get(ready)),
        ("/api/plans", Read, post(deployments::preview)),
        ("/api/deployments", Read, get(deployments::list)),
        ("/api/deployments", Deploy, post(deployments::submit)),
        ("/api/deployments/{id}", Read, get(deployments::show)),
        ("/api/deployments/{id}/events", Read, get(stream::events)),
        ("/api/deployments/{id}/logs", Read, get(stream::logs)),
        ("/api/deployments/{id}/pause", Deploy, post(deployments::pause)),
        ("/api/deployments/{id}/resume", Deploy, post(deployments::resume)),
        ("/api/deployments/{id}/stop", Deploy, post(deployments::stop)),
        ("/api/deployments/{id}/retry", Deploy, post(deployments::retry)),
        ("/api/deployments/{id}/recheck", Deploy, post(deployments::recheck)),
        ("/api/resources/{id}/releases", Read, get(resources::releases)),
        ("/api/resources/{id}/rollback", Deploy, post(resources::rollback)),
    ]
}

/// The router for a listener that gives that much access.
pub fn router(api: Api, gives: Access) -> Router {
    let mut router = Router::new();
    for (path, needs, handler) in routes() {
        // What a listener does not give is not routed there at all: denied by default.
        router =
            if needs <= gives { router.route(path, handler) } else { router.route(path, refused(handler)) };
    }
    router
        .fallback(not_found)
        .layer(axum::middleware::from_fn(access::known_host))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(api)
}

/// The same methods, each answered with why not.
fn refused(handler: MethodRouter<Api>) -> MethodRouter<Api> {
    handler.layer(axum::middleware::from_fn(access::refuse))
}

async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is no such route",
        "see the README for the routes",
    )
}

async fn health() -> Response {
    Json(json!({ "status": "ok", "timestamp": SystemClock.now() })).into_response()
}

/// Ready when the store answers.
async fn ready(axum::extract::State(api): axum::extract::State<Api>) -> Result<Response, Problem> {
    let query = deploy_core::port::ListQuery { limit: 1, ..Default::default() };
    api.engine.list(&query).await?;
    Ok(Json(json!({ "status": "ready", "running": api.engine.running() })).into_response())
}
