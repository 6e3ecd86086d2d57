//! Upstreams that are no longer routed to and still have flights.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::live::{Live, Source};
use super::{Plane, lock, read};
use crate::control::api::DrainStatus;
use crate::digest::Digest;
use crate::proxy::Backend;
use crate::routes::{Route, Upstream};

/// How often a waiting caller's question is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Plane {
    /// What a route with an upstream is answered by: what it is answered by now if that is the same, one that is just
    /// retiring, or a new one.
    pub(super) fn backend(&self, route: &Route, upstream: &Upstream) -> Arc<Backend> {
        let is_it = |backend: &&Arc<Backend>| backend.is(&route.host, &route.digest, upstream);
        let live = read(&self.live).by_host(&route.host).and_then(|live| live.source.backend().cloned());
        live.filter(|backend| is_it(&backend))
            .or_else(|| lock(&self.retired).iter().find(is_it).cloned())
            .unwrap_or_else(|| Backend::new(&self.proxy, &route.host, route.digest, upstream))
    }

    /// Begins the end of what a route was answered by before, unless it still is.
    pub(super) fn retire(&self, before: &Live, now: Option<&Source>, drain: Duration) {
        if let Some(hold) = &before.hold {
            hold.end();
        }
        let mut retired = lock(&self.retired);
        retired.retain(|backend| backend.in_flight() > 0);
        if let Some(backend) = now.and_then(Source::backend) {
            retired.retain(|other| !Arc::ptr_eq(other, backend));
            backend.revive();
        }
        let Some(old) = before.source.backend() else {
            return;
        };
        if now.and_then(Source::backend).is_some_and(|backend| Arc::ptr_eq(backend, old)) {
            return;
        }
        old.retire(drain);
        retired.push(Arc::clone(old));
    }

    /// The state of a release's upstreams, at all addresses or at one, once they have drained or `wait` is over.
    pub(crate) async fn drained(
        &self,
        digest: &Digest,
        address: Option<SocketAddr>,
        wait: Duration,
    ) -> DrainStatus {
        let deadline = Instant::now() + wait.min(self.limits.control_wait);
        loop {
            let status = self.drain_status(digest, address);
            if status.is_drained() || Instant::now() >= deadline {
                return status;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn drain_status(&self, digest: &Digest, address: Option<SocketAddr>) -> DrainStatus {
        let asked = |backend: &Arc<Backend>| {
            backend.digest == *digest && address.is_none_or(|a| backend.upstream.addresses.contains(&a))
        };
        let mut status = DrainStatus::default();
        for (backend, paused) in read(&self.live).backends().filter(|(backend, _)| asked(backend)) {
            status.in_flight += backend.in_flight();
            status.takes_requests |= !paused;
        }
        let now = Instant::now();
        for backend in lock(&self.retired).iter().filter(|backend| asked(backend)) {
            status.in_flight += backend.in_flight();
            let left = backend.cut_at().map(|at| at.saturating_duration_since(now).as_millis());
            let left = left.map(|left| u64::try_from(left).unwrap_or(u64::MAX));
            status.cut_in_ms = status.cut_in_ms.max(left.filter(|_| backend.in_flight() > 0));
        }
        status
    }
}
