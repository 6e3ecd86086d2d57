//! Reading what is recorded about deployments.

use deploy_core::id::{DeploymentId, Name};
use deploy_core::port::{ListQuery, StoreError};
use deploy_core::status::Status;
use deploy_core::time::Timestamp;
use rusqlite::{Connection, Row, ToSql};

use crate::fault::Fault;
use crate::limits::Limits;
use crate::record;
use crate::rows::{self, signed, unsigned};

/// The status of a deployment.
pub(crate) fn status(db: &Connection, id: DeploymentId) -> Result<Status, Fault> {
    let sql = "SELECT deployment, sequence, status, seal FROM deployments WHERE deployment = ?1";
    let mut select = db.prepare_cached(sql)?;
    let mut found = select.query_and_then([id.to_string()], read_status)?;
    found.next().unwrap_or(Err(StoreError::NotFound.into()))
}

/// One row of `deployment, sequence, status, seal`.
pub(crate) fn read_status(row: &Row<'_>) -> Result<Status, Fault> {
    let deployment: String = row.get(0)?;
    let damaged = |error| Fault::corrupt(format!("the status of {deployment}: {error}"));
    let json = row.get_ref(2)?.as_str().map_err(damaged)?;
    record::read_status(&deployment, unsigned(row.get(1)?), json, &row.get(3)?)
}

/// The unfinished of a workspace, oldest first. One that can't be read is left out, as in a list.
pub(crate) fn line(db: &Connection, workspace: &Name, limit: usize) -> Result<Vec<Status>, Fault> {
    let sql = "SELECT deployment, sequence, status, seal FROM deployments
               WHERE workspace = ?1 AND ended = 0 AND word <> 'blocked' ORDER BY id LIMIT ?2";
    let mut select = db.prepare_cached(sql)?;
    let values = rusqlite::params![workspace.as_str(), signed(limit as u64)];
    let statuses = select.query_and_then(values, read_status)?;
    statuses.filter_map(readable).collect()
}

/// Deployments, newest first. One that can't be read is left out, so that it hides no other: the
/// check names it.
pub(crate) fn list(db: &Connection, query: &ListQuery, limits: &Limits) -> Result<Vec<Status>, Fault> {
    let before = query.before.map(|id| rows::deployment(db, id)).transpose()?.map(|row| row.id);
    let limit = signed(query.limit.min(limits.list) as u64);
    let (since, until) = (query.since.map(Timestamp::as_millis), query.until.map(Timestamp::as_millis));
    let filters: [(&str, Option<&dyn ToSql>); 8] = [
        ("r.name = ?", query.resource.as_ref().map(|name| name as &dyn ToSql)),
        ("r.environment = ?", query.environment.as_ref().map(|name| name as &dyn ToSql)),
        ("d.word = ?", query.status.as_ref().map(|word| word as &dyn ToSql)),
        ("h.trigger = ?", query.trigger.as_ref().map(|trigger| trigger as &dyn ToSql)),
        ("h.actor = ?", query.actor.as_ref().map(|actor| actor as &dyn ToSql)),
        ("h.created_at >= ?", since.as_ref().map(|at| at as &dyn ToSql)),
        ("h.created_at < ?", until.as_ref().map(|at| at as &dyn ToSql)),
        ("d.id < ?", before.as_ref().map(|row| row as &dyn ToSql)),
    ];
    let (mut wanted, mut values) = (vec!["1"], Vec::new());
    for (condition, value) in filters {
        if let Some(value) = value {
            wanted.push(condition);
            values.push(value);
        }
    }
    values.push(&limit);
    let sql = format!(
        "SELECT d.deployment, d.sequence, d.status, d.seal FROM deployments d
         JOIN resources r ON r.id = d.resource LEFT JOIN history h ON h.deployment = d.id
         WHERE {} ORDER BY d.id DESC LIMIT ?",
        wanted.join(" AND ")
    );
    let mut select = db.prepare_cached(&sql)?;
    let statuses = select.query_and_then(values.as_slice(), read_status)?;
    statuses.filter_map(readable).collect()
}

fn readable(status: Result<Status, Fault>) -> Option<Result<Status, Fault>> {
    match status {
        Err(Fault::Refused(StoreError::Corrupt { what })) => {
            tracing::error!(%what, "a deployment is left out of a list");
            None
        }
        status => Some(status),
    }
}
