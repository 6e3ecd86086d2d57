//! One file that holds an installation: written while it runs, proved whole before anything is restored.
//!
//! A backup is a tar archive packed with zstd (`tar --zstd -tf` lists it). Its last entry is the manifest: every
//! file with its size and SHA-256. What has no manifest is no backup, so a file that was cut off anywhere is
//! refused; and none has the name that was asked for before it is whole and durable.
//!
//! Restoring reads the backup to its end and compares every digest before the first write; then it unpacks into
//! a directory beside the one that was asked for, compares again, and renames. A crash at any moment leaves the
//! asked directory as it was, or whole.
//!
//! What this crate never does: know what the files mean, follow a link, or write outside the directory it was
//! given.

mod error;
mod manifest;
mod restore;
mod write;

pub use error::BackupError;
pub use manifest::{Entry, FORMAT, Manifest};
pub use restore::{restore, verify};
pub use write::{Item, write};
