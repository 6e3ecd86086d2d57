//! The classic builder: for engines without BuildKit.

use std::pin::pin;

use bollard::query_parameters::{BuildImageOptionsBuilder, BuilderVersion};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::port::StepContext;
use deploy_core::step_log::StepLog;
use futures_util::{StreamExt as _, stream};

use super::Order;
use crate::engine::{Engine, EngineError, Sort};
use crate::secrets::Registry;

/// Builds, and writes what the build says into the log. Ending early ends the build on the engine too: it stops
/// when nobody listens.
pub(crate) async fn run(
    engine: &Engine,
    order: Order,
    registry: Option<&Registry>,
    cx: &StepContext,
    log: &StepLog,
) -> Result<(), Failure> {
    let mut options = BuildImageOptionsBuilder::default()
        .dockerfile(&order.dockerfile)
        .t(&order.tag)
        .rm(true)
        .forcerm(true)
        .labels(&order.labels)
        .buildargs(&order.arguments)
        .version(BuilderVersion::BuilderV1);
    if let Some(stage) = &order.stage {
        options = options.target(stage);
    }
    let chunks = stream::unfold(order.context.stream(), |mut chunks| async move {
        let chunk = chunks.recv().await?;
        Some((chunk, chunks))
    });
    let docker = engine.client().await?.clone().with_timeout(order.within);
    let mut messages = docker.build_image(
        options.build(),
        registry.and_then(Registry::by_host),
        Some(bollard::body_try_stream(chunks)),
    );
    let mut lines = log.lines();
    let mut gone = pin!(engine.gone());
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            () = cx.cancel.cancelled() => {
                return Err(Failure::new(FailureCode::Cancelled, "the build was stopped"));
            }
            error = &mut gone => return Err(error.into()),
        };
        match message {
            None => return Ok(()),
            Some(Ok(info)) => {
                let text = info.stream.unwrap_or_default();
                lines.take(text.as_bytes(), |line| super::say(log, line));
            }
            Some(Err(error)) => return Err(failed(engine.error(error, Sort::Change), log)),
        }
    }
}

/// What an error of the build means.
pub(crate) fn failed(error: EngineError, log: &StepLog) -> Failure {
    let text = error.to_string();
    let no_base = [
        "pull access denied",
        "manifest unknown",
        "failed to resolve",
        "no such host",
        "not found: manifest",
        "pulling from host",
    ];
    let code = if no_base.iter().any(|sign| text.contains(sign)) {
        FailureCode::ImageUnavailable
    } else {
        FailureCode::BuildFailed
    };
    error.or(code).with_tail(log.tail())
}
