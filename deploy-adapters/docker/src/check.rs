//! Checking: the candidate by itself, then the public address. Who answers must be this release.

use std::net::SocketAddr;
use std::sync::Arc;

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::LogsOptionsBuilder;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, Name};
use deploy_core::log::{LogLevel, LogSource};
use deploy_core::plan::Output;
use deploy_core::port::{Clock, StepContext};
use deploy_core::step_log::StepLog;
use futures_util::StreamExt as _;

use crate::asking::{self, over_http};
use crate::containers;
use crate::ending::{self, Ending};
use crate::engine::Engine;
use crate::listening;
use crate::names;
use crate::project;
use crate::site;
use crate::start::{ADDRESS, CONTAINER, digest};

/// The fact that tells when the container that passed its check was started.
const STARTED: &str = "started";

/// The candidate's container, as the step that started it left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: String,
    pub(crate) digest: Digest,
    pub(crate) address: SocketAddr,
}

impl Candidate {
    pub(crate) fn of(cx: &StepContext) -> Result<Self, Failure> {
        let internal = |what: &str| Failure::new(FailureCode::Internal, format!("{what} is not known"));
        let fact = |name: &str| cx.outputs.iter().rev().find_map(|(_, output)| output.facts.get(name));
        let id = fact(CONTAINER).ok_or_else(|| internal("the container"))?.clone();
        let ip = fact(ADDRESS).and_then(|ip| ip.parse().ok()).ok_or_else(|| internal("its address"))?;
        let port = site::port(cx.plan.outline()).ok_or_else(|| internal("its port"))?;
        Ok(Self { id, digest: digest(cx)?.clone(), address: SocketAddr::new(ip, port) })
    }

    /// Whether the container is the one that was started, from the image that was made, and still runs: what an
    /// answer at its address proves then, it proves of this release.
    pub(crate) async fn identify(
        &self,
        engine: &Engine,
        log: &StepLog,
    ) -> Result<ContainerInspectResponse, Failure> {
        let found = containers::find(engine, &self.id).await?;
        let Some(container) = found else {
            let message = "the new release's container was removed by somebody else";
            return Err(Failure::new(FailureCode::ReleaseExited, message));
        };
        if let Some(ending) = ending::ended(&container) {
            return Err(ending::failure(engine, &self.id, &ending, log).await);
        }
        let image = container.image.as_deref().unwrap_or_default();
        let at = containers::address(&container).map(std::net::IpAddr::from);
        if image != self.digest.as_str() || at != Some(self.address.ip()) {
            let message = format!("the container runs {image} instead of {}", self.digest);
            return Err(Failure::new(FailureCode::WrongRelease, message));
        }
        Ok(container)
    }

    /// The same, and that it was not started again since it passed its check: what was started again proved nothing.
    pub(crate) async fn proved(
        &self,
        engine: &Engine,
        cx: &StepContext,
        log: &StepLog,
    ) -> Result<ContainerInspectResponse, Failure> {
        let container = self.identify(engine, log).await?;
        let checked = cx.outputs.iter().rev().find_map(|(_, output)| output.facts.get(STARTED));
        let started = ending::started_at(&container).unwrap_or_default().to_string();
        if checked.is_some_and(|checked| *checked != started) {
            let message = "the new release was started again after it passed its check";
            return Err(Failure::new(FailureCode::ReleaseExited, message).with_tail(log.tail()));
        }
        Ok(container)
    }
}

