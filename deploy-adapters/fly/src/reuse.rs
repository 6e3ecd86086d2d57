//! An image that fly built before from the same inputs is taken as it is, where fly still has it.
//!
//! What fly keeps of images, and for how long, it does not promise. So a kept release is only a guess: before it is
//! taken, fly is asked for that image by its content (`deploy --build-only --image`, which looks it up and changes no
//! machine), and whatever fly answers but yes, it is built. A plan asks nobody, and says "where fly still has it".

use deploy_core::evidence::Fact;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, StepId};
use deploy_core::log::LogLevel;
use deploy_core::plan::{ArtifactKind, Outline, Output, Reuse};

use crate::argv;
use crate::classify;
use crate::compile::{ASK_TIMEOUT, BUILD};
use crate::executor::{FlyExecutor, Work};
use crate::image::IMAGE;
use crate::paths::Kept;

/// What identifies the image that a plan has fly build; `None` where that can't be known beforehand.
pub(crate) fn inputs(target: &FlyExecutor, outline: &Outline) -> Option<Digest> {
    let dockerfile = match outline.artifact.as_ref()?.kind {
        ArtifactKind::DockerfileImage => String::new(),
        // What is generated may change with this program.
        ArtifactKind::GeneratedImage => target.recipe(outline)?,
        ArtifactKind::StaticSite | ArtifactKind::PrebuiltImage | ArtifactKind::ComposeProject => return None,
    };
    Some(Digest::of(format!("{}\n{dockerfile}", outline.inputs()?).as_bytes()))
}

fn found(target: &FlyExecutor, outline: &Outline) -> Option<(Digest, Kept)> {
    target.paths.made_from(outline.profile.fly.app.as_deref()?, &inputs(target, outline)?)
}

/// What a plan will take as it is.
pub(crate) fn reuses(target: &FlyExecutor, outline: &Outline) -> Vec<Reuse> {
    let Some((digest, kept)) = found(target, outline) else { return Vec::new() };
    let what = format!("nothing is built where fly still has {}: it is taken as it is", kept.image);
    let image = Fact::new(format!("sha256:{}", digest.short()), "a kept release runs or ran it");
    vec![Reuse { step: StepId::literal(BUILD), what, evidence: vec![outline.same_inputs(), image] }]
}

/// Takes an image that was made from the same inputs, if there is one and fly says that it has it.
pub(crate) async fn take(work: &Work<'_>) -> Result<Option<Output>, Failure> {
    let Some((digest, kept)) = found(work.target, work.cx.plan.outline()) else { return Ok(None) };
    let directory = work.directory()?;
    let call = argv::find(work.app, &directory.join("fly.toml"), &kept.image);
    let watch = crate::run::Watch { directory: Some(&directory), ..work.watch(ASK_TIMEOUT) };
    let ran = work.flyctl.stream(&call, &watch, &work.log).await?;
    match classify::failure(&ran, true) {
        None => {
            work.log.system(LogLevel::Info, "nothing is built: the same source and plan made this image");
            Ok(Some(Output::of(digest).with(IMAGE, kept.image)))
        }
        Some(failure) if failure.code == FailureCode::Cancelled => Err(failure),
        Some(failure) => {
            work.log.system(LogLevel::Info, &format!("it is built again: {}", failure.message));
            Ok(None)
        }
    }
}
