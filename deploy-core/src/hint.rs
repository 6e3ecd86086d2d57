//! What to do next: a hint is one sentence and a short list of remedies.

use serde::{Deserialize, Serialize};

use crate::lifecycle::PhaseName;

/// One thing that can be done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Remedy {
    /// What it does, as an instruction.
    pub label: String,
    /// The command that does it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<String>,
}

impl Remedy {
    /// A remedy that is a command.
    pub fn command(label: impl Into<String>, command: impl Into<String>) -> Self {
        Self { label: label.into(), command: Some(command.into()) }
    }

    /// A remedy for a person's hands.
    pub fn by_hand(label: impl Into<String>) -> Self {
        Self { label: label.into(), command: None }
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

/// A text as one word of a command line, quoted if a shell would take it for more.
#[must_use]
pub fn word(text: &str) -> String {
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '@' | '=' | ',' | '+');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
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
