//! Waiting for what a service depends on.

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, HealthStatusEnum};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::log::{LogLevel, LogSource};
use deploy_core::port::StepContext;
use deploy_core::step_log::StepLog;

use crate::containers;
use crate::ending;
use crate::engine::Engine;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);
/// How long a service may take until it is well, where its own check does not end that earlier.
const HEALTHY: Duration = Duration::from_secs(5 * 60);
/// How long a job may take.
const JOB: Duration = Duration::from_secs(10 * 60);

/// Waits until the engine finds a service well.
pub(super) async fn healthy(
    engine: &Engine,
    service: &str,
    id: &str,
    cx: &StepContext,
    log: &StepLog,
) -> Result<(), Failure> {
    let waiting = async {
        loop {
            let container = find(engine, service, id).await?;
            if ending::ended(&container).is_some() {
                return Err(exited(engine, service, id, &container, log).await);
            }
            let health = container.state.as_ref().and_then(|state| state.health.as_ref()?.status);
            match health {
                Some(HealthStatusEnum::HEALTHY) => return Ok(()),
                Some(HealthStatusEnum::UNHEALTHY) => {
                    let message = format!("the service {service} is not well: its own health check fails");
                    let last = container.state.and_then(|state| state.health?.log?.pop()?.output);
                    let failure = Failure::new(FailureCode::Unhealthy, message);
                    let failure = last
                        .into_iter()
                        .fold(failure, |f, said| f.because("health check", said.trim().to_owned()));
                    return Err(failure.with_tail(ending::tail(engine, id, log).await));
                }
                Some(HealthStatusEnum::STARTING | HealthStatusEnum::EMPTY) => {}
                Some(HealthStatusEnum::NONE) | None => {
                    let message = format!(
                        "something waits for the service {service} to be healthy, but it has no health check"
                    );
                    return Err(Failure::new(FailureCode::StartRefused, message));
                }
            }
            pause(cx).await?;
        }
    };
    let late =
        |_| Failure::new(FailureCode::StepTimedOut, format!("the service {service} was not healthy in time"));
    tokio::time::timeout(HEALTHY, waiting).await.map_err(late)?
}

/// Waits until a job has ended, and well; what it wrote goes into the log.
pub(super) async fn completed(
    engine: &Engine,
    service: &str,
    id: &str,
    cx: &StepContext,
    log: &StepLog,
) -> Result<(), Failure> {
    let waiting = async {
        loop {
            let container = find(engine, service, id).await?;
            if let Some(ending) = ending::ended(&container) {
                if ending.exit_code != Some(0) {
                    return Err(exited(engine, service, id, &container, log).await);
                }
                for line in ending::tail(engine, id, log).await {
                    log.line(LogSource::Runtime, LogLevel::Info, &line);
                }
                log.system(LogLevel::Info, &format!("{service} has ended well"));
                return Ok(());
            }
            pause(cx).await?;
        }
    };
    let late = |_| Failure::new(FailureCode::StepTimedOut, format!("{service} did not end in time"));
    tokio::time::timeout(JOB, waiting).await.map_err(late)?
}

/// The failure that the ending of a service is, in its name.
pub(super) async fn exited(
    engine: &Engine,
    service: &str,
    id: &str,
    container: &ContainerInspectResponse,
    log: &StepLog,
) -> Failure {
    let unknown = ending::Ending { exit_code: None, out_of_memory: false };
    let ending = ending::ended(container).unwrap_or(unknown);
    let mut failure = ending::failure(engine, id, &ending, log).await;
    failure.message = format!("the service {service}: {}", failure.message);
    failure
}

async fn find(engine: &Engine, service: &str, id: &str) -> Result<ContainerInspectResponse, Failure> {
    let gone = || {
        let message = format!("the container of the service {service} was removed by somebody else");
        Failure::new(FailureCode::ReleaseExited, message)
    };
    containers::find(engine, id).await?.ok_or_else(gone)
}

async fn pause(cx: &StepContext) -> Result<(), Failure> {
    tokio::select! {
        () = tokio::time::sleep(LOOK) => Ok(()),
        () = cx.cancel.cancelled() => Err(Failure::new(FailureCode::Cancelled, "waiting for a service was stopped")),
    }
}
