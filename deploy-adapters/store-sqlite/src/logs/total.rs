//! The bound of all logs together: the oldest lines of the oldest ended deployments go first.

use deploy_core::id::DeploymentId;
use deploy_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::queue::notice;
use super::table::insert;
use crate::fault::Fault;
use crate::limits::LogLimits;
use crate::rows::{self, RowId, signed, unsigned};

/// The oldest lines of a log that may go.
struct Oldest {
    deployment: RowId,
    /// The last of them.
    last: u64,
    at: Timestamp,
    bytes: u64,
    /// Whether the log has no others.
    all: bool,
}

/// Removes some lines if there are too many. Called once per batch of lines, it removes twice as many
/// as came, so the bound is reached again soon and no commit takes long.
pub(super) fn trim(db: &Connection, limits: &LogLimits) -> Result<(), Fault> {
    let total: i64 =
        db.prepare_cached("SELECT coalesce(sum(bytes), 0) FROM logs")?.query_row([], |row| row.get(0))?;
    if unsigned(total) <= limits.total_bytes {
        return Ok(());
    }
    match oldest(db, limits.batch.saturating_mul(2))? {
        Some(oldest) => remove(db, &oldest, limits),
        None => Ok(()),
    }
}

fn oldest(db: &Connection, count: usize) -> Result<Option<Oldest>, Fault> {
    let sql = "SELECT l.deployment FROM logs l JOIN deployments d ON d.id = l.deployment
               WHERE d.ended = 1 AND l.bytes > 0 ORDER BY l.deployment LIMIT 1";
    let found = db.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    let Some(deployment) = found else { return Ok(None) };
    let sql = "SELECT max(sequence), max(at), coalesce(sum(octet_length(message)), 0), count(*) FROM (
                   SELECT * FROM log_lines WHERE deployment = ?1 ORDER BY sequence LIMIT ?2)";
    let read = |row: &Row<'_>| {
        let (last, at): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(Oldest {
            deployment,
            last: unsigned(last.unwrap_or(0)),
            at: Timestamp::from_millis(at.unwrap_or(0)),
            bytes: unsigned(row.get(2)?),
            all: unsigned(row.get(3)?) < count as u64,
        })
    };
    Ok(Some(db.prepare_cached(sql)?.query_row(params![deployment, signed(count as u64)], read)?))
}

/// Removes them, and says so in their place.
fn remove(db: &Connection, oldest: &Oldest, limits: &LogLimits) -> Result<(), Fault> {
    let Oldest { deployment, last, at, bytes, all } = oldest;
    let id: DeploymentId = rows::deployment_id(db, *deployment)?;
    let gone = params![deployment, signed(*last)];
    db.prepare_cached("DELETE FROM log_lines WHERE deployment = ?1 AND sequence <= ?2")?.execute(gone)?;
    let message = format!(
        "removed: all logs together keep {} bytes, and these lines were the oldest",
        limits.total_bytes
    );
    if *last > 0 {
        insert(db, *deployment, *last, &notice(id, *at, message))?;
    }
    let sql = "UPDATE logs SET bytes = iif(?2, 0, max(0, bytes - ?3)) WHERE deployment = ?1";
    db.prepare_cached(sql)?.execute(params![deployment, all, signed(*bytes)])?;
    Ok(())
}
