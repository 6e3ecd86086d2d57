//! Retention: what may be removed, and what must be kept.
//!
//! What a deployment uses that is not finished is kept, whatever its age. If anything that says what
//! is in use can't be read, nothing may be removed: that is an error here.

use deploy_core::id::ResourceKey;
use deploy_core::port::{Keep, ReleaseRecord, ReleaseState};
use deploy_core::status::Status;
use rusqlite::Connection;

use crate::catalogue;
use crate::fault::Fault;
use crate::releases::read;
use crate::rows::{self, RowId};

/// What retention must keep, over all resources. It reads every record, so it is nothing for the writer.
pub(crate) fn kept(db: &Connection) -> Result<Keep, Fault> {
    let active = active(db)?;
    keep_of(db, &active)
}

fn keep_of(db: &Connection, active: &[Status]) -> Result<Keep, Fault> {
    let mut digests: Vec<_> = active.iter().filter_map(|status| status.digest.clone()).collect();
    let sql = "SELECT state, record, seal FROM releases WHERE state IN ('live', 'previous')";
    for record in db.prepare_cached(sql)?.query_and_then([], read)? {
        digests.push(record?.digest);
    }
    digests.sort_unstable();
    digests.dedup();
    Ok(Keep { digests, deployments: active.iter().map(|status| status.id).collect() })
}

/// The status of every unfinished deployment, oldest first.
fn active(db: &Connection) -> Result<Vec<Status>, Fault> {
    let sql = "SELECT deployment, sequence, status, seal FROM deployments WHERE ended = 0 ORDER BY id";
    db.prepare_cached(sql)?.query_and_then([], catalogue::read_status)?.collect()
}

/// Marks what retention may remove: all but the live release, the newest others up to `keep` in all, and whatever a
/// deployment that is not finished uses.
pub(crate) fn retain(db: &Connection, key: &ResourceKey, keep: u32) -> Result<(), Fault> {
    let Some((resource, _)) = rows::resource(db, key)? else { return Ok(()) };
    let sql = "SELECT state, record, seal FROM releases WHERE resource = ?1 AND state IN ('live', 'previous')
               ORDER BY state = 'live' DESC, version DESC";
    let usable = db.prepare_cached(sql)?.query_and_then([resource], read)?.collect::<Result<Vec<_>, _>>()?;
    let mut mark = db.prepare_cached("UPDATE releases SET state = 'pruned' WHERE release = ?1")?;
    for record in usable.iter().skip(keep as usize) {
        if record.state != ReleaseState::Live && !is_used(db, resource, record)? {
            mark.execute([record.id.to_string()])?;
        }
    }
    Ok(())
}

/// Whether a deployment that is not finished uses a release: names its artifact anywhere, or goes back to it.
fn is_used(db: &Connection, resource: RowId, record: &ReleaseRecord) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT 1 FROM deployments WHERE ended = 0 AND instr(status, ?1) > 0)";
    if db.prepare_cached(sql)?.query_row([record.digest.as_str()], |row| row.get(0))? {
        return Ok(true);
    }
    let sql = "SELECT deployment, sequence, status, seal FROM deployments WHERE resource = ?1 AND ended = 0";
    let version = record.version.to_string();
    for status in db.prepare_cached(sql)?.query_and_then([resource], catalogue::read_status)? {
        let source = status?.source_summary;
        if source.kind == "release" && source.locator == version {
            return Ok(true);
        }
    }
    Ok(false)
}
