//! What goes wrong inside the store, before it becomes a [`StoreError`].

use deploy_core::port::StoreError;
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMSIZE};

/// Why a statement or a rule said no.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A rule of the store.
    Refused(StoreError),
    /// SQLite.
    Sqlite(rusqlite::Error),
}

impl Fault {
    /// A record that can't be read, or must not be written as it is.
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Refused(StoreError::Corrupt { what: what.into() })
    }

    /// A limit that is reached.
    pub(crate) fn limit(what: impl Into<String>) -> Self {
        Self::Refused(StoreError::Limit { what: what.into() })
    }

    /// Whether there was no space for it.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Refused(error) => *error == StoreError::Full,
            Self::Sqlite(error) => is_full(error),
        }
    }

    /// The answer when it is certain that nothing was written.
    pub(crate) fn into_answer(self) -> StoreError {
        match self {
            Self::Refused(error) => error,
            Self::Sqlite(error) if is_full(&error) => StoreError::Full,
            Self::Sqlite(error) if is_corrupt(&error) => StoreError::Corrupt { what: error.to_string() },
            Self::Sqlite(error) => StoreError::Unavailable { what: error.to_string() },
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Whether SQLite found no space: for a page, or for the index of its write-ahead log.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull
            || matches!(error.extended_code, SQLITE_IOERR_SHMSIZE | SQLITE_IOERR_SHMMAP)
    })
}

/// Whether SQLite could not read its file, or we could not read a value in it.
fn is_corrupt(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(
            error,
            FromSqlConversionFailure(..)
                | IntegralValueOutOfRange(..)
                | InvalidColumnType(..)
                | Utf8Error(..)
        )
}
