//! Who owns a resource. The whole argument fits on this page:
//!
//! * The epoch is read and raised in the one transaction that grants, so no two grants share a fence.
//! * Nothing lowers it: giving back clears the holder and leaves the epoch (a trigger refuses less).
//! * Every append that names a fence compares it with the epoch in its own transaction.
//!
//! How many of a workspace own their resource at once is counted in the transaction that grants, too.
//!
//! So of all owners there ever were, only the one granted last can write, and nobody has to wait for
//! a lease to run out: a deployment that is taken up again simply acquires again.

use deploy_core::admission::UNLIMITED;
use deploy_core::id::{DeploymentId, Fence, Name, ResourceKey};
use deploy_core::port::StoreError;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::fault::Fault;
use crate::rows::{self, DeploymentRow, RowId, signed};

/// Takes the resource for a deployment.
pub(crate) fn acquire(
    db: &Connection,
    key: &ResourceKey,
    by: DeploymentId,
    concurrent: u32,
) -> Result<Fence, Fault> {
    let row = rows::deployment(db, by)?;
    let resource = rows::resource(db, key)?;
    if resource.is_none_or(|(resource, _)| resource != row.resource) {
        return Err(StoreError::NotFound.into());
    }
    if row.ended {
        // Whoever asks does not know of the ending yet.
        return Err(StoreError::Conflict { actual: row.sequence }.into());
    }
    if let Some(other) = in_the_way(db, &row)? {
        return Err(StoreError::Busy { holder: rows::deployment_id(db, other)? }.into());
    }
    if row.holder != Some(row.id) {
        its_turn(db, &row, concurrent)?;
    }
    let fence = Fence(row.epoch.0.saturating_add(1));
    let sql = "UPDATE resources SET epoch = ?2, holder = ?3 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![row.resource, signed(fence.0), row.id])?;
    Ok(fence)
}

/// Who must be waited for: the holder while it runs, and without one whoever was accepted earlier.
/// A deployment that rests in `blocked` holds nothing, even if it had no time to give back, and one that a
/// policy defers lets others go first.
fn in_the_way(db: &Connection, row: &DeploymentRow) -> Result<Option<RowId>, Fault> {
    if row.holder == Some(row.id) {
        return Ok(None);
    }
    let sql = "SELECT id FROM deployments
               WHERE resource = ?1 AND in_way = 1 AND id <> ?2 AND (id = ?3 OR id < ?2)
               ORDER BY id = ?3 DESC, id LIMIT 1";
    let found =
        db.prepare_cached(sql)?.query_row(params![row.resource, row.id, row.holder], |row| row.get(0));
    Ok(found.optional()?)
}

/// Those of a workspace that could go on if there were room for all, eldest first: nobody owns their
/// resource, and no elder waits for it.
const NEXT: &str = "
    SELECT d.id FROM deployments d JOIN resources r ON r.id = d.resource
    WHERE d.workspace = ?1 AND d.asks = 1 AND d.id < ?2
      AND NOT EXISTS (SELECT 1 FROM deployments h WHERE h.resource = r.id AND h.in_way = 1 AND h.id = r.holder)
      AND NOT EXISTS (SELECT 1 FROM deployments e WHERE e.resource = r.id AND e.in_way = 1 AND e.id < d.id)
    ORDER BY d.id LIMIT ?3";

/// How many of a workspace own their resource.
fn running(db: &Connection, workspace: &str) -> Result<u32, Fault> {
    let sql = "SELECT count(*) FROM resources r
               JOIN deployments h ON h.resource = r.id AND h.in_way = 1 AND h.id = r.holder
               WHERE r.holder IS NOT NULL AND h.workspace = ?1";
    Ok(db.prepare_cached(sql)?.query_row([workspace], |row| row.get(0))?)
}

/// Whether there is room in the workspace that no elder would take.
fn its_turn(db: &Connection, row: &DeploymentRow, concurrent: u32) -> Result<(), Fault> {
    if concurrent == UNLIMITED {
        return Ok(());
    }
    let sql = "SELECT workspace FROM deployments WHERE id = ?1";
    let workspace: String = db.prepare_cached(sql)?.query_row([row.id], |row| row.get(0))?;
    let running = running(db, &workspace)?;
    let room = concurrent.saturating_sub(running);
    if room > 0 {
        let mut elders = db.prepare_cached(NEXT)?;
        let elders = elders.query_map(params![workspace, row.id, room], |row| row.get::<_, RowId>(0))?;
        if elders.count() < room as usize {
            return Ok(());
        }
    }
    Err(StoreError::WorkspaceFull { running }.into())
}

/// Those whose turn it is.
pub(crate) fn turns(
    db: &Connection,
    workspace: &Name,
    concurrent: u32,
    limit: usize,
) -> Result<Vec<DeploymentId>, Fault> {
    let running = if concurrent == UNLIMITED { 0 } else { running(db, workspace.as_str())? };
    let room = (concurrent.saturating_sub(running) as usize).min(limit);
    let mut next = db.prepare_cached(NEXT)?;
    let values = params![workspace.as_str(), RowId::MAX, signed(room as u64)];
    let found: Vec<RowId> = next.query_map(values, |row| row.get(0))?.collect::<Result<_, _>>()?;
    found.into_iter().map(|row| rows::deployment_id(db, row)).collect()
}

/// Gives the resource back, if the fence is the one it is held under.
pub(crate) fn release(db: &Connection, key: &ResourceKey, fence: Fence) -> Result<(), Fault> {
    let sql = "UPDATE resources SET holder = NULL WHERE name = ?1 AND environment = ?2 AND epoch = ?3";
    let values = params![key.resource.as_str(), key.environment.as_str(), signed(fence.0)];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}
