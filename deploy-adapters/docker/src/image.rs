//! Images: taking one that exists, proving that one is here, giving one up.
//!
//! Every release has a tag of ours on its image. An image is identified by its digest alone; the tag is what
//! says that the image is ours to keep, and only such tags are ever removed.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, Name};
use deploy_core::log::LogLevel;
use deploy_core::plan::Output;
use deploy_core::port::{Probe, StepContext};
use deploy_core::step_log::StepLog;
use futures_util::StreamExt as _;

use crate::engine::{Engine, EngineError, Sort};
use crate::executor::ImageUse;
use crate::names::{Names, repositories};
use crate::progress::Progress;
use crate::project::images;
use crate::reference::ImageReference;
use crate::secrets::Registry;

/// The image of a name or digest, if it is here.
pub(crate) async fn find(engine: &Engine, name: &str) -> Result<Option<ImageInspect>, EngineError> {
    match engine.read(|docker| async move { docker.inspect_image(name).await }).await {
        Ok(image) => Ok(Some(image)),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the images of an installation's releases take, each once, whatever names it has.
pub(crate) async fn disk_use(engine: &Engine, owner: &Name) -> Result<Vec<ImageUse>, EngineError> {
    // Engines before API 1.42 don't say what is shared.
    let options = ListImagesOptionsBuilder::default().shared_size(true).build();
    let images = engine.read(|docker| async move { docker.list_images(Some(options)).await }).await?;
    let ours = repositories(owner);
    let release = |tag: &String| {
        let (repository, tag) = tag.strip_prefix(&ours)?.split_once(':')?;
        Some(format!("{repository} {}", tag.split('-').next()?))
    };
    let of = |image: ImageSummary| {
        let releases: BTreeSet<String> = image.repo_tags.iter().filter_map(release).collect();
        (!releases.is_empty()).then(|| ImageUse {
            releases: releases.into_iter().collect(),
            bytes: u64::try_from(image.size).unwrap_or_default(),
            shared: u64::try_from(image.shared_size).ok(),
        })
    };
    Ok(images.into_iter().filter_map(of).collect())
}

/// What a step that made an image be there leaves, now or when it is read back.
pub(crate) fn output(image: &ImageInspect) -> Result<Output, Failure> {
    let id = image.id.as_deref().unwrap_or_default();
    let digest = id.parse();
    let digest = digest
        .map_err(|_| Failure::new(FailureCode::Internal, format!("the engine names an image {id:?}")))?;
    Ok(Output::of(digest).with("bytes", image.size.unwrap_or_default().to_string()))
}

/// Takes an image that exists: the one that is here, or else the registry's.
pub(crate) async fn take(
    engine: &Engine,
    names: &Names<'_>,
    registry: Option<&Registry>,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Output, Failure> {
    let artifact = cx.plan.outline().artifact.as_ref();
    let text = artifact.and_then(|artifact| artifact.image.as_deref()).unwrap_or_default();
    let image = fetch(engine, text, |image| registry?.for_image(image), cx, log).await?;
    let output = output(&image)?;
    if let Some(digest) = &output.digest {
        tag(engine, digest, &names.image()).await?;
    }
    Ok(output)
}

/// The image of a reference, from here or else from the registry.
pub(crate) async fn fetch(
    engine: &Engine,
    text: &str,
    credentials: impl FnOnce(&ImageReference) -> Option<DockerCredentials>,
    cx: &StepContext,
    log: &StepLog,
) -> Result<ImageInspect, Failure> {
    let reference: ImageReference =
        text.parse().map_err(|error| Failure::new(FailureCode::ImageUnavailable, format!("{error}")))?;
    if let Some(image) = find(engine, text).await? {
        log.system(LogLevel::Info, &format!("{reference} is here already"));
        return Ok(image);
    }
    pull(engine, &reference, credentials(&reference), cx, log).await?;
    let fetched = find(engine, text).await?;
    fetched.ok_or_else(|| unavailable(&reference, "it was fetched but is not here"))
}

async fn pull(
    engine: &Engine,
    reference: &ImageReference,
    credentials: Option<DockerCredentials>,
    cx: &StepContext,
    log: &StepLog,
) -> Result<(), Failure> {
    log.system(LogLevel::Info, &format!("fetching {reference}"));
    let which = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.clone(),
        (None, None) => "latest".to_owned(),
    };
    let options = CreateImageOptionsBuilder::default().from_image(&reference.name).tag(&which).build();
    let docker = engine.client().await?.clone();
    let mut gone = pin!(engine.gone());
    let mut messages = docker.create_image(Some(options), None, credentials);
    let mut progress = Progress::default();
    loop {
        let item = tokio::select! {
            item = messages.next() => item,
            () = cx.cancel.cancelled() => {
                return Err(Failure::new(FailureCode::Cancelled, "fetching the image was stopped"));
            }
            error = &mut gone => return Err(error.into()),
        };
        match item {
            None => return Ok(()),
            Some(Ok(info)) => {
                let error = info.error_detail.and_then(|error| error.message);
                if let Some(error) = error {
                    return Err(unavailable(reference, &error));
                }
                let layer = info.id.unwrap_or_default();
                let status = info.status.unwrap_or_default();
                match info.progress_detail.and_then(|detail| Some((detail.current?, detail.total?))) {
                    // Bars that move are no lines: only what is worth one is said.
                    Some(far) if status == "Downloading" => {
                        if let Some(line) = progress.moved(&layer, far) {
                            log.system(LogLevel::Info, &line);
                        }
                    }
                    Some(_) => {}
                    None => {
                        log.system(LogLevel::Debug, format!("{layer}: {status}").trim_start_matches(": "));
                    }
                }
            }
            Some(Err(error)) => {
                let error = engine.error(error, Sort::Read);
                return Err(match error {
                    EngineError::Unavailable { .. } | EngineError::NoSpace(_) => error.into(),
                    EngineError::Lost { .. }
                    | EngineError::NotFound(_)
                    | EngineError::Conflict(_)
                    | EngineError::Refused { .. } => unavailable(reference, &error.to_string()),
                });
            }
        }
    }
}

fn unavailable(reference: &ImageReference, why: &str) -> Failure {
    Failure::new(FailureCode::ImageUnavailable, format!("{reference} could not be fetched: {why}"))
        .because("runtime.image", reference.to_string())
}

/// How long a look at which images are here may take.
const LOOK: Duration = Duration::from_secs(2);

/// Which of these images are not here any more. While the engine does not answer, none is known not to be.
pub(crate) async fn missing(engine: &Engine, images: &[Digest]) -> Vec<Digest> {
    let look = async {
        let mut missing = Vec::new();
        for image in images {
            if matches!(whole(engine, image).await, Ok(None)) {
                missing.push(image.clone());
            }
        }
        missing
    };
    tokio::time::timeout(LOOK, look).await.unwrap_or_default()
}

/// The image of a release, if it is here with all that it names beside it.
pub(crate) async fn whole(engine: &Engine, digest: &Digest) -> Result<Option<ImageInspect>, EngineError> {
    let Some(image) = find(engine, digest.as_str()).await? else { return Ok(None) };
    Ok(images::missing(engine, &image).await?.is_empty().then_some(image))
}

/// Proves that the image of a kept release is here, and puts this deployment's tag on it.
pub(crate) async fn prove(engine: &Engine, names: &Names<'_>, cx: &StepContext) -> Result<Output, Failure> {
    let artifact = cx.plan.outline().artifact.as_ref();
    let digest = artifact.and_then(|artifact| artifact.digest.clone());
    let digest = digest.ok_or_else(|| Failure::new(FailureCode::Internal, "the plan names no artifact"))?;
    let image = find(engine, digest.as_str()).await?.ok_or_else(|| gone(&digest))?;
    if let Some(missing) = images::missing(engine, &image).await?.first() {
        return Err(gone(missing));
    }
    match tag(engine, &digest, &names.image()).await {
        Err(failure) if failure.code == FailureCode::ArtifactMissing => Err(gone(&digest)),
        tagged => tagged.and_then(|()| output(&image)),
    }
}

pub(crate) fn gone(digest: &Digest) -> Failure {
    let message = format!("the image {} is not on this machine any more", digest.short());
    Failure::new(FailureCode::ArtifactMissing, message).because("image", digest.to_string())
}

/// Puts a tag of ours on an image.
pub(crate) async fn tag(engine: &Engine, digest: &Digest, name: &str) -> Result<(), Failure> {
    let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
    let options = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
    let tagged =
        engine.change(|docker| async move { docker.tag_image(digest.as_str(), Some(options)).await }).await;
    tagged.map_err(|error| error.or(FailureCode::ArtifactMissing))
}

/// Whether the image with this deployment's tag is here: the tag is set when all else is done.
pub(crate) async fn read_back(engine: &Engine, names: &Names<'_>) -> Result<Probe, Failure> {
    Ok(match find(engine, &names.image()).await? {
        Some(image) => Probe::Present { output: output(&image)? },
        None => Probe::Absent,
    })
}

/// Takes a tag of ours away. The image goes with its last tag, unless a container still needs it.
pub(crate) async fn untag(engine: &Engine, name: &str) -> Result<(), Failure> {
    let options = RemoveImageOptionsBuilder::default().force(false).noprune(false).build();
    let removed =
        engine.change(|docker| async move { docker.remove_image(name, Some(options), None).await }).await;
    match removed {
        // Gone already, or still needed by a container that is removed later.
        Ok(_) | Err(EngineError::NotFound(_) | EngineError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
