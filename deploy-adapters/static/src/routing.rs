//! The route: reading it, switching it, putting it back. Every write carries the deployment's epoch,
//! and the edge refuses a lower one.

use deploy_core::effect::Effect;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::Digest;
use deploy_core::plan::{Outline, Output};
use deploy_core::port::{Probe, StepContext};
use deploy_edge::{EdgeClient, EdgeError, Route, RouteChange};

use crate::artifact::edge_digest;

/// The fact under which the check of the candidate keeps the routes that the switch will replace: what
/// undoing needs must be durable before the switch is made.
const BEFORE: &str = "routesBefore";

/// The failure that an error of the edge is.
pub(crate) fn edge_failure(error: &EdgeError) -> Failure {
    let code = match error {
        EdgeError::Unreachable { .. } => FailureCode::TargetUnavailable,
        EdgeError::Unknown { .. } => FailureCode::ReplyLost,
        EdgeError::TooLarge { .. } | EdgeError::InvalidRequest { .. } => FailureCode::Unhealthy,
        EdgeError::Refused(problem) => match problem.code.as_str() {
            "stale_epoch" => FailureCode::StaleFence,
            "host_taken" => FailureCode::HostTaken,
            "port_in_use" => FailureCode::PortUnavailable,
            "artifact_missing" | "artifact_damaged" => FailureCode::ArtifactMissing,
            "route_not_settled" => FailureCode::ReplyLost,
            "route_not_stored" => FailureCode::DiskFull,
            _ => FailureCode::SwitchRefused,
        },
    };
    Failure::new(code, error.to_string()).because(error.code(), error.remedy())
}

/// The routes a switch of this plan will touch: of the host it wants, and of the one it leaves.
pub(crate) async fn touched(edge: &EdgeClient, cx: &StepContext) -> Result<Vec<Route>, Failure> {
    let mut routes = Vec::new();
    for host in hosts(cx) {
        let route = edge.route(&host).await.map_err(|error| edge_failure(&error))?;
        routes.extend(route);
    }
    Ok(routes)
}

fn hosts(cx: &StepContext) -> Vec<String> {
    let wanted = cx.plan.outline().access.host.clone();
    let left = cx.live_before.as_ref().map(|live| live.host.clone()).filter(|host| *host != wanted);
    std::iter::once(wanted).chain(left).collect()
}

/// Keeps what undoing will need.
pub(crate) fn remember(output: Output, routes: &[Route]) -> Output {
    output.with(BEFORE, serde_json::to_string(routes).expect("every key is a string"))
}

/// What the routes were before the switch; `None` when it can't have begun: nothing was checked yet.
fn remembered(cx: &StepContext) -> Result<Option<Vec<Route>>, Failure> {
    let fact = cx.outputs.iter().find_map(|(_, output)| output.facts.get(BEFORE));
    let unreadable = |error| Failure::new(FailureCode::Internal, format!("the routes before: {error}"));
    fact.map(|text| serde_json::from_str(text).map_err(unreadable)).transpose()
}

/// The change that routes a plan's host to a release.
fn change(effect: &Effect, outline: &Outline, digest: Option<&Digest>) -> Result<RouteChange, Failure> {
    let fence = effect.fence.ok_or_else(|| Failure::new(FailureCode::Internal, "a route without a fence"))?;
    Ok(RouteChange {
        host: outline.access.host.clone(),
        target: outline.resource.to_string(),
        epoch: fence.0,
        to: digest.map(edge_digest).transpose()?,
        fallback: outline.artifact.as_ref().and_then(|artifact| artifact.fallback.clone()),
        port: outline.access.port,
        upstream: None,
        drain_ms: None,
        expect: None,
    })
}

async fn send(edge: &EdgeClient, change: &RouteChange) -> Result<(), Failure> {
    edge.switch(change).await.map(drop).map_err(|error| edge_failure(&error))
}

/// Sends traffic to the new release, then gives up a host name that the resource no longer has.
pub(crate) async fn switch(
    edge: &EdgeClient,
    effect: &Effect,
    cx: &StepContext,
    url: String,
) -> Result<Output, Failure> {
    let outline = cx.plan.outline();
    let digest = cx.digest().ok_or_else(|| Failure::new(FailureCode::Internal, "no artifact to route to"))?;
    let wanted = change(effect, outline, Some(digest))?;
    send(edge, &wanted).await?;
    for host in hosts(cx).into_iter().skip(1) {
        let removal = RouteChange { host, to: None, fallback: None, port: None, ..wanted.clone() };
        send(edge, &removal).await?;
    }
    Ok(Output { url: Some(url), ..Output::of(digest.clone()) })
}

/// Whether traffic is on the new release: what the edge's table says.
pub(crate) async fn read_back(edge: &EdgeClient, cx: &StepContext, url: String) -> Result<Probe, Failure> {
    let Some(digest) = cx.digest() else { return Ok(Probe::Absent) };
    let outline = cx.plan.outline();
    let wanted = edge_digest(digest)?;
    let routes = touched(edge, cx).await?;
    let own =
        |route: &&Route| route.host == outline.access.host && route.target == outline.resource.to_string();
    let there = routes.iter().find(own).is_some_and(|route| {
        let fallback = outline.artifact.as_ref().and_then(|artifact| artifact.fallback.as_ref());
        route.digest == wanted
            && route.upstream.is_none()
            && route.port == outline.access.port
            && route.fallback.as_ref() == fallback
    });
    let left = routes.iter().any(|route| route.host != outline.access.host);
    if there && !left {
        Ok(Probe::Present { output: Output { url: Some(url), ..Output::of(digest.clone()) } })
    } else {
        // Half of it is done again whole: both writes are idempotent.
        Ok(Probe::Absent)
    }
}

/// Puts every touched route back as it was, old host first, so that something always answers.
pub(crate) async fn undo(edge: &EdgeClient, effect: &Effect, cx: &StepContext) -> Result<(), Failure> {
    let outline = cx.plan.outline();
    let removal = change(effect, outline, None)?;
    let Some(before) = remembered(cx)? else { return Ok(()) };
    for route in &before {
        let restored = RouteChange {
            host: route.host.clone(),
            to: Some(route.digest),
            fallback: route.fallback.clone(),
            port: route.port,
            upstream: route.upstream.clone(),
            ..removal.clone()
        };
        send(edge, &restored).await?;
    }
    if !before.iter().any(|route| route.host == outline.access.host) {
        send(edge, &RouteChange { fallback: None, port: None, ..removal }).await?;
    }
    confirm_undone(edge, cx, &before).await
}

/// Taking back is done when the table says so.
async fn confirm_undone(edge: &EdgeClient, cx: &StepContext, before: &[Route]) -> Result<(), Failure> {
    let now = touched(edge, cx).await?;
    let same = |a: &Route, b: &Route| {
        a.host == b.host
            && a.digest == b.digest
            && a.port == b.port
            && a.fallback == b.fallback
            && a.upstream == b.upstream
    };
    let restored =
        now.len() == before.len() && before.iter().all(|route| now.iter().any(|other| same(route, other)));
    if restored {
        Ok(())
    } else {
        Err(Failure::new(
            FailureCode::TargetUnavailable,
            "the routes are not yet what they were before the switch",
        ))
    }
}
