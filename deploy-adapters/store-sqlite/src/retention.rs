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

/// Marks what retention may remove, and says what it must keep then.
pub(crate) fn retain(db: &Connection, key: &ResourceKey, keep: u32) -> Result<Keep, Fault> {
    let active = active(db)?;
    if let Some((resource, _)) = rows::resource(db, key)? {
        prune(db, resource, key, keep, &active)?;
    }
    keep_of(db, &active)
}

/// What retention must keep, over all resources.
pub(crate) fn kept(db: &Connection) -> Result<Keep, Fault> {
    keep_of(db, &active(db)?)
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

/// Keeps the live release and the newest others up to `keep` in all, and whatever a deployment that
/// is not finished uses.
fn prune(
    db: &Connection,
    resource: RowId,
    key: &ResourceKey,
    keep: u32,
    active: &[Status],
) -> Result<(), Fault> {
    let sql = "SELECT state, record, seal FROM releases WHERE resource = ?1 AND state IN ('live', 'previous')
               ORDER BY state = 'live' DESC, version DESC";
    let usable = db.prepare_cached(sql)?.query_and_then([resource], read)?.collect::<Result<Vec<_>, _>>()?;
    let mut mark = db.prepare_cached("UPDATE releases SET state = 'pruned' WHERE release = ?1")?;
    for record in usable.iter().skip(keep as usize) {
        let used = active.iter().any(|status| uses(status, key, record));
        if record.state != ReleaseState::Live && !used {
            mark.execute([record.id.to_string()])?;
        }
    }
    Ok(())
}

/// Whether a deployment names a release: by its artifact, or as what it goes back to.
fn uses(status: &Status, key: &ResourceKey, record: &ReleaseRecord) -> bool {
    let source = &status.source_summary;
    let same = status.resource == key.resource && status.environment == key.environment;
    let goes_back = same && source.kind == "release" && source.locator == record.version.to_string();
    goes_back || status.digest.as_ref() == Some(&record.digest)
}
