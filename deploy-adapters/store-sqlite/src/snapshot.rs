//! A copy of the store as of one moment, taken while others read and write.

use std::path::{Path, PathBuf};
use std::time::Duration;

use deploy_core::port::Keep;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::check::{self, CheckReport};
use crate::fault::Fault;
use crate::limits::Limits;
use crate::logs::ARCHIVE;
use crate::open::{self, DATABASE, OpenError};
use crate::retention;

/// A copy of a store: one file, and the names of those that belong to it and never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What a check of the copy found.
    pub report: CheckReport,
    /// The artifacts that the copy needs; absent when damage keeps them from being known.
    pub keep: Option<Keep>,
    /// Files of the archive of logs, relative to the store's directory. They may go away later: then a newer
    /// snapshot no longer names them.
    pub files: Vec<PathBuf>,
    /// The name that the copy has in a store's directory.
    pub name: &'static str,
}

/// Copies the database of the store in `dir` to the new file `to`. Writers go on meanwhile: the copy is what was
/// durable at one moment, as a whole.
///
/// # Errors
/// [`OpenError`] when there is no store, it can't be read, or the copy can't be written. Damage is no error: it
/// is in the report, and a copy of what is left is better than none.
pub fn snapshot(dir: &Path, to: &Path, limits: &Limits) -> Result<Snapshot, OpenError> {
    let from = open::existing(dir, limits)?;
    let mut copy = Connection::open(to)?;
    copy_all(&from, &mut copy)?;
    drop(from);
    // One file, without a log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    let unreadable = |fault: Fault| OpenError::Sqlite { what: fault.into_answer().to_string() };
    let look = copy.transaction()?;
    // Damage that keeps the copy from being asked is said by the check.
    let keep = retention::kept(&look).ok();
    let files = archive_files(&look).unwrap_or_default();
    let report = check::check(&look, dir, limits).map_err(unreadable)?;
    Ok(Snapshot { report, keep, files, name: DATABASE })
}

/// All pages in one step, so that they are of one moment. A store that is locked for a moment is waited for.
fn copy_all(from: &Connection, copy: &mut Connection) -> Result<(), OpenError> {
    const ATTEMPTS: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(50);
    let backup = Backup::new(from, copy)?;
    for _ in 0..ATTEMPTS {
        if backup.step(-1)? == StepResult::Done {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(OpenError::Sqlite { what: "it stays locked".to_owned() })
}

fn archive_files(db: &Connection) -> Result<Vec<PathBuf>, Fault> {
    let mut select = db.prepare("SELECT DISTINCT file FROM log_chunks ORDER BY file")?;
    let files = select.query_map([], |row| row.get::<_, String>(0))?;
    files.map(|file| Ok(Path::new(ARCHIVE).join(file?))).collect()
}
