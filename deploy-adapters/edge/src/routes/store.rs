//! The table on disk: a file, and a log of the changes since it was written.
//!
//! A change costs one appended line and one `fdatasync`, however large the table is. When the log has grown as large
//! as the table, the table's file is replaced, atomically, and the log set aside: its cost is spread over as many
//! changes as it took to get there.
//!
//! | file | holds |
//! |---|---|
//! | `routes.json` | the table as of some change |
//! | `routes.json.log` | the changes since |
//! | `routes.json.prev`, `routes.json.log.prev` | the same before the last replacement: together with the log they give the table again if `routes.json` is damaged |

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::file::{self, SCHEMA, Stored};
use super::table::Accepted;
use super::{RouteTable, TableError, changes};
use crate::beneath::sync_dir;
use crate::durable::{self, ReplaceError};

/// A log smaller than this is never a reason to write the table anew.
const SMALL_LOG_BYTES: u64 = 256 * 1024;

/// Why a change was not stored.
pub(crate) type StoreError = ReplaceError;

/// A table read from disk.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The routes.
    pub(crate) table: RouteTable,
    /// Set when a file was not usable: which, and why. The last changes before the damage may be missing.
    pub(crate) recovered_from: Option<TableError>,
    /// Where the next changes go.
    pub(crate) store: Store,
}

/// The files of one table. Only one process may have them open, see [`crate::instance`].
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    log: Option<File>,
    log_bytes: u64,
    table_bytes: u64,
    /// The next change writes the table anew: the files are in an older format, or damaged.
    rewrite: bool,
}

impl Store {
    /// Reads the table at `path`. No file is an empty table. What is damaged is made good from the previous copies
    /// as far as they go, which is said in the result.
    ///
    /// # Errors
    /// [`TableError`] about the file itself, if the previous copy is not usable either.
    pub(crate) fn load(path: &Path) -> Result<Loaded, TableError> {
        let (stored, mut recovered_from) = read_or_previous(path)?;
        let mut rewrite = stored.schema < SCHEMA;
        let mut table = stored.table;
        let older = recovered_from.is_some().then(|| previous(&log_path(path)));
        let mut log_bytes = 0;
        for log in older.into_iter().chain([log_path(path)]) {
            let bytes = file::read_bytes(&log)?.unwrap_or_default();
            log_bytes = bytes.len() as u64;
            if let Err(damage) = changes::replay(&mut table, &log, &bytes) {
                recovered_from.get_or_insert(damage);
                break;
            }
        }
        rewrite |= recovered_from.is_some();
        let store = Self { path: path.to_owned(), log: None, log_bytes, table_bytes: stored.bytes, rewrite };
        Ok(Loaded { table, recovered_from, store })
    }

    /// Makes a change durable that `table` has accepted and that is not applied to it yet.
    ///
    /// # Errors
    /// Whether the change was not stored, or stored but not known to survive a power cut.
    pub(crate) fn add(&mut self, table: &RouteTable, accepted: &Accepted) -> Result<(), StoreError> {
        if self.rewrite {
            return self.begin_anew(&applied(table, accepted));
        }
        let added = self.append(&changes::encode(table, accepted));
        // What a failed write has left behind must not come between this log and its next line.
        self.rewrite = added.is_err();
        if added.is_ok() && self.log_bytes > self.table_bytes.max(SMALL_LOG_BYTES) {
            self.compact(&applied(table, accepted));
        }
        added
    }

    fn append(&mut self, line: &[u8]) -> Result<(), StoreError> {
        if self.log.is_none() {
            self.log = Some(open_log(&self.path).map_err(StoreError::NotReplaced)?);
        }
        let Some(log) = &mut self.log else {
            return Err(StoreError::NotReplaced(io::ErrorKind::NotFound.into()));
        };
        if let Err(error) = log.write_all(line) {
            // A part of the line is no change, so failing to take it back does no harm.
            let _ = log.set_len(self.log_bytes);
            return Err(StoreError::NotReplaced(error));
        }
        self.log_bytes += line.len() as u64;
        log.sync_data().map_err(StoreError::NotSettled)
    }

    /// Writes the table and its previous copy, neither of which needs what was there before, and begins a new log.
    fn begin_anew(&mut self, table: &RouteTable) -> Result<(), StoreError> {
        let bytes = file::encode(table);
        durable::replace(&self.path, &bytes, || Ok(()))?;
        self.table_bytes = bytes.len() as u64;
        // From here on the change is stored. The log has nothing that the table lacks, so its lines are skipped when
        // read; should any of this fail, the next change does it again.
        let copied = durable::replace(&previous(&self.path), &bytes, || Ok(()));
        self.rewrite = copied.is_err() || self.set_log_aside().is_err();
        Ok(())
    }

    /// Writes the table, which the log already leads to, and begins a new log. The change that caused this is durable,
    /// so failing does no harm; it is tried again with the next one.
    fn compact(&mut self, table: &RouteTable) {
        let bytes = file::encode(table);
        let written = durable::replace(&self.path, &bytes, || keep_previous(&self.path));
        if written.is_ok() && self.set_log_aside().is_ok() {
            self.table_bytes = bytes.len() as u64;
        } else {
            tracing::warn!(path = ?self.path, "the log of changes could not be made shorter");
        }
    }

    fn set_log_aside(&mut self) -> io::Result<()> {
        let log = log_path(&self.path);
        match fs::rename(&log, previous(&log)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        (self.log, self.log_bytes) = (None, 0);
        Ok(())
    }
}

fn applied(table: &RouteTable, accepted: &Accepted) -> RouteTable {
    let mut next = table.clone();
    next.apply(accepted);
    next
}

fn read_or_previous(path: &Path) -> Result<(Stored, Option<TableError>), TableError> {
    let previous = previous(path);
    let damage = match file::read(path) {
        Ok(Some(stored)) => return Ok((stored, None)),
        // The file is never absent once these exist: it was lost.
        Ok(None) if previous.exists() || log_path(path).exists() => TableError::Corrupt {
            path: path.to_owned(),
            reason: "it is missing, but what belongs to it is there".to_owned(),
        },
        Ok(None) => {
            let empty = Stored { table: RouteTable::default(), schema: 0, bytes: 0 };
            return Ok((empty, None));
        }
        Err(error @ TableError::Corrupt { .. }) => error,
        Err(error @ (TableError::TooNew { .. } | TableError::Unreadable { .. })) => return Err(error),
    };
    match file::read(&previous) {
        Ok(Some(stored)) => Ok((stored, Some(damage))),
        Ok(None) | Err(_) => Err(damage),
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    let log = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(log_path(path))?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(log)
}

/// Gives the current file the previous copy's name too. A hard link and a rename, so that neither name is ever
/// missing.
fn keep_previous(path: &Path) -> io::Result<()> {
    let previous = previous(path);
    let link = durable::sibling(&previous, ".tmp");
    remove_if_there(&link)?;
    fs::hard_link(path, &link)?;
    fs::rename(&link, &previous)?;
    // Renaming between two names of one file does nothing and leaves both (rename(2)).
    remove_if_there(&link)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn log_path(path: &Path) -> PathBuf {
    durable::sibling(path, ".log")
}

fn previous(path: &Path) -> PathBuf {
    durable::sibling(path, ".prev")
}

#[cfg(test)]
mod tests;
