//! Where things lie under the state directory.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Digest, StepId};
use deploy_core::plan::Output;
use serde::{Deserialize, Serialize};

/// The directories of the fly target.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    work: PathBuf,
    releases: PathBuf,
}

/// What is kept of a verified release, beside its image: how it was configured.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Kept {
    /// The image, by its content.
    pub(crate) image: String,
    /// The effective `fly.toml`.
    pub(crate) config: String,
    /// What identifies all that the image was made from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inputs: Option<Digest>,
}

impl Paths {
    pub(crate) const fn new(work: PathBuf, releases: PathBuf) -> Self {
        Self { work, releases }
    }

    /// Everything that only one deployment uses.
    pub(crate) fn workspace(&self, deployment: DeploymentId) -> PathBuf {
        self.work.join(deployment.to_string())
    }

    /// Keeps what a step leaves, so that it is found again after a crash.
    pub(crate) fn note(
        &self,
        deployment: DeploymentId,
        step: &StepId,
        output: &Output,
    ) -> Result<(), Failure> {
        let text = serde_json::to_vec(output).expect("every key is a string");
        let file = self.workspace(deployment).join(format!("{step}.json"));
        write_whole(&file, &text).map_err(|error| disk(&error, "note what a step leaves"))
    }

    /// What a step left, if it did.
    pub(crate) fn noted(&self, deployment: DeploymentId, step: &StepId) -> Option<Output> {
        let text = std::fs::read(self.workspace(deployment).join(format!("{step}.json"))).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn kept_file(&self, app: &str, digest: &Digest) -> PathBuf {
        self.releases.join(app).join(format!("{}.json", digest.hex()))
    }

    /// Keeps how a verified release was configured.
    pub(crate) fn keep(&self, app: &str, digest: &Digest, kept: &Kept) -> Result<(), Failure> {
        let text = serde_json::to_vec(kept).expect("every key is a string");
        let kept = write_whole(&self.kept_file(app, digest), &text);
        kept.map_err(|error| disk(&error, "keep the release's configuration"))
    }

    /// How a verified release was configured; absent where it was made elsewhere.
    pub(crate) fn kept(&self, app: &str, digest: &Digest) -> Option<Kept> {
        serde_json::from_slice(&std::fs::read(self.kept_file(app, digest)).ok()?).ok()
    }

    /// The newest kept release of an app whose image was made from these inputs.
    pub(crate) fn made_from(&self, app: &str, inputs: &Digest) -> Option<(Digest, Kept)> {
        let mut files = entries(&self.releases.join(app)).ok()?;
        files.sort_by_cached_key(|file| file.metadata().and_then(|found| found.modified()).ok());
        files.iter().rev().find_map(|file| {
            let digest: Digest = format!("sha256:{}", file.file_stem()?.to_str()?).parse().ok()?;
            let kept = self.kept(app, &digest)?;
            (kept.inputs.as_ref() == Some(inputs)).then_some((digest, kept))
        })
    }

    /// Removes workspaces and kept configurations that nothing needs, each asked about right before it goes: what began
    /// meanwhile is needed. Anything that is not named as ours stays.
    pub(crate) fn reclaim(
        &self,
        unneeded: impl Fn(DeploymentId) -> bool,
        remove_unneeded: impl Fn(&Digest, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        for entry in entries(&self.work)? {
            let deployment = entry.file_name().and_then(|name| name.to_str()?.parse::<DeploymentId>().ok());
            if deployment.is_some_and(&unneeded) {
                remove_all(&entry)?;
            }
        }
        for file in entries(&self.releases)?.iter().flat_map(|app| entries(app).unwrap_or_default()) {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let digest = name.strip_suffix(".json").and_then(|hex| format!("sha256:{hex}").parse().ok());
            if let Some(digest) = digest {
                remove_unneeded(&digest, &file)?;
            }
        }
        Ok(())
    }
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Writes a file whole or not at all, whatever ends this process or the power meanwhile.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
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
pub(crate) fn remove_all(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(crate) fn disk(error: &io::Error, what: &str) -> Failure {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let code = if full { FailureCode::DiskFull } else { FailureCode::Internal };
    Failure::new(code, format!("could not {what}: {error}"))
}
