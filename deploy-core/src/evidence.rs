//! What is known of a source: exactly what rules asked for, no more.
//!
//! A source may have a million files; what says how it is built and run is in a dozen of them. So evidence starts empty,
//! rules say what they need ([`Ask`]), whoever can read the source answers, and rules look again. It is data, so that
//! detection over it is pure and can be tested without a disk.
//!
//! Every path is relative to the source, with `/`, and `""` is the source itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One thing a rule needs to know of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "ask", content = "path", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Ask {
    /// The entries of a directory.
    List(String),
    /// The whole text of a file.
    Read(String),
    /// The first [`HEAD_BYTES`] of a file's text: enough to tell a large file's format.
    Head(String),
    /// Everything that publishing a directory would meet.
    Walk(String),
}

/// How many bytes [`Ask::Head`] gives.
pub const HEAD_BYTES: u64 = 4 * 1024;

/// Why something that is there was not looked at. It is never dropped in silence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Refusal {
    /// It may not be read.
    Unreadable {
        /// What the system says.
        error: String,
    },
    /// It is larger than what is read of one file.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// With it, the texts of this source would be larger than what is read in all.
    TooMuch {
        /// The limit, in bytes.
        limit: u64,
    },
    /// It has more entries than what is listed.
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// Its directories are nested deeper than what is walked.
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A link in its path leaves the source, or leads back to itself.
    LeadsOut,
    /// It is neither a file nor a directory.
    Special,
}

impl Refusal {
    /// It as the end of a sentence: "`package.json` …".
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Unreadable { error } => format!("can't be read: {error}"),
            Self::TooLarge { limit } => format!("has more than {limit} bytes, the limit of one text"),
            Self::TooMuch { limit } => format!("is more than the {limit} bytes of text that are read in all"),
            Self::TooManyEntries { limit } => format!("has more than {limit} entries"),
            Self::TooDeep { limit } => format!("has directories nested more than {limit} deep"),
            Self::LeadsOut => "is, or lies behind, a link that leaves the source".to_owned(),
            Self::Special => "is not a file, but a device, a pipe or a socket".to_owned(),
        }
    }
}

/// Why an entry of a directory does not count as a file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PassedOver {
    /// A link that leaves the source.
    LinkOut {
        /// Where it leads, printable.
        target: String,
    },
    /// A link that leads back to itself.
    LinkLoop {
        /// Where it leads, printable.
        target: String,
    },
    /// A link to nothing.
    LinkDangling {
        /// Where it leads, printable.
        target: String,
    },
    /// A link to a device, a pipe or a socket.
    LinkSpecial {
        /// Where it leads, printable.
        target: String,
    },
    /// A link to a directory of the source, which is looked at under its own name only.
    LinkToDirectory {
        /// Where it leads, printable.
        target: String,
    },
    /// Neither a file, a directory nor a link.
    Special,
    /// Its name is not UTF-8; what names it here is a printable form.
    NameNotUtf8,
    /// `.deployignore` names it.
    LeftOut,
    /// It may not be read.
    Unreadable {
        /// What the system says.
        error: String,
    },
}

impl PassedOver {
    /// It as the end of a sentence: "`dist/a.js` is …".
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::LinkOut { target } => format!("a link that leaves the source ({target})"),
            Self::LinkLoop { target } => format!("a link that leads back to itself ({target})"),
            Self::LinkDangling { target } => format!("a link to something that does not exist ({target})"),
            Self::LinkSpecial { target } => format!("a link to a device, a pipe or a socket ({target})"),
            Self::LinkToDirectory { target } => format!("a link to a directory, not followed ({target})"),
            Self::Special => "not a file, but a device, a pipe or a socket".to_owned(),
            Self::NameNotUtf8 => "a name that is not UTF-8".to_owned(),
            Self::LeftOut => "left out by .deployignore".to_owned(),
            Self::Unreadable { error } => format!("unreadable ({error})"),
        }
    }

    /// Whether publishing a directory fails on it.
    #[must_use]
    pub const fn is_unpublishable(&self) -> bool {
        match self {
            Self::LinkOut { .. }
            | Self::LinkLoop { .. }
            | Self::LinkDangling { .. }
            | Self::LinkSpecial { .. }
            | Self::Special
            | Self::NameNotUtf8
            | Self::Unreadable { .. } => true,
            Self::LinkToDirectory { .. } | Self::LeftOut => false,
        }
    }
}

/// What an entry of a directory is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EntryKind {
    /// A regular file, or a link to one inside the source.
    File,
    /// A directory.
    Directory,
    /// Something that does not count.
    PassedOver(PassedOver),
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Whether `.gitignore` leaves it out: then it is not in the copy that a build runs in.
    pub git_ignored: bool,
}

/// The answer to [`Ask::List`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Listing {
    /// Every entry, by name.
    Present(BTreeMap<String, Entry>),
    /// There is no such directory.
    Absent,
    /// There is something of that name, but no directory.
    NotADirectory,
    /// There is one, but it was not listed.
    Refused(Refusal),
}

/// The answer to [`Ask::Read`] and [`Ask::Head`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Text {
    /// The text; bytes that are not UTF-8 are replaced.
    Whole(String),
    /// There is no such file.
    Missing,
    /// There is one, but it was not read.
    Refused(Refusal),
}

/// The answer to [`Ask::Walk`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Walk {
    /// All of it.
    Walked {
        /// Every file, relative to the directory.
        files: BTreeSet<String>,
        /// What does not count as a file, relative to the directory.
        passed_over: BTreeMap<String, PassedOver>,
    },
    /// There is no such directory.
    Absent,
    /// It was not walked to the end.
    Refused(Refusal),
}

/// What is known of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// Directories that were listed.
    pub listings: BTreeMap<String, Listing>,
    /// Files that were read whole.
    pub texts: BTreeMap<String, Text>,
    /// Files of which the first bytes were read.
    pub heads: BTreeMap<String, Text>,
    /// Directories that were walked.
    pub walks: BTreeMap<String, Walk>,
    /// The commit the source is at, where it is a checkout.
    pub commit: Option<String>,
}

impl Evidence {
    /// Whether an ask has been answered.
    #[must_use]
    pub fn knows(&self, ask: &Ask) -> bool {
        match ask {
            Ask::List(path) => self.listings.contains_key(path),
            Ask::Read(path) => self.texts.contains_key(path),
            Ask::Head(path) => self.heads.contains_key(path),
            Ask::Walk(path) => self.walks.contains_key(path),
        }
    }
}

/// One fact and the file that shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fact {
    /// Path relative to the source; `deploy.toml`, or a flag's name, for what was given.
    pub file: String,
    /// What it shows, as a short statement.
    pub fact: String,
}

impl Fact {
    /// A fact.
    pub fn new(file: impl Into<String>, fact: impl Into<String>) -> Self {
        Self { file: file.into(), fact: fact.into() }
    }
}
