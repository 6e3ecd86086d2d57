//! What was found in a source: a bounded listing and the few texts that rules read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A bounded look at a source: every path and size, and the contents of the files rules asked for.
///
/// It is data, so that detection over it is pure and can be tested without a disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// Path relative to the base directory, with `/`, to size in bytes. Regular files only.
    pub files: BTreeMap<String, u64>,
    /// The contents of the files that were asked for by name and fit the limit.
    pub texts: BTreeMap<String, String>,
    /// What was not read, and why: "more than 100000 files". Empty when the listing is whole.
    pub omitted: Vec<String>,
    /// The commit the source is at, where it is a checkout.
    pub commit: Option<String>,
}

impl Evidence {
    /// Whether a file of that path exists.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Whether any file lies below that directory (`""` is the base directory).
    #[must_use]
    pub fn has_directory(&self, directory: &str) -> bool {
        if directory.is_empty() {
            return !self.files.is_empty();
        }
        let prefix = format!("{directory}/");
        self.files.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix))
    }
}

/// One fact and the file that shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fact {
    /// Path relative to the base directory; `deploy.toml`, or a flag's name, for what was given.
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
