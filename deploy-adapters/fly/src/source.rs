//! The `fly.toml` of a source, and what the plan makes of it. Nothing is run and nothing is written.

use std::collections::BTreeSet;

use deploy_core::evidence::{Ask, Evidence, Text};
use deploy_core::path::Inside;
use deploy_core::plan::{ArtifactKind, Origin, Outline};
use deploy_core::port::Sources;
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::{Profile, Source};

use crate::config::{FlyToml, Image, Remark, Wanted};

/// The file of the source, where it has one.
///
/// # Errors
/// Every reason why it can't be used: each mistake with its line and key.
pub async fn read(
    sources: &dyn Sources,
    source: &Source,
    profile: &Profile,
) -> Result<Option<FlyToml>, Vec<Reason>> {
    match source {
        Source::Directory { .. } | Source::Git { .. } | Source::Archive { .. } => {}
        Source::Image { .. } | Source::Release { .. } => return Ok(None),
    }
    let base = profile.source.base_directory.as_deref().unwrap_or_default();
    let Ok(base) = Inside::parse(base) else { return Ok(None) };
    let file = base.join("fly.toml");
    let mut opened = sources.open(source, profile).await?;
    let mut evidence = Evidence::default();
    opened.look(&BTreeSet::from([Ask::Read(file.clone())]), &mut evidence).await?;
    match evidence.texts.remove(&file) {
        Some(Text::Whole(text)) => FlyToml::parse(&text).map(Some).map_err(|mistakes| reasons(&mistakes)),
        Some(Text::Refused(refusal)) => {
            let message = format!("fly.toml {}", refusal.sentence());
            Err(vec![Reason::new(ReasonCode::FlyConfigInvalid, message)])
        }
        Some(Text::Missing) | None => Ok(None),
    }
}

fn reasons(mistakes: &[Remark]) -> Vec<Reason> {
    let reason = |mistake: &Remark| {
        let reason = Reason::new(ReasonCode::FlyConfigInvalid, mistake.to_string());
        reason.because("fly.toml", format!("line {}, {}", mistake.line, mistake.key))
    };
    mistakes.iter().map(reason).collect()
}

/// What a plan says about the file.
#[must_use]
pub fn wanted(outline: &Outline, app: &str) -> Wanted {
    let artifact = outline.artifact.as_ref().filter(|artifact| artifact.digest.is_none());
    let image = match artifact.map(|artifact| (artifact.kind, artifact)) {
        Some((ArtifactKind::PrebuiltImage, artifact)) => {
            artifact.image.clone().map_or(Image::AsTheFileSays, Image::Reference)
        }
        Some((ArtifactKind::DockerfileImage, artifact)) => {
            Image::Dockerfile(artifact.dockerfile.clone().unwrap_or_else(|| "Dockerfile".to_owned()))
        }
        Some((ArtifactKind::GeneratedImage, _)) => Image::Dockerfile(GENERATED.to_owned()),
        Some((ArtifactKind::StaticSite | ArtifactKind::ComposeProject, _)) | None => Image::AsTheFileSays,
    };
    let explicit = outline.network.origin == Origin::Explicit;
    Wanted {
        app: app.to_owned(),
        primary_region: outline.profile.fly.primary_region.clone(),
        image,
        port: outline.network.internal_port.map(|port| (port, explicit)),
        check_path: outline.health.policy.path.clone(),
        strategy: outline.profile.fly.strategy,
        env: outline.profile.env.clone(),
    }
}

/// What a generated Dockerfile is called in the copy of the source that is built.
pub(crate) const GENERATED: &str = ".deploy.Dockerfile";
