//! What this target needs of the data plane: routes with an upstream, fenced, and draining.

use std::net::SocketAddr;

use async_trait::async_trait;
use deploy_core::failure::Failure;
use deploy_core::id::{Digest, Fence};
use deploy_core::time::Span;
use serde::{Deserialize, Serialize};

/// A route of the data plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontRoute {
    /// The host name.
    pub host: String,
    /// Whose it is: a resource, as `web@production`.
    pub target: String,
    /// The artifact it stands for.
    pub digest: Digest,
    /// Where requests go; absent when files are served.
    pub upstream: Option<SocketAddr>,
    /// The data plane's own record of it: what restoring needs, and nothing else reads.
    pub record: String,
}

/// A wanted change of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontChange {
    /// The host name.
    pub host: String,
    /// Who asks.
    pub target: String,
    /// The epoch of the deployment that asks; a lower one than the last is refused.
    pub fence: Fence,
    /// What answers from now on.
    pub to: To,
    /// How long requests under way may still take.
    pub drain: Span,
}

/// What a route leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A release that answers at an address.
    Upstream(Digest, SocketAddr),
    /// What a route led to before.
    Restored(FrontRoute),
    /// Nothing: the route is removed.
    Nothing,
}

/// What the data plane is and does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontStatus {
    /// Its public address.
    pub address: SocketAddr,
    /// Every route.
    pub routes: Vec<FrontRoute>,
}

/// The data plane.
#[async_trait]
pub trait Front: Send + Sync {
    /// What it is and does.
    async fn status(&self) -> Result<FrontStatus, Failure>;

    /// The routes of these hosts, as far as there are any.
    async fn routes(&self, hosts: &[String]) -> Result<Vec<FrontRoute>, Failure>;

    /// Makes a change; `Ok` means durable and in effect. Repeating the same change is safe.
    async fn switch(&self, change: &FrontChange) -> Result<(), Failure>;

    /// Returns when nothing is under way to `upstream` any more, or `within` is over: whether it is so.
    async fn drained(&self, upstream: SocketAddr, within: Span) -> Result<bool, Failure>;
}
