//! Publishing, and proving that a release is whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::Digest;
use deploy_core::log::{LogLevel, LogSource};
use deploy_core::plan::Output;
use deploy_core::port::{Layout, Probe, Sources, StepContext};
use deploy_core::step_log::StepLog;
use deploy_edge::{Depth, PublishError, PublishRequest, Published, ReleaseError, publish, verify_release};

use crate::build::disk;
use crate::paths::{Paths, below, write_whole};
use crate::reuse;

/// The same digest in the edge's type.
pub(crate) fn edge_digest(digest: &Digest) -> Result<deploy_edge::Digest, Failure> {
    let parsed = digest.as_str().parse();
    parsed.map_err(|_| Failure::new(FailureCode::Internal, format!("{digest} is not a digest for the edge")))
}

/// The same digest in the core's type.
pub(crate) fn core_digest(digest: &deploy_edge::Digest) -> Result<Digest, Failure> {
    let parsed = digest.to_string().parse();
    parsed.map_err(|_| Failure::new(FailureCode::Internal, format!("{digest} is not a digest")))
}

/// Stores the finished site as a release.
pub(crate) async fn store(
    paths: &Paths,
    sources: &dyn Sources,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Output, Failure> {
    if let Some(output) = reuse::output(paths, cx).await? {
        log.line(LogSource::System, LogLevel::Info, "the release is there already: nothing is copied");
        record(&paths.published(cx.deployment), &output)?;
        return Ok(output);
    }
    let (base, site) = site(paths, sources, cx).await?;
    let left_out = sources.left_out(&base, &site);
    let reuse = cx.live_before.iter().map(|live| edge_digest(&live.digest)).collect::<Result<Vec<_>, _>>()?;
    let (releases, key) = (paths.releases.clone(), cx.deployment.to_string());
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let mut publishing = tokio::task::spawn_blocking(move || {
        let request = PublishRequest {
            reuse_from: &reuse,
            leave_out: Some(&*left_out),
            cancel: Some(&flag),
            ..PublishRequest::new(&site, &releases, &key)
        };
        publish(&request)
    });
    let published = tokio::select! {
        published = &mut publishing => published,
        () = cx.cancel.cancelled() => {
            cancelled.store(true, Ordering::Relaxed);
            publishing.await
        }
    };
    let broke_off = |_| Failure::new(FailureCode::Internal, "publishing broke off");
    let published = published.map_err(broke_off)?.map_err(|error| publish_failure(&error))?;
    let output = output_of(&published)?;
    log.line(LogSource::System, LogLevel::Info, &summary(&published));
    record(&paths.published(cx.deployment), &output)?;
    if let Some(digest) = &output.digest {
        reuse::remember(paths, cx.plan.outline(), digest);
    }
    Ok(output)
}

/// The base directory and the one to publish: in the build's copy if there was a build, else in the
/// source itself.
async fn site(paths: &Paths, sources: &dyn Sources, cx: &StepContext) -> Result<(PathBuf, PathBuf), Failure> {
    let outline = cx.plan.outline();
    let built = paths.built(cx.deployment);
    let base = match std::fs::read_to_string(&built) {
        Ok(base) => PathBuf::from(base),
        Err(_) => {
            let workspace = paths.workspace(cx.deployment);
            sources.checkout(&cx.source, &outline.profile, Layout::ReadOnly, &workspace, &cx.cancel).await?
        }
    };
    let directory =
        outline.artifact.as_ref().and_then(|artifact| artifact.publish_directory.as_deref()).unwrap_or(".");
    let site = below(&base, directory).map_err(|why| {
        Failure::new(
            FailureCode::PublishDirectoryMissing,
            format!("the publish directory can't be used: {why}"),
        )
        .because("runtime.publish_directory", directory)
    })?;
    Ok((base.canonicalize().unwrap_or(base), site))
}

fn output_of(published: &Published) -> Result<Output, Failure> {
    let millis = |duration: std::time::Duration| duration.as_millis().to_string();
    Ok(Output::of(core_digest(&published.digest)?)
        .with("files", published.files.to_string())
        .with("bytes", published.bytes.to_string())
        .with("reusedFiles", published.reused_files.to_string())
        .with("scanMs", millis(published.timing.scan))
        .with("copyMs", millis(published.timing.copy))
        .with("syncMs", millis(published.timing.sync)))
}

fn summary(published: &Published) -> String {
    let Published { files, bytes, reused_files, .. } = published;
    if published.already_there {
        format!("{files} files, {bytes} bytes: stored already")
    } else {
        format!("{files} files, {bytes} bytes stored, {reused_files} of them shared with the release before")
    }
}

/// Remembers the digest for whoever reads back after a crash; losing it only costs publishing again.
fn record(file: &Path, output: &Output) -> Result<(), Failure> {
    let text = serde_json::to_vec(output).expect("every key is a string");
    write_whole(file, &text).map_err(|error| disk(&error, "record the published release"))
}

/// Whether the site was published: what was recorded, and the release is there.
pub(crate) async fn read_back(paths: &Paths, cx: &StepContext) -> Result<Probe, Failure> {
    let Ok(text) = std::fs::read(paths.published(cx.deployment)) else { return Ok(Probe::Absent) };
    let Ok(output) = serde_json::from_slice::<Output>(&text) else { return Ok(Probe::Absent) };
    let Some(digest) = output.digest.clone() else { return Ok(Probe::Absent) };
    let whole = verify(paths, &digest, Depth::Sizes).await;
    Ok(if whole.is_ok() { Probe::Present { output } } else { Probe::Absent })
}

/// Proves that a kept release is whole, down to every file's content.
pub(crate) async fn prove(paths: &Paths, cx: &StepContext) -> Result<Output, Failure> {
    let artifact = cx.plan.outline().artifact.as_ref();
    let digest = artifact.and_then(|artifact| artifact.digest.clone());
    let digest = digest.ok_or_else(|| Failure::new(FailureCode::Internal, "the plan names no artifact"))?;
    verify(paths, &digest, Depth::Sizes).await?;
    Ok(Output::of(digest))
}

pub(crate) async fn verify(paths: &Paths, digest: &Digest, depth: Depth) -> Result<(), Failure> {
    let (releases, edge) = (paths.releases.clone(), edge_digest(digest)?);
    let verified = tokio::task::spawn_blocking(move || verify_release(&releases, &edge, depth)).await;
    match verified {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(release_failure(&error)),
        Err(_) => Err(Failure::new(FailureCode::Internal, "reading the release broke off")),
    }
}

fn release_failure(error: &ReleaseError) -> Failure {
    let code = match error {
        ReleaseError::Missing { .. } | ReleaseError::Damaged { .. } => FailureCode::ArtifactMissing,
        ReleaseError::Io { .. } => FailureCode::TargetUnavailable,
    };
    Failure::new(code, error.to_string())
}

fn publish_failure(error: &PublishError) -> Failure {
    let code = match error {
        PublishError::SourceUnusable { .. } => FailureCode::PublishDirectoryMissing,
        PublishError::SourceEmpty => FailureCode::NothingToPublish,
        PublishError::LinkOutsideRoot { .. }
        | PublishError::LinkBroken { .. }
        | PublishError::LinkLoop { .. }
        | PublishError::UnsupportedFileType { .. }
        | PublishError::NameNotUtf8 { .. }
        | PublishError::NameNotAllowed { .. } => FailureCode::SourceUnsafe,
        PublishError::TooManyFiles { .. }
        | PublishError::TooLarge { .. }
        | PublishError::TooDeep { .. }
        | PublishError::PathTooLong { .. } => FailureCode::TooLarge,
        PublishError::PermissionDenied { .. } | PublishError::SourceChanged { .. } => {
            FailureCode::SourceUnavailable
        }
        PublishError::DiskFull => FailureCode::DiskFull,
        PublishError::Cancelled => FailureCode::Cancelled,
        PublishError::InvalidKey { .. } | PublishError::Io { .. } => FailureCode::Internal,
    };
    Failure::new(code, error.to_string()).because(error.code(), error.remedy())
}
