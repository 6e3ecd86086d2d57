//! Keeping logs: lines of deployments that ended long ago are packed into the archive, and older ones go.
//!
//! A file is whole and durable before the transaction that names it and removes the lines; a file is removed
//! after the transaction that forgets it. What a crash leaves in between is a file that nothing names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use deploy_core::id::{DeploymentId, Seq};
use deploy_core::log::{LogKeeping, LogLine, Tidied, removed_notice};
use deploy_core::port::StoreError;
use deploy_core::time::{Span, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::task::spawn_blocking;

use super::chunk::{ARCHIVE, Chunk, Packer};
use super::queue::notice;
use super::table::{insert, live};
use crate::fault::Fault;
use crate::rows::{self, RowId, signed, unsigned};
use crate::store::SqliteStore;

/// Logs worked on in one call.
const BATCH: i64 = 16;
/// A file that nothing names is removed when it is older than any writing takes.
const STRAY: Duration = Duration::from_secs(60 * 60);

/// A log that is due.
#[derive(Debug, Clone)]
struct Due {
    row: RowId,
    id: DeploymentId,
    last: u64,
}

impl SqliteStore {
    /// Archives and removes lines that are old enough, those of some logs.
    pub(crate) async fn tidy_logs(&self, now: Timestamp, keep: LogKeeping) -> Result<Tidied, StoreError> {
        let mut done = Tidied::default();
        if let Some(after) = keep.remove_after {
            let removed = self.write(move |db, _| remove_old(db, now, after)).await?;
            done.removed = self.unlink(removed).await?;
        }
        let most = self.shared.limits.logs.archive_bytes;
        let surplus = self.write(move |db, _| remove_surplus(db, now, most)).await?;
        done.removed += self.unlink(surplus).await?;
        if let Some(after) = keep.archive_after {
            for due in self.read(move |db| archivable(db, cutoff(now, after))).await? {
                done.archived += u64::from(self.archive(due).await?);
            }
        }
        if done == Tidied::default() {
            let dir = self.shared.dir().to_owned();
            self.read(move |db| Ok(sweep(db, &dir)?)).await?;
        }
        Ok(done)
    }

    /// Packs one log. False if there was nothing left to pack.
    async fn archive(&self, due: Due) -> Result<bool, StoreError> {
        let (dir, packed) = (self.shared.dir().to_owned(), due.clone());
        let chunks = self.read(move |db| pack(db, &dir, &packed)).await?;
        if chunks.is_empty() {
            return Ok(false);
        }
        self.write(move |db, _| record(db, &due, &chunks)).await
    }

    /// Removes files that no record names any more. Returns of how many logs they were.
    async fn unlink(&self, gone: Removed) -> Result<u64, StoreError> {
        let dir = self.shared.dir().join(ARCHIVE);
        let count = gone.logs;
        let removed = spawn_blocking(move || gone.files.iter().try_for_each(|file| remove(&dir.join(file))));
        let removed = removed.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        removed.map_err(|error| StoreError::Unavailable { what: format!("the archive of logs: {error}") })?;
        Ok(count)
    }
}

/// The last end that is long enough ago.
fn cutoff(now: Timestamp, after: Span) -> i64 {
    now.as_millis().saturating_sub(signed(after.as_millis()))
}

/// Logs with lines that can be packed, oldest first.
fn archivable(db: &Connection, cutoff: i64) -> Result<Vec<Due>, Fault> {
    let sql = "SELECT l.deployment, d.deployment, l.last FROM logs l
               JOIN history h ON h.deployment = l.deployment JOIN deployments d ON d.id = l.deployment
               WHERE d.ended = 1 AND h.ended_at <= ?1 AND EXISTS (
                   SELECT 1 FROM log_lines k WHERE k.deployment = l.deployment AND k.sequence > l.removed)
               ORDER BY l.deployment LIMIT ?2";
    db.prepare_cached(sql)?.query_and_then(params![cutoff, BATCH], due)?.collect()
}

fn due(row: &Row<'_>) -> Result<Due, Fault> {
    let id: String = row.get(1)?;
    Ok(Due { row: row.get(0)?, id: rows::parse(&id, "a deployment")?, last: unsigned(row.get(2)?) })
}

/// Writes a log's live lines into a file of their own.
fn pack(db: &Connection, store: &Path, due: &Due) -> Result<Vec<Chunk>, Fault> {
    let unusable = |error: io::Error| {
        let full = error.kind() == io::ErrorKind::StorageFull;
        let what = format!("the archive of logs: {error}");
        Fault::from(if full { StoreError::Full } else { StoreError::Unavailable { what } })
    };
    let removed = removed_up_to(db, due.row)?;
    let mut packer: Option<Packer> = None;
    live(db, due.row, due.id, removed, |line| {
        let packer = match &mut packer {
            Some(packer) => packer,
            None => {
                let name = format!("{}-{}.zst", due.id, line.sequence);
                packer.insert(Packer::new(store, name).map_err(unusable)?)
            }
        };
        packer.add(&line).map_err(unusable)
    })?;
    packer.map_or(Ok(Vec::new()), |packer| packer.finish().map_err(unusable))
}

fn removed_up_to(db: &Connection, log: RowId) -> Result<u64, Fault> {
    let sql = "SELECT removed FROM logs WHERE deployment = ?1";
    let found: Option<i64> = db.prepare_cached(sql)?.query_row([log], |row| row.get(0)).optional()?;
    Ok(found.map_or(0, unsigned))
}

/// Names the pieces and removes the lines they hold. False if somebody removed the log meanwhile.
fn record(db: &Connection, due: &Due, chunks: &[Chunk]) -> Result<bool, Fault> {
    let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { return Ok(false) };
    if removed_up_to(db, due.row)? >= first.first {
        return Ok(false);
    }
    for chunk in chunks {
        chunk.insert(db, due.row)?;
    }
    let sql = "DELETE FROM log_lines WHERE deployment = ?1 AND sequence BETWEEN ?2 AND ?3";
    db.prepare_cached(sql)?.execute(params![due.row, signed(first.first), signed(last.last)])?;
    let sql = "UPDATE logs SET bytes = (SELECT coalesce(sum(octet_length(message)), 0) FROM log_lines
               WHERE deployment = ?1 AND sequence > removed) WHERE deployment = ?1";
    db.prepare_cached(sql)?.execute([due.row])?;
    Ok(true)
}

