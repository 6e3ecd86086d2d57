//! The port `Sources`: directories on this machine, commits of repositories, archives.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use deploy_core::cancel::Cancel;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::port::{Layout, LeftOut, OpenSource, Sources};
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::spec::{Profile, Source};

use crate::beneath;
use crate::bring::bring;
use crate::copy::{cancelled, copy, unwritable};
use crate::fault::{Fault, Stop};
use crate::git::GitPolicy;
use crate::ignores::Counted;
use crate::left_out::left_out;
use crate::limits::Limits;
use crate::locate::{Located, locate};
use crate::opened::{OpenDirectory, broke_off};
use crate::remove::remove;
use crate::temporary::Temporary;

/// The directory of a workspace that holds the copy of the source.
const COPY: &str = "src";
/// The directory of a workspace that a source is brought to before it is copied.
const BROUGHT: &str = "source";

/// Reads sources.
///
/// A commit or an archive is laid out below the temporary directory first, and goes when the opened source is dropped.
/// A listing marks what `.gitignore` leaves out (but not in a commit, where everything was committed on purpose) and
/// passes over what `.deployignore` names, links that leave the source, dangle or loop, and whatever is neither a file
/// nor a directory.
///
/// `checkout` of a pinned commit or archive gives exactly that, or fails. With [`Layout::Workspace`] it copies the whole
/// source, so that a build finds what lies beside its base directory, without `.git` and what ignore files leave out.
#[derive(Debug, Clone, Default)]
pub struct SourceReader {
    limits: Limits,
    policy: GitPolicy,
}

impl SourceReader {
    /// A reader with these bounds, that fetches from public hosts over `https` and `ssh`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, policy: GitPolicy::default() }
    }

    /// A reader that fetches from where this allows.
    #[must_use]
    pub fn with_policy(self, policy: GitPolicy) -> Self {
        Self { policy, ..self }
    }

    fn open_now(
        &self,
        source: &Source,
        profile: &Profile,
        stop: &Stop,
    ) -> Result<OpenDirectory, Vec<Reason>> {
        if let Some(directory) = directory(source) {
            return Ok(OpenDirectory::in_place(locate(directory, profile)?, self.limits.clone()));
        }
        let place = Temporary::new().map_err(|error| vec![no_place(&error)])?;
        match bring(source, profile, place.path(), &self.policy, &self.limits, stop) {
            Ok(brought) => {
                let located = locate(Ok(brought.path.clone()), profile)?;
                Ok(OpenDirectory::brought(located, brought, place, self.limits.clone()))
            }
            // What is wrong with the profile is said beside it.
            Err(fault) => match locate(Err(fault.into_reason()), profile) {
                Err(reasons) => Err(reasons),
                Ok(_) => Err(broke_off()),
            },
        }
    }

    fn checkout_now(&self, request: &Checkout, stop: &Stop) -> Result<PathBuf, Failure> {
        let Checkout { source, profile, layout, workspace, cancel } = request;
        if let Some(directory) = directory(source) {
            let located = locate(directory, profile).map_err(failure)?;
            return match layout {
                Layout::ReadOnly => in_place(&located),
                Layout::Workspace => private_copy(&located, Counted::Around, workspace, &self.limits, cancel),
            };
        }
        let place = workspace.join(BROUGHT);
        remove(&place).map_err(|error| unwritable("", &error))?;
        let made = bring(source, profile, &place, &self.policy, &self.limits, stop);
        let result = made.map_err(fault_failure).and_then(|brought| {
            let located = locate(Ok(brought.path), profile).map_err(failure)?;
            match layout {
                Layout::ReadOnly => in_place(&located),
                Layout::Workspace => private_copy(&located, brought.counted, workspace, &self.limits, cancel),
            }
        });
        if result.is_err() || *layout == Layout::Workspace {
            // What can't be removed now goes with the workspace.
            let _ = remove(&place);
        }
        result
    }
}

/// What a checkout is made from.
struct Checkout {
    source: Source,
    profile: Profile,
    layout: Layout,
    workspace: PathBuf,
    cancel: Cancel,
}

/// The directory that a source is, or why it can't be read; none if it has to be brought here first.
fn directory(source: &Source) -> Option<Result<PathBuf, Box<Reason>>> {
    let unreadable =
        |message: String| Some(Err(Box::new(Reason::new(ReasonCode::SourceUnreadable, message))));
    match source {
        Source::Directory { path } => Some(Ok(PathBuf::from(path))),
        Source::Git { .. } | Source::Archive { .. } => None,
        Source::Image { reference } => unreadable(format!(
            "{reference} is an image: it is pulled by the target, and has no source to read"
        )),
        Source::Release { version } => {
            unreadable(format!("{version} is a kept release: it has an artifact, but no source to read"))
        }
    }
}

fn no_place(error: &std::io::Error) -> Reason {
    let message =
        format!("there is no place to lay the source out below {}: {error}", std::env::temp_dir().display());
    Reason::new(ReasonCode::InsufficientDisk, message)
}

#[async_trait]
impl Sources for SourceReader {
    async fn open(&self, source: &Source, profile: &Profile) -> Result<Box<dyn OpenSource>, Vec<Reason>> {
        let (reader, source, profile) = (self.clone(), source.clone(), profile.clone());
        let stop = Stop::new(&Cancel::new(), self.limits.fetch_time);
        // Whoever drops this future ends the fetch.
        let _abandon = stop.when_dropped();
        let opening = tokio::task::spawn_blocking(move || reader.open_now(&source, &profile, &stop));
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
        let (reader, cancel) = (self.clone(), cancel.clone());
        let (source, profile, workspace) = (source.clone(), profile.clone(), workspace.to_owned());
        let stop = Stop::new(&cancel, self.limits.fetch_time);
        let _abandon = stop.when_dropped();
        let request = Checkout { source, profile, layout, workspace, cancel };
        let checkout = tokio::task::spawn_blocking(move || reader.checkout_now(&request, &stop));
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
    counted: Counted,
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
    if let Err(failure) = copy(&located.root, &located.path, counted, &directory, limits, cancel) {
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

fn fault_failure(fault: Fault) -> Failure {
    match fault {
        Fault::Cancelled => cancelled(),
        Fault::Reason(reason) => failure(vec![*reason]),
    }
}

/// A source that was fine when it was planned is not any more.
fn failure(reasons: Vec<Reason>) -> Failure {
    let has = |codes: &[ReasonCode]| reasons.iter().any(|reason| codes.contains(&reason.code));
    let code =
        if has(&[ReasonCode::SourceUnsafe, ReasonCode::PathOutsideSource, ReasonCode::UnsafeArchiveEntry]) {
            FailureCode::SourceUnsafe
        } else if has(&[ReasonCode::SourceChanged, ReasonCode::GitRefNotFound]) {
            FailureCode::SourceChanged
        } else if has(&[ReasonCode::SourceTooLarge, ReasonCode::ArchiveTooLarge]) {
            FailureCode::TooLarge
        } else if has(&[ReasonCode::InsufficientDisk]) {
            FailureCode::DiskFull
        } else {
            FailureCode::SourceUnavailable
        };
    let message: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
    let mut failure = Failure::new(code, message.join("; "));
    failure.evidence = reasons.into_iter().flat_map(|reason| reason.evidence).collect();
    failure
}
