//! Acceptance checks: what was proved about a deployment, each under a name that programs hold on to. They are
//! recorded with the step that made them and shown with the deployment.

use serde::{Deserialize, Serialize};

use crate::browser::PageSeen;

/// The names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AcceptanceName {
    /// What was deployed is the commit that the source is at.
    #[serde(rename = "DEPLOY-COMMIT-MATCH")]
    CommitMatch,
    /// The public address answers as the health policy says.
    #[serde(rename = "DEPLOY-HEALTH-200")]
    Health,
    /// A browser loads the page as the browser policy says.
    #[serde(rename = "DEPLOY-BROWSER")]
    Browser,
}

impl AcceptanceName {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CommitMatch => "DEPLOY-COMMIT-MATCH",
            Self::Health => "DEPLOY-HEALTH-200",
            Self::Browser => "DEPLOY-BROWSER",
        }
    }
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AcceptanceOutcome {
    /// It was proved.
    Passed,
    /// It could not be asked, and says why; nothing speaks against it.
    SoftPassed,
    /// It was disproved.
    Failed,
}

impl AcceptanceOutcome {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::SoftPassed => "soft-passed",
            Self::Failed => "failed",
        }
    }
}

/// One acceptance check.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Acceptance {
    /// Its name.
    pub name: AcceptanceName,
    /// How it went.
    pub outcome: AcceptanceOutcome,
    /// What shows it.
    pub message: String,
    /// What a browser saw, where one looked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page: Option<Box<PageSeen>>,
}

impl Acceptance {
    /// A check that no browser made.
    pub fn new(name: AcceptanceName, outcome: AcceptanceOutcome, message: impl Into<String>) -> Self {
        Self { name, outcome, message: message.into(), page: None }
    }

    /// What a browser saw that shows it.
    #[must_use]
    pub fn shown_by(mut self, page: PageSeen) -> Self {
        self.page = Some(Box::new(page));
        self
    }
}

/// Compares the commit that was captured when the plan was made with the one the source is at now. Either may be
/// abbreviated. `changes` says whether the tree had changes that are in no commit, where that is known.
#[must_use]
pub fn commit_match(captured: Option<&str>, now: Option<&str>, changes: Option<bool>) -> Acceptance {
    use AcceptanceOutcome::{Failed, Passed, SoftPassed};
    let same = |a: &str, b: &str| a.len().min(b.len()) >= 7 && (a.starts_with(b) || b.starts_with(a));
    let dirty = match changes {
        Some(true) => ", with changes that are in no commit",
        Some(false) => "",
        None => ", and it is not known whether there are changes that are in no commit",
    };
    let (outcome, message) = match (captured, now) {
        (None, _) => (SoftPassed, "the source is at no commit, so none was captured".to_owned()),
        (Some(captured), None) => {
            (SoftPassed, format!("{captured} was captured; the source is at no commit now"))
        }
        (Some(captured), Some(now)) if same(captured, now) => {
            let outcome = if changes == Some(false) { Passed } else { SoftPassed };
            (outcome, format!("{now} was deployed{dirty}"))
        }
        (Some(captured), Some(now)) => (Failed, format!("{captured} was planned, the source is at {now}")),
    };
    Acceptance::new(AcceptanceName::CommitMatch, outcome, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "7a6e84d2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "7a6e84d2bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_commit_matches_by_prefix_in_either_direction_and_never_in_silence() {
        use AcceptanceOutcome::{Failed, Passed, SoftPassed};
        for (captured, now, changes, expected) in [
            (Some(A), Some(A), Some(false), Passed),
            (Some(&A[..9]), Some(A), Some(false), Passed),
            (Some(A), Some(&A[..7]), Some(false), Passed),
            (Some(A), Some(&A[..6]), Some(false), Failed),
            (Some(A), Some(B), Some(false), Failed),
            (Some(A), Some(A), Some(true), SoftPassed),
            (Some(A), Some(A), None, SoftPassed),
            (None, Some(A), Some(false), SoftPassed),
            (Some(A), None, Some(false), SoftPassed),
            (Some(""), Some(A), Some(false), Failed),
        ] {
            let checked = commit_match(captured, now, changes);
            assert_eq!(checked.outcome, expected, "{captured:?} {now:?} {changes:?}");
            assert!(!checked.message.is_empty());
        }
        assert!(commit_match(Some(A), Some(A), Some(true)).message.contains("changes that are in no commit"));
    }
}