/// What a transaction removed, and the files that go with it.
#[derive(Debug, Default)]
struct Removed {
    logs: u64,
    files: Vec<String>,
}

/// Removes logs of deployments that ended long enough ago, oldest first.
fn remove_old(db: &Connection, now: Timestamp, after: Span) -> Result<Removed, Fault> {
    let sql = "SELECT l.deployment, d.deployment, l.last FROM logs l
               JOIN history h ON h.deployment = l.deployment JOIN deployments d ON d.id = l.deployment
               WHERE d.ended = 1 AND h.ended_at <= ?1 AND l.last > l.removed ORDER BY l.deployment LIMIT ?2";
    let mut select = db.prepare_cached(sql)?;
    let found = select.query_and_then(params![cutoff(now, after), BATCH], due)?;
    let mut removed = Removed::default();
    for due in found.collect::<Result<Vec<_>, _>>()? {
        let notice = removed_notice(due.id, Seq(due.last), now, after);
        remove_log(db, &due, &notice, &mut removed)?;
    }
    Ok(removed)
}

/// Removes the oldest archived logs while the archive is larger than it may be.
fn remove_surplus(db: &Connection, now: Timestamp, most: u64) -> Result<Removed, Fault> {
    let mut removed = Removed::default();
    for _ in 0..BATCH {
        let total = "SELECT coalesce(sum(length), 0) FROM log_chunks";
        let total: i64 = db.prepare_cached(total)?.query_row([], |row| row.get(0))?;
        let oldest =
            "SELECT l.deployment, d.deployment, l.last FROM logs l JOIN deployments d ON d.id = l.deployment
                      WHERE l.deployment = (SELECT min(deployment) FROM log_chunks)";
        let mut select = db.prepare_cached(oldest)?;
        let oldest = select.query_and_then([], due)?.next().transpose()?;
        let Some(oldest) = oldest.filter(|_| unsigned(total) > most) else { break };
        let text =
            format!("removed: the archive of logs keeps {most} bytes, and these lines were the oldest");
        let notice = LogLine { sequence: Seq(oldest.last), ..notice(oldest.id, now, text) };
        remove_log(db, &oldest, &notice, &mut removed)?;
    }
    Ok(removed)
}

/// Removes a log, live and archived, and leaves a notice under its last number.
fn remove_log(db: &Connection, due: &Due, notice: &LogLine, removed: &mut Removed) -> Result<(), Fault> {
    let sql = "SELECT DISTINCT file FROM log_chunks WHERE deployment = ?1";
    let mut select = db.prepare_cached(sql)?;
    for file in select.query_map([due.row], |row| row.get::<_, String>(0))? {
        removed.files.push(file?);
    }
    db.prepare_cached("DELETE FROM log_chunks WHERE deployment = ?1")?.execute([due.row])?;
    db.prepare_cached("DELETE FROM log_lines WHERE deployment = ?1")?.execute([due.row])?;
    insert(db, due.row, due.last, notice)?;
    let sql = "UPDATE logs SET bytes = 0, removed = ?2 WHERE deployment = ?1";
    db.prepare_cached(sql)?.execute(params![due.row, signed(due.last)])?;
    removed.logs += 1;
    Ok(())
}

/// Removes old files that nothing names: what a crash left.
fn sweep(db: &Connection, store: &Path) -> Result<(), StoreError> {
    let unusable = |error: &dyn std::fmt::Display| StoreError::Unavailable {
        what: format!("the archive of logs: {error}"),
    };
    let entries = match fs::read_dir(store.join(ARCHIVE)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(&error)),
    };
    let sql = "SELECT EXISTS (SELECT 1 FROM log_chunks WHERE file = ?1)";
    let mut named = db.prepare_cached(sql).map_err(|error| unusable(&error))?;
    let old = |path: &PathBuf| {
        let written = fs::metadata(path).and_then(|file| file.modified());
        written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > STRAY))
    };
    for entry in entries {
        let entry = entry.map_err(|error| unusable(&error))?;
        let (name, path) = (entry.file_name(), entry.path());
        let named: bool = match name.to_str() {
            Some(name) => named.query_row([name], |row| row.get(0)).map_err(|error| unusable(&error))?,
            None => true,
        };
        if !named && old(&path) {
            remove(&path).map_err(|error| unusable(&error))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
