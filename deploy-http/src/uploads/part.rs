//! An archive while it comes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use deploy_core::id::Digest;
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::room::Room;
use super::unwritable;
use crate::api::Api;
use crate::problem::Problem;

/// What the name of a file ends with that is not whole yet.
pub(super) const UNFINISHED: &str = "part";
/// Room is asked for in pieces of this size.
const PIECE: u64 = 8 * 1024 * 1024;
/// Bytes a second that an archive must come with in the long run: else a client that sends a byte now and then
/// would hold its place for ever.
const SLOWEST: u64 = 16 * 1024;

/// A file that is being received. Dropped before it is kept, it is gone.
pub(super) struct Part<'a> {
    path: PathBuf,
    kept: bool,
    room: Room<'a>,
}

/// What was received.
pub(super) struct Received {
    pub(super) digest: Digest,
    pub(super) bytes: u64,
}

impl<'a> Part<'a> {
    pub(super) async fn new(directory: &Path, room: Room<'a>) -> Result<Self, Problem> {
        tokio::fs::create_dir_all(directory).await.map_err(|error| unwritable(&error))?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| unwritable(&error))?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: directory.join(format!("{name}.{UNFINISHED}")), kept: false, room })
    }

    /// Writes what comes, within its bounds.
    pub(super) async fn receive<S>(&mut self, mut body: S, api: &Api) -> Result<Received, Problem>
    where
        S: Stream<Item = Result<Bytes, Problem>> + Unpin,
    {
        let wrong = |error: std::io::Error| unwritable(&error);
        let limits = api.limits();
        let mut file = tokio::fs::File::create_new(&self.path).await.map_err(wrong)?;
        let (mut hash, mut bytes, began) = (Sha256::new(), 0_u64, Instant::now());
        loop {
            let late = began + limits.body_time + Duration::from_secs(bytes / SLOWEST);
            let Some(data) = before(late.min(Instant::now() + limits.body_time), body.next()).await? else {
                break;
            };
            let data = data?;
            bytes += data.len() as u64;
            if bytes > limits.upload_bytes {
                return Err(too_large(limits.upload_bytes));
            }
            while bytes > self.room.bytes() {
                self.room.take(api, PIECE).await?;
            }
            hash.update(&data);
            file.write_all(&data).await.map_err(wrong)?;
        }
        if bytes == 0 {
            return Err(Problem::bad_request("the body is empty: send an archive"));
        }
        file.sync_all().await.map_err(wrong)?;
        let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = format!("sha256:{digest}").parse().map_err(Problem::from)?;
        Ok(Received { digest, bytes })
    }

    /// Keeps it under its name, also after a power cut.
    pub(super) async fn keep_as(mut self, path: &Path) -> Result<(), Problem> {
        let wrong = |error: std::io::Error| unwritable(&error);
        tokio::fs::rename(&self.path, path).await.map_err(wrong)?;
        self.kept = true;
        // A name is there after a power cut only when its directory was written, too.
        let directory = path.parent().unwrap_or(path);
        tokio::fs::File::open(directory).await.map_err(wrong)?.sync_all().await.map_err(wrong)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn too_large(most: u64) -> Problem {
    let title = format!("the archive is larger than {most} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", title, "send less")
}

/// An answer, or that it took too long.
async fn before<T>(late: Instant, next: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout_at(late, next).await.map_err(|_| {
        let title = "the body took too long";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", title, "send it faster")
    })
}
