//! The journal's writes and reads, each inside a transaction that somebody else began.

use deploy_core::admission::UNLIMITED;
use deploy_core::id::{DeploymentId, Fence, Seq};
use deploy_core::port::{Created, StoreError, WhenBusy};
use deploy_core::wire::{Envelope, decode};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::chain::{GENESIS, Hash, link};
use crate::fault::Fault;
use crate::history;
use crate::idempotency;
use crate::job::Space;
use crate::limits::Limits;
use crate::record::{Entry, Submission};
use crate::releases;
use crate::rows::{self, DeploymentRow, RowId, signed, unsigned};

/// Records a submission. One that is known is answered even while space is short.
pub(crate) fn create(
    db: &Connection,
    submission: &Submission,
    space: Space,
    limits: &Limits,
) -> Result<Created, Fault> {
    if let Some((key, request)) = &submission.idempotency
        && let Some(known) = idempotency::find(db, key, request)?
    {
        return Ok(Created::Known(known));
    }
    space.for_something_new()?;
    let entry = &submission.entry;
    absent(db, entry)?;
    let (resource, _) = rows::ensure_resource(db, &submission.resource, submission.resource_id)?;
    admit(db, resource, submission.busy, limits)?;
    has_room(db, &entry.status.workspace, submission.waiting_max)?;
    let sql = "INSERT INTO deployments (deployment, resource, word, ended, sequence, seal, status, workspace, asks, in_way)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let status = &entry.status;
    let id = entry.deployment.to_string();
    let row = params![
        id,
        resource,
        status.word,
        status.ended,
        signed(entry.last.0),
        status.seal,
        status.json,
        status.workspace,
        status.asks,
        status.in_way
    ];
    db.prepare_cached(sql)?.execute(row)?;
    let deployment = db.last_insert_rowid();
    history::begin(db, deployment, &status.history)?;
    write_events(db, deployment, entry)?;
    if let Some(change) = &entry.release {
        releases::change(db, resource, change)?;
    }
    idempotency::remember(db, submission, deployment, limits)?;
    Ok(Created::New)
}

/// A new deployment begins at 0. One that is there already answers with its last event.
fn absent(db: &Connection, entry: &Entry) -> Result<(), Fault> {
    let sql = "SELECT sequence FROM deployments WHERE deployment = ?1";
    let found: Option<i64> =
        db.prepare_cached(sql)?.query_row([entry.deployment.to_string()], |row| row.get(0)).optional()?;
    let actual = Seq(found.map_or(0, unsigned));
    if found.is_some() || entry.after != Seq(0) {
        return Err(StoreError::Conflict { actual }.into());
    }
    Ok(())
}

