//! What to do next: a hint is one sentence and a short list of remedies.

mod command_line;

use serde::{Deserialize, Serialize};

pub use self::command_line::CommandLine;

use crate::lifecycle::PhaseName;

/// One thing that can be done: something to write into `deploy.toml`, a command to run, or both in this order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Remedy {
    /// What it does, as an instruction.
    pub label: String,
    /// What to write into `deploy.toml`, as `key = value`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub set: Option<String>,
    /// The command to run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<CommandLine>,
}

impl Remedy {
    /// A remedy that is a command.
    pub fn command(label: impl Into<String>, command: impl Into<CommandLine>) -> Self {
        Self { command: Some(command.into()), ..Self::by_hand(label) }
    }

    /// A remedy that is a line of `deploy.toml`.
    pub fn set(label: impl Into<String>, line: impl Into<String>) -> Self {
        Self { set: Some(line.into()), ..Self::by_hand(label) }
    }

    /// A remedy for a person's hands.
    pub fn by_hand(label: impl Into<String>) -> Self {
        Self { label: label.into(), set: None, command: None }
    }
}

/// What to do about a failure or a state that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hint {
    /// One sentence.
    pub hint: String,
    /// What to do, best first.
    pub next: Vec<Remedy>,
}

/// Where to look, from the phase that failed last.
#[must_use]
pub const fn direction(phase: PhaseName) -> &'static str {
    match phase {
        PhaseName::Detect => "fix the source or the configuration, then deploy again",
        PhaseName::Plan => "fix the profile, then deploy again",
        PhaseName::Execute => "inspect the server, credentials, and the build and runtime logs",
        PhaseName::Verify => "inspect the health policy, network, proxy and access route",
        PhaseName::Rollback => "save diagnostics first, then intervene by hand",
    }
}
