//! What detection says about a source. The rules live in adapters; the words live here.

use serde::{Deserialize, Serialize};

use crate::evidence::Fact;
use crate::reason::Reason;

/// What kind of program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProjectKind {
    /// Answers requests with a process of its own.
    Server,
    /// Files that a static server answers with.
    Static,
    /// A process without a port.
    Worker,
    /// Not known.
    #[default]
    Unknown,
}

/// How well a kind of project is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SupportTier {
    /// Planned end to end from what was found.
    Full,
    /// Planned, with values that should be confirmed.
    Partial,
    /// Needs explicit commands.
    Custom,
    /// Not supported.
    #[default]
    None,
}

/// A value with what it was learned from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// What shows it.
    pub evidence: Fact,
}

/// What detection says: a proposal that the profile's explicit values overrule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Detection {
    /// The planner that recognised it, for example `static-html`; empty when none did.
    pub planner: String,
    /// The language.
    pub language: Option<String>,
    /// The version of the language's runtime.
    pub runtime_version: Option<String>,
    /// The framework.
    pub framework: Option<String>,
    /// The package manager.
    pub package_manager: Option<String>,
    /// What kind of program it is.
    pub kind: ProjectKind,
    /// How well it is supported.
    pub support_tier: SupportTier,
    /// Everything that led here.
    pub evidence: Vec<Fact>,
    /// The install command.
    pub install: Option<Found<String>>,
    /// The build command.
    pub build: Option<Found<String>>,
    /// The start command.
    pub start: Option<Found<String>>,
    /// The directory of the finished site, relative to the base directory; `.` is the base itself.
    pub publish_directory: Option<Found<String>>,
    /// The file for single-page fallback.
    pub fallback: Option<Found<String>>,
    /// The Dockerfile.
    pub dockerfile: Option<Found<String>>,
    /// The port the program listens on.
    pub internal_port: Option<Found<u16>>,
    /// The path that tells health.
    pub health_path: Option<Found<String>>,
    /// Why it can't be planned as it is.
    pub blocked: Vec<Reason>,
    /// What is doubtful about it.
    pub warnings: Vec<Reason>,
    /// The commit the source is at, where known.
    pub commit: Option<String>,
}
