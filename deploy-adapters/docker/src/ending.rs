//! Hearing at once when a container ends: from the engine's events, not from a health check that times out.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, EventMessage};
use bollard::query_parameters::{EventsOptionsBuilder, LogsOptionsBuilder};
use deploy_core::failure::{Failure, FailureCode, HEARD_LINES};
use deploy_core::redact::CleanLine;
use deploy_core::size::Size;
use deploy_core::step_log::StepLog;
use futures_util::StreamExt as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::containers;
use crate::engine::Engine;

/// How long to wait before an engine that broke off is asked again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long reading the last lines may take.
const TAIL: Duration = Duration::from_secs(5);

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) exit_code: Option<i64>,
    pub(crate) out_of_memory: bool,
}

/// The moment a container started, in nanoseconds since 1970.
pub(crate) fn started_at(container: &ContainerInspectResponse) -> Option<i128> {
    let text = container.state.as_ref()?.started_at.as_deref()?;
    Some(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos())
}

/// How a container has ended already, if it has: also one that the engine has started again since.
pub(crate) fn ended(container: &ContainerInspectResponse) -> Option<Ending> {
    let state = container.state.as_ref()?;
    let again = container.restart_count.unwrap_or(0) > 0 || state.restarting.unwrap_or(false);
    if !again && state.running.unwrap_or(false) {
        return None;
    }
    Some(Ending {
        exit_code: state.exit_code.filter(|_| !state.running.unwrap_or(false)),
        out_of_memory: state.oom_killed.unwrap_or(false),
    })
}

/// Resolves when the container ends; never while the engine does not answer.
pub(crate) async fn watch(engine: &Engine, id: &str, since: i128) -> Ending {
    let mut out_of_memory = false;
    loop {
        if let Some(ending) = listen(engine, id, since, &mut out_of_memory).await {
            return ending;
        }
        // The stream broke off, as it does when the engine restarts: what happened meanwhile is in the state.
        tokio::time::sleep(AGAIN).await;
        if let Ok(found) = containers::find(engine, id).await {
            let gone = Ending { exit_code: None, out_of_memory };
            if let Some(ending) = found.map_or(Some(gone), |container| ended(&container)) {
                return Ending { out_of_memory: ending.out_of_memory || out_of_memory, ..ending };
            }
        }
    }
}

/// Listens until the container ends or the stream does.
async fn listen(engine: &Engine, id: &str, since: i128, out_of_memory: &mut bool) -> Option<Ending> {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let filters = HashMap::from([
        ("type", list(&["container"])),
        ("container", list(&[id])),
        ("event", list(&["die", "oom"])),
    ]);
    let seconds = (since / 1_000_000_000).to_string();
    let options = EventsOptionsBuilder::default().since(&seconds).filters(&filters).build();
    let docker = engine.client().await.ok()?.clone();
    let mut events = docker.events(Some(options));
    while let Some(Ok(event)) = events.next().await {
        if event.time_nano.is_some_and(|at| i128::from(at) < since) {
            continue;
        }
        match event.action.as_deref() {
            Some("oom") => *out_of_memory = true,
            Some("die") => return Some(of_event(&event, *out_of_memory)),
            Some(_) | None => {}
        }
    }
    None
}

fn of_event(event: &EventMessage, out_of_memory: bool) -> Ending {
    let attributes = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
    let code = attributes.and_then(|attributes| attributes.get("exitCode")?.parse().ok());
    Ending { exit_code: code, out_of_memory }
}

/// The failure that an ending is, with the last lines the container wrote.
pub(crate) async fn failure(engine: &Engine, id: &str, ending: &Ending, log: &StepLog) -> Failure {
    let inspected = containers::find(engine, id).await.ok().flatten();
    let state = inspected.as_ref().and_then(|container| container.state.as_ref());
    let killed = ending.out_of_memory || state.and_then(|state| state.oom_killed).unwrap_or(false);
    let code = ending.exit_code.map_or("an unknown exit code".to_owned(), |code| format!("exit code {code}"));
    let failure = if killed {
        let limit = inspected.and_then(|container| container.host_config?.memory);
        let limit =
            limit.and_then(|bytes| u64::try_from(bytes).ok()).map(|bytes| Size::from_mib(bytes >> 20));
        let allowed = limit.map_or(String::new(), |limit| format!(": it may use {limit}"));
        let message = format!("the kernel ended the new release for lack of memory{allowed} ({code})");
        let failure = Failure::new(FailureCode::OutOfMemory, message);
        limit.into_iter().fold(failure, |failure, limit| failure.because("limits.memory", limit.to_string()))
    } else {
        let message = format!("the new release's process ended with {code} before it proved itself");
        Failure::new(FailureCode::ReleaseExited, message)
    };
    failure.because("exit", code).with_tail(tail(engine, id, log).await)
}

/// The last lines a container wrote.
pub(crate) async fn tail(engine: &Engine, id: &str, log: &StepLog) -> Vec<String> {
    let options =
        LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&HEARD_LINES.to_string()).build();
    let read = async {
        let mut written = Vec::new();
        let mut keep = |line: CleanLine| written.push(String::from(line));
        let Ok(docker) = engine.client().await else { return written };
        let mut output = docker.logs(id, Some(options));
        let mut lines = log.lines();
        while let Some(Ok(piece)) = output.next().await {
            lines.take(piece.as_ref(), &mut keep);
        }
        lines.finish(&mut keep);
        written
    };
    tokio::time::timeout(TAIL, read).await.unwrap_or_default()
}
