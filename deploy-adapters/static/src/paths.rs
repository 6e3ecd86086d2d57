//! Where things lie under the state directory.

use std::path::{Path, PathBuf};

use deploy_core::id::DeploymentId;

/// The directories of the static target.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// Releases, by digest.
    pub(crate) releases: PathBuf,
    work: PathBuf,
}

impl Paths {
    pub(crate) fn new(releases: PathBuf, work: PathBuf) -> Self {
        Self { releases, work }
    }

    /// Everything that only one deployment uses.
    pub(crate) fn workspace(&self, deployment: DeploymentId) -> PathBuf {
        self.work.join(deployment.to_string())
    }

    /// Written when every build command has ended well.
    pub(crate) fn built(&self, deployment: DeploymentId) -> PathBuf {
        self.workspace(deployment).join("built")
    }

    /// Written instead, when a release is taken as it is: its digest.
    pub(crate) fn reused(&self, deployment: DeploymentId) -> PathBuf {
        self.workspace(deployment).join("reused")
    }

    /// Which release came out of which inputs.
    pub(crate) fn made(&self) -> PathBuf {
        self.work.join("made")
    }

    /// Written when the release is published: its digest.
    pub(crate) fn published(&self, deployment: DeploymentId) -> PathBuf {
        self.workspace(deployment).join("published.json")
    }

    /// The deployments that have a workspace.
    pub(crate) fn workspaces(&self) -> std::io::Result<Vec<DeploymentId>> {
        let entries = match std::fs::read_dir(&self.work) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Ok(ids.collect())
    }
}

/// Writes a record whole or not at all, whatever ends this process or the power meanwhile.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let directory = file.parent().unwrap_or(file);
    std::fs::create_dir_all(directory)?;
    let staged = file.with_extension("tmp");
    let mut writing = std::fs::File::create(&staged)?;
    writing.write_all(bytes)?;
    writing.sync_all()?;
    std::fs::rename(&staged, file)?;
    std::fs::File::open(directory)?.sync_all()
}

/// Removes a directory and all that is in it; one that is not there is fine.
pub(crate) fn remove_all(directory: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A path that a user configured, below a directory. Detection has refused anything that leaves it by
/// its name; a link that leaves it is refused here, against what is on disk now.
pub(crate) fn below(base: &Path, configured: &str) -> Result<PathBuf, String> {
    let joined = base.join(configured);
    let resolved = joined.canonicalize().map_err(|error| format!("{configured}: {error}"))?;
    let root = base.canonicalize().map_err(|error| error.to_string())?;
    if resolved.starts_with(&root) {
        Ok(resolved)
    } else {
        Err(format!("{configured} leads out of the source"))
    }
}
