//! Bounds on what is fetched, read and copied: no source, however hostile, costs more than this.

use std::time::Duration;

/// Bounds on what is fetched, read and copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many files and directories a source may have; 200 000.
    pub entries: usize,
    /// How deep directories may be nested below the source; 64.
    pub depth: usize,
    /// How many entries of one directory are listed for detection; 50 000.
    pub listing: usize,
    /// How many bytes of one file are read as text, ignore files included; 1 MiB.
    pub text_bytes: u64,
    /// How many bytes are read as text for one detection; 8 MiB.
    pub texts_bytes: u64,
    /// How many bytes a copy may have; 8 GiB.
    pub copy_bytes: u64,
    /// How many bytes a fetch may bring, and an archive may have; 2 GiB.
    pub fetch_bytes: u64,
    /// How long fetching and unpacking may take; 5 minutes.
    pub fetch_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 200_000,
            depth: 64,
            listing: 50_000,
            text_bytes: 1024 * 1024,
            texts_bytes: 8 * 1024 * 1024,
            copy_bytes: 8 * 1024 * 1024 * 1024,
            fetch_bytes: 2 * 1024 * 1024 * 1024,
            fetch_time: Duration::from_secs(300),
        }
    }
}
