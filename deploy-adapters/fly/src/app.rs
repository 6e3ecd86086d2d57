//! Asking fly about the app, and making the `fly.toml` that is used: everything that can be refused before anything
//! is changed.

use std::path::PathBuf;

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::log::LogLevel;
use deploy_core::plan::{ArtifactKind, Output};
use deploy_core::port::Layout;
use deploy_core::spec::Source;

use crate::config::FlyToml;
use crate::executor::Work;
use crate::mark::Mark;
use crate::paths::{disk, remove_all, write_whole};
use crate::rollout::refuse;
use crate::source::{self, GENERATED};

/// The fact that says how many machines the app had before.
pub(crate) const MACHINES: &str = "machinesBefore";
/// The fact that says which release of the platform served before.
pub(crate) const VERSION: &str = "versionBefore";
/// The fact that says where the copy of the source is that is built and configured from.
const DIRECTORY: &str = "directory";

/// The step.
pub(crate) async fn app(work: &Work<'_>) -> Result<Output, Failure> {
    let directory = lay_out(work).await?;
    let status = work.status().await?;
    let machines = work.machines().await?;
    refuse(&machines, &work.mark())?;
    let count = machines.iter().filter(|machine| machine.serves()).count();
    let hostname = status.hostname.unwrap_or_default();
    work.log.system(LogLevel::Info, &format!("{} has {count} machines, at {hostname}", work.app));
    let output = Output::default()
        .with(MACHINES, count.to_string())
        .with(VERSION, status.version.unwrap_or(0).to_string())
        .with(DIRECTORY, directory.to_string_lossy());
    work.target.paths.note(work.cx.deployment, &work.step.id, &output)?;
    Ok(output)
}

/// A copy of the source with the effective `fly.toml` and, where there is none, a Dockerfile.
async fn lay_out(work: &Work<'_>) -> Result<PathBuf, Failure> {
    let (cx, target) = (work.cx, work.target);
    let outline = cx.plan.outline();
    let existing = source::read(target.sources.as_ref(), &cx.source, &outline.profile).await;
    let existing = existing.map_err(|reasons| {
        let messages: Vec<String> = reasons.into_iter().map(|reason| reason.message).collect();
        Failure::new(FailureCode::ProviderConfig, messages.join("; "))
    })?;
    for doubt in existing.iter().flat_map(FlyToml::doubts) {
        work.log.system(LogLevel::Warn, &doubt.to_string());
    }
    let effective = FlyToml::effective(existing.as_ref(), &source::wanted(outline, work.app));
    let workspace = target.paths.workspace(cx.deployment).join("source");
    remove_all(&workspace).map_err(|error| disk(&error, "remove the copy of an earlier attempt"))?;
    std::fs::create_dir_all(&workspace).map_err(|error| disk(&error, "make a workspace"))?;
    let directory = match &cx.source {
        Source::Image { .. } | Source::Release { .. } => workspace,
        source @ (Source::Directory { .. } | Source::Git { .. } | Source::Archive { .. }) => {
            let profile = &outline.profile;
            target.sources.checkout(source, profile, Layout::Workspace, &workspace, &cx.cancel).await?
        }
    };
    let write = |name: &str, text: &str| {
        let written = write_whole(&directory.join(name), text.as_bytes());
        written.map_err(|error| disk(&error, "write into the copy of the source"))
    };
    write("fly.toml", &effective.to_string())?;
    let generated = outline.artifact.as_ref().is_some_and(|a| a.kind == ArtifactKind::GeneratedImage);
    if let Some(recipe) = generated.then(|| target.recipe(outline)).flatten() {
        write(GENERATED, &recipe)?;
    }
    Ok(directory)
}

impl Work<'_> {
    /// The copy of the source, as the first step left it.
    pub(crate) fn directory(&self) -> Result<PathBuf, Failure> {
        let missing = || Failure::new(FailureCode::Internal, "the copy of the source is not known");
        self.fact(DIRECTORY).map(PathBuf::from).ok_or_else(missing)
    }

    /// What a step before left.
    pub(crate) fn fact(&self, name: &str) -> Option<&str> {
        self.cx.outputs.iter().rev().find_map(|(_, output)| output.facts.get(name)).map(String::as_str)
    }

    /// The mark of this deployment's release.
    pub(crate) fn mark(&self) -> Mark {
        Mark::of(&self.cx.plan.outline().resource, self.fence, self.cx.deployment)
    }
}
