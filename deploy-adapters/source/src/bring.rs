//! Bringing here what is not a directory: a commit or an archive becomes one.

use std::fs;
use std::path::{Path, PathBuf};

use deploy_core::id::Digest;
use deploy_core::reason::ReasonCode;
use deploy_core::source::Source;
use deploy_core::spec::Profile;

use crate::archive;
use crate::fault::{Fault, Stop};
use crate::git::{self, GitPolicy, Wanted};
use crate::ignores::Counted;
use crate::limits::Limits;

/// The directory in the place that a source is brought to.
const TREE: &str = "tree";

/// What a source became.
#[derive(Debug)]
pub(crate) struct Brought {
    /// The directory that is the source.
    pub(crate) path: PathBuf,
    /// Which ignore files count in it.
    pub(crate) counted: Counted,
    pub(crate) commit: Option<String>,
    pub(crate) digest: Option<Digest>,
}

/// Brings a source to `place`, an empty directory that it may fill; none if it is a directory already.
pub(crate) fn bring(
    source: &Source,
    profile: &Profile,
    place: &Path,
    policy: &GitPolicy,
    limits: &Limits,
    stop: &Stop,
) -> Result<Brought, Fault> {
    let tree = place.join(TREE);
    let unwritable = |error: std::io::Error| {
        Fault::new(ReasonCode::InsufficientDisk, format!("the source can't be laid out here: {error}"))
    };
    fs::create_dir_all(&tree).map_err(unwritable)?;
    match source {
        Source::Git { url, git_ref, commit, credential } => {
            let wanted = Wanted {
                url: url.clone(),
                git_ref: git_ref.clone(),
                commit: commit.clone(),
                credential: credential.clone(),
            };
            let commit = git::lay_out(&wanted, &tree, place, policy, limits, stop)?;
            Ok(Brought { path: tree, counted: Counted::Ours, commit: Some(commit.to_string()), digest: None })
        }
        Source::Archive { path, digest } => {
            let path = absolute(path)?;
            let unpacked = archive::unpack(&path, &tree, place, limits, stop)?;
            if digest.as_ref().is_some_and(|planned| *planned != unpacked.digest) {
                let message = format!(
                    "the archive {} has another content than the one that was planned",
                    path.display()
                );
                return Err(Fault::new(ReasonCode::SourceChanged, message));
            }
            let path = match unpacked.single.filter(|single| !names(profile, single)) {
                Some(single) => tree.join(single),
                None => tree,
            };
            Ok(Brought { path, counted: Counted::Inside, commit: None, digest: Some(unpacked.digest) })
        }
        Source::Directory { .. } | Source::Image { .. } | Source::Release { .. } => {
            Err(Fault::new(ReasonCode::SourceUnreadable, "the source is not one that is fetched or unpacked"))
        }
    }
}

fn absolute(path: &str) -> Result<PathBuf, Fault> {
    match Path::new(path).is_absolute() {
        true => Ok(PathBuf::from(path)),
        false => Err(Fault::new(
            ReasonCode::SourceNotFound,
            format!("the source {path:?} is not an absolute path"),
        )),
    }
}

/// Whether the base directory begins with this directory: then the archive's own top is meant.
fn names(profile: &Profile, single: &str) -> bool {
    let base = profile.source.base_directory.as_deref().unwrap_or_default();
    base.split('/').find(|part| !matches!(*part, "" | ".")) == Some(single)
}
