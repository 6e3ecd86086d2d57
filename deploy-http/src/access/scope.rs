//! What a caller may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a caller may do. Each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Looking at deployments, releases, events and logs.
    Read,
    /// Previewing, deploying and steering. A deployment runs build commands on the control plane's
    /// machine, so this is as much as its user may do.
    Deploy,
    /// Listing and revoking tokens.
    Admin,
}

impl Scope {
    /// Every scope, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Deploy, Self::Admin];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }
}
