//! The rows that other tables refer to: resources and deployments.

use deploy_core::id::{DeploymentId, Fence, ResourceId, ResourceKey, Seq};
use deploy_core::port::{ResourceRecord, StoreError};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::fault::Fault;

/// A row number. Of two deployments, the one with the lower number was accepted first.
pub(crate) type RowId = i64;

/// What a write needs to know about a deployment and its resource.
#[derive(Debug)]
pub(crate) struct DeploymentRow {
    pub(crate) id: RowId,
    pub(crate) resource: RowId,
    pub(crate) sequence: Seq,
    pub(crate) ended: bool,
    pub(crate) epoch: Fence,
    pub(crate) holder: Option<RowId>,
}

/// The row of a deployment.
pub(crate) fn deployment(db: &Connection, id: DeploymentId) -> Result<DeploymentRow, Fault> {
    let sql = "SELECT d.id, d.resource, d.sequence, d.ended, r.epoch, r.holder
               FROM deployments d JOIN resources r ON r.id = d.resource WHERE d.deployment = ?1";
    let read = |row: &Row<'_>| {
        Ok(DeploymentRow {
            id: row.get(0)?,
            resource: row.get(1)?,
            sequence: Seq(unsigned(row.get(2)?)),
            ended: row.get(3)?,
            epoch: Fence(unsigned(row.get(4)?)),
            holder: row.get(5)?,
        })
    };
    let row = db.prepare_cached(sql)?.query_row([id.to_string()], read).optional()?;
    row.ok_or(Fault::Refused(StoreError::NotFound))
}

/// The row of a resource, if there is one.
pub(crate) fn resource(db: &Connection, key: &ResourceKey) -> Result<Option<(RowId, ResourceRecord)>, Fault> {
    let sql = "SELECT id, resource FROM resources WHERE name = ?1 AND environment = ?2";
    let names = [key.resource.as_str(), key.environment.as_str()];
    let row = db.prepare_cached(sql)?.query_row(names, |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
    let Some((row, id)) = row.optional()? else { return Ok(None) };
    let id = parse(&id, "a resource")?;
    Ok(Some((row, ResourceRecord { id, key: key.clone() })))
}

/// The row of a resource; `candidate` becomes its id if there is none yet.
pub(crate) fn ensure_resource(
    db: &Connection,
    key: &ResourceKey,
    candidate: ResourceId,
) -> Result<(RowId, ResourceRecord), Fault> {
    if let Some(found) = resource(db, key)? {
        return Ok(found);
    }
    let sql =
        "INSERT INTO resources (resource, name, environment) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let names = params![candidate.to_string(), key.resource.as_str(), key.environment.as_str()];
    if db.prepare_cached(sql)?.execute(names)? == 0 {
        return Err(Fault::corrupt(format!("{candidate} is another resource than {key}")));
    }
    Ok((db.last_insert_rowid(), ResourceRecord { id: candidate, key: key.clone() }))
}

/// The resource of an id.
pub(crate) fn resource_by_id(db: &Connection, id: ResourceId) -> Result<ResourceRecord, Fault> {
    let sql = "SELECT name, environment FROM resources WHERE resource = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let found = db.prepare_cached(sql)?.query_row([id.to_string()], read).optional()?;
    let (name, environment) = found.ok_or(StoreError::NotFound)?;
    let resource = parse(&name, "a resource")?;
    Ok(ResourceRecord {
        id,
        key: ResourceKey { resource, environment: parse(&environment, "an environment")? },
    })
}

/// The id of a deployment's row.
pub(crate) fn deployment_id(db: &Connection, row: RowId) -> Result<DeploymentId, Fault> {
    let sql = "SELECT deployment FROM deployments WHERE id = ?1";
    let id: String = db.prepare_cached(sql)?.query_row([row], |row| row.get(0))?;
    parse(&id, "a deployment")
}

/// Reads an id or a name that was stored as text.
pub(crate) fn parse<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, Fault>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Fault::corrupt(format!("{what}: {error}")))
}

/// SQLite's integers are signed; ours are not. None of ours reaches the top bit in a lifetime.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back from [`signed`]; the schema keeps negative numbers out.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
