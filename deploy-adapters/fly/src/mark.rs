//! What every machine carries in its environment: whose release it is, and under which fence it was made.
//!
//! The platform has no epoch of its own. A mark travels with the machine, so whoever reads the machines back knows
//! which deployment made them, and a stale owner sees that it is stale before it changes anything.

use std::fmt;

use deploy_core::id::{DeploymentId, Fence, ResourceKey};

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// `web@production`.
    pub(crate) resource: String,
    pub(crate) fence: u64,
    /// The deployment, or `back-` and the deployment that was taken back.
    pub(crate) who: String,
}

impl Mark {
    pub(crate) fn of(resource: &ResourceKey, fence: Option<Fence>, deployment: DeploymentId) -> Self {
        Self {
            resource: resource.to_string(),
            fence: fence.map_or(0, |fence| fence.0),
            who: deployment.to_string(),
        }
    }

    /// The mark of the release that a deployment was taken back to.
    pub(crate) fn back(resource: &ResourceKey, fence: Option<Fence>, deployment: DeploymentId) -> Self {
        Self { who: format!("back-{deployment}"), ..Self::of(resource, fence, deployment) }
    }

    /// Reads one; what somebody else wrote there is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '/');
        let (who, fence, resource) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { resource: resource.to_owned(), fence: fence.parse().ok()?, who: who.to_owned() })
    }

    /// Whether another mark is of the same deployment and direction, whatever the fence.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.resource == other.resource && self.who == other.who
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.resource, self.fence, self.who)
    }
}
