//! Releases: what serves, and what served before.

use deploy_core::id::{ResourceKey, Version};
use deploy_core::port::{ReleaseRecord, StoreError};
use rusqlite::{Connection, Row, params};

use crate::fault::Fault;
use crate::record::{RecordRow, ReleaseRow, read_release};
use crate::rows::{self, RowId};

/// Applies what an append changes about releases.
pub(crate) fn change(db: &Connection, resource: RowId, change: &ReleaseRow) -> Result<(), Fault> {
    match change {
        ReleaseRow::Made(record) => {
            unseat(db, resource)?;
            insert(db, resource, record, "live")
        }
        ReleaseRow::Restored(version) => restore(db, resource, *version),
        ReleaseRow::Failed(record) => insert(db, resource, record, "failed"),
    }
}

/// The release that serves is no longer the one that does.
fn unseat(db: &Connection, resource: RowId) -> Result<(), Fault> {
    let sql = "UPDATE releases SET state = 'previous' WHERE resource = ?1 AND state = 'live'";
    db.prepare_cached(sql)?.execute([resource])?;
    Ok(())
}

/// A kept release serves again. A pruned one may: what serves is live, whatever was meant for it.
fn restore(db: &Connection, resource: RowId, version: Version) -> Result<(), Fault> {
    unseat(db, resource)?;
    let sql = "UPDATE releases SET state = 'live' WHERE resource = ?1 AND version = ?2 AND state <> 'failed'";
    match db.prepare_cached(sql)?.execute(params![resource, version.0])? {
        0 => Err(StoreError::NotFound.into()),
        _ => Ok(()),
    }
}

fn insert(db: &Connection, resource: RowId, record: &RecordRow, state: &str) -> Result<(), Fault> {
    let taken = "SELECT EXISTS (SELECT 1 FROM releases
                 WHERE release = ?1 OR (resource = ?2 AND version = ?3 AND state <> 'failed' AND ?4 <> 'failed'))";
    let values = params![record.release, resource, record.version.0, state];
    if db.prepare_cached(taken)?.query_row(values, |row| row.get(0))? {
        return Err(Fault::corrupt(format!("release {} exists already", record.version)));
    }
    let sql = "INSERT INTO releases (release, resource, version, state, seal, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = params![record.release, resource, record.version.0, state, record.seal, record.json];
    db.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// The releases of a resource, newest first.
pub(crate) fn releases(db: &Connection, key: &ResourceKey) -> Result<Vec<ReleaseRecord>, Fault> {
    let Some((resource, _)) = rows::resource(db, key)? else { return Ok(Vec::new()) };
    let sql = "SELECT state, record, seal FROM releases WHERE resource = ?1 ORDER BY version DESC, id DESC";
    db.prepare_cached(sql)?.query_and_then([resource], read)?.collect()
}

/// One row of `state, record, seal`.
pub(crate) fn read(row: &Row<'_>) -> Result<ReleaseRecord, Fault> {
    let state: String = row.get(0)?;
    let json = row.get_ref(1)?.as_str().map_err(|error| Fault::corrupt(format!("a release: {error}")))?;
    read_release(&state, json, &row.get(2)?)
}
