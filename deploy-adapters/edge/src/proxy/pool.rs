//! Connections to an upstream that wait for their next request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http2;
use tokio::time::Instant;

use super::backend::Backend;
use super::body::RequestBody;
use super::connect::Http1;

/// The connections of one worker to one upstream.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Longest-kept first. The newest is used first, so that those that are too many grow old and are closed.
    http1: Vec<(Http1, Instant)>,
    http2: Option<http2::SendRequest<RequestBody>>,
    sweeping: bool,
}

impl Pool {
    /// A kept connection that can take a request now.
    pub(super) fn take(&self) -> Option<Http1> {
        let mut kept = self.lock();
        loop {
            let (connection, _) = kept.http1.pop()?;
            // One that is not ready still sends the rest of a request nobody waits for.
            if connection.is_ready() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose response is complete. Wants the runtime of the worker the pool belongs to.
    pub(super) fn put(&self, connection: Http1, backend: &Arc<Backend>, worker: usize) {
        if connection.is_closed() {
            return;
        }
        let mut kept = self.lock();
        kept.http1.push((connection, Instant::now()));
        if !std::mem::replace(&mut kept.sweeping, true) {
            let keep = backend.proxy.limits.upstream_keep;
            tokio::spawn(sweep(Arc::downgrade(backend), worker, keep));
        }
    }

    /// The shared HTTP/2 connection, if it takes requests.
    pub(super) fn shared(&self) -> Option<http2::SendRequest<RequestBody>> {
        let mut kept = self.lock();
        kept.http2.take_if(|shared| shared.is_closed());
        kept.http2.clone()
    }

    /// Makes a connection the shared one.
    pub(super) fn share(&self, connection: http2::SendRequest<RequestBody>) {
        self.lock().http2 = Some(connection);
    }

    /// Closes what was not used for long; false once nothing is kept.
    fn sweep(&self, keep: Duration) -> bool {
        let mut kept = self.lock();
        kept.http1.retain(|(connection, since)| !connection.is_closed() && since.elapsed() < keep);
        kept.sweeping = !kept.http1.is_empty();
        kept.sweeping
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(backend: Weak<Backend>, worker: usize, keep: Duration) {
    loop {
        tokio::time::sleep(keep / 2).await;
        let swept = backend.upgrade().is_some_and(|backend| backend.pool(worker).sweep(keep));
        if !swept {
            return;
        }
    }
}
