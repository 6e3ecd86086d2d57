//! Archives that clients send, kept by their content until nobody needs them.
//!
//! What is sent is bounded while it comes: bytes, time, and how many at once. When it is whole it is read as
//! every other archive is, with the same bounds of files, bytes, ratio and depth; what may not be deployed is
//! refused and not kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use deploy_core::id::{Digest, ResourceKey};
use deploy_core::port::ListQuery;
use deploy_core::source::Source;
use deploy_core::spec::Spec;
use deploy_core::status::StatusName;
use http_body_util::BodyExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use crate::access::Caller;
use crate::api::{Api, Limits};
use crate::problem::Problem;

/// Uploads at once.
const AT_ONCE: usize = 4;
/// How long an archive is kept that no unfinished deployment needs.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Unfinished deployments of one status that are looked at.
const UNFINISHED: usize = 1_000;

/// An archive that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Uploaded {
    /// What to name as `source` in a plan or a deployment.
    pub source: Source,
    /// Its size.
    pub bytes: u64,
    /// Whether the same content was there already.
    pub known: bool,
}

/// Where archives are kept.
#[derive(Debug)]
pub(crate) struct Uploads {
    directory: PathBuf,
    places: Arc<Semaphore>,
}

impl Uploads {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

pub(crate) async fn upload(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let Some(uploads) = api.uploads() else {
        let (title, hint) =
            ("this control plane keeps no uploads", "name a git URL, an image or a directory");
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", title, hint));
    };
    let Ok(_place) = Arc::clone(&uploads.places).try_acquire_owned() else {
        return Err(Problem::later(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_uploads",
            "as many archives come as may",
            5,
        ));
    };
    forget_old(&api, &uploads.directory).await?;
    let part = Part::new(&uploads.directory).await?;
    let received = part.receive(request.into_body(), api.limits()).await?;
    let (bytes, path) = (received.bytes, uploads.directory.join(received.digest.hex()));
    let known = tokio::fs::try_exists(&path).await.unwrap_or(false);
    part.keep_as(&path).await?;
    let path = path.to_str().ok_or_else(|| unwritable(&"its path is not UTF-8"))?.to_owned();
    let source = Source::Archive { path: path.clone(), digest: Some(received.digest) };
    if let Err(problem) = readable(&api, &caller, &source).await {
        let _ = tokio::fs::remove_file(path).await;
        return Err(problem);
    }
    Ok((StatusCode::CREATED, Json(Uploaded { source, bytes, known })).into_response())
}

/// Reads it as a plan would. What it holds may still be anything; it must only be safe to unpack.
async fn readable(api: &Api, caller: &Caller, source: &Source) -> Result<(), Problem> {
    let name = || "upload".parse().map_err(Problem::from);
    let key = ResourceKey { resource: name()?, environment: name()? };
    let spec = Spec { source: source.clone(), ..Spec::directory(key, name()?, "/", caller.actor()) };
    let detection = api.engine().inspect(&spec).await;
    let unsafe_codes =
        ["archive_invalid", "unsafe_archive_entry", "archive_too_large", "source_unsafe", "source_too_large"];
    let refused = detection.blocked.into_iter().find(|reason| unsafe_codes.contains(&reason.code.code()));
    match refused {
        None => Ok(()),
        Some(reason) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            reason.code.code(),
            reason.message,
            reason.code.fix(),
        )),
    }
}

/// A file that is being received. Dropped before it is kept, it is gone.
struct Part {
    path: PathBuf,
    kept: bool,
}

struct Received {
    digest: Digest,
    bytes: u64,
}

impl Part {
    async fn new(directory: &Path) -> Result<Self, Problem> {
        tokio::fs::create_dir_all(directory).await.map_err(|error| unwritable(&error))?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| unwritable(&error))?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: directory.join(format!("{name}.part")), kept: false })
    }

    /// Writes the body, within its bounds.
    async fn receive(&self, mut body: Body, limits: &Limits) -> Result<Received, Problem> {
        let wrong = |error: std::io::Error| unwritable(&error);
        let mut file = tokio::fs::File::create_new(&self.path).await.map_err(wrong)?;
        let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
        while let Some(data) = next(&mut body, limits.body_time).await? {
            bytes += data.len() as u64;
            if bytes > limits.upload_bytes {
                let title = format!("the archive is larger than {} bytes", limits.upload_bytes);
                return Err(Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body_too_large",
                    title,
                    "send less",
                ));
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

    async fn keep_as(mut self, path: &Path) -> Result<(), Problem> {
        let wrong = |error: std::io::Error| unwritable(&error);
        tokio::fs::rename(&self.path, path).await.map_err(wrong)?;
        self.kept = true;
        // A name is there after a power cut only when its directory was written, too.
        let directory = path.parent().unwrap_or(path);
        tokio::fs::File::open(directory).await.map_err(wrong)?.sync_all().await.map_err(wrong)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The next piece of a body; an error if nothing comes for `patience`.
async fn next(body: &mut Body, patience: Duration) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = match tokio::time::timeout(patience, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(Problem::bad_request("the body broke off")),
            Err(_) => {
                let title = "the body took too long";
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "body_too_slow",
                    title,
                    "send it faster",
                ));
            }
        };
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

/// Removes what is old and not needed by a deployment that may still read it.
async fn forget_old(api: &Api, directory: &Path) -> Result<(), Problem> {
    let Ok(mut entries) = tokio::fs::read_dir(directory).await else { return Ok(()) };
    let mut old = Vec::new();
    while let Ok(Some(entry)) = entries.next_entry().await {
        let age = entry.metadata().await.ok().and_then(|data| data.modified().ok());
        let age = age.and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
        if age > KEPT {
            old.push(entry.path());
        }
    }
    if old.is_empty() {
        return Ok(());
    }
    let needed = needed(api).await?;
    for path in old.iter().filter(|path| !needed.iter().any(|needed| Path::new(needed) == path.as_path())) {
        let _ = tokio::fs::remove_file(path).await;
    }
    Ok(())
}

/// The places that unfinished deployments name.
async fn needed(api: &Api) -> Result<Vec<String>, Problem> {
    let mut needed = Vec::new();
    for status in StatusName::ALL.into_iter().filter(|status| !status.is_ended()) {
        let query =
            ListQuery { status: Some(status.as_str().to_owned()), limit: UNFINISHED, ..ListQuery::default() };
        needed.extend(api.engine().list(&query).await?.into_iter().map(|run| run.source_summary.locator));
    }
    Ok(needed)
}

fn unwritable(error: &dyn std::fmt::Display) -> Problem {
    let title = format!("the archive can't be kept: {error}");
    Problem::new(
        StatusCode::INSUFFICIENT_STORAGE,
        "upload_unwritable",
        title,
        "free disk space, or run `deploy doctor`",
    )
}
