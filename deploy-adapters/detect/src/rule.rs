//! What a rule is.
//!
//! # Adding a kind of project
//!
//! 1. If it is a site generator or a program that is only recognised, add a row to the table in
//!    `rules/generators.rs` or `rules/programs.rs`. That is all.
//! 2. If it needs logic, add a file below `rules/` with one `pub(crate) const RULE: Rule`, and put it into
//!    `rules::ALL` where it belongs: the first rule that answers wins, so the more specific comes first.
//! 3. Add evidence with its answer to `tests/fixtures.rs`. The properties (never panics, never differs, never serves
//!    the source of a page) hold for every rule without further tests.
//!
//! A rule that recognises a project but can't plan it says so in `Detection::blocked`, with the lines to write. It
//! fills `Detection::publish_directory` when it knows where the project's build puts its result: that is used when
//! the user gives a build command only.

use deploy_core::detect::Detection;
use deploy_core::evidence::Evidence;
use deploy_core::spec::{Profile, Strategy};

/// What a rule sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) profile: &'a Profile,
}

impl<'a> Scene<'a> {
    /// The contents of a file that a rule asked for.
    pub(crate) fn text(&self, path: &str) -> Option<&'a str> {
        self.evidence.texts.get(path).map(String::as_str)
    }

    /// Whether the user said that this is a static site: then programs and containers beside it don't matter.
    pub(crate) fn is_static_by_choice(&self) -> bool {
        self.profile.runtime.strategy == Strategy::Static
    }
}

/// One rule.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// The paths of the files whose contents it reads.
    pub(crate) wanted: &'static [&'static str],
    /// What it says about a source; `None` if it is not one of its kind. Pure.
    pub(crate) detect: fn(Scene<'_>) -> Option<Detection>,
}
