//! Narrow records of all runs: written with the status they come from, read without it.

use std::collections::BTreeMap;

use deploy_core::history::{HistoryQuery, RunRecord};
use deploy_core::id::ResourceKey;
use deploy_core::lifecycle::PhaseName;
use deploy_core::status::{Status, StatusName};
use deploy_core::time::{Span, Timestamp};
use rusqlite::{Connection, Row, ToSql, params};

use crate::fault::Fault;
use crate::limits::Limits;
use crate::rows::{self, RowId, signed, unsigned};

/// A record, ready to be written.
#[derive(Debug)]
pub(crate) struct HistoryRow {
    created_at: i64,
    ended_at: Option<i64>,
    trigger: &'static str,
    actor: String,
    phases: Vec<(String, i64)>,
}

impl HistoryRow {
    pub(crate) fn new(status: &Status) -> Self {
        let phases = RunRecord::of(status).phases.into_iter();
        Self {
            created_at: status.created_at.as_millis(),
            ended_at: status.ended_at.map(Timestamp::as_millis),
            trigger: status.trigger.as_str(),
            actor: status.actor.0.clone(),
            phases: phases.map(|(phase, span)| (phase.to_string(), signed(span.as_millis()))).collect(),
        }
    }
}

/// Writes the record of a new deployment.
pub(crate) fn begin(db: &Connection, deployment: RowId, row: &HistoryRow) -> Result<(), Fault> {
    let sql = "INSERT INTO history (deployment, created_at, trigger, actor) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute(params![deployment, row.created_at, row.trigger, row.actor])?;
    end(db, deployment, row)
}

/// Writes how a deployment has ended, if it has.
pub(crate) fn end(db: &Connection, deployment: RowId, row: &HistoryRow) -> Result<(), Fault> {
    let Some(ended_at) = row.ended_at else { return Ok(()) };
    let sql = "UPDATE history SET ended_at = ?2 WHERE deployment = ?1";
    db.prepare_cached(sql)?.execute(params![deployment, ended_at])?;
    let sql = "INSERT INTO phase_times (deployment, phase, millis) VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET millis = excluded.millis";
    let mut insert = db.prepare_cached(sql)?;
    for (phase, millis) in &row.phases {
        insert.execute(params![deployment, phase, millis])?;
    }
    Ok(())
}

/// The records that a query wants, in the order of acceptance.
pub(crate) fn history(
    db: &Connection,
    query: &HistoryQuery,
    limits: &Limits,
) -> Result<Vec<RunRecord>, Fault> {
    let limit = signed(query.limit.min(limits.history) as u64);
    let (since, until) = (query.since.map(Timestamp::as_millis), query.until.map(Timestamp::as_millis));
    let filters: [(&str, Option<&dyn ToSql>); 4] = [
        (" AND r.name = ?", query.resource.as_ref().map(|name| name as &dyn ToSql)),
        (" AND r.environment = ?", query.environment.as_ref().map(|name| name as &dyn ToSql)),
        (" AND h.created_at >= ?", since.as_ref().map(|at| at as &dyn ToSql)),
        (" AND h.created_at < ?", until.as_ref().map(|at| at as &dyn ToSql)),
    ];
    let mut sql = "SELECT d.id, d.word, r.name, r.environment, h.created_at, h.ended_at
                   FROM history h JOIN deployments d ON d.id = h.deployment JOIN resources r ON r.id = d.resource
                   WHERE 1"
        .to_owned();
    let mut values: Vec<&dyn ToSql> = Vec::new();
    for (condition, value) in filters {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(" ORDER BY h.deployment DESC LIMIT ?");
    values.push(&limit);
    let mut select = db.prepare_cached(&sql)?;
    let mut found = BTreeMap::new();
    for record in select.query_and_then(values.as_slice(), read)? {
        let (row, record) = record?;
        found.insert(row, record);
    }
    add_phases(db, &mut found)?;
    Ok(found.into_values().collect())
}

fn read(row: &Row<'_>) -> Result<(RowId, RunRecord), Fault> {
    let (word, name, environment): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let status = StatusName::ALL.into_iter().find(|status| status.as_str() == word);
    let record = RunRecord {
        resource: ResourceKey {
            resource: rows::parse(&name, "a resource")?,
            environment: rows::parse(&environment, "an environment")?,
        },
        status: status.ok_or_else(|| Fault::corrupt(format!("status {word:?}")))?,
        created_at: Timestamp::from_millis(row.get(4)?),
        ended_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        phases: BTreeMap::new(),
    };
    Ok((row.get(0)?, record))
}

/// Adds how long the phases took: one pass over the narrow rows from the oldest run on.
fn add_phases(db: &Connection, found: &mut BTreeMap<RowId, RunRecord>) -> Result<(), Fault> {
    let Some(oldest) = found.keys().next().copied() else { return Ok(()) };
    let sql = "SELECT deployment, phase, millis FROM phase_times WHERE deployment >= ?1";
    let mut select = db.prepare_cached(sql)?;
    let mut times = select.query([oldest])?;
    while let Some(row) = times.next()? {
        let Some(record) = found.get_mut(&row.get(0)?) else { continue };
        let phase: String = row.get(1)?;
        let phase: PhaseName = serde_json::from_value(phase.into())
            .map_err(|error| Fault::corrupt(format!("a phase: {error}")))?;
        record.phases.insert(phase, Span::from_millis(unsigned(row.get(2)?)));
    }
    Ok(())
}
