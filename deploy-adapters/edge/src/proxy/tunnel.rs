//! An upgraded connection (WebSocket and its like): bytes in both directions until one side ends it, both are silent
//! for too long, or the drain limit is over.

use std::io;
use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};

use super::backend::Flight;
use crate::server::{Progress, Watched};
use crate::visit::Visit;

/// Runs until the end. The visit keeps the connection counted as open, the flight keeps the release needed.
pub(super) async fn run(visit: Arc<Visit>, flight: Flight, visitor: OnUpgrade, upstream: OnUpgrade) {
    if let Err(error) = relay(&flight, visitor, upstream).await {
        tracing::debug!(%error, "an upgraded connection ended early");
    }
    drop((flight, visit));
}

async fn relay(flight: &Flight, visitor: OnUpgrade, upstream: OnUpgrade) -> io::Result<()> {
    let backend = flight.backend();
    let limits = &backend.proxy.limits;
    let upgraded = async { tokio::try_join!(visitor, upstream) };
    let (visitor, upstream) = tokio::time::timeout(limits.patience, upgraded)
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
        .map_err(io::Error::other)?;
    let progress = Progress::new();
    let mut visitor = Watched::new(TokioIo::new(visitor), progress.clone());
    let mut upstream = Watched::new(TokioIo::new(upstream), progress.clone());
    tokio::select! {
        copied = copy_bidirectional(&mut visitor, &mut upstream) => return copied.map(drop),
        () = progress.stalled(limits.upstream_idle) => {}
        () = backend.is_cut() => {}
    }
    // Both are told, so that neither takes it for a failure of the network.
    let (told, other) = tokio::join!(visitor.shutdown(), upstream.shutdown());
    told.and(other)
}
