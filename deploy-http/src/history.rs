//! Looking back over all runs: figures, and a search through logs.

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use deploy_core::history::{HistoryQuery, RUNS};
use deploy_core::id::{DeploymentId, Name};
use deploy_core::log::LogSearch;
use deploy_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::Api;
use crate::extract::QueryOf;
use crate::problem::Problem;

/// Characters of a text that is looked for.
const TEXT: usize = 256;
/// Lines that a search finds at most, and unless it says otherwise.
const LINES: usize = 1_000;
const LINES_UNASKED: usize = 200;

/// `GET /api/stats`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatsParameters {
    /// Only this resource.
    pub(crate) resource: Option<Name>,
    /// Only this environment.
    pub(crate) environment: Option<Name>,
    /// Only runs accepted at this time or later.
    pub(crate) since: Option<Timestamp>,
    /// Only runs accepted before this time.
    pub(crate) until: Option<Timestamp>,
}

impl StatsParameters {
    pub(crate) fn query(&self) -> HistoryQuery {
        HistoryQuery {
            resource: self.resource.as_ref().map(ToString::to_string),
            environment: self.environment.as_ref().map(ToString::to_string),
            since: self.since,
            until: self.until,
            limit: RUNS,
        }
    }
}

pub(crate) async fn stats(
    State(api): State<Api>,
    QueryOf(asked): QueryOf<StatsParameters>,
) -> Result<Response, Problem> {
    Ok(Json(api.engine().stats(&asked.query()).await?).into_response())
}

/// `GET /api/logs`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchParameters {
    /// What a line must hold; upper and lower case are alike.
    #[schemars(length(min = 1, max = 256))]
    search: String,
    /// Only in the log of this deployment.
    deployment: Option<DeploymentId>,
    /// Only in logs of this resource.
    resource: Option<Name>,
    /// Only in logs of this environment.
    environment: Option<Name>,
    /// At most this many lines; 200 when absent.
    #[schemars(range(min = 1, max = 1_000))]
    limit: Option<usize>,
}

pub(crate) async fn search(
    State(api): State<Api>,
    QueryOf(asked): QueryOf<SearchParameters>,
) -> Result<Response, Problem> {
    let limit = asked.limit.unwrap_or(LINES_UNASKED);
    if !(1..=LINES).contains(&limit) {
        return Err(Problem::bad_request("the limit is not a number from 1 to 1000"));
    }
    let search = LogSearch {
        text: searched(asked.search)?,
        deployment: asked.deployment,
        resource: asked.resource.map(|name| name.to_string()),
        environment: asked.environment.map(|name| name.to_string()),
        limit,
    };
    Ok(Json(api.engine().search_logs(&search).await?).into_response())
}

/// A text that may be looked for.
pub(crate) fn searched(text: String) -> Result<String, Problem> {
    if (1..=TEXT).contains(&text.chars().count()) {
        return Ok(text);
    }
    Err(Problem::bad_request("what is searched for is not a text of 1 to 256 characters"))
}
