//! Hashes that show whether what is read is what was written.

use sha2::{Digest as _, Sha256};

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// What comes before the first event.
pub(crate) const GENESIS: Hash = [0; 32];

/// The hash of an event: it covers the hash before it, and so every event before it.
pub(crate) fn link(previous: &Hash, body: &str) -> Hash {
    Sha256::new().chain_update(previous).chain_update(body).finalize().into()
}

/// The hash of a record that may be replaced as a whole.
pub(crate) fn seal(record: &str) -> Hash {
    Sha256::digest(record).into()
}
