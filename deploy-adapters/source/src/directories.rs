//! The port `Sources` for directories on this machine.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use deploy_core::cancel::Cancel;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::port::{Layout, LeftOut, OpenSource, Sources};
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::{Profile, Source};

use crate::beneath;
use crate::copy::{cancelled, copy, unwritable};
use crate::left_out::left_out;
use crate::limits::Limits;
use crate::locate::{Located, locate};
use crate::opened::{OpenDirectory, broke_off};
use crate::remove::remove;

/// The directory of a workspace that holds the copy of the source.
const COPY: &str = "src";

/// Reads directories on this machine.
///
/// A listing marks what `.gitignore` leaves out and passes over what `.deployignore` names, links that leave the
/// source, dangle or loop, and whatever is neither a file nor a directory.
///
/// `checkout` with [`Layout::Workspace`] copies the whole source, so that a build finds what lies beside its base
/// directory, without `.git` and what `.gitignore`, `.git/info/exclude` and `.deployignore` leave out.
#[derive(Debug, Clone, Default)]
pub struct Directories {
    limits: Limits,
}

impl Directories {
    /// A reader with these bounds.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

#[async_trait]
impl Sources for Directories {
    async fn open(&self, source: &Source, profile: &Profile) -> Result<Box<dyn OpenSource>, Vec<Reason>> {
        let (limits, source, profile) = (self.limits.clone(), source.clone(), profile.clone());
        let opening = tokio::task::spawn_blocking(move || OpenDirectory::open(&source, &profile, limits));
        let opened = opening.await.unwrap_or_else(|_| Err(broke_off()))?;
        Ok(Box::new(opened))
    }

    fn left_out(&self, checkout: &Path, directory: &Path) -> LeftOut {
        left_out(checkout, directory)
    }

    async fn checkout(
        &self,
        source: &Source,
        profile: &Profile,
        layout: Layout,
        workspace: &Path,
        cancel: &Cancel,
    ) -> Result<PathBuf, Failure> {
        let (limits, cancel, workspace) = (self.limits.clone(), cancel.clone(), workspace.to_owned());
        let (source, profile) = (source.clone(), profile.clone());
        let checkout = tokio::task::spawn_blocking(move || {
            let located = locate(&source, &profile).map_err(failure)?;
            match layout {
                Layout::ReadOnly => in_place(&located),
                Layout::Workspace => private_copy(&located, &workspace, &limits, &cancel),
            }
        });
        let lost = |_| Err(Failure::new(FailureCode::Internal, "copying the source ended unexpectedly"));
        checkout.await.unwrap_or_else(lost)
    }
}

/// The base directory itself, without links in its path.
fn in_place(located: &Located) -> Result<PathBuf, Failure> {
    let canonical = |path: &Path| {
        std::fs::canonicalize(path).map_err(|error| {
            let message = format!("{} can't be read: {error}", path.display());
            Failure::new(FailureCode::SourceUnavailable, message)
        })
    };
    let root = canonical(&located.path)?;
    let base = canonical(&root.join(located.base.as_str()))?;
    // `locate` made sure of it; this is for a component that became a link since.
    if !base.starts_with(&root) {
        let message = format!("the base directory {} leads out of the source", located.base.shown());
        return Err(Failure::new(FailureCode::SourceUnsafe, message));
    }
    Ok(base)
}

fn private_copy(
    located: &Located,
    workspace: &Path,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<PathBuf, Failure> {
    if cancel.is_cancelled() {
        return Err(cancelled());
    }
    let target = workspace.join(COPY);
    let prepared =
        remove(&target).and_then(|()| std::fs::create_dir_all(&target)).and_then(|()| beneath::root(&target));
    let directory = prepared.map_err(|error| unwritable("", &error))?;
    if let Err(failure) = copy(&located.root, &located.path, &directory, limits, cancel) {
        // Half a copy is of no use; if it can't be removed now, the next attempt or the end of the run does it.
        let _ = remove(&target);
        return Err(failure);
    }
    let base = target.join(located.base.as_str());
    if !base.is_dir() {
        let message = format!("the base directory {} is left out by an ignore file", located.base.shown());
        return Err(Failure::new(FailureCode::SourceUnavailable, message));
    }
    Ok(base)
}

/// A source that was fine when it was planned is not any more.
fn failure(reasons: Vec<Reason>) -> Failure {
    let is_unsafe =
        |reason: &Reason| matches!(reason.code, ReasonCode::SourceUnsafe | ReasonCode::PathOutsideSource);
    let code = match reasons.iter().any(is_unsafe) {
        true => FailureCode::SourceUnsafe,
        false => FailureCode::SourceUnavailable,
    };
    let message: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
    let mut failure = Failure::new(code, message.join("; "));
    failure.evidence = reasons.into_iter().flat_map(|reason| reason.evidence).collect();
    failure
}
