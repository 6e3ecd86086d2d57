//! The five phases as users know them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A phase as users know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PhaseName {
    /// What is it?
    Detect,
    /// What will be done?
    Plan,
    /// Doing it, out of sight.
    Execute,
    /// Proving it, and switching to it.
    Verify,
    /// Taking it back.
    Rollback,
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detect => "detect",
            Self::Plan => "plan",
            Self::Execute => "execute",
            Self::Verify => "verify",
            Self::Rollback => "rollback",
        })
    }
}
