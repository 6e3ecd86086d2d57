//! The table on disk: one JSON file with a checksum, replaced atomically, and the previous one kept beside it.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::RouteTable;
use crate::digest::Digest;
use crate::durable::{self, ReplaceError};

/// The only file format this version reads and writes.
const SCHEMA: u32 = 1;

/// Largest table file in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// A table read from disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadedTable {
    /// The routes.
    pub(crate) table: RouteTable,
    /// Set when the file was not usable and the previous one was taken: why it was not usable. The last change
    /// before the damage is then missing from `table`.
    pub(crate) recovered_from: Option<TableError>,
}

/// Why a table file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The content is not a table, or not the one that was written.
    #[error("the route table {path:?} is damaged: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version wrote it. The previous file is not used instead: it would silently undo changes.
    #[error("the route table {path:?} has format {found}, this version reads {SCHEMA}")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The system did not let us read it.
    #[error("the route table {path:?} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl TableError {
    /// Stable, machine-readable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "route_table_corrupt",
            Self::TooNew { .. } => "route_table_too_new",
            Self::Unreadable { .. } => "route_table_unreadable",
        }
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "Move the file away and deploy again, or restore it from a backup.",
            Self::TooNew { .. } => "Run the newer version again.",
            Self::Unreadable { .. } => "Check the permissions of the state directory and the disk.",
        }
    }
}

/// Why a table was not stored.
pub(crate) type StoreError = ReplaceError;

/// The file's outer shape. The checksum covers the exact bytes of `table`.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    schema: u32,
    checksum: Digest,
    #[serde(borrow)]
    table: &'a RawValue,
}

/// Reads the table at `path`. A missing file is an empty table. A damaged one is replaced by the previous good copy,
/// which is said in the result.
///
/// # Errors
/// [`TableError`] about the file itself, if the previous copy is not usable either.
pub(crate) fn load(path: &Path) -> Result<LoadedTable, TableError> {
    let previous = previous(path);
    let damage = match read(path) {
        Ok(Some(table)) => return Ok(LoadedTable { table, recovered_from: None }),
        // The file is never absent once the previous copy exists: it was lost.
        Ok(None) if previous.exists() => TableError::Corrupt {
            path: path.to_owned(),
            reason: "it is missing, but its previous copy is there".to_owned(),
        },
        Ok(None) => {
            return Ok(LoadedTable { table: RouteTable::default(), recovered_from: None });
        }
        Err(error @ TableError::Corrupt { .. }) => error,
        Err(error @ (TableError::TooNew { .. } | TableError::Unreadable { .. })) => return Err(error),
    };
    match read(&previous) {
        Ok(Some(table)) => Ok(LoadedTable { table, recovered_from: Some(damage) }),
        Ok(None) | Err(_) => Err(damage),
    }
}

/// Stores `table` at `path`, durable when this returns. The table it replaces stays as the previous copy, provided
/// it is intact: a damaged file must not displace the last good one.
///
/// # Errors
/// Whether the table was not stored, or stored but not known to survive a power cut.
pub(crate) fn store(path: &Path, table: &RouteTable) -> Result<(), StoreError> {
    durable::replace(path, &encode(table), || match read(path) {
        Ok(Some(_)) => keep_previous(path),
        Ok(None) | Err(_) => Ok(()),
    })
}

fn encode(table: &RouteTable) -> Vec<u8> {
    let raw = serde_json::value::to_raw_value(table).expect("maps with string keys always serialize");
    let envelope = Envelope { schema: SCHEMA, checksum: Digest::of(raw.get().as_bytes()), table: &raw };
    serde_json::to_vec(&envelope).expect("strings and integers always serialize")
}

fn decode(path: &Path, bytes: &[u8]) -> Result<RouteTable, TableError> {
    let corrupt = |reason: String| TableError::Corrupt { path: path.to_owned(), reason };
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(|e| corrupt(e.to_string()))?;
    if envelope.schema != SCHEMA {
        return Err(TableError::TooNew { path: path.to_owned(), found: envelope.schema });
    }
    if Digest::of(envelope.table.get().as_bytes()) != envelope.checksum {
        return Err(corrupt("the checksum does not match".to_owned()));
    }
    let table: RouteTable = serde_json::from_str(envelope.table.get()).map_err(|e| corrupt(e.to_string()))?;
    if !table.is_consistent() {
        return Err(corrupt("its routes and epochs contradict each other".to_owned()));
    }
    Ok(table)
}

fn read(path: &Path) -> Result<Option<RouteTable>, TableError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => decode(path, &bytes).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TableError::Unreadable { path: path.to_owned(), reason: error.to_string() }),
    }
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

fn previous(path: &Path) -> PathBuf {
    durable::sibling(path, ".prev")
}

#[cfg(test)]
mod tests;
