//! Why the engine could not do what was asked.

use thiserror::Error;

use crate::id::{DeploymentId, ResourceKey, Version};
use crate::port::StoreError;
use crate::reason::Reason;
use crate::reject::Rejection;
use crate::runtime_log::RuntimeLogError;

/// Why the engine could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EngineError {
    /// The deployment's state forbids it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store said no, or broke.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A policy says no for now.
    #[error("{}", said(.0))]
    Refused(Vec<Reason>),
    /// Too much is going on.
    #[error("too much is going on: {what}")]
    Overloaded {
        /// Which limit is reached.
        what: &'static str,
    },
    /// The deployment's record can't be read; it is left alone.
    #[error("the record of {0} is damaged: see `deploy doctor`; `deploy abandon {0}` ends it")]
    Quarantined(DeploymentId),
    /// Another control plane on the same store drives it.
    #[error("another control plane drives {0}")]
    Elsewhere(DeploymentId),
    /// No release that can be used is older than the live one; one that is newer must be named.
    #[error("{resource} has no release to go back to")]
    NothingBefore {
        /// What was to go back.
        resource: ResourceKey,
        /// The newest release that can be used, where there is one.
        newer: Option<Version>,
    },
    /// The resource has no releases at all.
    #[error("{0} was never deployed")]
    NeverDeployed(ResourceKey),
    /// The output of a running release can't be read.
    #[error(transparent)]
    RuntimeLog(#[from] RuntimeLogError),
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    ShuttingDown,
}

fn said(reasons: &[Reason]) -> String {
    let messages: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
    messages.join("; ")
}

impl EngineError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.code(),
            Self::Store(error) => error.code(),
            Self::Refused(_) => "not_admitted",
            Self::Overloaded { .. } => "overloaded",
            Self::Quarantined(_) => "quarantined",
            Self::Elsewhere(_) => "driven_elsewhere",
            Self::NothingBefore { .. } => "release_not_found",
            Self::NeverDeployed(_) => "not_found",
            Self::RuntimeLog(RuntimeLogError::Absent { .. }) => "no_runtime_log",
            Self::RuntimeLog(RuntimeLogError::Unavailable { .. }) => "runtime_log_unavailable",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// Whether the same request can succeed a little later.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Rejected(_)
            | Self::Quarantined(_)
            | Self::NothingBefore { .. }
            | Self::NeverDeployed(_)
            | Self::RuntimeLog(RuntimeLogError::Absent { .. }) => false,
            Self::RuntimeLog(RuntimeLogError::Unavailable { .. }) => true,
            Self::Overloaded { .. } | Self::ShuttingDown | Self::Refused(_) | Self::Elsewhere(_) => true,
            Self::Store(error) => match error {
                StoreError::Busy { .. }
                | StoreError::WorkspaceFull { .. }
                | StoreError::Limit { .. }
                | StoreError::Full
                | StoreError::Unknown { .. }
                | StoreError::Unavailable { .. }
                | StoreError::Conflict { .. } => true,
                StoreError::Fenced { .. }
                | StoreError::KeyReused
                | StoreError::NotFound
                | StoreError::Corrupt { .. } => false,
            },
        }
    }
}
