//! Turning a directory into an immutable, content-addressed release, all or nothing.
//!
//! 1. `scan` lists what the source directory would serve (no file content is read).
//! 2. `copy` reads each file once, hashing while it copies into a staging directory.
//! 3. `stage` makes the staging directory durable with one `syncfs` and renames it to its digest.
//!
//! Until the rename nothing outside the staging directory has changed; after it the release is complete.

mod copy;
mod error;
mod reuse;
mod scan;
mod stage;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

pub use error::PublishError;
pub use stage::sweep_staging;

pub(crate) use stage::STAGING_PREFIX;

use crate::digest::Digest;
use crate::manifest::Manifest;
use copy::Copier;
use stage::Staging;

/// Says of a path below the source, and whether it is a directory, that it is not published.
pub type LeaveOut<'a> = &'a (dyn Fn(&str, bool) -> bool + Sync);

/// What to publish, and from where to where.
#[derive(Clone, Copy)]
pub struct PublishRequest<'a> {
    /// The directory whose content is published. A link here is followed.
    pub source: &'a Path,
    /// The directory that holds all releases; created if missing. Must be on a filesystem with hard links.
    pub releases: &'a Path,
    /// Name of this attempt, `[A-Za-z0-9._-]{1,128}`. The same attempt repeated after a crash must pass the same
    /// key, so that what the crash left is found and removed; two attempts running at once must not share one.
    pub key: &'a str,
    /// Earlier releases whose identical files are hard-linked instead of copied. One that is missing or unreadable
    /// is skipped: reuse only saves work.
    pub reuse_from: &'a [Digest],
    /// What is not published. What lies in a directory that is left out is not looked at.
    pub leave_out: Option<LeaveOut<'a>>,
    /// Bounds on the source.
    pub limits: PublishLimits,
    /// Set by the caller to stop soon with [`PublishError::Cancelled`].
    pub cancel: Option<&'a AtomicBool>,
    /// Called from the copying threads now and then, and once at the end of copying.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl<'a> PublishRequest<'a> {
    /// A request with default limits, no reuse, no cancellation and no progress reports.
    pub fn new(source: &'a Path, releases: &'a Path, key: &'a str) -> Self {
        Self {
            source,
            releases,
            key,
            reuse_from: &[],
            leave_out: None,
            limits: PublishLimits::default(),
            cancel: None,
            progress: None,
        }
    }
}

/// Bounds on a source directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishLimits {
    /// Most files, and also most directories and left-out entries together. Default 200,000.
    pub files: usize,
    /// Most bytes of content in all. Default 4 GiB.
    pub bytes: u64,
    /// Most directories above a file. Default 64.
    pub depth: usize,
    /// Longest path in bytes; never more than [`crate::manifest::MAX_PATH_BYTES`]. Default 1024.
    pub path_bytes: usize,
}

impl Default for PublishLimits {
    fn default() -> Self {
        Self {
            files: 200_000,
            bytes: 4 * 1024 * 1024 * 1024,
            depth: 64,
            path_bytes: crate::manifest::MAX_PATH_BYTES,
        }
    }
}

/// How far copying has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files done.
    pub files: u64,
    /// Files in all.
    pub files_total: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// A release that is on disk, complete and durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The release.
    pub digest: Digest,
    /// Files in it.
    pub files: u64,
    /// Bytes of content in it.
    pub bytes: u64,
    /// Files hard-linked from an earlier release instead of copied.
    pub reused_files: u64,
    /// Whether an intact release with this digest was there before.
    pub already_there: bool,
    /// Where the time went.
    pub timing: PublishTiming,
}

/// Where the time of one publish went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishTiming {
    /// Listing the source.
    pub scan: Duration,
    /// Reading, hashing and writing files.
    pub copy: Duration,
    /// Waiting for the disk, and the rename.
    pub sync: Duration,
}

/// Publishes a directory as a release. Blocking: call it from a thread that may wait.
///
/// - Idempotent: the same content gives the same digest, and an intact release that is already there is kept.
/// - Names beginning with a dot are left out, except `.well-known` (RFC 8615).
/// - A symbolic link that resolves to a file or directory inside the source is followed and its content copied.
/// - A file that changes while it is read is published as it was read; manifest and content agree in any case.
/// - On any error, and on a panic, the staging directory is removed and nothing else has changed.
///
/// # Errors
/// [`PublishError`]; every variant names the entry or the bound that is to blame.
pub fn publish(request: &PublishRequest<'_>) -> Result<Published, PublishError> {
    let started = Instant::now();
    let scan = scan::scan(request)?;
    let scanned = Instant::now();

    let staging = Staging::create(request.releases, request.key)?;
    let copied = Copier::new(request, &scan, &staging)?.run()?;
    let manifest = Manifest::new(copied.files);
    let copied_at = Instant::now();

    let committed = staging.commit(&manifest)?;
    Ok(Published {
        digest: committed.digest,
        files: manifest.files.len() as u64,
        bytes: manifest.total_bytes(),
        reused_files: copied.reused,
        already_there: committed.already_there,
        timing: PublishTiming {
            scan: scanned - started,
            copy: copied_at - scanned,
            sync: copied_at.elapsed(),
        },
    })
}
