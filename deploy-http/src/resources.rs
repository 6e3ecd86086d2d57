//! Resources: their releases, and going back to one. `{id}` is a resource id, or its name as
//! `web` or `web@staging`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use deploy_core::engine;
use deploy_core::id::{ResourceId, ResourceKey};
use deploy_core::spec::Spec;

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
    let spec = api.engine().going_back(resource, request.to, caller.actor()).await?;
    let idempotency_key = idempotency_key(&headers)?;
    accept(&api, engine::Submission { spec, idempotency_key, busy: request.when_busy }).await
}
