//! Two deployments side by side: what differs between what they planned, how long each took, and where their
//! output parts. Pure: two records in, one comparison out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Event;
use crate::id::{DeploymentId, Digest, StepId, Version};
use crate::lifecycle::PhaseName;
use crate::log::{LogLine, LogSource};
use crate::plan::{Change, Outline, Output, SourceSummary, Verb};
use crate::secret_hash::SecretHash;
use crate::status::{Status, StatusName, StepStatus, StepStatusName};
use crate::time::Timestamp;
use crate::wire::Envelope;

/// Facts that begin so are a [`SecretHash`] each: `secretHash.NAME` is recorded by a target that hands the secret
/// `NAME` to a release.
pub const SECRET_HASH: &str = "secretHash.";

/// What is known of one of two deployments.
#[derive(Debug, Clone)]
pub struct Record {
    status: Status,
    outline: Option<Outline>,
    secrets: BTreeMap<String, SecretHash>,
}

impl Record {
    /// The record of a deployment whose events are still to be read.
    #[must_use]
    pub const fn new(status: Status) -> Self {
        Self { status, outline: None, secrets: BTreeMap::new() }
    }

    /// Takes one event, in order.
    pub fn read(&mut self, envelope: &Envelope) {
        if let Event::Planned { plan, .. } = &envelope.event {
            self.outline = Some(plan.outline().clone());
        } else if let Event::Blocked { blocked, .. } = &envelope.event {
            self.outline = Some(blocked.outline().clone());
        } else if let Event::StepCompleted { output, .. } = &envelope.event {
            self.remember(output);
        }
    }

    fn remember(&mut self, output: &Output) {
        let hash = |(fact, hash): (&String, &String)| {
            // One that can't be read is as good as none: nobody knows.
            Some((fact.strip_prefix(SECRET_HASH)?.to_owned(), hash.parse().ok()?))
        };
        self.secrets.extend(output.facts.iter().filter_map(hash));
    }

    /// The secrets that it refers to, or was given.
    fn secret_names(&self) -> BTreeSet<&String> {
        let planned = self.outline.iter().flat_map(|outline| outline.profile.secrets.keys());
        planned.chain(self.secrets.keys()).collect()
    }
}

/// Two deployments side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Comparison {
    /// The first.
    pub before: Side,
    /// The second.
    pub after: Side,
    /// What differs between what they planned, by field; empty where one of them has no plan. Of a secret it says only
    /// that its value is another one.
    pub changes: Vec<Change>,
    /// The secrets of both of which nobody can say whether their values differ: one of the deployments did not come as
    /// far as to be given its value, is older than the recording of hashes, or ran under another installation's key.
    #[serde(default)]
    pub unknown_secrets: Vec<String>,
    /// Every step of either, in order.
    pub steps: Vec<StepPair>,
    /// Where their output parts first; absent where it does not, as far as it was looked at.
    pub output: Option<OutputDifference>,
}

/// One of two deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PhaseDuration {
    /// The phase.
    pub phase: PhaseName,
    /// Milliseconds, until the last event where the phase has not ended.
    pub milliseconds: u64,
}

/// A step in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepPair {
    /// The step.
    pub id: StepId,
    /// In the first; absent where that has no such step.
    pub before: Option<StepTaken>,
    /// In the second.
    pub after: Option<StepTaken>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepTaken {
    /// Where it is.
    pub state: StepStatusName,
    /// Milliseconds of its last attempt, once that has ended.
    pub milliseconds: Option<u64>,
    /// How often it was started.
    pub attempts: u32,
}

/// The first place where two outputs part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutputDifference {
    /// The line of the first; absent where that has ended.
    pub before: Option<LogLine>,
    /// The line of the second.
    pub after: Option<LogLine>,
}

impl Comparison {
    /// Compares two records, and the first lines of their logs.
    #[must_use]
    pub fn of(before: &Record, after: &Record, logs: (&[LogLine], &[LogLine])) -> Self {
        let mut changed = match (&before.outline, &after.outline) {
            (Some(before), Some(after)) => changes(before, after),
            (Some(_) | None, Some(_) | None) => Vec::new(),
        };
        let (other, unknown_secrets) = secrets(before, after);
        changed.extend(other);
        Self {
            changes: changed,
            unknown_secrets,
            steps: steps(&before.status.steps, &after.status.steps),
            output: output(logs.0, logs.1),
            before: side(&before.status),
            after: side(&after.status),
        }
    }
}

