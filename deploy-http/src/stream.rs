//! Events and log lines as NDJSON: replay from any number, then follow live. One envelope a line.

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use deploy_core::engine::SystemClock;
use deploy_core::id::{DeploymentId, Seq, StepId};
use deploy_core::log::{LogLevel, LogQuery, LogSource};
use deploy_core::port::Clock;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::deployments::{HEARTBEAT, deployment_id};
use crate::problem::Problem;
use crate::router::Api;

/// Records read at once.
const PAGE: usize = 500;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    follow: bool,
    step: Option<StepId>,
    source: Option<LogSource>,
    level: Option<LogLevel>,
}

type Parsed = Result<Query<Parameters>, axum::extract::rejection::QueryRejection>;

pub(crate) async fn events(
    State(api): State<Api>,
    Path(id): Path<String>,
    parameters: Parsed,
) -> Result<Response, Problem> {
    let Query(parameters) = parameters.map_err(|error| Problem::bad_request(error.body_text()))?;
    open(api, deployment_id(&id)?, parameters, What::Events).await
}

pub(crate) async fn logs(
    State(api): State<Api>,
    Path(id): Path<String>,
    parameters: Parsed,
) -> Result<Response, Problem> {
    let Query(parameters) = parameters.map_err(|error| Problem::bad_request(error.body_text()))?;
    open(api, deployment_id(&id)?, parameters, What::Logs).await
}

#[derive(Clone, Copy)]
enum What {
    Events,
    Logs,
}

struct Follower {
    api: Api,
    id: DeploymentId,
    parameters: Parameters,
    what: What,
    after: Seq,
    closed: bool,
}

async fn open(api: Api, id: DeploymentId, parameters: Parameters, what: What) -> Result<Response, Problem> {
    // An unknown deployment is a 404, not an empty stream.
    api.engine.status(id).await?;
    let after = Seq(parameters.after);
    let follower = Follower { api, id, parameters, what, after, closed: false };
    let body = Body::from_stream(stream::unfold(follower, |mut follower| async move {
        let chunk = follower.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(chunk), follower))
    }));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")], body)
        .into_response())
}

impl Follower {
    /// The next lines; `None` after the line that says the stream is closed. A slow reader is simply
    /// not asked again: it delays nobody and holds at most one page.
    async fn next(&mut self) -> Option<Bytes> {
        if self.closed {
            return None;
        }
        loop {
            let status = match self.api.engine.status(self.id).await {
                Ok(status) => status,
                Err(error) => return Some(self.close(&json!({ "kind": "error", "code": error.code() }))),
            };
            let page = match self.page().await {
                Ok(page) => page,
                Err(error) => return Some(self.close(&json!({ "kind": "error", "code": error.code() }))),
            };
            if !page.is_empty() {
                return Some(page.into());
            }
            // The status was read first: if it had ended by then, the page holds all there will be.
            if status.status.is_ended() || !self.parameters.follow {
                let reason = if status.status.is_ended() { "ended" } else { "caught-up" };
                return Some(
                    self.close(&json!({ "kind": "closed", "reason": reason, "cursor": self.after })),
                );
            }
            if let Some(line) = self.wait(status.sequence).await {
                return Some(line);
            }
        }
    }

    /// Waits until something may be there; says so if nothing came for long.
    async fn wait(&mut self, seen: Seq) -> Option<Bytes> {
        let (wait, quiet) = match self.what {
            What::Events => (HEARTBEAT, true),
            // Log lines do not ring: they are looked for again after a short while.
            What::Logs => (std::time::Duration::from_millis(200), false),
        };
        let changed = tokio::select! {
            status = self.api.engine.changed(self.id, seen, wait) => status.is_ok_and(|status| status.sequence > seen),
            () = self.api.closing.cancelled() => {
                return Some(self.close(&json!({ "kind": "closed", "reason": "shutting-down", "cursor": self.after })));
            }
        };
        let line = json!({ "kind": "heartbeat", "at": SystemClock.now(), "cursor": self.after });
        (!changed && quiet).then(|| line_of(&line).into())
    }

    fn close(&mut self, last: &Value) -> Bytes {
        self.closed = true;
        line_of(last).into()
    }

    async fn page(&mut self) -> Result<Vec<u8>, deploy_core::engine::EngineError> {
        let mut lines = Vec::new();
        match self.what {
            What::Events => {
                for event in self.api.engine.events(self.id, self.after, PAGE).await? {
                    self.after = event.sequence;
                    lines.extend(line_of(&Envelope { kind: "event", record: &event }));
                }
            }
            What::Logs => {
                let Parameters { step, source, level, .. } = self.parameters.clone();
                let query =
                    LogQuery { deployment: self.id, after: self.after, step, source, level, limit: PAGE };
                for line in self.api.engine.logs(&query).await? {
                    self.after = line.sequence;
                    lines.extend(line_of(&Envelope { kind: "log", record: &line }));
                }
            }
        }
        Ok(lines)
    }
}

/// A record with what it is, all on one level: an event's own fields stand beside its number.
struct Envelope<'a, T> {
    kind: &'static str,
    record: &'a T,
}

impl<T: Serialize> Serialize for Envelope<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(self.record).map_err(serde::ser::Error::custom)?;
        if let Value::Object(fields) = &mut value {
            if let Some(Value::Object(event)) = fields.remove("event") {
                fields.extend(event);
            }
            fields.insert("kind".to_owned(), self.kind.into());
        }
        value.serialize(serializer)
    }
}

fn line_of(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("every key is a string");
    line.push(b'\n');
    line
}
