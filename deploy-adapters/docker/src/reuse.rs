//! An image that was built before from the same inputs is taken as it is: nothing is fetched, sent or built again.
//!
//! The image itself carries what it was made from, as a label. Only images that carry our tag are looked at, so
//! what is found is one that a kept release or a running deployment still has.

use std::collections::HashMap;

use bollard::query_parameters::ListImagesOptionsBuilder;
use deploy_core::evidence::Fact;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, Name, ResourceKey, StepId};
use deploy_core::log::LogLevel;
use deploy_core::plan::{ArtifactKind, Outline, Output, Reuse};
use deploy_core::port::StepContext;
use deploy_core::step_log::StepLog;

use crate::compile::BUILD;
use crate::engine::{Engine, EngineError};
use crate::image;
use crate::names::{LABEL_INPUTS, LABEL_VERSION, Names, repository, resource_labels};
use crate::recipe::{Mounts, Recipe};

/// What identifies the image that a plan builds; `None` where that can't be known beforehand.
pub(crate) fn inputs(outline: &Outline) -> Option<Digest> {
    let inputs = outline.inputs()?;
    let dockerfile = match outline.artifact.as_ref()?.kind {
        ArtifactKind::DockerfileImage => String::new(),
        // What is generated may change with this program.
        ArtifactKind::GeneratedImage => Recipe::of(outline)?.dockerfile(Mounts::Yes),
        // This program itself is in the image of a site; the others are not built.
        ArtifactKind::StaticSite | ArtifactKind::PrebuiltImage | ArtifactKind::ComposeProject => return None,
    };
    Some(Digest::of(format!("{inputs}\n{dockerfile}").as_bytes()))
}

/// An image that was made from the same inputs.
struct Made {
    digest: Digest,
    version: String,
}

async fn find(
    engine: &Engine,
    owner: &Name,
    resource: &ResourceKey,
    outline: &Outline,
) -> Result<Option<Made>, EngineError> {
    let Some(inputs) = inputs(outline) else { return Ok(None) };
    let mut labels = resource_labels(owner, resource);
    labels.insert(LABEL_INPUTS.to_owned(), inputs.hex().to_owned());
    let labels = labels.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let filters = HashMap::from([("label", labels)]);
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    let found = engine.read(|docker| async move { docker.list_images(Some(options)).await }).await?;
    let ours = format!("{}:", repository(owner, resource));
    let tagged = found.into_iter().filter(|image| image.repo_tags.iter().any(|tag| tag.starts_with(&ours)));
    let newest = tagged.max_by_key(|image| image.created);
    Ok(newest.and_then(|image| {
        let version = image.labels.get(LABEL_VERSION).cloned().unwrap_or_default();
        Some(Made { digest: image.id.parse().ok()?, version })
    }))
}

/// What a plan will take as it is.
pub(crate) async fn reuses(engine: &Engine, owner: &Name, outline: &Outline) -> Vec<Reuse> {
    let Ok(Some(made)) = find(engine, owner, &outline.resource, outline).await else { return Vec::new() };
    let what = format!("nothing is built: the image that was made for {} is taken as it is", made.version);
    let image = Fact::new(format!("sha256:{}", made.digest.short()), "the image is on this machine");
    vec![Reuse { step: StepId::literal(BUILD), what, evidence: vec![outline.same_inputs(), image] }]
}

/// Takes an image that was made from the same inputs, if there is one.
pub(crate) async fn take(
    engine: &Engine,
    names: &Names<'_>,
    cx: &StepContext,
    log: &StepLog,
) -> Result<Option<Output>, Failure> {
    let Some(made) = find(engine, names.owner, names.resource, cx.plan.outline()).await? else {
        return Ok(None);
    };
    match image::tag(engine, &made.digest, &names.image()).await {
        Ok(()) => {}
        // Somebody was quicker to remove it: then it is built.
        Err(failure) if failure.code == FailureCode::ArtifactMissing => return Ok(None),
        Err(failure) => return Err(failure),
    }
    let Some(image) = image::find(engine, made.digest.as_str()).await? else { return Ok(None) };
    let line = format!("nothing is built: the image made for {} has the same source and plan", made.version);
    log.system(LogLevel::Info, &line);
    image::output(&image).map(Some)
}
