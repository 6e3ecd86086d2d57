//! How much may be kept: a bound on all archives together. The oldest that no unfinished deployment needs
//! makes room for a new one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use deploy_core::port::ListQuery;
use deploy_core::status::StatusName;

use super::Uploads;
use super::part::UNFINISHED;
use crate::api::Api;
use crate::problem::Problem;

/// How long an archive is kept that no unfinished deployment needs.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Unfinished deployments of one status that are looked at.
const LOOKED_AT: usize = 1_000;

/// Bytes that an archive which is coming may use. They are free again when this is dropped.
pub(super) struct Room<'a> {
    uploads: &'a Uploads,
    bytes: u64,
}

/// What is promised to archives that are coming.
#[derive(Debug, Default)]
pub(super) struct Promised(AtomicU64);

impl<'a> Room<'a> {
    pub(super) const fn none(uploads: &'a Uploads) -> Self {
        Self { uploads, bytes: 0 }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes more, and removes old archives for it if it must.
    pub(super) async fn take(&mut self, api: &Api, more: u64) -> Result<(), Problem> {
        let most = api.limits().uploads_bytes;
        let _one_at_a_time = self.uploads.making_room.lock().await;
        let promised = self.uploads.promised.0.load(Ordering::SeqCst);
        let mut kept = kept(&self.uploads.directory).await;
        let mut bytes: u64 = kept.iter().map(|archive| archive.bytes).sum();
        if bytes + promised + more > most {
            let needed = needed(api).await?;
            kept.retain(|archive| !needed.iter().any(|path| Path::new(path) == archive.path));
            kept.sort_unstable_by_key(|archive| archive.since);
            for oldest in kept {
                if bytes + promised + more <= most {
                    break;
                }
                if tokio::fs::remove_file(&oldest.path).await.is_ok() {
                    bytes -= oldest.bytes;
                }
            }
        }
        if bytes + promised + more > most {
            return Err(full(most));
        }
        self.uploads.promised.0.fetch_add(more, Ordering::SeqCst);
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.uploads.promised.0.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

fn full(most: u64) -> Problem {
    let title = format!("all archives together may have {most} bytes, and unfinished deployments need those");
    let hint = "try again when a deployment has ended, or name a git URL or an image";
    let problem = Problem::new(StatusCode::INSUFFICIENT_STORAGE, "uploads_full", title, hint);
    Problem { retryable: true, retry_after: Some(30), ..problem }
}

/// An archive that is kept.
struct Archive {
    path: PathBuf,
    bytes: u64,
    since: SystemTime,
}

async fn kept(directory: &Path) -> Vec<Archive> {
    let mut kept = Vec::new();
    let Ok(mut entries) = tokio::fs::read_dir(directory).await else { return kept };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == UNFINISHED) {
            continue;
        }
        if let Ok(data) = entry.metadata().await {
            kept.push(Archive {
                path,
                bytes: data.len(),
                since: data.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            });
        }
    }
    kept
}

/// Removes what is old and not needed by a deployment that may still read it.
pub(super) async fn forget_old(api: &Api, directory: &Path) -> Result<(), Problem> {
    let age = |archive: &Archive| SystemTime::now().duration_since(archive.since).unwrap_or_default();
    let old: Vec<Archive> = kept(directory).await.into_iter().filter(|archive| age(archive) > KEPT).collect();
    if old.is_empty() {
        return Ok(());
    }
    let needed = needed(api).await?;
    for archive in old.iter().filter(|archive| !needed.iter().any(|path| Path::new(path) == archive.path)) {
        let _ = tokio::fs::remove_file(&archive.path).await;
    }
    Ok(())
}

/// Removes what a process left that did not live to receive it whole.
pub(super) fn forget_unfinished(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_some_and(|end| end == UNFINISHED) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The places that unfinished deployments name.
async fn needed(api: &Api) -> Result<Vec<String>, Problem> {
    let mut needed = Vec::new();
    for status in StatusName::ALL.into_iter().filter(|status| !status.is_ended()) {
        let query =
            ListQuery { status: Some(status.as_str().to_owned()), limit: LOOKED_AT, ..ListQuery::default() };
        needed.extend(api.engine().list(&query).await?.into_iter().map(|run| run.source_summary.locator));
    }
    Ok(needed)
}
