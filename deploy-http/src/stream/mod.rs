//! Events and log lines as server-sent events or NDJSON: replay from any number, then follow live. What a live
//! release writes is no part of the journal: it is read from the target for each who asks.

mod feed;
mod follower;
mod form;
mod line;
mod record;
mod runtime;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use deploy_core::id::{DeploymentId, Seq, StepId};
use deploy_core::log::{LogLevel, LogSource};
use futures_util::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::Api;
use crate::extract::{PathOf, QueryOf};
use crate::history::searched;
use crate::problem::Problem;
use follower::{Follower, Order};
use form::Form;
use record::Filter;

pub(crate) use feed::Feeds;
pub(crate) use follower::HEARTBEAT;
pub(crate) use line::Line;
pub(crate) use record::What;

/// `GET /api/deployments/{id}/events`
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventParameters {
    /// Only events after this number. `Last-Event-ID` wins over it.
    #[serde(default)]
    after: u64,
    /// Whether the stream goes on until the deployment ends. Server-sent events always do.
    #[serde(default)]
    follow: bool,
}

/// `GET /api/deployments/{id}/logs`
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogParameters {
    /// Only lines after this number. `Last-Event-ID` wins over it.
    #[serde(default)]
    after: u64,
    /// Whether the stream goes on until the deployment ends. Server-sent events always do.
    #[serde(default)]
    follow: bool,
    /// Only lines of this step.
    step: Option<StepId>,
    /// Only lines from this source. `runtime` of a deployment whose release serves now is what that writes,
    /// read from its target: the numbers are then microseconds since 1970, and the stream goes on while it serves.
    source: Option<LogSource>,
    /// Only lines at least this grave.
    level: Option<LogLevel>,
    /// Only lines that hold this text; upper and lower case are alike.
    #[schemars(length(min = 1, max = 256))]
    search: Option<String>,
}

pub(crate) async fn events(
    State(api): State<Api>,
    PathOf(id): PathOf<DeploymentId>,
    headers: HeaderMap,
    QueryOf(asked): QueryOf<EventParameters>,
) -> Result<Response, Problem> {
    let EventParameters { after, follow } = asked;
    open(&api, id, What::Events, &headers, (after, follow), Filter::default()).await
}

pub(crate) async fn logs(
    State(api): State<Api>,
    PathOf(id): PathOf<DeploymentId>,
    headers: HeaderMap,
    QueryOf(asked): QueryOf<LogParameters>,
) -> Result<Response, Problem> {
    let LogParameters { after, follow, step, source, level, search } = asked;
    let search = search.map(searched).transpose()?;
    // A search is for lines that were kept.
    if source == Some(LogSource::Runtime) && step.is_none() && search.is_none() {
        let form = Form::asked(&headers);
        let after = Seq(last_event_id(&headers)?.unwrap_or(after));
        let follow = follow || form == Form::Sse;
        if let Some(tail) = api.engine().runtime_log(id, after, follow).await? {
            return runtime::open(&api, tail, form, level);
        }
    }
    open(&api, id, What::Logs, &headers, (after, follow), Filter { step, source, level, search }).await
}

async fn open(
    api: &Api,
    id: DeploymentId,
    what: What,
    headers: &HeaderMap,
    (after, follow): (u64, bool),
    filter: Filter,
) -> Result<Response, Problem> {
    // An unknown deployment is a 404, not an empty stream.
    let status = api.engine().status(id).await?;
    let form = Form::asked(headers);
    let resumed = last_event_id(headers)?;
    let after = Seq(resumed.unwrap_or(after));
    if form == Form::Sse
        && resumed.is_some()
        && status.status.is_ended()
        && !more(api, id, what, after).await?
    {
        // The one answer after which an EventSource does not come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = place(api.followers())?;
    let follow = follow || form == Form::Sse;
    let order = Order { id, what, form, filter, follow, after };
    let follower = Follower::new(api.clone(), order, place);
    let body = Body::from_stream(stream::unfold(follower, |mut follower| async move {
        let chunk = follower.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(chunk), follower))
    }));
    Ok(answer(form, body))
}

/// A place among those who follow.
pub(crate) fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(places).try_acquire_owned().map_err(|_| {
        let title = "as many clients follow as may";
        Problem::later(StatusCode::SERVICE_UNAVAILABLE, "too_many_followers", title, 5)
    })
}

/// Nothing between here and the client may hold a stream back or keep it.
fn answer(form: Form, body: Body) -> Response {
    let fields = [
        (header::CONTENT_TYPE.as_str(), form.content_type()),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        ("x-accel-buffering", "no"),
    ];
    (fields, body).into_response()
}

async fn more(api: &Api, id: DeploymentId, what: What, after: Seq) -> Result<bool, Problem> {
    Ok(!record::page(api.engine(), id, what, after, 1).await?.is_empty())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let number = id.to_str().ok().and_then(|id| id.parse().ok());
    number.map(Some).ok_or_else(|| Problem::bad_request("Last-Event-ID is not a number that was sent"))
}
