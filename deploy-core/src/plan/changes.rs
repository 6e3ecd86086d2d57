//! What a plan changes about the live release.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::compose::{CommandKind, Outline};
use crate::id::Version;
use crate::port::ReleaseRecord;

/// What a change does to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verb {
    /// There was none before.
    Added,
    /// There was another one before.
    Changed,
    /// There is none any more.
    Removed,
}

/// One difference to the live release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// What differs, for example `network.internalPort`; `env.NAME` for a variable.
    pub field: String,
    /// How.
    pub verb: Verb,
    /// The value of the live release; never that of a variable.
    pub before: Option<String>,
    /// The value of this plan; never that of a variable.
    pub after: Option<String>,
}

/// Every difference between the live release and a plan, in a fixed order.
pub(super) fn changes(live: &ReleaseRecord, next: Option<Version>, plan: &Outline) -> Vec<Change> {
    let release = Change {
        field: "release".to_owned(),
        verb: Verb::Changed,
        before: Some(live.version.to_string()),
        after: next.map(|version| version.to_string()),
    };
    let (before, after) = (values(&live.outline), values(plan));
    let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let values = fields.into_iter().filter_map(|field| change(field, before.get(field), after.get(field)));
    let named = [
        variables("env", &live.outline.profile.env, &plan.profile.env),
        variables("secrets", &live.outline.profile.secrets, &plan.profile.secrets),
    ];
    std::iter::once(release).chain(values).chain(named.into_iter().flatten()).collect()
}

fn change(field: &str, before: Option<&String>, after: Option<&String>) -> Option<Change> {
    let verb = verb(before, after)?;
    Some(Change { field: field.to_owned(), verb, before: before.cloned(), after: after.cloned() })
}

fn verb<T: PartialEq>(before: Option<&T>, after: Option<&T>) -> Option<Verb> {
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(Verb::Added),
        (Some(_), None) => Some(Verb::Removed),
        (Some(before), Some(after)) => (before != after).then_some(Verb::Changed),
    }
}

/// The values that say what is deployed and how, by the names that the plan's document has for them.
fn values(outline: &Outline) -> BTreeMap<String, String> {
    let artifact = outline.artifact.as_ref();
    let command = |kind: CommandKind| {
        outline.commands.iter().find(|command| command.kind == kind).map(|command| command.command.clone())
    };
    let kind = artifact.and_then(|artifact| serde_json::to_value(artifact.kind).ok());
    let all = [
        ("target", Some(outline.target.as_str().to_owned())),
        ("source.commit", outline.source.commit.clone()),
        ("source.baseDirectory", outline.source.base_directory.clone()),
        ("detection.framework", outline.detection.framework.clone()),
        ("detection.runtimeVersion", outline.detection.runtime_version.clone()),
        ("artifact.kind", kind.as_ref().and_then(|kind| kind.as_str()).map(str::to_owned)),
        ("artifact.publishDirectory", artifact.and_then(|artifact| artifact.publish_directory.clone())),
        ("artifact.fallback", artifact.and_then(|artifact| artifact.fallback.clone())),
        ("artifact.dockerfile", artifact.and_then(|artifact| artifact.dockerfile.clone())),
        ("artifact.image", artifact.and_then(|artifact| artifact.image.clone())),
        ("commands.install", command(CommandKind::Install)),
        ("commands.build", command(CommandKind::Build)),
        ("commands.start", command(CommandKind::Start)),
        ("network.internalPort", outline.network.internal_port.map(|port| port.to_string())),
        ("health.path", Some(outline.health.policy.path.clone())),
        ("access.host", Some(outline.access.host.clone())),
        ("access.port", outline.access.port.map(|port| port.to_string())),
        ("rollback.keep", Some(outline.policy.keep.to_string())),
    ];
    all.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect()
}

/// Which variables differ; their values are nobody's business here.
fn variables<T: PartialEq>(
    group: &str,
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter_map(|name| Some((name, verb(before.get(name), after.get(name))?)));
    changed
        .map(|(name, verb)| Change { field: format!("{group}.{name}"), verb, before: None, after: None })
        .collect()
}
