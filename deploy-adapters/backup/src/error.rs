//! Why there is no backup, or nothing was restored.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BackupError {
    /// The file is there already: a backup replaces nothing.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file changed or went away while it was being read: take another look and try again.
    #[error("{path} changed while it was being saved")]
    Changed {
        /// The file, as the backup names it.
        path: String,
    },
    /// The file is no backup, or not a whole one.
    #[error("it is not a whole backup: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// Another version of the software wrote it.
    #[error("the backup has format {found:?}, this version reads {:?}", crate::FORMAT)]
    Format {
        /// Its format.
        found: String,
    },
    /// There is something in the directory already.
    #[error("{} is not empty: a backup is restored into an empty directory only", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// What was unpacked can't be used.
    #[error("what the backup holds can't be used: {what}")]
    Unusable {
        /// Why.
        what: String,
    },
    /// The system said no.
    #[error("{}: {what}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        what: String,
    },
}

impl BackupError {
    /// Stable, machine-readable name of the failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "backup_exists",
            Self::Changed { .. } => "backup_busy",
            Self::Damaged { .. } => "backup_damaged",
            Self::Format { .. } => "backup_format",
            Self::NotEmpty { .. } => "state_dir_not_empty",
            Self::Unusable { .. } => "backup_unusable",
            Self::Io { .. } => "backup_io",
        }
    }

    /// What a person can do about it, as one sentence.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "give the backup a new name, or move the other one away",
            Self::Changed { .. } => "try again when fewer deployments run",
            Self::Damaged { .. } => "take another copy of it, or an older backup",
            Self::Format { .. } => "use the version of deploy that wrote it, or a newer one",
            Self::NotEmpty { .. } => "give an empty directory with --state-dir, or move away what is there",
            Self::Unusable { .. } => "use the version of deploy that wrote it, or an older backup",
            Self::Io { .. } => "check the disk, its free space, and the rights of this user",
        }
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), what: error.to_string() }
    }

    pub(crate) fn damaged(what: impl std::fmt::Display) -> Self {
        Self::Damaged { what: what.to_string() }
    }
}