/// Whether the resource takes one more. Deployments that rest in `blocked` hold nothing.
fn admit(db: &Connection, resource: RowId, busy: WhenBusy, limits: &Limits) -> Result<(), Fault> {
    let sql =
        "SELECT count(*), min(id) FROM deployments WHERE resource = ?1 AND ended = 0 AND word <> 'blocked'";
    let (count, oldest): (u32, Option<RowId>) =
        db.prepare_cached(sql)?.query_row([resource], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match (busy, oldest) {
        (WhenBusy::Refuse, Some(oldest)) => {
            Err(StoreError::Busy { holder: rows::deployment_id(db, oldest)? }.into())
        }
        (WhenBusy::Wait | WhenBusy::Supersede, _) if count >= limits.unfinished_per_resource => {
            Err(Fault::limit(format!("{count} deployments of the resource are not finished")))
        }
        (WhenBusy::Refuse | WhenBusy::Wait | WhenBusy::Supersede, _) => Ok(()),
    }
}

/// Whether the workspace takes one more that waits.
fn has_room(db: &Connection, workspace: &str, waiting_max: u32) -> Result<(), Fault> {
    if waiting_max == UNLIMITED {
        return Ok(());
    }
    let sql = "SELECT count(*) FROM deployments WHERE workspace = ?1 AND word = 'queued' AND ended = 0";
    let waiting: u32 = db.prepare_cached(sql)?.query_row([workspace], |row| row.get(0))?;
    if waiting < waiting_max {
        return Ok(());
    }
    Err(Fault::limit(format!("{waiting} deployments of the workspace wait, {waiting_max} may")))
}

/// Appends events, with the status and the releases they lead to.
pub(crate) fn append(db: &Connection, entry: &Entry, limits: &Limits) -> Result<(), Fault> {
    let row = rows::deployment(db, entry.deployment)?;
    owned(&row, entry.fence)?;
    if row.sequence != entry.after {
        return Err(StoreError::Conflict { actual: row.sequence }.into());
    }
    if entry.last.0 > limits.events_per_deployment && !entry.status.ended {
        return Err(Fault::limit(format!("{} events of {}", limits.events_per_deployment, entry.deployment)));
    }
    write_events(db, row.id, entry)?;
    let sql =
        "UPDATE deployments SET word = ?2, ended = ?3, sequence = ?4, seal = ?5, status = ?6, asks = ?7, in_way = ?8
         WHERE id = ?1";
    let status = &entry.status;
    let values = params![
        row.id,
        status.word,
        status.ended,
        signed(entry.last.0),
        status.seal,
        status.json,
        status.asks,
        status.in_way
    ];
    db.prepare_cached(sql)?.execute(values)?;
    history::end(db, row.id, &status.history)?;
    match &entry.release {
        Some(change) => releases::change(db, row.resource, change),
        None => Ok(()),
    }
}

/// Whether a fence is the resource's, and its holder the deployment. Both are read in the transaction
/// that writes, so nobody can take the resource in between.
fn owned(row: &DeploymentRow, fence: Option<Fence>) -> Result<(), Fault> {
    match fence {
        Some(fence) if fence != row.epoch || row.holder != Some(row.id) => {
            Err(StoreError::Fenced { current: row.epoch }.into())
        }
        Some(_) | None => Ok(()),
    }
}

fn write_events(db: &Connection, deployment: RowId, entry: &Entry) -> Result<(), Fault> {
    let mut insert =
        db.prepare_cached("INSERT INTO events (deployment, sequence, hash, body) VALUES (?1, ?2, ?3, ?4)")?;
    let mut hash = hash_of(db, deployment, entry.after)?;
    let mut sequence = entry.after;
    for body in &entry.bodies {
        sequence = sequence.next();
        hash = link(&hash, body);
        insert.execute(params![deployment, signed(sequence.0), hash, body])?;
    }
    Ok(())
}

/// The hash up to an event.
fn hash_of(db: &Connection, deployment: RowId, sequence: Seq) -> Result<Hash, Fault> {
    if sequence == Seq(0) {
        return Ok(GENESIS);
    }
    let sql = "SELECT hash FROM events WHERE deployment = ?1 AND sequence = ?2";
    let found = db.prepare_cached(sql)?.query_row(params![deployment, signed(sequence.0)], |row| row.get(0));
    found.optional()?.ok_or_else(|| Fault::corrupt(format!("event {sequence} is missing")))
}

/// The events after a sequence number. Each is checked against the one before it.
pub(crate) fn events(
    db: &Connection,
    id: DeploymentId,
    after: Seq,
    limit: usize,
) -> Result<Vec<Envelope>, Fault> {
    let row = rows::deployment(db, id)?;
    if after >= row.sequence || limit == 0 {
        return Ok(Vec::new());
    }
    let mut hash = hash_of(db, row.id, after)?;
    let mut last = after;
    let mut found = Vec::new();
    let sql = "SELECT sequence, hash, body FROM events WHERE deployment = ?1 AND sequence > ?2
               ORDER BY sequence LIMIT ?3";
    let mut select = db.prepare_cached(sql)?;
    let mut stored = select.query(params![row.id, signed(after.0), signed(limit as u64)])?;
    while let Some(event) = stored.next()? {
        let (envelope, its_hash) = checked(event, id, last, &hash)?;
        (hash, last) = (its_hash, envelope.sequence);
        found.push(envelope);
    }
    if found.len() < limit && last < row.sequence {
        return Err(Fault::corrupt(format!("event {} of {id}: it is missing", last.next())));
    }
    Ok(found)
}

/// One stored event, if it is what was written after the event before it.
pub(crate) fn checked(
    event: &Row<'_>,
    id: DeploymentId,
    last: Seq,
    previous: &Hash,
) -> Result<(Envelope, Hash), Fault> {
    let (sequence, hash) = (Seq(unsigned(event.get(0)?)), event.get::<_, Hash>(1)?);
    let damaged = |what: &str| Fault::corrupt(format!("event {sequence} of {id}: {what}"));
    // Damage can leave bytes that are no text.
    let body = event.get_ref(2)?.as_str().map_err(|error| damaged(&error.to_string()))?;
    if sequence != last.next() {
        return Err(damaged("the one before it is missing"));
    }
    if link(previous, body) != hash {
        return Err(damaged("it is not what was written"));
    }
    let envelope = decode(body).map_err(|error| damaged(&error.to_string()))?;
    if envelope.sequence != sequence || envelope.deployment != id {
        return Err(damaged("it belongs to another row"));
    }
    Ok((envelope, hash))
}

/// Every deployment without an ending, oldest first. Nothing of them is read but the id: one that is
/// damaged is listed like the others. One whose very id is damaged can't be named; the check shows it.
pub(crate) fn unfinished(db: &Connection) -> Result<Vec<DeploymentId>, Fault> {
    let mut select = db.prepare_cached("SELECT deployment FROM deployments WHERE ended = 0 ORDER BY id")?;
    let mut found = Vec::new();
    let mut stored = select.query([])?;
    while let Some(row) = stored.next()? {
        let id = String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default()).into_owned();
        match rows::parse(&id, "a deployment") {
            Ok(id) => found.push(id),
            Err(fault) => tracing::error!(?fault, "an unfinished deployment is left out"),
        }
    }
    Ok(found)
}
