//! Where things lie under the state directory.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::DeploymentId;

/// The directories of the docker target.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    work: PathBuf,
}

impl Paths {
    pub(crate) fn new(work: PathBuf) -> Self {
        Self { work }
    }

    /// Everything that only one deployment uses.
    pub(crate) fn workspace(&self, deployment: DeploymentId) -> PathBuf {
        self.work.join(deployment.to_string())
    }

    /// Written when the release before is retired.
    pub(crate) fn retired(&self, deployment: DeploymentId) -> PathBuf {
        self.workspace(deployment).join("retired")
    }

    /// What a deployment's container reads as files lies in a directory of its own in this one.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.work.join("secrets")
    }

    /// Whether anything was ever deployed from here.
    pub(crate) fn in_use(&self) -> bool {
        self.work.is_dir()
    }

    /// Remembers that something was.
    pub(crate) fn begin(&self) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.work)
    }

    /// The deployments that have a workspace.
    pub(crate) fn workspaces(&self) -> std::io::Result<Vec<DeploymentId>> {
        let entries = match std::fs::read_dir(&self.work) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Ok(ids.collect())
    }
}

/// Removes a directory and all that is in it; one that is not there is fine.
pub(crate) fn remove_all(directory: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(crate) fn disk(error: &Error, what: &str) -> Failure {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let code = if full { FailureCode::DiskFull } else { FailureCode::Internal };
    Failure::new(code, format!("could not {what}: {error}"))
}
