//! What the records of a store say is so now, for whoever compares it with the world.

use std::path::Path;

use deploy_core::id::ResourceKey;
use deploy_core::port::ReleaseRecord;
use deploy_core::time::Timestamp;
use rusqlite::{Connection, Row};

use crate::fault::Fault;
use crate::limits::Limits;
use crate::open::{self, OpenError};
use crate::releases;
use crate::rows;

/// What the records say is so now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The releases that serve.
    pub live: Vec<ReleaseRecord>,
    /// The resources with a deployment that is not finished: what serves them may be changing.
    pub moving: Vec<ResourceKey>,
    /// When the newest deployment was accepted or ended, by the clock of the control plane.
    pub newest: Option<Timestamp>,
}

/// Reads what the records say, also while another process writes. Writes nothing.
///
/// # Errors
/// [`OpenError`] when there is no store, or it can't be read.
pub fn standing(dir: &Path, limits: &Limits) -> Result<Standing, OpenError> {
    let mut db = open::existing(dir, limits)?;
    let look = db.transaction()?;
    read(&look).map_err(|fault| OpenError::Sqlite { what: fault.into_answer().to_string() })
}

fn read(db: &Connection) -> Result<Standing, Fault> {
    let sql = "SELECT state, record, seal FROM releases WHERE state = 'live' ORDER BY id";
    let live = db.prepare(sql)?.query_and_then([], releases::read)?.collect::<Result<_, _>>()?;
    let sql = "SELECT DISTINCT r.name, r.environment FROM deployments d JOIN resources r ON r.id = d.resource
               WHERE d.ended = 0 AND d.word <> 'blocked'";
    let moving = db.prepare(sql)?.query_and_then([], key)?.collect::<Result<_, _>>()?;
    let sql = "SELECT max(max(created_at, coalesce(ended_at, created_at))) FROM history";
    let newest: Option<i64> = db.query_row(sql, [], |row| row.get(0))?;
    Ok(Standing { live, moving, newest: newest.map(Timestamp::from_millis) })
}

fn key(row: &Row<'_>) -> Result<ResourceKey, Fault> {
    let (resource, environment): (String, String) = (row.get(0)?, row.get(1)?);
    let resource = rows::parse(&resource, "a resource")?;
    Ok(ResourceKey { resource, environment: rows::parse(&environment, "an environment")? })
}
