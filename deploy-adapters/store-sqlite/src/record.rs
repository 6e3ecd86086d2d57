//! What is written, made ready outside the writer: checked, measured and turned into text, so that
//! the one thread that writes does little else.

use deploy_core::id::{DeploymentId, Digest, Fence, ResourceId, ResourceKey, Seq, Version};
use deploy_core::port::{Append, Create, ReleaseChange, ReleaseRecord, StoreError, WhenBusy};
use deploy_core::status::Status;
use deploy_core::time::Timestamp;
use deploy_core::wire::{Envelope, encode};

use crate::chain::{Hash, seal};
use crate::fault::Fault;
use crate::history::HistoryRow;
use crate::limits::Limits;

/// An append, ready to be written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) deployment: DeploymentId,
    pub(crate) after: Seq,
    pub(crate) last: Seq,
    pub(crate) fence: Option<Fence>,
    /// The events as stored, numbered from `after + 1`.
    pub(crate) bodies: Vec<String>,
    pub(crate) status: StatusRow,
    pub(crate) release: Option<ReleaseRow>,
}

/// A submission, ready to be written.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) entry: Entry,
    pub(crate) resource: ResourceKey,
    pub(crate) resource_id: ResourceId,
    pub(crate) at: Timestamp,
    pub(crate) idempotency: Option<(String, Digest)>,
    pub(crate) busy: WhenBusy,
    pub(crate) waiting_max: u32,
}

/// A status, ready to be written.
#[derive(Debug)]
pub(crate) struct StatusRow {
    pub(crate) word: &'static str,
    pub(crate) ended: bool,
    pub(crate) json: String,
    pub(crate) seal: Hash,
    pub(crate) workspace: String,
    pub(crate) asks: bool,
    pub(crate) in_way: bool,
    pub(crate) history: HistoryRow,
}

/// What changes about releases, ready to be written.
#[derive(Debug)]
pub(crate) enum ReleaseRow {
    /// It serves now.
    Made(RecordRow),
    /// It serves again.
    Restored(Version),
    /// It never served.
    Failed(RecordRow),
}

/// A release, ready to be written.
#[derive(Debug)]
pub(crate) struct RecordRow {
    pub(crate) release: String,
    pub(crate) version: Version,
    pub(crate) json: String,
    pub(crate) seal: Hash,
}

impl Submission {
    /// Checks a submission and makes it ready.
    pub(crate) fn new(create: &Create, limits: &Limits) -> Result<Self, StoreError> {
        let key_bytes = create.idempotency.as_ref().map_or(0, |(key, _)| key.len());
        if key_bytes > limits.key_bytes {
            let what = format!("an idempotency key of {key_bytes} bytes, {} are allowed", limits.key_bytes);
            return Err(StoreError::Limit { what });
        }
        let append = &create.append;
        Ok(Self {
            entry: Entry::new(append, limits)?,
            resource: create.resource.clone(),
            resource_id: append.status.resource_id,
            at: append.events.first().map_or(append.status.created_at, |event| event.at),
            idempotency: create.idempotency.clone(),
            busy: create.busy,
            waiting_max: create.waiting_max,
        })
    }
}

impl Entry {
    /// Checks an append and makes it ready.
    pub(crate) fn new(append: &Append, limits: &Limits) -> Result<Self, StoreError> {
        let count = append.events.len();
        if count > limits.events_per_append {
            let what = format!("{count} events in one append, {} are allowed", limits.events_per_append);
            return Err(StoreError::Limit { what });
        }
        let last = contiguous(append)?;
        let bodies = append.events.iter().map(encode).map(|body| fits(body, "an event", limits));
        Ok(Self {
            deployment: append.deployment,
            after: append.after,
            last,
            fence: append.fence,
            bodies: bodies.collect::<Result<_, _>>()?,
            status: StatusRow::new(&append.status, last, limits)?,
            release: append.release.as_ref().map(|change| ReleaseRow::new(change, limits)).transpose()?,
        })
    }
}

impl StatusRow {
    fn new(status: &Status, last: Seq, limits: &Limits) -> Result<Self, StoreError> {
        if status.sequence != last {
            return Err(malformed(format!("the status is at {}, the last event is {last}", status.sequence)));
        }
        let json = fits(json(status)?, "a status", limits)?;
        Ok(Self {
            word: status.status.as_str(),
            ended: status.status.is_ended(),
            seal: seal(&json),
            json,
            workspace: status.workspace.to_string(),
            asks: status.asks_for_its_turn(),
            in_way: status.is_in_the_way(),
            history: HistoryRow::new(status),
        })
    }
}

impl ReleaseRow {
    fn new(change: &ReleaseChange, limits: &Limits) -> Result<Self, StoreError> {
        Ok(match change {
            ReleaseChange::Made(record) => Self::Made(RecordRow::new(record, limits)?),
            ReleaseChange::Restored(version) => Self::Restored(*version),
            ReleaseChange::Failed(record) => Self::Failed(RecordRow::new(record, limits)?),
        })
    }
}

impl RecordRow {
    fn new(record: &ReleaseRecord, limits: &Limits) -> Result<Self, StoreError> {
        let json = fits(json(record)?, "a release", limits)?;
        Ok(Self { release: record.id.to_string(), version: record.version, seal: seal(&json), json })
    }
}

/// Whether the events continue where the append says, all of its deployment; returns the last number.
fn contiguous(append: &Append) -> Result<Seq, StoreError> {
    let mut last = append.after;
    if append.events.is_empty() || append.status.id != append.deployment {
        return Err(malformed(format!("an append needs events and a status of {}", append.deployment)));
    }
    for Envelope { deployment, sequence, .. } in &append.events {
        if *sequence != last.next() || *deployment != append.deployment {
            let expected = format!("event {} of {}", last.next(), append.deployment);
            return Err(malformed(format!("event {sequence} of {deployment} where {expected} was expected")));
        }
        last = last.next();
    }
    Ok(last)
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| malformed(error.to_string()))
}

fn fits(text: String, what: &str, limits: &Limits) -> Result<String, StoreError> {
    if text.len() > limits.record_bytes {
        let what = format!("{what} of {} bytes, {} are allowed", text.len(), limits.record_bytes);
        return Err(StoreError::Limit { what });
    }
    Ok(text)
}

fn malformed(what: String) -> StoreError {
    StoreError::Corrupt { what }
}

/// Reads back a status: it must be the one that was written, and at the row's sequence number.
pub(crate) fn read_status(
    deployment: &str,
    sequence: u64,
    json: &str,
    sealed: &Hash,
) -> Result<Status, Fault> {
    let damaged = |what: &str| Fault::corrupt(format!("the status of {deployment}: {what}"));
    if seal(json) != *sealed {
        return Err(damaged("it is not what was written"));
    }
    let status: Status = serde_json::from_str(json).map_err(|error| damaged(&error.to_string()))?;
    if status.sequence.0 != sequence || status.id.to_string() != deployment {
        return Err(damaged("it belongs to another row"));
    }
    Ok(status)
}

/// Reads back a release. Its state is in a column of its own, as it changes.
pub(crate) fn read_release(state: &str, json: &str, sealed: &Hash) -> Result<ReleaseRecord, Fault> {
    let damaged = |what: &str| Fault::corrupt(format!("a release: {what}"));
    if seal(json) != *sealed {
        return Err(damaged("it is not what was written"));
    }
    let mut record: ReleaseRecord =
        serde_json::from_str(json).map_err(|error| damaged(&error.to_string()))?;
    record.state = serde_json::from_value(state.into()).map_err(|error| damaged(&error.to_string()))?;
    Ok(record)
}
