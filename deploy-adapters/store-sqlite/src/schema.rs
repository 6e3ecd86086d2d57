//! The shape of the file, and how an older file becomes a newer one.

use rusqlite::{Connection, TransactionBehavior};

use crate::open::OpenError;

/// Marks the file as ours: "dply".
pub(crate) const APPLICATION_ID: i32 = 0x6470_6c79;

/// What leads from each version of the schema to the next. A released one is never edited.
const MIGRATIONS: [&str; 4] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
];

/// The version this software reads and writes.
pub(crate) const VERSION: u32 = MIGRATIONS.len() as u32;

/// Brings the file to [`VERSION`].
pub(crate) fn migrate(db: &mut Connection) -> Result<(), OpenError> {
    while version(db)? < VERSION {
        step(db)?;
    }
    Ok(())
}

/// The version of the file: 0 while it is empty.
///
/// # Errors
/// [`OpenError::NotOurs`] when somebody else's data is in it, [`OpenError::NewerSchema`] when a newer
/// version of the software wrote it.
pub(crate) fn version(db: &Connection) -> Result<u32, OpenError> {
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let found: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let objects: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = application == 0 && found == 0 && objects == 0;
    if application != APPLICATION_ID && !empty {
        return Err(OpenError::NotOurs { application });
    }
    if found > VERSION {
        return Err(OpenError::NewerSchema { found, supported: VERSION });
    }
    Ok(found)
}

/// One migration in one transaction. The version is read again inside it: another process may have
/// been quicker.
fn step(db: &mut Connection) -> Result<(), OpenError> {
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = version(&change)?;
    if let Some(sql) = MIGRATIONS.get(from as usize) {
        change.execute_batch(sql)?;
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", from + 1)?;
    }
    Ok(change.commit()?)
}
