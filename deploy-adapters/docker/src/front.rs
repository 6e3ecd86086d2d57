//! The data plane: routes that lead to a container, fenced, and draining.

use std::net::SocketAddr;
use std::path::Path;

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, Fence};
use deploy_core::time::Span;
use deploy_edge::{EdgeClient, EdgeError, Route, RouteChange, Upstream};

/// A wanted change of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The host name.
    pub(crate) host: String,
    /// Who asks.
    pub(crate) target: String,
    /// The epoch of the deployment that asks; a lower one than the last is refused.
    pub(crate) fence: Fence,
    /// What answers from now on.
    pub(crate) to: To,
    /// How long requests under way may still take.
    pub(crate) drain: Span,
}

/// What a route leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    /// A release that answers at an address.
    Upstream(Digest, SocketAddr),
    /// What a route led to before.
    Restored(Box<Route>),
    /// Nothing: the route is removed.
    Nothing,
}

/// The edge, as this target uses it.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    edge: EdgeClient,
}

impl Front {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { edge: EdgeClient::new(socket) }
    }

    /// The public address.
    pub(crate) async fn address(&self) -> Result<SocketAddr, Failure> {
        self.edge.status().await.map(|status| status.address).map_err(|error| failure(&error))
    }

    /// Every route.
    pub(crate) async fn all_routes(&self) -> Result<Vec<Route>, Failure> {
        self.edge.status().await.map(|status| status.routes).map_err(|error| failure(&error))
    }

    /// The routes of these hosts, as far as there are any.
    pub(crate) async fn routes(&self, hosts: &[String]) -> Result<Vec<Route>, Failure> {
        let mut routes = Vec::new();
        for host in hosts {
            routes.extend(self.edge.route(host).await.map_err(|error| failure(&error))?);
        }
        Ok(routes)
    }

    /// Makes a change; `Ok` means durable and in effect. Repeating the same change is safe.
    pub(crate) async fn switch(&self, change: &Change) -> Result<(), Failure> {
        let mut wanted = RouteChange {
            host: change.host.clone(),
            target: change.target.clone(),
            epoch: change.fence.0,
            to: None,
            fallback: None,
            port: None,
            upstream: None,
            drain_ms: Some(change.drain.as_millis()),
            expect: None,
        };
        match &change.to {
            To::Upstream(digest, address) => {
                wanted.to = Some(edge_digest(digest)?);
                wanted.upstream = Some(Upstream::at(*address));
            }
            To::Restored(route) => {
                wanted.to = Some(route.digest);
                wanted.fallback.clone_from(&route.fallback);
                wanted.port = route.port;
                wanted.upstream.clone_from(&route.upstream);
            }
            To::Nothing => {}
        }
        self.edge.switch(&wanted).await.map(drop).map_err(|error| failure(&error))
    }

    /// Returns when nothing is under way to a replaced upstream any more, or `within` is over: whether it is so.
    pub(crate) async fn drained(
        &self,
        digest: &deploy_edge::Digest,
        upstream: SocketAddr,
        within: Span,
    ) -> Result<bool, Failure> {
        let waited = self.edge.wait_drained(digest, Some(upstream), within.as_duration()).await;
        waited.map(|status| status.is_drained()).map_err(|error| failure(&error))
    }
}

/// Where the requests of a route go, if to a process.
pub(crate) fn upstream(route: &Route) -> Option<SocketAddr> {
    route.upstream.as_ref()?.addresses.first().copied()
}

/// The same digest in the edge's type.
pub(crate) fn edge_digest(digest: &Digest) -> Result<deploy_edge::Digest, Failure> {
    let parsed = digest.as_str().parse();
    parsed.map_err(|_| Failure::new(FailureCode::Internal, format!("{digest} is not a digest for the edge")))
}

/// The failure that an error of the edge is.
fn failure(error: &EdgeError) -> Failure {
    let code = match error {
        EdgeError::Unreachable { .. } => FailureCode::TargetUnavailable,
        EdgeError::Unknown { .. } => FailureCode::ReplyLost,
        EdgeError::TooLarge { .. } | EdgeError::InvalidRequest { .. } => FailureCode::Internal,
        EdgeError::Refused(problem) => match problem.code.as_str() {
            "stale_epoch" => FailureCode::StaleFence,
            "host_taken" => FailureCode::HostTaken,
            "port_in_use" => FailureCode::PortUnavailable,
            "artifact_missing" | "artifact_damaged" => FailureCode::ArtifactMissing,
            "route_not_settled" => FailureCode::ReplyLost,
            "route_not_stored" => FailureCode::DiskFull,
            _ => FailureCode::SwitchRefused,
        },
    };
    Failure::new(code, error.to_string()).because(error.code(), error.remedy())
}
