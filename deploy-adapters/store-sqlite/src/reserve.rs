//! Space set aside, so that what runs can still be recorded to its end when the disk is full.
//!
//! There are two ways to be full: the file system has no block left, or the database has reached the
//! size it may have. The reserve covers both: giving it up removes a file of real blocks and raises
//! the size by as much.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::fs::fstatvfs;

/// How often taking it back is tried.
const PATIENCE: Duration = Duration::from_millis(500);

/// The reserve of one database.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
    database_bytes: u64,
    held: bool,
    tried: Option<Instant>,
}

impl Reserve {
    /// Takes the reserve, if there is space for it.
    pub(crate) fn open(db: &Connection, path: PathBuf, bytes: u64, database_bytes: u64) -> Self {
        let mut reserve = Self { path, bytes, database_bytes, held: false, tried: None };
        reserve.restore(db);
        if !reserve.held {
            tracing::warn!(
                "there is no space for the store's reserve: nothing new is accepted until there is"
            );
        }
        reserve
    }

    /// Whether it is there. While it is not, nothing new may start.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Gives it up. False if it was given up before: then there is no more to give.
    pub(crate) fn give_up(&mut self, db: &Connection) -> bool {
        let held = std::mem::replace(&mut self.held, false);
        if held {
            let removed = fs::remove_file(&self.path);
            let raised = allow(db, self.database_bytes.saturating_add(self.bytes));
            tracing::warn!(?removed, ?raised, "the store has no space left: its reserve is given up");
            self.tried = Some(Instant::now());
        }
        held
    }

    /// Takes it back, if there is space again. Tried now and then, as it costs a little.
    pub(crate) fn restore(&mut self, db: &Connection) {
        let lately = self.tried.is_some_and(|tried| tried.elapsed() < PATIENCE);
        if self.held || lately {
            return;
        }
        self.tried = Some(Instant::now());
        self.held = self.has_room(db).unwrap_or(false) && (self.is_whole() || self.fill().is_ok());
        let beyond = if self.held { 0 } else { self.bytes };
        let allowed = allow(db, self.database_bytes.saturating_add(beyond));
        if !self.held {
            // Half a reserve is none, and its space is needed.
            let removed = fs::remove_file(&self.path);
            tracing::debug!(?removed, ?allowed, "there is still no space for the store's reserve");
        }
    }

    /// Whether the database may still grow by as much as the reserve holds. Pages it has but does
    /// not use count as room.
    fn has_room(&self, db: &Connection) -> rusqlite::Result<bool> {
        let free = number(db, "PRAGMA freelist_count")?;
        let used = number(db, "PRAGMA page_count")?.saturating_sub(free);
        let used_bytes = used.saturating_mul(number(db, "PRAGMA page_size")?);
        Ok(used_bytes.saturating_add(self.bytes) <= self.database_bytes)
    }

    /// Whether it is there already, from an earlier time.
    fn is_whole(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() == self.bytes)
    }

    /// Writes it, if as much again is left beside it: or it would have to be given up at once. What
    /// is free is asked before, so that others on the disk never run out because of the trial. The
    /// bytes are not zero, so that no file system leaves them out.
    fn fill(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&self.path)?;
        let disk = fstatvfs(&file)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < self.bytes.saturating_mul(2) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        io::copy(&mut io::repeat(0xa5).take(self.bytes), &mut file)?;
        file.sync_all()
    }
}

/// Lets the database grow to some bytes.
fn allow(db: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let pages = bytes / number(db, "PRAGMA page_size")?.max(1);
    db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}

fn number(db: &Connection, pragma: &str) -> rusqlite::Result<u64> {
    db.query_row(pragma, [], |row| row.get::<_, i64>(0)).map(|n| u64::try_from(n).unwrap_or(0))
}
