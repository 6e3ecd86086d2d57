//! Which image it is: built and pushed by fly, or one that exists.

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Digest};
use deploy_core::log::LogLevel;
use deploy_core::plan::{ArtifactKind, Output};

use crate::argv;
use crate::classify;
use crate::executor::Work;
use crate::reuse;
use crate::source::GENERATED;

/// The fact that names the image that is released.
pub(crate) const IMAGE: &str = "image";

/// Has fly build and push it. What flyctl prints when it pushes names the content.
pub(crate) async fn build(work: &Work<'_>) -> Result<Output, Failure> {
    let cx = work.cx;
    if let Some(done) = work.target.paths.noted(cx.deployment, &work.step.id) {
        return Ok(done);
    }
    if let Some(taken) = reuse::take(work).await? {
        work.target.paths.note(cx.deployment, &work.step.id, &taken)?;
        return Ok(taken);
    }
    let outline = cx.plan.outline();
    let directory = work.directory()?;
    let (config, label) = (directory.join("fly.toml"), label(cx.deployment));
    let artifact = outline.artifact.as_ref();
    let dockerfile = match artifact.map(|artifact| artifact.kind) {
        Some(ArtifactKind::DockerfileImage) => {
            Some(artifact.and_then(|artifact| artifact.dockerfile.as_deref()).unwrap_or("Dockerfile"))
        }
        Some(ArtifactKind::GeneratedImage) => Some(GENERATED),
        Some(ArtifactKind::StaticSite | ArtifactKind::PrebuiltImage | ArtifactKind::ComposeProject)
        | None => None,
    };
    let arguments = outline.profile.runtime.build_args.iter();
    let call = argv::build(&argv::Build {
        app: work.app,
        config: &config,
        label: &label,
        dockerfile,
        stage: artifact.and_then(|artifact| artifact.stage.as_deref()),
        arguments: arguments.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        commit: outline.source.commit.as_deref(),
    });
    let watch = crate::run::Watch { directory: Some(&directory), ..work.watch(work.step.timeout) };
    let ran = work.flyctl.stream(&call, &watch, &work.log).await?;
    if let Some(failure) = classify::failure(&ran, true) {
        return Err(failure.because("command", call.shown()));
    }
    let tail = work.log.tail();
    let Some(digest) = tail.iter().rev().find_map(|line| pushed(line, &label)) else {
        let message = format!("flyctl did not say which image it pushed as {label}");
        return Err(Failure::new(FailureCode::ProviderRefused, message).with_tail(tail));
    };
    let image = format!("registry.fly.io/{}@{digest}", work.app);
    work.log.system(LogLevel::Info, &format!("{label} is {digest}"));
    let output = Output::of(digest).with(IMAGE, image);
    work.target.paths.note(cx.deployment, &work.step.id, &output)?;
    Ok(output)
}

/// Takes one that exists. A tag stays a tag: what it means, fly says when it fetches it.
pub(crate) fn take(work: &Work<'_>) -> Result<Output, Failure> {
    let artifact = work.cx.plan.outline().artifact.as_ref();
    let unknown = || Failure::new(FailureCode::Internal, "no image is named");
    let output = match artifact.and_then(|artifact| artifact.digest.as_ref()) {
        Some(digest) => {
            let kept = work.target.paths.kept(work.app, digest);
            let image =
                kept.map_or_else(|| format!("registry.fly.io/{}@{digest}", work.app), |kept| kept.image);
            Output::of(digest.clone()).with(IMAGE, image)
        }
        None => {
            let image = artifact.and_then(|artifact| artifact.image.as_deref()).ok_or_else(unknown)?;
            let digest = image.split_once('@').and_then(|(_, digest)| digest.parse::<Digest>().ok());
            Output { digest, ..Output::default() }.with(IMAGE, image)
        }
    };
    work.target.paths.note(work.cx.deployment, &work.step.id, &output)?;
    Ok(output)
}

/// The tag of a deployment's image: nobody else ever pushes it.
fn label(deployment: DeploymentId) -> String {
    deployment.to_string().replace('_', "-")
}

/// The content that a line of a push names: `…:LABEL@sha256:…` as BuildKit prints it, `LABEL: digest: sha256:…` as
/// Docker does.
fn pushed(line: &str, label: &str) -> Option<Digest> {
    let (_, rest) = line.split_once(label)?;
    let rest = rest.strip_prefix('@').or_else(|| rest.strip_prefix(": digest: "))?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != ':').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_read_from_either_builder() {
        let digest = Digest::of(b"x");
        for line in [
            format!("#12 pushing manifest for registry.fly.io/web:dep-1@{digest} 0.9s done"),
            format!("dep-1: digest: {digest} size: 1234"),
        ] {
            assert_eq!(pushed(&line, "dep-1"), Some(digest.clone()), "{line}");
            assert_eq!(pushed(&line, "dep-2"), None);
        }
        assert_eq!(pushed("image: registry.fly.io/web:dep-1", "dep-1"), None);
        assert_eq!(pushed("dep-1@sha256:short", "dep-1"), None);
    }
}
