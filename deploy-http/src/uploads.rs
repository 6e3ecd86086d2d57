//! Archives that clients send, kept by their content until nobody needs them.
//!
//! What is sent is bounded while it comes: bytes, time, how many at once, and how much all of them have
//! together. When it is whole it is read as every other archive is, with the same bounds of files, bytes, ratio
//! and depth; what may not be deployed is refused and not kept.

mod part;
mod room;

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use deploy_core::id::ResourceKey;
use deploy_core::source::Source;
use deploy_core::spec::Spec;
use futures_util::{Stream, StreamExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Semaphore};

use crate::access::Caller;
use crate::api::Api;
use crate::problem::Problem;
use part::Part;
use room::{Promised, Room, forget_old, forget_unfinished};

/// Uploads at once.
const AT_ONCE: usize = 4;

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
    promised: Promised,
    making_room: Mutex<()>,
}

impl Uploads {
    pub(crate) fn new(directory: PathBuf) -> Self {
        forget_unfinished(&directory);
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { directory, places, promised: Promised::default(), making_room: Mutex::default() }
    }
}

pub(crate) async fn upload(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let broke_off = |_| Problem::bad_request("the body broke off");
    let body = request.into_body().into_data_stream().map(|data| data.map_err(broke_off));
    let uploaded = take(&api, &caller, body).await?;
    Ok((StatusCode::CREATED, Json(uploaded)).into_response())
}

/// Takes an archive.
pub(crate) async fn take<S>(api: &Api, caller: &Caller, body: S) -> Result<Uploaded, Problem>
where
    S: Stream<Item = Result<Bytes, Problem>> + Unpin,
{
    let Some(uploads) = api.uploads() else {
        let (title, hint) =
            ("this control plane keeps no uploads", "name a git URL, an image or a directory");
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", title, hint));
    };
    let Ok(_place) = Arc::clone(&uploads.places).try_acquire_owned() else {
        let title = "as many archives come as may";
        return Err(Problem::later(StatusCode::TOO_MANY_REQUESTS, "too_many_uploads", title, 5));
    };
    forget_old(api, &uploads.directory).await?;
    let mut part = Part::new(&uploads.directory, Room::none(uploads)).await?;
    let received = part.receive(body, api).await?;
    let (bytes, path) = (received.bytes, uploads.directory.join(received.digest.hex()));
    let known = tokio::fs::try_exists(&path).await.unwrap_or(false);
    part.keep_as(&path).await?;
    let path = path.to_str().ok_or_else(|| unwritable(&"its path is not UTF-8"))?.to_owned();
    let source = Source::Archive { path: path.clone(), digest: Some(received.digest) };
    if let Err(problem) = readable(api, caller, &source).await {
        let _ = tokio::fs::remove_file(path).await;
        return Err(problem);
    }
    Ok(Uploaded { source, bytes, known })
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

fn unwritable(error: &dyn std::fmt::Display) -> Problem {
    let title = format!("the archive can't be kept: {error}");
    Problem::new(
        StatusCode::INSUFFICIENT_STORAGE,
        "upload_unwritable",
        title,
        "free disk space, or run `deploy doctor`",
    )
}
