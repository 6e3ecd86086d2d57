//! One connection of a visitor.

use std::net::{IpAddr, Ipv4Addr};

use tokio::sync::OwnedSemaphorePermit;

use crate::server::Progress;
use crate::stats::OpenConnection;

/// What the requests of one connection share. It is counted as open until this is dropped, which for an upgraded
/// connection is later than the end of HTTP on it.
#[derive(Debug)]
pub(crate) struct Visit {
    /// The address at the other end.
    pub(crate) peer: IpAddr,
    /// The worker that serves it; `None` for the control socket.
    pub(crate) worker: Option<usize>,
    pub(crate) progress: Progress,
    _counted: Option<OpenConnection>,
    _permit: OwnedSemaphorePermit,
}

impl Visit {
    /// From the public.
    pub(crate) fn public(
        peer: IpAddr,
        worker: usize,
        counted: OpenConnection,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let progress = Progress::new();
        Self { peer, worker: Some(worker), progress, _counted: Some(counted), _permit: permit }
    }

    /// Over the control socket.
    pub(crate) fn control(permit: OwnedSemaphorePermit) -> Self {
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { peer, worker: None, progress: Progress::new(), _counted: None, _permit: permit }
    }
}
