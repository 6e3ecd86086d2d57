//! Deployments: preview, submit, look, control.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use deploy_core::command::{Command, StopMode};
use deploy_core::engine;
use deploy_core::id::{DeploymentId, Name, Seq};
use deploy_core::port::ListQuery;
use deploy_core::spec::{Approval, Trigger};
use deploy_core::status::StatusName;
use deploy_core::time::{Span, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::Caller;
use crate::api::Api;
use crate::etag::Known;
use crate::extract::{BodyOf, BodyOrDefault, PathOf, QueryOf};
use crate::metrics::Written;
use crate::problem::Problem;
use crate::requests::{DeployRequest, PlanRequest, StopRequest, Submission};

pub(crate) async fn preview(
    State(api): State<Api>,
    caller: Caller,
    BodyOf(request): BodyOf<PlanRequest>,
) -> Result<Response, Problem> {
    let spec = request.into_spec(caller.actor(), Approval::Automatic);
    Ok(Json(api.engine().preview(&spec).await?).into_response())
}

pub(crate) async fn submit(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    BodyOf(request): BodyOf<DeployRequest>,
) -> Result<Response, Problem> {
    let approval =
        request.plan_fingerprint.map_or(Approval::Automatic, |fingerprint| Approval::Exactly { fingerprint });
    let spec = request.plan.into_spec(caller.actor(), approval);
    let idempotency_key = idempotency_key(&headers)?;
    accept(&api, engine::Submission { spec, idempotency_key, busy: request.when_busy }).await
}

/// Submits and answers 202 with where to look.
pub(crate) async fn accept(api: &Api, submission: engine::Submission) -> Result<Response, Problem> {
    let submitted = api.engine().submit(submission).await?;
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

/// `GET /api/deployments`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    /// Only this resource.
    resource: Option<Name>,
    /// Only this environment.
    environment: Option<Name>,
    /// Only this status.
    status: Option<StatusName>,
    /// Only with this trigger: create, redeploy, retry or rollback.
    trigger: Option<String>,
    /// Only asked for by this user or token.
    actor: Option<String>,
    /// Only accepted at this time or later.
    since: Option<Timestamp>,
    /// Only accepted before this time.
    until: Option<Timestamp>,
    /// Only older than this deployment.
    cursor: Option<DeploymentId>,
    /// At most this many; 50 when absent.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

pub(crate) async fn list(
    State(api): State<Api>,
    QueryOf(asked): QueryOf<ListParameters>,
) -> Result<Response, Problem> {
    let limit = asked.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::bad_request("the limit is not a number from 1 to 200"));
    }
    if asked.trigger.as_deref().is_some_and(|trigger| !Trigger::WORDS.contains(&trigger)) {
        return Err(Problem::bad_request("the trigger is not create, redeploy, retry or rollback"));
    }
    let query = ListQuery {
        resource: asked.resource.map(|name| name.to_string()),
        environment: asked.environment.map(|name| name.to_string()),
        status: asked.status.map(|status| status.as_str().to_owned()),
        trigger: asked.trigger,
        actor: asked.actor,
        since: asked.since,
        until: asked.until,
        before: asked.cursor,
        limit,
    };
    let page = api.engine().list(&query).await?;
    let next = page.last().filter(|_| page.len() == limit).map(|last| link(&query, last.id));
    let mut response = Json(page).into_response();
    if let Some(link) = next.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The next page.
fn link(query: &ListQuery, last: DeploymentId) -> String {
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let filters = [
        ("resource", query.resource.clone()),
        ("environment", query.environment.clone()),
        ("status", query.status.clone()),
        ("trigger", query.trigger.clone()),
        ("actor", query.actor.clone()),
        ("since", text(query.since)),
        ("until", text(query.until)),
    ];
    let mut url = format!("/api/deployments?limit={}&cursor={last}", query.limit);
    for (name, value) in filters {
        if let Some(value) = value {
            url.push_str(&format!("&{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
        }
    }
    format!("<{url}>; rel=\"next\"")
}

/// `GET /api/deployments/{id}`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowParameters {
    /// How long to wait for something newer than `If-None-Match` or `after` says, for example `30s`.
    wait: Option<Span>,
    /// The number of the last event that is known.
    after: Option<u64>,
}

/// The status with a strong `ETag`: the number of the last event. `?wait=` answers as soon as there
/// is something newer than `If-None-Match` or `?after=` says, or when the wait is over.
pub(crate) async fn show(
    State(api): State<Api>,
    PathOf(id): PathOf<DeploymentId>,
    known: Known,
    QueryOf(asked): QueryOf<ShowParameters>,
) -> Result<Response, Problem> {
    let after = asked.after.map(Seq).or_else(|| known.newest());
    if let (Some(wait), Some(after)) = (asked.wait, after) {
        // On the heap: most polls don't wait, and need not carry what waiting needs.
        Box::pin(news(&api, id, after, wait)).await?;
    }
    let written = match api.metrics().statuses().get(id) {
        Some(written) => written,
        None => Written::new(api.engine().status(id).await?),
    };
    Ok(tagged(written, &known))
}

/// Waits until there is something newer, or the wait is over, or the control plane ends.
async fn news(api: &Api, id: DeploymentId, after: Seq, wait: Span) -> Result<(), Problem> {
    let wait = wait.as_duration().min(api.limits().wait_max);
    tokio::select! {
        status = api.engine().changed(id, after, wait) => { status?; }
        () = api.closing().cancelled() => {}
    }
    Ok(())
}

fn tagged(written: Written, known: &Known) -> Response {
    let Written { sequence, tag, json, .. } = written;
    let fields = [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    if known.holds(sequence) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (fields, kind, json).into_response()
}

/// `GET /api/deployments/{a}/compare/{b}`
pub(crate) async fn compare(
    State(api): State<Api>,
    Path((a, b)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(Json(api.engine().compare(a.parse()?, b.parse()?).await?).into_response())
}

pub(crate) async fn pause(
    state: State<Api>,
    path: PathOf<DeploymentId>,
    caller: Caller,
) -> Result<Response, Problem> {
    command(state, path, &caller, Command::Pause).await
}

pub(crate) async fn resume(
    state: State<Api>,
    path: PathOf<DeploymentId>,
    caller: Caller,
) -> Result<Response, Problem> {
    command(state, path, &caller, Command::Resume).await
}

pub(crate) async fn recheck(
    state: State<Api>,
    path: PathOf<DeploymentId>,
    caller: Caller,
) -> Result<Response, Problem> {
    command(state, path, &caller, Command::Recheck).await
}

pub(crate) async fn stop(
    state: State<Api>,
    path: PathOf<DeploymentId>,
    caller: Caller,
    BodyOrDefault(request): BodyOrDefault<StopRequest>,
) -> Result<Response, Problem> {
    let mode = if request.now { StopMode::Now } else { StopMode::AfterStep };
    command(state, path, &caller, Command::Stop { mode, undo: request.undo }).await
}

async fn command(
    State(api): State<Api>,
    PathOf(id): PathOf<DeploymentId>,
    caller: &Caller,
    command: Command,
) -> Result<Response, Problem> {
    match api.engine().send(id, command, caller.actor()).await {
        Ok(status) => Ok(tagged(Written::new(status), &Known::default())),
        Err(error) => Err(Problem::about(api.engine(), id, error).await),
    }
}

/// Where in the line a deployment is; `null` when it does not wait.
pub(crate) async fn queue(
    State(api): State<Api>,
    PathOf(id): PathOf<DeploymentId>,
) -> Result<Response, Problem> {
    Ok(Json(api.engine().place(id).await?).into_response())
}

/// Ends a deployment whose record is damaged.
pub(crate) async fn abandon(
    State(api): State<Api>,
    PathOf(id): PathOf<DeploymentId>,
    caller: Caller,
) -> Result<Response, Problem> {
    match api.engine().abandon(id, &caller.actor()).await {
        Ok(status) => Ok(tagged(Written::new(status), &Known::default())),
        Err(error) => Err(Problem::about(api.engine(), id, error).await),
    }
}

/// What a deployment was asked to deploy, once more.
pub(crate) async fn redeploy(
    State(api): State<Api>,
    PathOf(id): PathOf<DeploymentId>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    match api.engine().redeploy(id, caller.actor()).await {
        Ok(submission) => accept(&api, engine::Submission { idempotency_key, ..submission }).await,
        Err(error) => Err(Problem::about(api.engine(), id, error).await),
    }
}

/// A new attempt at what a deployment was asked to do.
pub(crate) async fn retry(
    State(api): State<Api>,
    PathOf(id): PathOf<DeploymentId>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    match api.engine().again(id, caller.actor()).await {
        Ok(submission) => accept(&api, engine::Submission { idempotency_key, ..submission }).await,
        Err(error) => Err(Problem::about(api.engine(), id, error).await),
    }
}
