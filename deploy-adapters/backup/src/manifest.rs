//! What a backup says it holds.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::BackupError;

/// The format that this version writes and reads.
pub const FORMAT: &str = "deploy.backup/v1";

/// The name of the manifest in the archive. No file of a backup can have it: see [`is_safe`].
pub(crate) const NAME: &str = "manifest.json";
/// The most bytes of a manifest: enough for more than a million files.
pub(crate) const BYTES: u64 = 256 << 20;

/// What a backup says it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Facts for people: when, by which version, how much.
    pub about: BTreeMap<String, String>,
    /// What is deliberately not inside, one sentence each.
    pub not_included: Vec<String>,
    /// Every file, in the order of the archive.
    pub entries: Vec<Entry>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path below the state directory.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// The SHA-256 of its content, as 64 hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// Reads a manifest and looks whether it can be one.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BackupError> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(BackupError::damaged)?;
        if manifest.format != FORMAT {
            return Err(BackupError::Format { found: manifest.format });
        }
        Ok(manifest)
    }

    /// All bytes of all files.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }
}

/// Whether a path stays below the directory it is joined to, and is spelt in one way only.
pub(crate) fn is_safe(path: &str) -> bool {
    let normal = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let spelt = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    normal && spelt && path != NAME && path.len() <= 4_096 && !path.contains('\0')
}

/// A digest as it is written in a manifest.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
