//! An upstream at work: its connections, its flights, and its end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Proxy;
use super::pool::Pool;
use crate::digest::Digest;
use crate::routes::{Protocol, Upstream};

/// The upstream of one route, as long as it is routed or has flights.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) host: String,
    pub(crate) digest: Digest,
    pub(crate) upstream: Upstream,
    /// The digest as a header value, sent with every response.
    pub(super) digest_header: HeaderValue,
    pub(super) proxy: Arc<Proxy>,
    turn: AtomicUsize,
    in_flight: AtomicU64,
    retiring: Mutex<Option<Retiring>>,
    /// Made with the first flight: of ten thousand routes most are quiet.
    work: OnceLock<Work>,
}

/// What an upstream needs that has flights.
#[derive(Debug)]
struct Work {
    /// One per worker, so that a connection is used only on the thread that drives it.
    pools: Box<[Pool]>,
    /// True once the flights still left are to be cut.
    cut: watch::Sender<bool>,
}

/// It gets no new flights.
#[derive(Debug)]
struct Retiring {
    deadline: Instant,
    timer: AbortHandle,
}

impl Backend {
    pub(crate) fn new(proxy: &Arc<Proxy>, host: &str, digest: Digest, upstream: &Upstream) -> Arc<Self> {
        Arc::new(Self {
            host: host.to_owned(),
            digest,
            upstream: upstream.clone(),
            // Unreachable in practice: a digest is hex.
            digest_header: HeaderValue::try_from(digest.to_string())
                .unwrap_or(HeaderValue::from_static("invalid")),
            proxy: Arc::clone(proxy),
            turn: AtomicUsize::new(0),
            in_flight: AtomicU64::new(0),
            retiring: Mutex::default(),
            work: OnceLock::new(),
        })
    }

    /// Whether this is the upstream of such a route.
    pub(crate) fn is(&self, host: &str, digest: &Digest, upstream: &Upstream) -> bool {
        self.host == host && self.digest == *digest && self.upstream == *upstream
    }

    /// Flights that are not over.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// When the flights still left are cut, if it is retiring.
    pub(crate) fn cut_at(&self) -> Option<Instant> {
        lock(&self.retiring).as_ref().map(|retiring| retiring.deadline)
    }

    /// Gives the flights that are left until `drain` is over. Wants a tokio runtime.
    pub(crate) fn retire(self: &Arc<Self>, drain: Duration) {
        let backend = Arc::clone(self);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            let left = backend.in_flight();
            if left > 0 {
                tracing::warn!(
                    host = backend.host,
                    left,
                    "requests were in flight at the drain limit and are cut"
                );
            }
            backend.set_cut(true);
        });
        let retiring = Retiring { deadline: Instant::now() + drain, timer: timer.abort_handle() };
        if let Some(before) = lock(&self.retiring).replace(retiring) {
            before.timer.abort();
        }
    }

    /// Takes a retirement back: it is routed to again.
    pub(crate) fn revive(&self) {
        if let Some(retiring) = lock(&self.retiring).take() {
            retiring.timer.abort();
        }
        self.set_cut(false);
    }

    /// Its addresses, beginning with the one whose turn it is.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let addresses = &self.upstream.addresses;
        let first = match addresses.len() {
            1 => 0,
            _ => self.turn.fetch_add(1, Ordering::Relaxed),
        };
        (0..addresses.len()).map(move |n| addresses[(first + n) % addresses.len()])
    }

    /// Returns once flights are to be cut.
    pub(super) async fn is_cut(&self) {
        // An error would mean that the sender is gone, and that is in `self`.
        let _ = self.work().cut.subscribe().wait_for(|cut| *cut).await;
    }

    pub(super) fn cuts_now(&self) -> bool {
        *self.work().cut.borrow()
    }

    /// The connections of one worker.
    pub(super) fn pool(&self, worker: usize) -> &Pool {
        &self.work().pools[worker]
    }

    fn work(&self) -> &Work {
        self.work.get_or_init(|| Work {
            pools: (0..self.proxy.limits.workers.max(1)).map(|_| Pool::default()).collect(),
            cut: watch::Sender::new(false),
        })
    }

    /// Without a flight there was never anything to cut.
    fn set_cut(&self, cut: bool) {
        if let Some(work) = self.work.get() {
            work.cut.send_replace(cut);
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.upstream.protocol
    }
}

/// A request on its way through an upstream, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Flight {
    backend: Arc<Backend>,
}

impl Flight {
    /// Begins one. It must begin before the route it was found by can be replaced: whoever replaces it reads the
    /// count afterwards.
    pub(crate) fn begin(backend: &Arc<Backend>) -> Self {
        backend.in_flight.fetch_add(1, Ordering::AcqRel);
        // Made here, so that a retirement finds it.
        backend.work();
        backend.proxy.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { backend: Arc::clone(backend) }
    }

    /// There are more flights than allowed, this one included.
    pub(super) fn is_one_too_many(&self) -> bool {
        let proxy = &self.backend.proxy;
        proxy.in_flight.load(Ordering::Relaxed) > proxy.limits.proxied_requests
    }

    pub(crate) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.backend.proxy.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.backend.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Locks data that no panic can leave half-changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