fn side(status: &Status) -> Side {
    let durations = status.phases.iter().map(|timing| {
        let end = timing.ended_at.unwrap_or(status.updated_at);
        PhaseDuration { phase: timing.phase, milliseconds: end.since(timing.started_at).as_millis() }
    });
    Side {
        durations: durations.collect(),
        id: status.id,
        status: status.status,
        source_summary: status.source_summary.clone(),
        plan_fingerprint: status.plan_fingerprint.clone(),
        release: status.release,
        digest: status.digest.clone(),
        created_at: status.created_at,
        ended_at: status.ended_at,
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

/// Of the secrets of both: those whose values differ, and those of which nobody knows. The hashes themselves are
/// nobody's business.
fn secrets(before: &Record, after: &Record) -> (Vec<Change>, Vec<String>) {
    let (mut changed, mut unknown) = (Vec::new(), Vec::new());
    for name in before.secret_names().intersection(&after.secret_names()).copied() {
        let hashes = before.secrets.get(name).zip(after.secrets.get(name));
        match hashes.and_then(|(one, other)| one.same_value(other)) {
            Some(true) => {}
            Some(false) => changed.push(Change {
                field: format!("secrets.{name}"),
                verb: Verb::Changed,
                before: None,
                after: None,
            }),
            None => unknown.push(name.clone()),
        }
    }
    (changed, unknown)
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

/// The steps of both, those of the first in their order, then those that only the second has.
fn steps(before: &[StepStatus], after: &[StepStatus]) -> Vec<StepPair> {
    let find = |steps: &[StepStatus], id: &StepId| steps.iter().find(|step| step.id == *id).map(taken);
    let only_after = after.iter().filter(|step| find(before, &step.id).is_none());
    let all = before.iter().chain(only_after);
    let pair = |step: &StepStatus| StepPair {
        id: step.id.clone(),
        before: find(before, &step.id),
        after: find(after, &step.id),
    };
    all.map(pair).collect()
}

fn taken(step: &StepStatus) -> StepTaken {
    let span = step.ended_at.zip(step.started_at).map(|(end, start)| end.since(start));
    StepTaken { state: step.state, milliseconds: span.map(|span| span.as_millis()), attempts: step.attempts }
}

/// Where two outputs part: lines of builds and releases by their places, numbers, hashes and times aside.
fn output(before: &[LogLine], after: &[LogLine]) -> Option<OutputDifference> {
    let theirs = |line: &&LogLine| line.source != LogSource::System;
    let (mut before, mut after) = (before.iter().filter(theirs), after.iter().filter(theirs));
    loop {
        match (before.next(), after.next()) {
            (None, None) => return None,
            (Some(one), Some(other)) if alike(one, other) => {}
            (one, other) => return Some(OutputDifference { before: one.cloned(), after: other.cloned() }),
        }
    }
}

fn alike(one: &LogLine, other: &LogLine) -> bool {
    one.step == other.step && words(&one.message).eq(words(&other.message))
}

/// The words of a line; one with a digit in it (a duration, a hash, a process, a port) stands for all of them.
fn words(message: &str) -> impl Iterator<Item = &str> {
    let words = message.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "0" } else { word })
}

#[cfg(all(test, feature = "testkit"))]
mod tests {
    use super::*;
    use crate::id::Seq;
    use crate::secret_hash::SecretKey;
    use crate::spec::SecretRef;
    use crate::testkit::contract::Writer;
    use crate::testkit::samples;

    fn record(key: u8, secrets: &[(&str, &str)]) -> Record {
        let mut record = Record::new(Writer::new("web").status(StatusName::Failed, Seq(3)));
        let key = SecretKey::new(&[key; 32]);
        let output = secrets.iter().fold(Output::default(), |output, (name, value)| {
            output.with(&format!("{SECRET_HASH}{name}"), key.hash(name, value).to_string())
        });
        record.remember(&output);
        record
    }

    fn log(lines: &[&str]) -> Vec<LogLine> {
        let writer = Writer::new("web");
        lines.iter().map(|line| writer.line(*line)).collect()
    }

    #[test]
    fn inv_36_of_a_secret_only_that_it_changed_is_said() {
        let before = record(1, &[("TOKEN", "aaa"), ("SAME", "bbb"), ("GONE", "ccc")]);
        let after = record(1, &[("TOKEN", "ddd"), ("SAME", "bbb"), ("NEW", "eee")]);
        let compared = Comparison::of(&before, &after, (&[], &[]));
        let fields: Vec<&str> = compared.changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(fields, ["secrets.TOKEN"]);
        assert!(compared.unknown_secrets.is_empty());
        let text = serde_json::to_string(&compared).expect("it can be written");
        assert!(["aaa", "ddd", "hmac"].iter().all(|hash| !text.contains(hash)), "{text}");
    }

    #[test]
    fn of_a_secret_whose_hash_is_missing_unreadable_or_of_another_key_it_is_said_that_nobody_knows() {
        let mut before = record(1, &[("OTHER_KEY", "aaa"), ("UNREADABLE", "bbb"), ("SAME", "ccc")]);
        let mut after = record(2, &[("OTHER_KEY", "aaa")]);
        let (same, unreadable) = (before.secrets["SAME"].to_string(), "sha256:bbb");
        let output = Output::default().with("secretHash.SAME", same);
        after.remember(&output.with("secretHash.UNREADABLE", unreadable));
        for record in [&mut before, &mut after] {
            let mut outline = samples::plan(Vec::new()).outline().clone();
            for name in ["NOT_REACHED", "UNREADABLE"] {
                let reference = SecretRef { env: "ANY".to_owned(), build: false, file: false };
                outline.profile.secrets.insert(name.to_owned(), reference);
            }
            record.outline = Some(outline);
        }
        let compared = Comparison::of(&before, &after, (&[], &[]));
        assert_eq!(compared.unknown_secrets, ["NOT_REACHED", "OTHER_KEY", "UNREADABLE"]);
        assert_eq!(compared.changes, []);
    }

    #[test]
    fn output_parts_where_words_differ_and_not_where_only_numbers_do() {
        let same = log(&["npm ci", "added 312 packages in 4s", "built in 1.25s (a1b2c3)"]);
        let again = log(&["npm ci", "added 9 packages in 11s", "built in 30.5s (ffe001)"]);
        assert_eq!(output(&same, &again), None);
        let other = log(&["npm ci", "npm ERR! missing script: build"]);
        let parts = output(&same, &other).expect("they part");
        let said = |line: Option<LogLine>| line.map(|line| line.message).unwrap_or_default();
        assert_eq!(said(parts.before), "added 312 packages in 4s");
        assert_eq!(said(parts.after), "npm ERR! missing script: build");
        let longer = output(&same[..1], &same).expect("one has ended");
        assert_eq!((longer.before, said(longer.after).as_str()), (None, "added 312 packages in 4s"));
    }
}
