//! Which request an idempotency key belongs to.

use deploy_core::id::{DeploymentId, Digest};
use deploy_core::port::StoreError;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::fault::Fault;
use crate::limits::Limits;
use crate::record::Submission;
use crate::rows::{self, RowId};

/// The deployment that the same request made before under the same key.
pub(crate) fn find(db: &Connection, key: &str, request: &Digest) -> Result<Option<DeploymentId>, Fault> {
    let sql = "SELECT request, deployment FROM idempotency WHERE key = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, RowId>(1)?));
    match db.prepare_cached(sql)?.query_row([key], read).optional()? {
        Some((known, deployment)) if known == request.as_str() => {
            Ok(Some(rows::deployment_id(db, deployment)?))
        }
        Some(_) => Err(StoreError::KeyReused.into()),
        None => Ok(None),
    }
}

/// Remembers the key, and forgets some that are old.
pub(crate) fn remember(
    db: &Connection,
    submission: &Submission,
    deployment: RowId,
    limits: &Limits,
) -> Result<(), Fault> {
    let Some((key, request)) = &submission.idempotency else { return Ok(()) };
    forget(db, submission.at.as_millis(), deployment, limits)?;
    let sql = "INSERT INTO idempotency (key, request, deployment, created_at) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute(params![key, request.as_str(), deployment, submission.at.as_millis()])?;
    Ok(())
}

/// Forgets keys that are both old by the clock and far behind in the order of acceptance: a clock that
/// jumps ahead alone makes no key old. A few at a time, and always more than one is added.
fn forget(db: &Connection, now: i64, newest: RowId, limits: &Limits) -> Result<(), Fault> {
    let age = i64::try_from(limits.key_age.as_millis()).unwrap_or(i64::MAX);
    let sql = "DELETE FROM idempotency WHERE key IN (
                   SELECT key FROM idempotency WHERE deployment <= ?1 AND created_at < ?2 ORDER BY deployment LIMIT 16)";
    let behind = newest.saturating_sub(i64::from(limits.keys_kept));
    db.prepare_cached(sql)?.execute(params![behind, now.saturating_sub(age)])?;
    Ok(())
}
