//! The release before: let it finish, stop it, keep it; and start it again when the new one is taken back.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::Name;
use deploy_core::log::LogLevel;
use deploy_core::plan::Output;
use deploy_core::port::{Probe, StepContext};
use deploy_core::spec::Warm;
use deploy_core::step_log::StepLog;
use deploy_edge::Route;
use tokio::net::TcpStream;

use crate::compile::{DRAIN, STOP_GRACE};
use crate::containers::{self, Ours};
use crate::engine::Engine;
use crate::front::{Front, upstream};
use crate::names::end;
use crate::project::Project;
use crate::routing::remembered;

/// How long all of it may take. Less than the step's own time: a release that proved itself and has the traffic
/// is never taken back because an old container would not go.
const WITHIN: Duration = Duration::from_secs(80);
/// How long it is watched how a container ends that was asked to: nobody is sent to it any more, so nobody waits for
/// one that does not listen.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is tried while the engine does not answer, and how long between.
const TRIES: u32 = 4;
const AGAIN: Duration = Duration::from_secs(2);
/// How long the release before may take until it listens again.
const LISTENS: Duration = Duration::from_secs(60);

/// Stops every container of the resource that no route leads to any more, and remembers that in `done`. What can't
/// be stopped now is stopped by the next clean-up; that is said, and is no failure.
pub(crate) async fn retire(
    engine: &Engine,
    owner: &Name,
    front: &Front,
    cx: &StepContext,
    log: &StepLog,
    done: &Path,
) -> Output {
    let mut said = String::new();
    let work = async {
        for _ in 0..TRIES {
            match stop_others(engine, owner, front, cx, log).await {
                Ok(()) => return Some(()),
                Err(failure) => said = failure.message,
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = cx.cancel.cancelled() => return None,
            }
        }
        None
    };
    if tokio::time::timeout(WITHIN, work).await.ok().flatten().is_none() {
        let message = format!("the release before still runs and is stopped with the next clean-up: {said}");
        log.system(LogLevel::Warn, &message);
    }
    // Losing this only costs doing it again.
    let _ = done.parent().map(std::fs::create_dir_all);
    let _ = std::fs::write(done, "");
    Output::default()
}

async fn stop_others(
    engine: &Engine,
    owner: &Name,
    front: &Front,
    cx: &StepContext,
    log: &StepLog,
) -> Result<(), Failure> {
    let routes = front.all_routes().await?;
    let routed = |other: &Ours| {
        let at = other.address.map(IpAddr::from);
        at.is_some() && routes.iter().any(|route| upstream(route).map(|upstream| upstream.ip()) == at)
    };
    let all = containers::list(engine, owner, Some(&cx.plan.outline().resource)).await?;
    // What is beside what a route leads to is needed by it.
    let needed: BTreeSet<String> =
        all.iter().filter(|other| routed(other)).map(|other| end(&other.name).to_owned()).collect();
    let mut others: Vec<Ours> = all
        .into_iter()
        .filter(|other| other.running && !other.stays && !other.works_for(cx.deployment))
        .filter(|other| !needed.contains(end(&other.name)))
        .collect();
    // What people reach first: until it has finished, it needs the others.
    others.sort_by_key(|other| other.service.is_some());
    let outline = cx.plan.outline();
    let warm =
        outline.profile.rollback.warm.filter(|_| Project::of(outline).is_none()).unwrap_or(Warm::Stopped);
    for other in &others {
        let served = route_of(cx, other);
        if let Some((route, upstream)) = &served
            && !front.drained(&route.digest, *upstream, DRAIN).await?
        {
            log.system(LogLevel::Warn, &format!("requests to the release before were cut after {DRAIN}"));
        }
        containers::keep_running(engine, &other.id, false).await?;
        match warm {
            // Only the release before stands still: memory is for one.
            Warm::Paused if served.is_some() => {
                containers::pause(engine, &other.id).await?;
                log.system(LogLevel::Info, "the release before stands still and is kept");
            }
            Warm::Paused | Warm::Stopped => {
                let stopping = containers::stop(engine, &other.id, STOP_GRACE);
                match tokio::time::timeout(PATIENCE, stopping).await {
                    Ok(stopped) => {
                        stopped?;
                        log.system(LogLevel::Info, "the release before is stopped and kept");
                    }
                    // The engine goes on with it by itself, and the next clean-up sees to it that it did.
                    Err(_) => {
                        let message = format!(
                            "the release before does not end when it is asked to; it is stopped after {STOP_GRACE} and kept"
                        );
                        log.system(LogLevel::Info, &message);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The route that led to a container before the switch, and where exactly.
fn route_of(cx: &StepContext, container: &Ours) -> Option<(Route, SocketAddr)> {
    let at = IpAddr::from(container.address?);
    let routes = remembered(cx).ok()??.into_iter();
    routes.filter_map(|route| upstream(&route).map(|to| (route, to))).find(|(_, to)| to.ip() == at)
}

/// Whether it was done.
pub(crate) fn read_back(done: &Path) -> Probe {
    if done.exists() { Probe::Present { output: Output::default() } } else { Probe::Absent }
}

/// Starts what served before the switch, and waits until it listens: traffic is sent back next.
pub(crate) async fn undo(
    engine: &Engine,
    owner: &Name,
    cx: &StepContext,
    done: &Path,
) -> Result<(), Failure> {
    // Not being there is what is wanted.
    let _ = std::fs::remove_file(done);
    let all = containers::list(engine, owner, Some(&cx.plan.outline().resource)).await?;
    for container in all.iter().filter(|container| !container.works_for(cx.deployment)) {
        let Some((_, upstream)) = route_of(cx, container) else { continue };
        let beside = |other: &&Ours| {
            other.service.is_some() && !other.stays && end(&other.name) == end(&container.name)
        };
        for other in all.iter().filter(beside) {
            containers::keep_running(engine, &other.id, true).await?;
            containers::wake(engine, &other.id, other.paused).await?;
        }
        containers::keep_running(engine, &container.id, true).await?;
        containers::wake(engine, &container.id, container.paused).await?;
        let listens = async {
            while TcpStream::connect(upstream).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(LISTENS, listens).await.is_err() {
            let message = format!("the release before was started but does not listen on {upstream}");
            return Err(Failure::new(FailureCode::TargetUnavailable, message));
        }
    }
    Ok(())
}
