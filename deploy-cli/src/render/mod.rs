//! Text for people. Everything that comes from outside goes through `clean`.

pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod status;
pub(crate) mod table;

use deploy_core::plan::SourceSummary;

use crate::output::clean;

/// How many digits of a commit id or a digest people need.
const SHORT: usize = 12;

/// A source on one line: `git https://host/repo.git at main (3c9e1d2a0b4f), directory apps/web`.
pub(crate) fn source(source: &SourceSummary) -> String {
    let mut text = format!("{} {}", clean(&source.kind), clean(&source.locator));
    if let Some(git_ref) = &source.git_ref {
        text.push_str(&format!(" at {}", clean(git_ref)));
    }
    if let Some(commit) = &source.commit {
        text.push_str(&format!(" ({})", clean(&commit.chars().take(SHORT).collect::<String>())));
    }
    if let Some(digest) = &source.digest {
        text.push_str(&format!(" (sha256:{})", digest.short()));
    }
    if let Some(directory) = &source.base_directory {
        text.push_str(&format!(", directory {}", clean(directory)));
    }
    text
}
