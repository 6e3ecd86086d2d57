//! Changing a route: decide, open its port, make it durable, then let requests see it, in this order.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::live::{Live, Source};
use super::public::Origin;
use super::{Plane, Site, lock, read};
use crate::bind::bind_until;
use crate::lifecycle::Phase;
use crate::release::ReleaseError;
use crate::routes::{
    Accepted, Loaded, PauseChange, Refused, RouteChange, RouteTable, Store, StoreError, Switched, Upstream,
};

/// What only one change at a time may touch.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    table: Arc<RouteTable>,
    /// `None` until the table was read.
    store: Option<Arc<Mutex<Store>>>,
    ports: HashMap<u16, PortListener>,
}

/// A listener of one route's own; closed when dropped. Its open connections go on and then find no route.
#[derive(Debug)]
struct PortListener(AbortHandle);

impl Drop for PortListener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a change was not made, or not known to last.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// The table refused it. Nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The release cannot be served. Nothing has changed.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The release lacks the fallback file. Nothing has changed.
    #[error("the release has no file {file:?} to fall back to")]
    FallbackMissing {
        /// The file.
        file: String,
    },
    /// The table could not be written. Nothing has changed.
    #[error("the route table could not be stored: {reason}")]
    NotStored {
        /// What the system said.
        reason: String,
    },
    /// The change is in effect, but a power cut may still undo it.
    #[error("the change is in effect but may not survive a power cut: {reason}")]
    NotSettled {
        /// What the system said.
        reason: String,
    },
}

impl SwitchError {
    /// Stable, machine-readable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.code(),
            Self::Release(error) => error.code(),
            Self::FallbackMissing { .. } => "fallback_missing",
            Self::NotStored { .. } => "route_not_stored",
            Self::NotSettled { .. } => "route_not_settled",
        }
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.remedy(),
            Self::Release(error) => error.remedy(),
            Self::FallbackMissing { .. } => "Name a file that the build writes, or give no fallback.",
            Self::NotStored { .. } => {
                "Free some space or check the disk that holds the state directory, then try again."
            }
            Self::NotSettled { .. } => {
                "Check the disk that holds the state directory, then repeat the change."
            }
        }
    }
}

