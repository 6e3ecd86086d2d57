//! Deployments: preview, submit, look, control.

use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use deploy_core::command::{Command, StopMode};
use deploy_core::engine;
use deploy_core::id::{DeploymentId, Seq};
use deploy_core::port::ListQuery;
use deploy_core::spec::Approval;
use deploy_core::status::Status;
use deploy_core::time::Span;
use serde::Deserialize;

use crate::access::{OverUnixSocket, actor};
use crate::problem::Problem;
use crate::requests::{DeployRequest, PlanRequest, StopRequest, Submission};
use crate::router::Api;

pub(crate) type Socket = Option<Extension<OverUnixSocket>>;

/// Reads a JSON body; an empty one is the default where the route allows it.
pub(crate) fn body<T: for<'de> Deserialize<'de>>(bytes: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request(format!("the body is not as it should be: {error}")))
}

pub(crate) fn body_or_default<T: for<'de> Deserialize<'de> + Default>(bytes: &Bytes) -> Result<T, Problem> {
    if bytes.is_empty() { Ok(T::default()) } else { body(bytes) }
}

pub(crate) fn deployment_id(text: &str) -> Result<DeploymentId, Problem> {
    text.parse().map_err(|error: deploy_core::id::InvalidId| Problem::bad_request(error.to_string()))
}

pub(crate) async fn preview(
    State(api): State<Api>,
    headers: HeaderMap,
    socket: Socket,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let request: PlanRequest = body(&bytes)?;
    let spec = request.into_spec(actor(&headers, socket.is_some()), Approval::Automatic);
    Ok(Json(api.engine.preview(&spec).await?).into_response())
}

pub(crate) async fn submit(
    State(api): State<Api>,
    headers: HeaderMap,
    socket: Socket,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let request: DeployRequest = body(&bytes)?;
    let approval =
        request.plan_fingerprint.map_or(Approval::Automatic, |fingerprint| Approval::Exactly { fingerprint });
    let spec = request.plan.into_spec(actor(&headers, socket.is_some()), approval);
    accept(
        &api,
        engine::Submission { spec, idempotency_key: idempotency_key(&headers)?, busy: request.when_busy },
    )
    .await
}

/// Submits and answers 202 with where to look.
pub(crate) async fn accept(api: &Api, submission: engine::Submission) -> Result<Response, Problem> {
    let submitted = api.engine.submit(submission).await?;
    let location = format!("/api/deployments/{}", submitted.id);
    let body = Json(Submission { id: submitted.id, known: submitted.known });
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], body).into_response())
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    let wrong = || Problem::bad_request("the idempotency key is not 1 to 255 printable characters");
    key.map(|key| Some(key.to_owned())).ok_or_else(wrong)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    resource: Option<String>,
    environment: Option<String>,
    status: Option<String>,
    cursor: Option<DeploymentId>,
    limit: Option<usize>,
}

pub(crate) async fn list(
    State(api): State<Api>,
    parameters: Result<Query<ListParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parameters) = parameters.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = parameters.limit.unwrap_or(50).clamp(1, 200);
    let query = ListQuery {
        resource: parameters.resource,
        environment: parameters.environment,
        status: parameters.status,
        before: parameters.cursor,
        limit,
    };
    let page = api.engine.list(&query).await?;
    let next = page.last().filter(|_| page.len() == limit).map(|last| link(&query, last.id));
    let mut response = Json(page).into_response();
    if let Some(link) = next.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Names and statuses that are not plain words are left out: they can't match anything anyway.
fn link(query: &ListQuery, last: DeploymentId) -> String {
    let plain = |text: &&String| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let filters =
        [("resource", &query.resource), ("environment", &query.environment), ("status", &query.status)];
    let mut url = format!("/api/deployments?limit={}&cursor={last}", query.limit);
    for (name, value) in filters {
        if let Some(value) = value.as_ref().filter(plain) {
            url.push_str(&format!("&{name}={value}"));
        }
    }
    format!("<{url}>; rel=\"next\"")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowParameters {
    wait: Option<Span>,
    after: Option<u64>,
}

/// The status with a strong `ETag`: the number of the last event. `?wait=` answers as soon as there
/// is something newer than `If-None-Match` or `?after=` says, or when the wait is over.
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    parameters: Result<Query<ShowParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parameters) = parameters.map_err(|error| Problem::bad_request(error.body_text()))?;
    let id = deployment_id(&id)?;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).and_then(sequence_of);
    let after = parameters.after.map(Seq).or(known);
    let status = match (parameters.wait, after) {
        (Some(wait), Some(after)) => {
            let wait = wait.as_duration().min(api.wait_max);
            tokio::select! {
                status = api.engine.changed(id, after, wait) => status?,
                () = api.closing.cancelled() => api.engine.status(id).await?,
            }
        }
        (Some(_), None) | (None, _) => api.engine.status(id).await?,
    };
    Ok(tagged(&status, known))
}

fn sequence_of(tag: &str) -> Option<Seq> {
    tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok().map(Seq)
}

fn tagged(status: &Status, known: Option<Seq>) -> Response {
    let tag =
        [(header::ETAG, format!("\"{}\"", status.sequence)), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if known == Some(status.sequence) {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (tag, Json(status)).into_response()
}

pub(crate) async fn pause(
    state: State<Api>,
    path: Path<String>,
    headers: HeaderMap,
    socket: Socket,
) -> Result<Response, Problem> {
    command(state, path, &headers, socket, Command::Pause).await
}

pub(crate) async fn resume(
    state: State<Api>,
    path: Path<String>,
    headers: HeaderMap,
    socket: Socket,
) -> Result<Response, Problem> {
    command(state, path, &headers, socket, Command::Resume).await
}

pub(crate) async fn recheck(
    state: State<Api>,
    path: Path<String>,
    headers: HeaderMap,
    socket: Socket,
) -> Result<Response, Problem> {
    command(state, path, &headers, socket, Command::Recheck).await
}

pub(crate) async fn stop(
    state: State<Api>,
    path: Path<String>,
    headers: HeaderMap,
    socket: Socket,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let request: StopRequest = body_or_default(&bytes)?;
    let mode = if request.now { StopMode::Now } else { StopMode::AfterStep };
    command(state, path, &headers, socket, Command::Stop { mode, undo: request.undo }).await
}

async fn command(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: &HeaderMap,
    socket: Socket,
    command: Command,
) -> Result<Response, Problem> {
    let id = deployment_id(&id)?;
    let answer = api.engine.send(id, command, actor(headers, socket.is_some())).await;
    let status = answer.map_err(|error| Problem::about(id, error))?;
    Ok(tagged(&status, None))
}

/// A new attempt at what a deployment was asked to do.
pub(crate) async fn retry(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    socket: Socket,
) -> Result<Response, Problem> {
    let id = deployment_id(&id)?;
    let actor = actor(&headers, socket.is_some());
    let submission = api.engine.again(id, actor).await.map_err(|error| Problem::about(id, error))?;
    accept(&api, engine::Submission { idempotency_key: idempotency_key(&headers)?, ..submission }).await
}

/// How long a stream sleeps when nothing new came before it says so.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);
