//! Opening: the directory, the file, its connections, and what is refused.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use crate::limits::Limits;
use crate::schema;

/// The oldest SQLite that is trusted: before it, a reset of the write-ahead log could lose a commit.
const OLDEST_SQLITE: i32 = 3_051_003;

/// The name of the database file in the store's directory.
pub(crate) const DATABASE: &str = "store.db";

/// The name of the reserve beside it.
pub(crate) const RESERVE: &str = "store.reserve";

/// Why a store can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The SQLite that was linked is too old to be trusted.
    #[error("SQLite {found} is too old: {needed} or newer is needed")]
    OldSqlite {
        /// The version that was found.
        found: String,
        /// The oldest that is trusted.
        needed: String,
    },
    /// A newer version of the software wrote the store.
    #[error(
        "the store has schema {found}, this version reads up to {supported}: use the version that wrote it or a newer one"
    )]
    NewerSchema {
        /// The store's schema.
        found: u32,
        /// The newest that can be read.
        supported: u32,
    },
    /// There is no store yet.
    #[error("there is no store in {}", dir.display())]
    Missing {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// There was a store, and nothing is left of it.
    #[error("the store in {} was emptied: restore it, or remove the directory to begin anew", dir.display())]
    Emptied {
        /// Where it was.
        dir: PathBuf,
    },
    /// The file belongs to another program.
    #[error("the file is not a store: its application id is {application:#x}")]
    NotOurs {
        /// Its application id.
        application: i32,
    },
    /// The directory or a file in it can't be used.
    #[error("{} can't be used: {what}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What went wrong.
        what: String,
    },
    /// SQLite said no.
    #[error("the store can't be opened: {what}")]
    Sqlite {
        /// What it said.
        what: String,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), what: error.to_string() }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite { what: error.to_string() }
    }
}

/// Refuses a file that lost everything. The reserve is made after the schema, so a reserve beside an
/// empty file means that there was more.
pub(crate) fn not_emptied(dir: &Path) -> Result<(), OpenError> {
    let length = |name: &str| fs::metadata(dir.join(name)).map(|file| file.len());
    match (length(DATABASE), length(RESERVE)) {
        (Ok(0), Ok(_)) => Err(OpenError::Emptied { dir: dir.to_owned() }),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Ok(()),
    }
}

/// Makes the directory (0700) and the file (0600) where they are missing. SQLite gives the files
/// beside it the same mode.
pub(crate) fn prepare(dir: &Path) -> Result<PathBuf, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| OpenError::io(dir, &error))?;
    let path = dir.join(DATABASE);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(&path).map_err(|error| OpenError::io(&path, &error))?;
    sync_dir(dir).map_err(|error| OpenError::io(dir, &error))?;
    Ok(path)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The one connection that writes. The file is brought to the current schema first.
pub(crate) fn writer(path: &Path, limits: &Limits) -> Result<Connection, OpenError> {
    trusted(rusqlite::version_number())?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(limits.busy_timeout)?;
    schema::version(&db)?;
    db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cache_size", -16_384)?;
    // What a refused write is rolled back with: a few pages, and no file has to hold them.
    db.pragma_update(None, "temp_store", "memory")?;
    db.pragma_update(None, "journal_size_limit", 16 << 20)?;
    db.set_prepared_statement_cache_capacity(64);
    schema::migrate(&mut db)?;
    Ok(db)
}

/// A connection that only reads, also while another process writes.
pub(crate) fn reader(path: &Path, limits: &Limits) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(limits.busy_timeout)?;
    db.pragma_update(None, "query_only", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cache_size", -512)?;
    db.set_prepared_statement_cache_capacity(16);
    Ok(db)
}

/// A connection for looking at a store that somebody else may be using.
pub(crate) fn existing(dir: &Path, limits: &Limits) -> Result<Connection, OpenError> {
    trusted(rusqlite::version_number())?;
    let path = dir.join(DATABASE);
    if !fs::exists(&path).map_err(|error| OpenError::io(&path, &error))? {
        return Err(OpenError::Missing { dir: dir.to_owned() });
    }
    let db = reader(&path, limits)?;
    schema::version(&db)?;
    Ok(db)
}

/// Refuses a version of SQLite that can lose commits.
fn trusted(found: i32) -> Result<(), OpenError> {
    if found >= OLDEST_SQLITE {
        return Ok(());
    }
    Err(OpenError::OldSqlite { found: dotted(found), needed: dotted(OLDEST_SQLITE) })
}

/// 3051003 as 3.51.3.
fn dotted(version: i32) -> String {
    format!("{}.{}.{}", version / 1_000_000, version / 1_000 % 1_000, version % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqlite_that_can_lose_commits_is_refused() {
        let refused = OpenError::OldSqlite { found: "3.51.2".to_owned(), needed: "3.51.3".to_owned() };
        assert_eq!(trusted(3_051_002), Err(refused));
        assert_eq!(trusted(OLDEST_SQLITE), Ok(()));
    }

    #[test]
    fn the_bundled_sqlite_is_trusted() {
        assert_eq!(trusted(rusqlite::version_number()), Ok(()));
    }
    #[test]
    fn inv_13_a_commit_waits_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let db = writer(&prepare(dir.path()).unwrap(), &Limits::default()).unwrap();
        let synchronous: i32 = db.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        let keys: bool = db.query_row("PRAGMA foreign_keys", [], |row| row.get(0)).unwrap();
        assert_eq!((synchronous, mode.as_str(), keys), (2, "wal", true));
    }
}
