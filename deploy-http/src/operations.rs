//! What those ask who run it: health, readiness, metrics, the description of the API.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use deploy_core::engine::SystemClock;
use deploy_core::port::{Clock, ListQuery};
use deploy_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::openapi;
use crate::problem::Problem;

/// The answer of `/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Always `ok`: who can't say so does not answer.
    pub status: String,
    /// Now.
    pub timestamp: Timestamp,
}

/// The answer of `/health/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ready {
    /// Always `ready`: otherwise the answer is a problem.
    pub status: String,
    /// Deployments that are being driven.
    pub running: usize,
}

pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned(), timestamp: SystemClock.now() })
}

/// Ready while the store answers and nobody has asked the control plane to end.
pub(crate) async fn ready(State(api): State<Api>) -> Result<Json<Ready>, Problem> {
    if api.closing().is_cancelled() {
        let title = "the control plane is ending";
        return Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", title, 1));
    }
    api.engine().list(&ListQuery { limit: 1, ..ListQuery::default() }).await?;
    Ok(Json(Ready { status: "ready".to_owned(), running: api.engine().running() }))
}

pub(crate) async fn metrics(State(api): State<Api>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], api.metrics().text()).into_response()
}

pub(crate) async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::document()).into_response()
}
