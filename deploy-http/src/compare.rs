//! Two deployments side by side: what differs between what they planned, and how long each took.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Json, Response};
use deploy_core::event::Event;
use deploy_core::id::{DeploymentId, Digest, Seq, Version};
use deploy_core::lifecycle::PhaseName;
use deploy_core::plan::{Change, Outline, SourceSummary, Verb};
use deploy_core::status::{Status, StatusName};
use deploy_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Api;
use crate::problem::Problem;

/// Events read at once while a plan is looked for.
const PAGE: usize = 500;

/// Two deployments side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The first.
    pub before: Side,
    /// The second.
    pub after: Side,
    /// What differs between what they planned, by field; empty where one of them has no plan.
    pub changes: Vec<Change>,
}

/// One of two deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The deployment.
    pub id: DeploymentId,
    /// Where it is.
    pub status: StatusName,
    /// The source.
    pub source_summary: SourceSummary,
    /// The plan.
    pub plan_fingerprint: Option<Digest>,
    /// The release it made or restored.
    pub release: Option<Version>,
    /// The artifact.
    pub digest: Option<Digest>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long its phases took.
    pub durations: Vec<PhaseDuration>,
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseDuration {
    /// The phase.
    pub phase: PhaseName,
    /// Milliseconds, until the last event where the phase has not ended.
    pub milliseconds: u64,
}

pub(crate) async fn compare(
    State(api): State<Api>,
    Path((a, b)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(Json(comparison(&api, a.parse()?, b.parse()?).await?).into_response())
}

/// Compares two deployments.
pub(crate) async fn comparison(api: &Api, a: DeploymentId, b: DeploymentId) -> Result<Comparison, Problem> {
    let (before, after) = (api.engine().status(a).await?, api.engine().status(b).await?);
    let changes = match (outline(api, a).await?, outline(api, b).await?) {
        (Some(before), Some(after)) => changes(&before, &after),
        (Some(_) | None, Some(_) | None) => Vec::new(),
    };
    Ok(Comparison { before: side(before), after: side(after), changes })
}

fn side(status: Status) -> Side {
    let durations = status.phases.iter().map(|timing| {
        let end = timing.ended_at.unwrap_or(status.updated_at);
        PhaseDuration { phase: timing.phase, milliseconds: end.since(timing.started_at).as_millis() }
    });
    Side {
        durations: durations.collect(),
        id: status.id,
        status: status.status,
        source_summary: status.source_summary,
        plan_fingerprint: status.plan_fingerprint,
        release: status.release,
        digest: status.digest,
        created_at: status.created_at,
        ended_at: status.ended_at,
    }
}

/// What a deployment planned last, blocked or not.
async fn outline(api: &Api, id: DeploymentId) -> Result<Option<Outline>, Problem> {
    let (mut last, mut found) = (Seq(0), None);
    loop {
        let events = api.engine().events(id, last, PAGE).await?;
        let Some(newest) = events.last() else { return Ok(found) };
        last = newest.sequence;
        for envelope in &events {
            if let Event::Planned { plan, .. } = &envelope.event {
                found = Some(plan.outline().clone());
            } else if let Event::Blocked { blocked, .. } = &envelope.event {
                found = Some(blocked.outline().clone());
            }
        }
    }
}

/// The fields that differ, by their paths in the plan document. Secrets are only ever references.
fn changes(before: &Outline, after: &Outline) -> Vec<Change> {
    let (before, after) = (fields(before), fields(after));
    let mut all: Vec<&String> = before.keys().chain(after.keys()).collect();
    all.sort();
    all.dedup();
    let pairs = all.into_iter().map(|field| (field, before.get(field), after.get(field)));
    pairs
        .filter(|(_, before, after)| before != after)
        .map(|(field, before, after)| Change {
            field: field.clone(),
            verb: match (before, after) {
                (None, _) => Verb::Added,
                (Some(_), None) => Verb::Removed,
                (Some(_), Some(_)) => Verb::Changed,
            },
            before: before.cloned(),
            after: after.cloned(),
        })
        .collect()
}

fn fields(outline: &Outline) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let value = serde_json::to_value(outline).expect("every key is a string");
    flatten("", &value, &mut fields);
    fields
}

/// Every leaf under its path. A plan is bounded in depth, so this is too.
fn flatten(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(object) => object.iter().for_each(|(name, value)| flatten(&below(name), value, fields)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| flatten(&below(&at.to_string()), value, fields));
        }
        Value::String(text) => {
            fields.insert(path.to_owned(), text.clone());
        }
        Value::Bool(_) | Value::Number(_) => {
            fields.insert(path.to_owned(), value.to_string());
        }
    }
}
