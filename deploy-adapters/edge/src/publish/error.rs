//! Why a directory could not be published.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why a directory could not be published. Paths are relative to the source directory.
///
/// Displayed paths are quoted with control characters escaped, so a hostile name cannot reach a terminal as markup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The source is not there or is not a directory.
    #[error("{path:?} is not a directory that can be opened: {reason}")]
    SourceUnusable {
        /// The source as given.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is no file to serve.
    #[error("there is no file to serve in the directory")]
    SourceEmpty,
    /// A symbolic link leads out of the source.
    #[error("the link {path:?} leads outside the published directory")]
    LinkOutsideRoot {
        /// The link.
        path: String,
    },
    /// A symbolic link leads nowhere.
    #[error("the link {path:?} leads to nothing")]
    LinkBroken {
        /// The link.
        path: String,
    },
    /// A symbolic link leads to itself or to a directory that contains it.
    #[error("the link {path:?} leads back to itself")]
    LinkLoop {
        /// The link.
        path: String,
    },
    /// A device, pipe or socket.
    #[error("{path:?} is a {kind}, not a file")]
    UnsupportedFileType {
        /// The entry.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A name that is not UTF-8.
    #[error("a name in {dir:?} is not UTF-8: {name:?}")]
    NameNotUtf8 {
        /// The directory the name is in.
        dir: String,
        /// The name with replacement characters.
        name: String,
    },
    /// A name with a control character or a backslash: no request could ask for it.
    #[error("the name {path:?} contains a control character or a backslash")]
    NameNotAllowed {
        /// The entry.
        path: String,
    },
    /// More entries than allowed.
    #[error("the directory has more than {limit} entries")]
    TooManyFiles {
        /// The bound.
        limit: usize,
    },
    /// More bytes than allowed.
    #[error("the directory holds more than {limit} bytes")]
    TooLarge {
        /// The bound in bytes.
        limit: u64,
    },
    /// Directories nested deeper than allowed.
    #[error("{path:?} is more than {limit} directories deep")]
    TooDeep {
        /// The directory.
        path: String,
        /// The bound.
        limit: usize,
    },
    /// A path longer than allowed.
    #[error("the path {path:?} is longer than {limit} bytes")]
    PathTooLong {
        /// The path.
        path: String,
        /// The bound in bytes.
        limit: usize,
    },
    /// This process may not read an entry.
    #[error("no permission to read {path:?}")]
    PermissionDenied {
        /// The entry.
        path: String,
    },
    /// An entry was replaced or removed between listing and reading.
    #[error("{path:?} was replaced or removed while it was published")]
    SourceChanged {
        /// The entry.
        path: String,
    },
    /// The disk or a quota is full. The staging directory has been removed.
    #[error("the disk that holds the releases is full")]
    DiskFull,
    /// The key cannot be part of a directory name.
    #[error("the key {key:?} is not 1 to 128 letters, digits, '.', '_' or '-'")]
    InvalidKey {
        /// The key.
        key: String,
    },
    /// The caller asked to stop.
    #[error("publishing was cancelled")]
    Cancelled,
    /// Anything else the system refused.
    #[error("could not {action}: {reason}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        reason: String,
    },
}

impl PublishError {
    /// Stable, machine-readable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SourceUnusable { .. } => "source_unusable",
            Self::SourceEmpty => "source_empty",
            Self::LinkOutsideRoot { .. } => "link_outside_root",
            Self::LinkBroken { .. } => "link_broken",
            Self::LinkLoop { .. } => "link_loop",
            Self::UnsupportedFileType { .. } => "unsupported_file_type",
            Self::NameNotUtf8 { .. } => "name_not_utf8",
            Self::NameNotAllowed { .. } => "name_not_allowed",
            Self::TooManyFiles { .. } => "too_many_files",
            Self::TooLarge { .. } => "too_large",
            Self::TooDeep { .. } => "too_deep",
            Self::PathTooLong { .. } => "path_too_long",
            Self::PermissionDenied { .. } => "permission_denied",
            Self::SourceChanged { .. } => "source_changed",
            Self::DiskFull => "disk_full",
            Self::InvalidKey { .. } => "invalid_key",
            Self::Cancelled => "cancelled",
            Self::Io { .. } => "io_error",
        }
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::SourceUnusable { .. } => "Check that the build writes to this directory.",
            Self::SourceEmpty => "Check that the build ran and that this is its output directory.",
            Self::LinkOutsideRoot { .. } => "Copy the content into the directory instead of linking to it.",
            Self::LinkBroken { .. } => "Remove the link or create what it points to.",
            Self::LinkLoop { .. } => "Remove the link.",
            Self::UnsupportedFileType { .. } => {
                "Remove it; only files, directories and links can be published."
            }
            Self::NameNotUtf8 { .. } => "Rename it to a UTF-8 name.",
            Self::NameNotAllowed { .. } => "Rename it.",
            Self::TooManyFiles { .. } | Self::TooLarge { .. } => {
                "Publish only the build's output, or raise the limit."
            }
            Self::TooDeep { .. } | Self::PathTooLong { .. } => "Shorten the path.",
            Self::PermissionDenied { .. } => "Make it readable for the user that runs the deployment.",
            Self::SourceChanged { .. } => "Let the build finish before publishing, then try again.",
            Self::DiskFull => "Free some space or remove old releases, then try again.",
            Self::InvalidKey { .. } => "Use letters, digits, dots, underscores and dashes.",
            Self::Cancelled => "Start again when ready.",
            Self::Io { .. } => "Check the disk and its permissions, then try again.",
        }
    }

    /// An error met while opening or reading the source entry `path`.
    pub(super) fn reading(path: &str, error: &io::Error) -> Self {
        let path = path.to_owned();
        if error.kind() == io::ErrorKind::PermissionDenied {
            Self::PermissionDenied { path }
        } else if error.kind() == io::ErrorKind::NotFound || crate::beneath::is_swapped(error) {
            Self::SourceChanged { path }
        } else {
            Self::Io { action: format!("read {path:?}"), reason: error.to_string() }
        }
    }

    /// An error met while changing the releases directory; `action` completes "could not ...".
    pub(super) fn writing(action: &str, error: &io::Error) -> Self {
        let errno = Errno::from_io_error(error);
        if errno == Some(Errno::NOSPC) || errno == Some(Errno::DQUOT) {
            return Self::DiskFull;
        }
        Self::Io { action: action.to_owned(), reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_become_typed_errors_that_name_the_entry() {
        let read = |errno: Errno| PublishError::reading("a/b", &errno.into()).code();
        assert_eq!(read(Errno::ACCESS), "permission_denied");
        assert_eq!(read(Errno::NOENT), "source_changed");
        assert_eq!(read(Errno::LOOP), "source_changed");
        assert_eq!(read(Errno::IO), "io_error");
        assert_eq!(PublishError::writing("x", &Errno::NOSPC.into()), PublishError::DiskFull);
        assert_eq!(PublishError::writing("x", &Errno::DQUOT.into()), PublishError::DiskFull);
        assert!(PublishError::reading("a/b", &Errno::ACCESS.into()).to_string().contains("a/b"));
    }

    #[test]
    fn inv_40_control_characters_in_names_are_escaped() {
        let error = PublishError::NameNotAllowed { path: "a\u{1b}[31m".into() };
        assert!(!error.to_string().contains('\u{1b}'));
    }
}
