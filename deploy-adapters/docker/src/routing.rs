//! The route: switching it, reading it back, putting it back. Every write carries the deployment's epoch, and
//! the data plane refuses a lower one.

use deploy_core::effect::Effect;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Fence, Name};
use deploy_core::plan::Output;
use deploy_core::port::{Probe, StepContext};
use deploy_core::step_log::StepLog;
use deploy_edge::Route;

use crate::check::Candidate;
use crate::compile::DRAIN;
use crate::containers;
use crate::engine::Engine;
use crate::front::{Change, Front, To, edge_digest, upstream};
use crate::project;

/// The fact under which the check of the candidate keeps the routes that the switch will replace: what undoing
/// needs must be durable before the switch is made.
const BEFORE: &str = "routesBefore";

/// The routes a switch of this plan will touch: of the host it wants, and of the one it leaves.
pub(crate) async fn touched(front: &Front, cx: &StepContext) -> Result<Vec<Route>, Failure> {
    front.routes(&hosts(cx)).await
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
pub(crate) fn remembered(cx: &StepContext) -> Result<Option<Vec<Route>>, Failure> {
    let fact = cx.outputs.iter().find_map(|(_, output)| output.facts.get(BEFORE));
    let unreadable = |error| Failure::new(FailureCode::Internal, format!("the routes before: {error}"));
    fact.map(|text| serde_json::from_str(text).map_err(unreadable)).transpose()
}

fn fence(effect: &Effect) -> Result<Fence, Failure> {
    effect.fence.ok_or_else(|| Failure::new(FailureCode::Internal, "a route without a fence"))
}

fn change(cx: &StepContext, fence: Fence, host: &str, to: To) -> Change {
    let target = cx.plan.outline().resource.to_string();
    Change { host: host.to_owned(), target, fence, to, drain: DRAIN }
}

/// Sends traffic to the new release, which from now on is started again whenever it ends; then gives up a host
/// name that the resource no longer has.
pub(crate) async fn switch(
    (front, engine, owner): (&Front, &Engine, &Name),
    effect: &Effect,
    cx: &StepContext,
    log: &StepLog,
    url: String,
) -> Result<Output, Failure> {
    let (candidate, fence) = (Candidate::of(cx)?, fence(effect)?);
    newer_owner(front, cx, fence).await?;
    // What passed its check a moment ago may have ended since: nobody is sent to it then.
    let container = candidate.proved(engine, cx, log).await?;
    project::keep_running(engine, owner, cx).await?;
    if !containers::stays_up(&container) {
        containers::keep_running(engine, &candidate.id, true).await?;
    }
    let mut hosts = hosts(cx).into_iter();
    if let Some(wanted) = hosts.next() {
        let to = To::Upstream(candidate.digest.clone(), candidate.address);
        front.switch(&change(cx, fence, &wanted, to)).await?;
    }
    for left in hosts {
        front.switch(&change(cx, fence, &left, To::Nothing)).await?;
    }
    Ok(Output { url: Some(url), ..Output::of(candidate.digest) })
}

/// A stale owner is told so before it touches its container; what keeps it from the route is the data plane.
async fn newer_owner(front: &Front, cx: &StepContext, fence: Fence) -> Result<(), Failure> {
    let target = cx.plan.outline().resource.to_string();
    let newest = touched(front, cx).await?.into_iter().filter(|route| route.target == target);
    match newest.map(|route| route.epoch).max() {
        Some(epoch) if epoch > fence.0 => {
            let message = format!("a deployment with epoch {epoch} has the route, this one has {}", fence.0);
            Err(Failure::new(FailureCode::StaleFence, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether traffic is on the new release: what the table says.
pub(crate) async fn read_back(front: &Front, cx: &StepContext, url: String) -> Result<Probe, Failure> {
    let Ok(candidate) = Candidate::of(cx) else { return Ok(Probe::Absent) };
    let outline = cx.plan.outline();
    let (routes, digest) = (touched(front, cx).await?, edge_digest(&candidate.digest)?);
    let there = routes.iter().any(|route| {
        route.host == outline.access.host
            && route.target == outline.resource.to_string()
            && route.digest == digest
            && upstream(route) == Some(candidate.address)
    });
    let left = routes.iter().any(|route| route.host != outline.access.host);
    if there && !left {
        Ok(Probe::Present { output: Output { url: Some(url), ..Output::of(candidate.digest) } })
    } else {
        // Half of it is done again whole: both writes are idempotent.
        Ok(Probe::Absent)
    }
}

/// Puts every touched route back as it was, old host first, so that something always answers.
pub(crate) async fn undo(front: &Front, effect: &Effect, cx: &StepContext) -> Result<(), Failure> {
    let fence = fence(effect)?;
    let wanted = &cx.plan.outline().access.host;
    let Some(before) = remembered(cx)? else { return Ok(()) };
    for route in &before {
        front.switch(&change(cx, fence, &route.host, To::Restored(Box::new(route.clone())))).await?;
    }
    if !before.iter().any(|route| route.host == *wanted) {
        front.switch(&change(cx, fence, wanted, To::Nothing)).await?;
    }
    confirm_undone(front, cx, &before).await
}

/// Taking back is done when the table says so.
async fn confirm_undone(front: &Front, cx: &StepContext, before: &[Route]) -> Result<(), Failure> {
    let now = touched(front, cx).await?;
    let same = |a: &Route, b: &Route| {
        a.host == b.host
            && a.digest == b.digest
            && a.upstream == b.upstream
            && a.port == b.port
            && a.fallback == b.fallback
    };
    let restored =
        now.len() == before.len() && before.iter().all(|route| now.iter().any(|other| same(route, other)));
    if restored {
        Ok(())
    } else {
        let message = "the routes are not yet what they were before the switch";
        Err(Failure::new(FailureCode::TargetUnavailable, message))
    }
}
