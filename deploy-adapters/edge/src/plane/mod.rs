//! The running data plane: what is loaded, what is live, and how it changes.
//!
//! Requests find their route in [`live::LiveRoutes`], under a lock that is held for one lookup. A change is decided,
//! made durable, and then puts one entry in the place of another; a request that began before goes on with what it
//! found.

mod candidates;
mod drain;
mod hold;
mod live;
mod public;
mod switch;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use ipnet::IpNet;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::content::Content;
use crate::control::api::CandidateOptions;
use crate::digest::Digest;
use crate::lifecycle::Phase;
use crate::limits::Limits;
use crate::proxy::{Backend, Proxy};
use crate::release::ReleaseError;
use crate::routes::{self, Loaded, Route, Upstream};
use crate::server::Workers;
use crate::site::Site;
use crate::stats::Stats;
use crate::web::respond::Responder;

pub(crate) use candidates::Candidate;
pub(crate) use live::Source;
pub(crate) use public::Origin;
pub use switch::SwitchError;

use candidates::Candidates;
use live::{Live, LiveRoutes};
use switch::Writer;

/// Everything the connections of one edge share.
#[derive(Debug)]
pub(crate) struct Plane {
    pub(crate) limits: Limits,
    pub(crate) address: SocketAddr,
    pub(crate) started: Instant,
    pub(crate) stats: Arc<Stats>,
    pub(crate) phase: watch::Sender<Phase>,
    /// Asked through the control socket.
    pub(crate) stop_requested: Notify,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) control_connections: Arc<Semaphore>,
    pub(crate) responder: Responder,
    workers: Workers,
    /// The tasks that hold listening sockets.
    accepting: Mutex<JoinSet<()>>,
    releases: PathBuf,
    proxy: Arc<Proxy>,
    live: RwLock<LiveRoutes>,
    /// Upstreams no route has any more, as long as they have flights.
    retired: Mutex<Vec<Arc<Backend>>>,
    writer: tokio::sync::Mutex<Writer>,
    candidates: Mutex<Candidates>,
    /// One release is loaded at a time: loading is disk work, and its memory is bounded this way.
    loading: Semaphore,
    warnings: Mutex<Vec<String>>,
}

impl Plane {
    /// A plane that serves nothing yet; [`Self::restore`] puts the table's routes to work.
    ///
    /// # Errors
    /// If its threads cannot be started.
    pub(crate) fn new(
        limits: Limits,
        address: SocketAddr,
        releases: PathBuf,
        trusted: Vec<IpNet>,
    ) -> io::Result<Arc<Self>> {
        let phase = watch::Sender::new(Phase::Serving);
        Ok(Arc::new(Self {
            workers: Workers::start(limits.workers, limits.disk_reads, &phase)?,
            address,
            started: Instant::now(),
            stats: Arc::default(),
            phase,
            stop_requested: Notify::new(),
            connections: Arc::new(Semaphore::new(limits.connections)),
            control_connections: Arc::new(Semaphore::new(limits.control_connections)),
            responder: Responder {
                content: Content::new(&limits),
                stream_chunk_bytes: limits.stream_chunk_bytes,
            },
            accepting: Mutex::default(),
            releases,
            proxy: Arc::new(Proxy::new(limits.clone(), trusted)),
            live: RwLock::default(),
            retired: Mutex::default(),
            writer: tokio::sync::Mutex::default(),
            candidates: Mutex::new(Candidates::new(limits.candidates)),
            loading: Semaphore::new(1),
            warnings: Mutex::default(),
            limits,
        }))
    }

    /// Puts the routes of a table read from disk to work. A route whose release or port is not available now does
    /// not keep the others from being served; it becomes a warning.
    pub(crate) async fn restore(self: &Arc<Self>, loaded: Loaded) {
        let mut live = LiveRoutes::default();
        for route in loaded.table.routes() {
            let source = match &route.upstream {
                Some(upstream) => Source::Upstream(self.backend(route, upstream)),
                None => self.restore_site(route, &live).await,
            };
            live.insert(Live::new(Arc::clone(route), source));
        }
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
        self.restore_writer(loaded).await;
    }

    async fn restore_site(&self, route: &Route, live: &LiveRoutes) -> Source {
        if let Some(site) = live.site(&route.digest) {
            return Source::Site(site);
        }
        match self.load_site(&route.digest).await {
            Ok(site) => Source::Site(site),
            Err(error) => {
                self.warn(format!("{} cannot be served: {error}", route.host));
                Source::Missing
            }
        }
    }

