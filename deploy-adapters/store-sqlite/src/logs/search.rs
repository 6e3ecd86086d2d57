//! Looking for a text through all logs, archived lines included. Bounded in lines and in bytes looked at.

use std::path::Path;

use deploy_core::id::DeploymentId;
use deploy_core::log::{Found, LogLine, LogSearch, holds};
use rusqlite::{Connection, Row, ToSql};

use super::chunk::Chunk;
use super::table::live;
use crate::fault::Fault;
use crate::limits::LogLimits;
use crate::rows::{self, RowId};

/// A search under way.
struct Search<'a> {
    wanted: &'a LogSearch,
    limit: usize,
    /// Bytes of messages that may still be looked at.
    budget: u64,
    found: Found,
}

/// The lines that hold a text, newest deployments first. An archive that can't be read is passed over, and
/// the answer is not complete then.
pub(crate) fn search(
    db: &Connection,
    store: &Path,
    wanted: &LogSearch,
    limits: &LogLimits,
) -> Result<Found, Fault> {
    let limit = wanted.limit.min(limits.read);
    let found = Found { lines: Vec::new(), complete: true };
    let mut search = Search { wanted, limit, budget: limits.search_bytes, found };
    for (row, id) in logs(db, wanted)? {
        if !search.log(db, store, row, id)? {
            break;
        }
    }
    Ok(search.found)
}

/// The logs to look through, newest deployments first.
fn logs(db: &Connection, wanted: &LogSearch) -> Result<Vec<(RowId, DeploymentId)>, Fault> {
    let deployment = wanted.deployment.map(|id| rows::deployment(db, id)).transpose()?.map(|row| row.id);
    let filters: [(&str, Option<&dyn ToSql>); 3] = [
        (" AND d.id = ?", deployment.as_ref().map(|row| row as &dyn ToSql)),
        (" AND r.name = ?", wanted.resource.as_ref().map(|name| name as &dyn ToSql)),
        (" AND r.environment = ?", wanted.environment.as_ref().map(|name| name as &dyn ToSql)),
    ];
    let mut sql = "SELECT d.id, d.deployment FROM logs l JOIN deployments d ON d.id = l.deployment
                   JOIN resources r ON r.id = d.resource WHERE 1"
        .to_owned();
    let mut values: Vec<&dyn ToSql> = Vec::new();
    for (condition, value) in filters {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(" ORDER BY d.id DESC");
    let read = |row: &Row<'_>| {
        let id: String = row.get(1)?;
        Ok((row.get(0)?, rows::parse(&id, "a deployment")?))
    };
    db.prepare_cached(&sql)?.query_and_then(values.as_slice(), read)?.collect()
}

impl Search<'_> {
    /// Looks through one log. False when enough was looked at.
    fn log(&mut self, db: &Connection, store: &Path, row: RowId, id: DeploymentId) -> Result<bool, Fault> {
        let begin = self.found.lines.len();
        let mut goes_on = true;
        for chunk in Chunk::of(db, row, 0)? {
            match chunk.lines(store) {
                Ok(lines) => goes_on = lines.into_iter().all(|line| self.line(line)),
                Err(fault) => {
                    tracing::error!(?fault, deployment = %id, "archived lines are left out of a search");
                    self.found.complete = false;
                }
            }
            if !goes_on {
                return Ok(false);
            }
        }
        live(db, row, id, 0, |line| {
            goes_on = goes_on && self.line(line);
            Ok(())
        })?;
        self.found.lines[begin..].sort_by_key(|line| line.sequence);
        Ok(goes_on)
    }

    /// Looks at one line. False when enough was looked at.
    fn line(&mut self, line: LogLine) -> bool {
        let bytes = line.message.len() as u64 + 1;
        let wanted = holds(&line.message, &self.wanted.text);
        if bytes > self.budget || (wanted && self.found.lines.len() >= self.limit) {
            self.found.complete = false;
            return false;
        }
        self.budget -= bytes;
        if wanted {
            self.found.lines.push(line);
        }
        true
    }
}