/// A fallback must be a file of the release.
pub(super) fn check_fallback(site: &Site, fallback: Option<&str>) -> Result<(), SwitchError> {
    match fallback {
        Some(file) if site.file(file).is_none() => {
            Err(SwitchError::FallbackMissing { file: file.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

impl Plane {
    /// Makes a change. When this returns `Ok` it is durable, and every request that begins from now on sees it.
    ///
    /// # Errors
    /// [`SwitchError`]; for all but `NotSettled` nothing has changed.
    pub(crate) async fn switch(self: &Arc<Self>, change: RouteChange) -> Result<Switched, SwitchError> {
        let site = match (&change.to, &change.upstream) {
            (Some(_), Some(upstream)) => {
                self.check_not_itself(upstream)?;
                None
            }
            (Some(digest), None) => {
                let site = self.load_site(digest).await?;
                check_fallback(&site, change.fallback.as_deref())?;
                Some(site)
            }
            (None, _) => None,
        };
        let drain = change.drain_ms.map_or(self.limits.drain, Duration::from_millis);
        let decide = move |table: &RouteTable, max| table.decide(&change, max);
        self.change(decide, site, drain).await
    }

    /// Pauses a route or ends its pause. When this returns `Ok` it is durable and in effect.
    ///
    /// # Errors
    /// [`SwitchError`]; for all but `NotSettled` nothing has changed.
    pub(crate) async fn pause(self: &Arc<Self>, change: PauseChange) -> Result<Switched, SwitchError> {
        let decide = move |table: &RouteTable, _| table.decide_pause(&change);
        self.change(decide, None, self.limits.drain).await
    }

    /// An upstream that is the edge would send each request round in a circle.
    pub(super) fn check_not_itself(&self, upstream: &Upstream) -> Result<(), Refused> {
        let own = |address: &SocketAddr| {
            address.port() == self.address.port()
                && (address.ip() == self.address.ip()
                    || (self.address.ip().is_unspecified() && address.ip().is_loopback()))
        };
        match upstream.addresses.iter().find(|address| own(address)) {
            Some(address) => Err(Refused::Invalid { reason: format!("{address} is the edge itself") }),
            None => Ok(()),
        }
    }

    /// In a task of its own: a caller that hangs up must not leave a change half made.
    async fn change(
        self: &Arc<Self>,
        decide: impl FnOnce(&RouteTable, usize) -> Result<Accepted, Refused> + Send + 'static,
        site: Option<Arc<Site>>,
        drain: Duration,
    ) -> Result<Switched, SwitchError> {
        let plane = Arc::clone(self);
        let applied = tokio::spawn(async move { plane.apply(decide, site, drain).await });
        applied.await.map_err(|e| SwitchError::NotSettled { reason: e.to_string() })?
    }

    async fn apply(
        self: &Arc<Self>,
        decide: impl FnOnce(&RouteTable, usize) -> Result<Accepted, Refused>,
        site: Option<Arc<Site>>,
        drain: Duration,
    ) -> Result<Switched, SwitchError> {
        let mut writer = self.writer.lock().await;
        if *self.phase.borrow() == Phase::Closed {
            return Err(SwitchError::NotStored { reason: "the edge has stopped".to_owned() });
        }
        let accepted = decide(&writer.table, self.limits.routes)?;
        let opened = self.open_port(&writer, &accepted).await?;
        let unsettled = match store(&writer, &accepted).await {
            Ok(()) => None,
            Err(StoreError::NotReplaced(error)) => {
                return Err(SwitchError::NotStored { reason: error.to_string() });
            }
            // What a reader of the file sees now must also be what visitors see.
            Err(StoreError::NotSettled(error)) => Some(SwitchError::NotSettled { reason: error.to_string() }),
        };
        Arc::make_mut(&mut writer.table).apply(&accepted);
        self.show(&accepted, site, drain);
        self.update_ports(&mut writer, &accepted, opened);
        self.stats.switched();
        unsettled.map_or(Ok(accepted.switched()), Err)
    }

    /// Binds the port the route needs and does not have yet, so that a refusal comes before anything is changed.
    async fn open_port(
        &self,
        writer: &Writer,
        accepted: &Accepted,
    ) -> Result<Option<(u16, TcpListener)>, Refused> {
        let wanted = accepted.after.as_ref().and_then(|route| route.port);
        let Some(port) = wanted.filter(|port| !writer.ports.contains_key(port)) else {
            return Ok(None);
        };
        let refused = |e: io::Error| Refused::PortInUse { port, reason: e.to_string() };
        let listener = TcpListener::bind(self.port_address(port)).await.map_err(refused)?;
        Ok(Some((port, listener)))
    }

    /// Lets requests see a change, and retires what they were answered by before.
    fn show(&self, accepted: &Accepted, site: Option<Arc<Site>>, drain: Duration) {
        let current = read(&self.live).by_host(&accepted.host).cloned();
        let source = accepted.after.as_ref().map(|route| match (&route.upstream, site, &current) {
            (Some(upstream), _, _) => Source::Upstream(self.backend(route, upstream)),
            (None, Some(site), _) => Source::Site(site),
            // A pause: the release stays what it was.
            (None, None, Some(current)) => current.source.clone(),
            (None, None, None) => Source::Missing,
        });
        let next = accepted.after.as_ref().zip(source.clone());
        {
            let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
            match next {
                Some((route, source)) => live.insert(Live::new(Arc::clone(route), source)),
                None => live.remove(&accepted.host),
            };
        }
        if let Some(before) = current {
            self.retire(&before, source.as_ref(), drain);
        }
    }

    fn update_ports(
        self: &Arc<Self>,
        writer: &mut Writer,
        accepted: &Accepted,
        opened: Option<(u16, TcpListener)>,
    ) {
        if let Some((port, listener)) = opened {
            writer.ports.insert(port, self.serve_port(listener, port));
        }
        let [before, after] = [&accepted.before, &accepted.after].map(|route| route.as_ref()?.port);
        if let Some(port) = before.filter(|_| before != after) {
            writer.ports.remove(&port);
        }
    }

    /// Takes over a table read from disk and opens its ports.
    pub(super) async fn restore_writer(self: &Arc<Self>, loaded: Loaded) {
        let Loaded { table, store, .. } = loaded;
        let deadline = Instant::now() + self.limits.rebind_timeout;
        let mut writer = self.writer.lock().await;
        for route in table.routes() {
            let Some(port) = route.port else { continue };
            match bind_until(self.port_address(port), deadline).await {
                Ok(listener) => {
                    writer.ports.insert(port, self.serve_port(listener, port));
                }
                Err(error) => self.warn(format!("{} has no port {port}: {error}", route.host)),
            }
        }
        writer.table = Arc::new(table);
        writer.store = Some(Arc::new(Mutex::new(store)));
    }

    fn serve_port(self: &Arc<Self>, listener: TcpListener, port: u16) -> PortListener {
        PortListener(self.spawn_accepting(Arc::clone(self).serve_public(listener, Origin::Port(port))))
    }

    fn port_address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address.ip(), port)
    }
}

/// Makes an accepted change durable.
async fn store(writer: &Writer, accepted: &Accepted) -> Result<(), StoreError> {
    let Some(store) = writer.store.clone() else {
        return Err(StoreError::NotReplaced(io::Error::other("the table was not read")));
    };
    let (table, accepted) = (Arc::clone(&writer.table), accepted.clone());
    let stored = tokio::task::spawn_blocking(move || lock(&store).add(&table, &accepted));
    stored.await.unwrap_or_else(|e| Err(StoreError::NotSettled(io::Error::other(e))))
}
