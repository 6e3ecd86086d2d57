//! Who owns a resource. The whole argument fits on this page:
//!
//! * The epoch is read and raised in the one transaction that grants, so no two grants share a fence.
//! * Nothing lowers it: giving back clears the holder and leaves the epoch (a trigger refuses less).
//! * Every append that names a fence compares it with the epoch in its own transaction.
//!
//! So of all owners there ever were, only the one granted last can write, and nobody has to wait for
//! a lease to run out: a deployment that is taken up again simply acquires again.

use deploy_core::id::{DeploymentId, Fence, ResourceKey};
use deploy_core::port::StoreError;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::fault::Fault;
use crate::rows::{self, DeploymentRow, RowId, signed};

/// Takes the resource for a deployment.
pub(crate) fn acquire(db: &Connection, key: &ResourceKey, by: DeploymentId) -> Result<Fence, Fault> {
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
    let fence = Fence(row.epoch.0.saturating_add(1));
    let sql = "UPDATE resources SET epoch = ?2, holder = ?3 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![row.resource, signed(fence.0), row.id])?;
    Ok(fence)
}

/// Who must be waited for: the holder while it runs, and without one whoever was accepted earlier.
/// A deployment that rests in `blocked` holds nothing, even if it had no time to give back.
fn in_the_way(db: &Connection, row: &DeploymentRow) -> Result<Option<RowId>, Fault> {
    if row.holder == Some(row.id) {
        return Ok(None);
    }
    let sql = "SELECT id FROM deployments
               WHERE resource = ?1 AND ended = 0 AND word <> 'blocked' AND id <> ?2 AND (id = ?3 OR id < ?2)
               ORDER BY id = ?3 DESC, id LIMIT 1";
    let found =
        db.prepare_cached(sql)?.query_row(params![row.resource, row.id, row.holder], |row| row.get(0));
    Ok(found.optional()?)
}

/// Gives the resource back, if the fence is the one it is held under.
pub(crate) fn release(db: &Connection, key: &ResourceKey, fence: Fence) -> Result<(), Fault> {
    let sql = "UPDATE resources SET holder = NULL WHERE name = ?1 AND environment = ?2 AND epoch = ?3";
    let values = params![key.resource.as_str(), key.environment.as_str(), signed(fence.0)];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}
