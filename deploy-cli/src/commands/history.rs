//! Looking back and controlling: list, show, releases, pause, resume, stop.

use deploy_core::compare::Comparison;
use deploy_core::id::{DeploymentId, ResourceKey};
use deploy_core::port::ReleaseRecord;
use deploy_core::queue::Place;
use deploy_core::status::Status;
use deploy_http::StopRequest;
use serde::Serialize;
use serde_json::json;

use super::{Context, watch};
use crate::args::{ListArgs, StopArgs};
use crate::exit::{Exit, Failed};
use crate::output::{json, result};
use crate::render::{status, table};
use crate::request::Query;

pub(crate) async fn list(cx: &Context, args: ListArgs) -> Result<Exit, Failed> {
    let query = Query::new("/api/deployments")
        .with("limit", &args.limit)
        .maybe("resource", args.resource)
        .maybe("environment", args.environment)
        .maybe("status", args.status)
        .maybe("trigger", args.trigger)
        .maybe("actor", args.by)
        .maybe("since", args.since.map(|since| since.0))
        .maybe("until", args.until.map(|until| until.0))
        .maybe("cursor", args.before);
    let deployments: Vec<Status> = cx.client.get(&query.path()).await?;
    if cx.json {
        json(&deployments);
    } else {
        result(table::deployments(&deployments).trim_end());
    }
    Ok(Exit::Done)
}

pub(crate) async fn show(cx: &Context, id: DeploymentId) -> Result<Exit, Failed> {
    let shown: Status = cx.client.get(&format!("/api/deployments/{id}")).await?;
    let place = watch::place(cx, id).await?;
    if cx.json {
        json(&Shown { status: &shown, queue: place.as_ref() });
    } else {
        result(status::details(&shown, place.as_ref()).trim_end());
    }
    Ok(Exit::Done)
}

/// A status, and beside it where in the line the deployment is, while it waits.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    status: &'a Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a Place>,
}

pub(crate) async fn compare(cx: &Context, before: DeploymentId, after: DeploymentId) -> Result<Exit, Failed> {
    let compared: Comparison = cx.client.get(&format!("/api/deployments/{before}/compare/{after}")).await?;
    if cx.json {
        json(&compared);
    } else {
        result(table::comparison(&compared).trim_end());
    }
    Ok(Exit::Done)
}

fn print(cx: &Context, shown: &Status) {
    if cx.json {
        json(shown);
    } else {
        result(status::details(shown, None).trim_end());
    }
}

pub(crate) async fn releases(cx: &Context, resource: ResourceKey) -> Result<Exit, Failed> {
    let releases: Vec<ReleaseRecord> = cx.client.get(&format!("/api/resources/{resource}/releases")).await?;
    if cx.json {
        json(&releases);
    } else {
        result(table::releases(&releases).trim_end());
    }
    Ok(Exit::Done)
}

pub(crate) async fn control(cx: &Context, id: DeploymentId, verb: &str) -> Result<Exit, Failed> {
    let shown: Status = cx.client.post(&format!("/api/deployments/{id}/{verb}"), &json!({}), None).await?;
    print(cx, &shown);
    Ok(Exit::Done)
}

pub(crate) async fn stop(cx: &Context, args: StopArgs) -> Result<Exit, Failed> {
    let request = StopRequest { now: args.now, undo: args.undo };
    let shown: Status = cx.client.post(&format!("/api/deployments/{}/stop", args.id), &request, None).await?;
    print(cx, &shown);
    Ok(Exit::Done)
}
