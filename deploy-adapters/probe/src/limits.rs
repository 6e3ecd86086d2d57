//! Bounds on one observation: no server, however hostile, costs more than this.

/// Bounds on one observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes of a body are read when only its beginning matters; 4 KiB.
    pub head_bytes: usize,
    /// How many bytes of a body are searched for an expected text; 256 KiB.
    pub search_bytes: usize,
    /// How many bytes the status line and all headers may have; 64 KiB.
    pub header_bytes: usize,
    /// How many headers there may be; 100.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 4 * 1024, search_bytes: 256 * 1024, header_bytes: 64 * 1024, headers: 100 }
    }
}