/// Asks the candidate at its own address until the policy is decided or its process ends.
pub(crate) async fn candidate(
    engine: &Engine,
    owner: &Name,
    clock: &Arc<dyn Clock>,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Output, Failure> {
    let candidate = Candidate::of(cx)?;
    let before = candidate.identify(engine, log).await?;
    let since = ending::started_at(&before).unwrap_or_default();
    let asked = asking::candidate(engine, &candidate, clock, cx, log);
    let asked = async { tokio::try_join!(asked, stays_up(engine, &before, cx)) };
    let outcome = tokio::select! {
        passed = asked => passed.map(|(passed, ())| passed).map_err(Problem::Judged),
        ending = ending::watch(engine, &candidate.id, since) => Err(Problem::Ended(ending)),
        failure = project::ends(engine, owner, cx, log) => return Err(failure),
        never = follow(engine, &candidate.id, log) => match never {},
    };
    match outcome {
        Ok(passed) => {
            let after = candidate.identify(engine, log).await?;
            if ending::started_at(&after) != Some(since) {
                let message = "the new release was started again while it was asked";
                return Err(Failure::new(FailureCode::ReleaseExited, message).with_tail(log.tail()));
            }
            project::alive(engine, owner, cx, log).await?;
            let output = Output::of(candidate.digest).with(STARTED, since.to_string());
            Ok(output.with("attempts", passed.attempts.to_string()))
        }
        Err(Problem::Ended(ending)) => Err(ending::failure(engine, &candidate.id, &ending, log).await),
        Err(Problem::Judged(failure)) => Err(explained(engine, &candidate, &before, failure, log).await),
    }
}

/// A container that was kept is told to stay up while it is asked and not after it: it has served before, and a
/// rollback is waited for. A new one is told when it has passed, so that one that can't start is not started for ever.
async fn stays_up(
    engine: &Engine,
    container: &ContainerInspectResponse,
    cx: &StepContext,
) -> Result<(), Failure> {
    let kept = names::made_as(container, cx.deployment).is_some();
    match &container.id {
        Some(id) if kept => Ok(containers::keep_running(engine, id, true).await?),
        Some(_) | None => Ok(()),
    }
}

enum Problem {
    Judged(Failure),
    Ended(Ending),
}

/// A failed health check, with what the container itself says.
async fn explained(
    engine: &Engine,
    candidate: &Candidate,
    container: &ContainerInspectResponse,
    failure: Failure,
    log: &StepLog,
) -> Failure {
    let cancelled = failure.code == FailureCode::Cancelled;
    if cancelled {
        return failure;
    }
    // An engine that is gone explains why nobody answers.
    if let Err(ended) = candidate.identify(engine, log).await {
        return ended;
    }
    let pid = container.state.as_ref().and_then(|state| state.pid).filter(|pid| *pid > 0);
    let failure = match pid.and_then(|pid| listening::of_process(pid, candidate.address.port())) {
        Some(ports) => failure.because("ports", ports),
        None => failure,
    };
    failure.with_tail(ending::tail(engine, &candidate.id, log).await)
}

/// Asks the public address, which says which release answered.
pub(crate) async fn public(
    engine: &Engine,
    clock: &Arc<dyn Clock>,
    address: SocketAddr,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Output, Failure> {
    let candidate = Candidate::of(cx)?;
    let asked = over_http(address, cx.plan.outline(), Some(&candidate.digest), clock, cx, log).await;
    match asked {
        Ok(passed) => {
            candidate.identify(engine, log).await?;
            Ok(Output::of(candidate.digest).with("attempts", passed.attempts.to_string()))
        }
        Err(failure) if failure.code == FailureCode::Cancelled => Err(failure),
        Err(failure) => match candidate.identify(engine, log).await {
            Ok(_) => Err(failure.with_tail(ending::tail(engine, &candidate.id, log).await)),
            Err(ended) => Err(ended),
        },
    }
}

/// Copies what the container writes into the log, for as long as it is asked.
async fn follow(engine: &Engine, id: &str, log: &StepLog) -> std::convert::Infallible {
    if let Ok(docker) = engine.client().await {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).follow(true).build();
        let mut output = docker.logs(id, Some(options));
        let mut lines = log.lines();
        while let Some(Ok(piece)) = output.next().await {
            lines.take(piece.as_ref(), |line| log.write(LogSource::Runtime, LogLevel::Info, line));
        }
        lines.finish(|line| log.write(LogSource::Runtime, LogLevel::Info, line));
    }
    std::future::pending().await
}
