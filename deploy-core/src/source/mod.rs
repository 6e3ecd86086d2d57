//! Where the thing to deploy comes from: values that can't be wrong, because they are checked when they are made.
//!
//! A URL with a password in it, a ref that reads as an option, an image reference with a space: none of them becomes a
//! value of these types, whichever door it comes by, so none is ever stored, shown or handed to a program.

mod git;
mod image;

use serde::{Deserialize, Serialize};

pub use git::{CommitId, GitRef, GitUrl, InvalidGitRef, InvalidGitUrl, Transport};
pub use image::{ImageReference, InvalidImage};

use crate::id::{Digest, Version};
use crate::plan::SourceSummary;

/// Where the thing to deploy comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Source {
    /// A directory on the machine of the control plane, as an absolute path.
    Directory {
        /// The absolute path.
        path: String,
    },
    /// A commit of a git repository.
    Git {
        /// The repository.
        url: GitUrl,
        /// The branch, tag or commit id; what the repository's `HEAD` names when absent.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        git_ref: Option<GitRef>,
        /// Exactly this commit, whatever the ref names by now.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        commit: Option<CommitId>,
        /// Where the token for an `https` repository is read from.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        credential: Option<Credential>,
    },
    /// A packed directory on the machine of the control plane: tar, tar.gz, tar.zst or zip, told by its content.
    Archive {
        /// The absolute path.
        path: String,
        /// Exactly this content, whatever is in the file by now.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        digest: Option<Digest>,
    },
    /// An image that exists already.
    Image {
        /// Which one.
        reference: ImageReference,
    },
    /// A kept release of the same resource: what a rollback deploys.
    Release {
        /// Which one.
        version: Version,
    },
}

/// Where the token for a repository is read from, late, in the process that fetches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Credential {
    /// The environment variable of the process that fetches; its name begins with `DEPLOY_GIT_`.
    pub env: String,
}

impl Source {
    /// The same source, but exactly what `planned` says was found in it: a branch that moved since, or an archive that
    /// was written anew, is then not what was planned, and is refused.
    #[must_use]
    pub fn pinned(&self, planned: &SourceSummary) -> Self {
        let mut pinned = self.clone();
        match &mut pinned {
            Self::Git { commit, .. } => {
                let found = planned.commit.as_deref().and_then(|commit| commit.parse().ok());
                *commit = found.or_else(|| commit.take());
            }
            Self::Archive { digest, .. } => {
                *digest = planned.digest.clone().or_else(|| digest.take());
            }
            Self::Directory { .. } | Self::Image { .. } | Self::Release { .. } => {}
        }
        pinned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_source_of_the_first_version_still_loads() {
        let directory: Source = serde_json::from_str(r#"{"kind":"directory","path":"/srv/web"}"#).unwrap();
        assert_eq!(directory, Source::Directory { path: "/srv/web".to_owned() });
        let git: Source = serde_json::from_str(r#"{"kind":"git","url":"https://h/r.git"}"#).unwrap();
        assert_eq!(serde_json::to_string(&git).unwrap(), r#"{"kind":"git","url":"https://h/r.git"}"#);
    }

    #[test]
    fn threat_f02_what_is_refused_is_not_repeated() {
        let text = r#"{"kind":"git","url":"https://anna:hunter2@h/r.git"}"#;
        let error = serde_json::from_str::<Source>(text).unwrap_err().to_string();
        assert!(error.contains("credentials") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_pinned_source_is_what_was_planned() {
        let (old, new) = ("a".repeat(40), "b".repeat(40));
        let source = Source::Git {
            url: "https://h/r.git".parse().unwrap(),
            git_ref: Some("main".parse().unwrap()),
            commit: Some(old.parse().unwrap()),
            credential: None,
        };
        let mut planned = SourceSummary::of_source(&source, None);
        assert_eq!(source.pinned(&planned), source);
        planned.commit = Some(new.clone());
        let Source::Git { commit, .. } = source.pinned(&planned) else { panic!() };
        assert_eq!(commit.unwrap().as_str(), new);
    }
}
