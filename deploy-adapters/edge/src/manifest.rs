//! What a release holds: the sorted list of its files, and the rules a path in it must keep.

use serde::{Deserialize, Serialize};

use crate::digest::{ContentHash, Digest};

/// The only manifest format this version reads and writes.
pub const MANIFEST_SCHEMA: u32 = 1;

/// Longest path of a file in a release, in bytes.
pub const MAX_PATH_BYTES: usize = 1024;

/// Largest `manifest.json` that is read or written, in bytes (200,000 files with paths of about 200 bytes).
pub const MAX_MANIFEST_BYTES: u64 = 64 * 1024 * 1024;

/// The files of one release, sorted by path, without duplicates.
///
/// A manifest read through [`Manifest::from_canonical`] has been checked; one built by hand has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format version, [`MANIFEST_SCHEMA`].
    pub schema: u32,
    /// Every file, in ascending byte order of `path`.
    pub files: Vec<FileEntry>,
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Relative path with `/` between segments; see [`is_release_path`].
    pub path: String,
    /// Length of the content in bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: ContentHash,
}

/// Why some bytes are not a manifest of the release they were found in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The bytes do not hash to the release's digest.
    #[error("the manifest does not match the digest of its release")]
    DigestMismatch,
    /// The bytes are not the JSON of a manifest.
    #[error("the manifest is not readable: {0}")]
    Malformed(String),
    /// Written by a version with another format.
    #[error("the manifest has format {0}, this version reads {MANIFEST_SCHEMA}")]
    Schema(u32),
    /// A path breaks the rules, is listed twice or is out of order.
    #[error("the manifest has a wrong or misplaced path: {0:?}")]
    Path(String),
}

impl Manifest {
    /// A manifest of `files`, which are sorted here.
    pub fn new(mut files: Vec<FileEntry>) -> Self {
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Self { schema: MANIFEST_SCHEMA, files }
    }

    /// The canonical JSON: fields in declaration order, no whitespace. Equal manifests give equal bytes.
    pub fn to_canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and integers always serialize")
    }

    /// Reads the manifest of the release named `digest`.
    ///
    /// # Errors
    /// [`ManifestError`] unless the bytes hash to `digest` and every path keeps the rules.
    pub fn from_canonical(bytes: &[u8], digest: &Digest) -> Result<Self, ManifestError> {
        if Digest::of(bytes) != *digest {
            return Err(ManifestError::DigestMismatch);
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|e| ManifestError::Malformed(e.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Sum of all file sizes in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.schema != MANIFEST_SCHEMA {
            return Err(ManifestError::Schema(self.schema));
        }
        let mut previous = "";
        for FileEntry { path, .. } in &self.files {
            if !is_release_path(path) || path.as_str() <= previous {
                return Err(ManifestError::Path(path.clone()));
            }
            previous = path;
        }
        Ok(())
    }
}

/// Whether `path` may name a file in a release: relative, at most [`MAX_PATH_BYTES`] bytes, no empty, `.` or `..`
/// segment, no control character and no backslash (a request could never ask for those).
pub fn is_release_path(path: &str) -> bool {
    path.len() <= MAX_PATH_BYTES
        && !path.contains('\\')
        && !path.chars().any(char::is_control)
        && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(path: &str) -> FileEntry {
        FileEntry { path: path.into(), size: 1, sha256: ContentHash::of(path.as_bytes()) }
    }

    fn reread(manifest: &Manifest) -> Result<Manifest, ManifestError> {
        let bytes = manifest.to_canonical();
        Manifest::from_canonical(&bytes, &Digest::of(&bytes))
    }

    #[test]
    fn canonical_json_is_pinned() {
        let json = String::from_utf8(Manifest::new(vec![entry("b"), entry("a/c")]).to_canonical()).unwrap();
        assert!(json.starts_with(r#"{"schema":1,"files":[{"path":"a/c","size":1,"sha256":""#), "{json}");
    }

    #[test]
    fn threat_f09_a_manifest_cannot_name_a_path_outside_its_release() {
        let long = "a".repeat(MAX_PATH_BYTES + 1);
        for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "a\0b", "a\nb", r"a\..\b", &long]
        {
            let manifest = Manifest::new(vec![entry(path)]);
            assert_eq!(reread(&manifest), Err(ManifestError::Path(path.into())));
        }
    }

    #[test]
    fn duplicates_disorder_and_other_formats_are_refused() {
        assert!(matches!(reread(&Manifest::new(vec![entry("a"), entry("a")])), Err(ManifestError::Path(_))));
        let mut unsorted = Manifest::new(vec![entry("a"), entry("b")]);
        unsorted.files.reverse();
        assert!(matches!(reread(&unsorted), Err(ManifestError::Path(_))));
        let newer = Manifest { schema: 2, files: vec![] };
        assert_eq!(reread(&newer), Err(ManifestError::Schema(2)));
    }

    proptest! {
        #[test]
        fn any_flipped_byte_is_noticed(paths in prop::collection::btree_set("[a-z]{1,8}(/[a-z]{1,8})?", 1..6), at: prop::sample::Index, bit in 0..8u8) {
            let manifest = Manifest::new(paths.iter().map(|p| entry(p)).collect());
            let mut bytes = manifest.to_canonical();
            let digest = Digest::of(&bytes);
            prop_assert_eq!(Manifest::from_canonical(&bytes, &digest), Ok(manifest));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Manifest::from_canonical(&bytes, &digest), Err(ManifestError::DigestMismatch));
        }
    }
}