    /// Runs a task that holds a listening socket until draining.
    pub(crate) fn spawn_accepting(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut accepting = lock(&self.accepting);
        // Listeners of routes that are gone have ended; forget them.
        while accepting.try_join_next().is_some() {}
        accepting.spawn(task)
    }

    /// Stops accepting and lets responses in flight end. When this returns all listening sockets are closed, and so
    /// are all connections unless the drain limit was over first.
    pub(crate) async fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
        let mut accepting = std::mem::take(&mut *lock(&self.accepting));
        while accepting.join_next().await.is_some() {}
        let drained = async {
            // All permits are free when no connection is left. An error is impossible: nobody closes the semaphores.
            for (semaphore, limit) in [
                (&self.connections, self.limits.connections),
                (&self.control_connections, self.limits.control_connections),
            ] {
                let _ = semaphore.acquire_many(u32::try_from(limit).unwrap_or(u32::MAX)).await;
            }
        };
        if tokio::time::timeout(self.limits.drain, drained).await.is_err() {
            tracing::warn!("connections were still open at the drain limit and are closed");
        }
        // A change whose caller hung up may still be at work: let it end, and let none begin. Whoever takes the
        // directory over must find a table that no longer changes.
        let _writer = self.writer.lock().await;
        self.phase.send_replace(Phase::Closed);
    }

    /// The route of a normalised host, as requests see it now.
    pub(crate) fn route(&self, host: &str) -> Option<Route> {
        read(&self.live).by_host(host).map(|live| Route::clone(&live.route))
    }

    /// All routes as requests see them now, by host.
    pub(crate) fn routes(&self) -> Vec<Route> {
        read(&self.live).routes()
    }

    /// Things a person should know, oldest first.
    pub(crate) fn warnings(&self) -> Vec<String> {
        lock(&self.warnings).clone()
    }

    /// Notes and logs something a person should know. Only done while starting, so the list is bounded by the table.
    pub(crate) fn warn(&self, warning: String) {
        tracing::warn!("{warning}");
        lock(&self.warnings).push(warning);
    }

    /// Keeps a release as a candidate for a coming switch: its files are loaded, or its process is known.
    pub(crate) async fn add_candidate(
        &self,
        digest: &Digest,
        options: CandidateOptions,
    ) -> Result<(), SwitchError> {
        let CandidateOptions { fallback, upstream } = options;
        let source = match &upstream {
            Some(upstream) => self.candidate_upstream(digest, upstream, fallback.as_deref())?,
            None => {
                let site = self.load_site(digest).await?;
                switch::check_fallback(&site, fallback.as_deref())?;
                Source::Site(site)
            }
        };
        lock(&self.candidates).put(Candidate { digest: *digest, source, fallback });
        Ok(())
    }

    fn candidate_upstream(
        &self,
        digest: &Digest,
        upstream: &Upstream,
        fallback: Option<&str>,
    ) -> Result<Source, SwitchError> {
        routes::check_upstream(upstream, fallback)?;
        self.check_not_itself(upstream)?;
        Ok(Source::Upstream(Backend::new(&self.proxy, "candidate", *digest, upstream)))
    }

    /// A loaded candidate.
    pub(crate) fn candidate(&self, digest: &Digest) -> Option<Candidate> {
        lock(&self.candidates).get(digest)
    }

    /// The loaded candidates, longest-kept first.
    pub(crate) fn candidates(&self) -> Vec<Digest> {
        lock(&self.candidates).digests()
    }

    /// Forgets a candidate. Requests that are using it end normally.
    pub(crate) fn forget_candidate(&self, digest: &Digest) {
        lock(&self.candidates).forget(digest);
    }

    /// The release `digest`: as a candidate or a live route has it, else from disk.
    async fn load_site(&self, digest: &Digest) -> Result<Arc<Site>, ReleaseError> {
        let failed = |reason: String| ReleaseError::Io { digest: *digest, reason };
        let _permit = self.loading.acquire().await.map_err(|e| failed(e.to_string()))?;
        if let Some(Source::Site(site)) = self.candidate(digest).map(|candidate| candidate.source) {
            return Ok(site);
        }
        if let Some(site) = read(&self.live).site(digest) {
            return Ok(site);
        }
        let (releases, digest) = (self.releases.clone(), *digest);
        let loading = tokio::task::spawn_blocking(move || Site::load(&releases, &digest));
        let site = loading.await.map_err(|e| failed(e.to_string()))??;
        Ok(Arc::new(site))
    }
}

/// Locks data that no panic can leave half-changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads data that no panic can leave half-changed.
fn read<T>(shared: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}
