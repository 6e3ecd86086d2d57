//! What was made before from the same inputs is taken as it is: nothing is fetched, built or copied again.
//!
//! An index says which release came out of which inputs. It is believed only while that release is whole; what it
//! names is what is routed in the end, checked like any other.

use std::io;
use std::path::PathBuf;

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, StepId};
use deploy_core::plan::{Outline, Output, Reuse};
use deploy_core::port::StepContext;
use deploy_edge::{Depth, Manifest, verify_release};

use crate::artifact::edge_digest;
use crate::build::disk;
use crate::compile::{PUBLISH, is_built};
use crate::paths::{Paths, write_whole};

/// The release that came out of the same inputs before, if it is still whole.
async fn found(paths: &Paths, outline: &Outline) -> Option<(Digest, Manifest)> {
    let entry = entry(paths, outline)?;
    let digest: Digest = std::fs::read_to_string(entry).ok()?.trim().parse().ok()?;
    let manifest = whole(paths, &digest).await?;
    Some((digest, manifest))
}

async fn whole(paths: &Paths, digest: &Digest) -> Option<Manifest> {
    let (releases, digest) = (paths.releases.clone(), edge_digest(digest).ok()?);
    let verified = tokio::task::spawn_blocking(move || verify_release(&releases, &digest, Depth::Sizes));
    verified.await.ok()?.ok()
}

/// The entry of a plan's inputs; `None` where they are not known.
fn entry(paths: &Paths, outline: &Outline) -> Option<PathBuf> {
    Some(paths.made().join(outline.inputs()?.hex()))
}

/// What a plan will take as it is.
pub(crate) async fn reuses(paths: &Paths, outline: &Outline) -> Vec<Reuse> {
    let Some((digest, manifest)) = found(paths, outline).await else { return Vec::new() };
    let built = if is_built(outline) { "is not built again" } else { "is not copied again" };
    let what = format!("the site {built}: release {} is taken as it is", digest.short());
    let files = format!("{} files, {} bytes, all there", manifest.files.len(), manifest.total_bytes());
    let evidence = vec![
        outline.same_inputs(),
        deploy_core::evidence::Fact::new(format!("sha256:{}", digest.short()), files),
    ];
    vec![Reuse { step: StepId::literal(PUBLISH), what, evidence }]
}

/// Decides, instead of a build, that a release is taken as it is. From then on this deployment uses that one or none.
pub(crate) async fn decide(paths: &Paths, cx: &StepContext) -> Result<Option<Digest>, Failure> {
    let Some((digest, _)) = found(paths, cx.plan.outline()).await else { return Ok(None) };
    let decided = write_whole(&paths.reused(cx.deployment), digest.as_str().as_bytes());
    decided.map_err(|error| disk(&error, "record that nothing needs to be built"))?;
    Ok(Some(digest))
}

/// What publishing leaves when the release is there already; `None` where it has to be published.
pub(crate) async fn output(paths: &Paths, cx: &StepContext) -> Result<Option<Output>, Failure> {
    let outline = cx.plan.outline();
    let taken = match std::fs::read_to_string(paths.reused(cx.deployment)) {
        // It was decided: nothing was built, so nothing else can be published.
        Ok(digest) => Some(decided(paths, digest.trim()).await?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if is_built(outline) {
                None
            } else {
                found(paths, outline).await
            }
        }
        Err(error) => return Err(disk(&error, "read what was decided")),
    };
    let output = |(digest, manifest): (Digest, Manifest)| {
        let files = manifest.files.len().to_string();
        let bytes = manifest.total_bytes().to_string();
        Output::of(digest).with("files", files.clone()).with("bytes", bytes).with("reusedFiles", files)
    };
    Ok(taken.map(output))
}

async fn decided(paths: &Paths, digest: &str) -> Result<(Digest, Manifest), Failure> {
    let gone =
        || Failure::new(FailureCode::ArtifactMissing, format!("the release {digest} is not whole any more"));
    let digest: Digest = digest.parse().map_err(|_| gone())?;
    let manifest = whole(paths, &digest).await.ok_or_else(gone)?;
    Ok((digest, manifest))
}

/// Remembers what came out of a plan's inputs. Losing it only costs making it again.
pub(crate) fn remember(paths: &Paths, outline: &Outline, digest: &Digest) {
    let Some(entry) = entry(paths, outline) else { return };
    if let Err(error) = write_whole(&entry, digest.as_str().as_bytes()) {
        tracing::warn!(%error, "what was made will be made again");
    }
}

/// Forgets what leads to releases that are not kept.
pub(crate) fn sweep(paths: &Paths, kept: &[deploy_edge::Digest]) -> io::Result<()> {
    let entries = match std::fs::read_dir(paths.made()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let leads_to = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
        if !leads_to.is_some_and(|digest| kept.contains(&digest)) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
