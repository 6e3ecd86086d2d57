//! What the world says against a plan, before anything is done. Reads only.

use std::path::Path;

use deploy_core::failure::Failure;
use deploy_core::id::{Digest, Name};
use deploy_core::port::SurveyRequest;
use deploy_core::reason::{Reason, ReasonCode};

use crate::engine::{Engine, EngineError};
use crate::front::Front;
use crate::names::repository;
use crate::secrets::{Resolve, missing, references};
use crate::{containers, image};

/// Less free space than this and nothing is built.
const FREE_BYTES: u64 = 512 * 1024 * 1024;

/// Every reason there is.
pub(crate) async fn survey(
    engine: &Engine,
    owner: &Name,
    front: &Front,
    resolve: &Resolve,
    request: &SurveyRequest<'_>,
) -> Result<Vec<Reason>, Failure> {
    let (taken, found) = tokio::join!(taken(front, request), of_engine(engine, owner, request));
    let mut reasons = taken?;
    reasons.extend(secrets(resolve, request));
    match found {
        Ok(found) => reasons.extend(found),
        Err(error @ (EngineError::Unavailable { .. } | EngineError::Lost { .. })) => {
            reasons.push(Reason::new(ReasonCode::EngineUnavailable, error.to_string()));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(reasons)
}

async fn taken(front: &Front, request: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
    let owner = request.resource.to_string();
    let routes = front.routes(&[request.host.to_owned()]).await?;
    let others = routes.into_iter().filter(|route| route.target != owner);
    let reason =
        |message: String| Reason::new(ReasonCode::HostTaken, message).because("access.host", request.host);
    Ok(others.map(|route| reason(format!("{} belongs to {}", request.host, route.target))).collect())
}

fn secrets(resolve: &Resolve, request: &SurveyRequest<'_>) -> Vec<Reason> {
    let profile = &request.spec.profile;
    // A release that is kept is not fetched again.
    let needed = |name: &str| request.digest.is_none() || profile.secrets.contains_key(name);
    let unset = references(profile).filter(|(name, reference)| needed(name) && resolve(reference).is_none());
    let reason = |(name, reference)| {
        Reason::new(ReasonCode::SecretMissing, missing(name, reference).message).because("secrets", name)
    };
    unset.map(reason).collect()
}

async fn of_engine(
    engine: &Engine,
    owner: &Name,
    request: &SurveyRequest<'_>,
) -> Result<Vec<Reason>, EngineError> {
    match request.digest {
        Some(digest) => Ok(gone(engine, digest).await?.into_iter().collect()),
        None => Ok(room(engine, owner, request).await?.into_iter().collect()),
    }
}

/// Going back makes no image: it needs the one that was kept and no more room than any step does. Somebody waits for it,
/// so the engine is asked nothing else.
async fn gone(engine: &Engine, digest: &Digest) -> Result<Option<Reason>, EngineError> {
    if image::whole(engine, digest).await?.is_some() {
        return Ok(None);
    }
    let message = format!("the image {} is not on this machine any more", digest.short());
    Ok(Some(Reason::new(ReasonCode::ArtifactMissing, message).because("image", digest.to_string())))
}

async fn room(
    engine: &Engine,
    owner: &Name,
    request: &SurveyRequest<'_>,
) -> Result<Option<Reason>, EngineError> {
    let info = engine.read(|docker| async move { docker.info().await });
    let (info, needed) = tokio::try_join!(info, needed(engine, owner, request))?;
    Ok(info.docker_root_dir.and_then(|root| too_little_space(Path::new(&root), needed)))
}

/// Room for another image like the largest of this resource, and some.
async fn needed(engine: &Engine, owner: &Name, request: &SurveyRequest<'_>) -> Result<u64, EngineError> {
    let repository = repository(owner, request.resource);
    let mut largest = 0;
    for container in containers::list(engine, owner, Some(request.resource)).await? {
        let Some(digest) = container.digest else { continue };
        let image = image::find(engine, digest.as_str()).await?;
        let ours = |tag: &String| tag.starts_with(&repository);
        let image = image.filter(|image| image.repo_tags.iter().flatten().any(ours));
        largest = largest.max(image.and_then(|image| image.size).unwrap_or_default());
    }
    Ok(FREE_BYTES.saturating_add(u64::try_from(largest).unwrap_or_default()))
}

/// Only an engine on this machine has its files where this machine can look.
fn too_little_space(root: &Path, needed: u64) -> Option<Reason> {
    let space = rustix::fs::statvfs(root).ok()?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    (free < needed).then(|| {
        let message = format!("{} MiB are free for images, {} MiB are needed", free >> 20, needed >> 20);
        Reason::new(ReasonCode::InsufficientDisk, message).because(root.display().to_string(), "free space")
    })
}
