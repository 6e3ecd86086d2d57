//! Resources: their releases, and going back to one. `{id}` is a resource id, or its name as
//! `web` or `web@staging`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use deploy_core::engine;
use deploy_core::id::{ResourceId, ResourceKey, Version};
use deploy_core::port::{ReleaseRecord, ReleaseState};
use deploy_core::spec::{Approval, Source, Spec, Trigger, default_workspace};

use crate::access::Caller;
use crate::api::Api;
use crate::deployments::{accept, idempotency_key};
use crate::extract::{BodyOrDefault, PathOf};
use crate::problem::Problem;
use crate::requests::RollbackRequest;

pub(crate) async fn resource(api: &Api, text: &str) -> Result<ResourceKey, Problem> {
    match text.parse::<ResourceId>() {
        Ok(id) => Ok(api.engine().resource_by_id(id).await?.key),
        Err(_) => {
            text.parse().map_err(|error: deploy_core::id::InvalidId| Problem::bad_request(error.to_string()))
        }
    }
}

/// What the policies say about deploying a resource now.
pub(crate) async fn admission(
    State(api): State<Api>,
    PathOf(id): PathOf<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    let resource = resource(&api, &id).await?;
    // Neither target nor source count for it.
    let target = resource.resource.clone();
    let spec = Spec::directory(resource, target, "/", caller.actor());
    Ok(Json(api.engine().admission(&spec).await?).into_response())
}

pub(crate) async fn releases(
    State(api): State<Api>,
    PathOf(id): PathOf<String>,
) -> Result<Response, Problem> {
    let resource = resource(&api, &id).await?;
    Ok(Json(api.engine().releases(&resource).await?).into_response())
}

pub(crate) async fn rollback(
    State(api): State<Api>,
    PathOf(id): PathOf<String>,
    caller: Caller,
    headers: HeaderMap,
    BodyOrDefault(request): BodyOrDefault<RollbackRequest>,
) -> Result<Response, Problem> {
    let resource = resource(&api, &id).await?;
    let spec = rollback_spec(&api, resource, request.to, &caller).await?;
    let idempotency_key = idempotency_key(&headers)?;
    accept(&api, engine::Submission { spec, idempotency_key, busy: request.when_busy }).await
}

/// What going back asks for: to the release that is named, else to the one before the live one.
pub(crate) async fn rollback_spec(
    api: &Api,
    resource: ResourceKey,
    to: Option<Version>,
    caller: &Caller,
) -> Result<Spec, Problem> {
    let releases = api.engine().releases(&resource).await?;
    let Some(version) = to.or_else(|| before_the_live_one(&releases)) else {
        return Err(nothing_before(&resource, &releases));
    };
    let target = releases.iter().find(|release| release.version == version).or_else(|| releases.first());
    let Some(target) = target.map(|release| release.outline.target.clone()) else {
        let (title, hint) = (format!("{resource} was never deployed"), "`deploy list` shows what there is");
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", title, hint));
    };
    Ok(Spec {
        resource,
        target,
        source: Source::Release { version },
        profile: Default::default(),
        trigger: Trigger::Rollback,
        actor: caller.actor(),
        approval: Approval::Automatic,
        workspace: default_workspace(),
    })
}

/// Says so; one that is newer than what is live must be named.
fn nothing_before(resource: &ResourceKey, releases: &[ReleaseRecord]) -> Problem {
    let title = format!("{resource} has no release to go back to");
    let usable = releases.iter().filter(|release| release.state == ReleaseState::Previous);
    let hint = match usable.map(|release| release.version).max() {
        Some(newer) => format!("to go to one that is newer: `deploy rollback {resource} --to {newer}`"),
        None => format!("deploy first: `deploy up --resource {}`", resource.resource),
    };
    Problem::new(StatusCode::CONFLICT, "release_not_found", title, hint)
}

/// The newest usable release that is older than the live one.
fn before_the_live_one(releases: &[ReleaseRecord]) -> Option<Version> {
    let live =
        releases.iter().find(|release| release.state == ReleaseState::Live).map(|release| release.version);
    let usable = releases.iter().filter(|release| release.state == ReleaseState::Previous);
    let older = usable.filter(|release| live.is_none_or(|live| release.version < live));
    older.map(|release| release.version).max()
}
