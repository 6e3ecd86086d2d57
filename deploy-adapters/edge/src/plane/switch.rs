//! Changing a route: decide, open its port, make it durable, then let requests see it, in this order.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::live::LiveRoutes;
use super::public::Origin;
use super::{Plane, Site};
use crate::bind::bind_until;
use crate::lifecycle::Phase;
use crate::release::ReleaseError;
use crate::routes::{self, Refused, RouteChange, RouteTable, StoreError, Switched};

/// What only one change at a time may touch.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    table: RouteTable,
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
        let site = match &change.to {
            Some(digest) => {
                let site = self.load_site(digest).await?;
                check_fallback(&site, change.fallback.as_deref())?;
                Some(site)
            }
            None => None,
        };
        // In a task of its own: a caller that hangs up must not leave a change half made.
        let plane = Arc::clone(self);
        let applied = tokio::spawn(async move { plane.apply(&change, site).await });
        applied.await.map_err(|e| SwitchError::NotSettled { reason: e.to_string() })?
    }

    async fn apply(
        self: &Arc<Self>,
        change: &RouteChange,
        site: Option<Arc<Site>>,
    ) -> Result<Switched, SwitchError> {
        let mut writer = self.writer.lock().await;
        if *self.phase.borrow() == Phase::Closed {
            return Err(SwitchError::NotStored { reason: "the edge has stopped".to_owned() });
        }
        let mut next = writer.table.clone();
        let switched = next.switch(change, self.limits.routes)?;
        let opened = self.open_port(&writer, &switched).await?;
        let unsettled = match self.store(&next).await {
            Ok(()) => None,
            Err(StoreError::NotReplaced(error)) => {
                return Err(SwitchError::NotStored { reason: error.to_string() });
            }
            // What a reader of the file sees now must also be what visitors see.
            Err(StoreError::NotSettled(error)) => Some(SwitchError::NotSettled { reason: error.to_string() }),
        };
        writer.table = next;
        self.show(&switched, site);
        self.update_ports(&mut writer, opened);
        self.stats.switched();
        unsettled.map_or(Ok(switched), Err)
    }

    /// Binds the port the route needs and does not have yet, so that a refusal comes before anything is changed.
    async fn open_port(
        &self,
        writer: &Writer,
        switched: &Switched,
    ) -> Result<Option<(u16, TcpListener)>, Refused> {
        let wanted = switched.after.as_ref().and_then(|route| route.port);
        let Some(port) = wanted.filter(|port| !writer.ports.contains_key(port)) else {
            return Ok(None);
        };
        let refused = |e: io::Error| Refused::PortInUse { port, reason: e.to_string() };
        let listener = TcpListener::bind(self.port_address(port)).await.map_err(refused)?;
        Ok(Some((port, listener)))
    }

    async fn store(&self, table: &RouteTable) -> Result<(), StoreError> {
        let (path, table) = (self.table_path.clone(), table.clone());
        let stored = tokio::task::spawn_blocking(move || routes::store(&path, &table)).await;
        stored.unwrap_or_else(|e| Err(StoreError::NotSettled(io::Error::other(e))))
    }

    fn show(&self, switched: &Switched, site: Option<Arc<Site>>) {
        let mut next = LiveRoutes::clone(&self.live.load());
        match (&switched.after, &switched.before) {
            (Some(route), _) => next.insert(route.clone(), site),
            (None, Some(route)) => next.remove(&route.host),
            (None, None) => {}
        }
        self.live.store(Arc::new(next));
    }

    fn update_ports(self: &Arc<Self>, writer: &mut Writer, opened: Option<(u16, TcpListener)>) {
        if let Some((port, listener)) = opened {
            writer.ports.insert(port, self.serve_port(listener, port));
        }
        let Writer { table, ports } = writer;
        ports.retain(|port, _| table.routes().any(|route| route.port == Some(*port)));
    }

    /// Takes over a table read from disk and opens its ports.
    pub(super) async fn restore_writer(self: &Arc<Self>, table: RouteTable) {
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
        writer.table = table;
    }

    fn serve_port(self: &Arc<Self>, listener: TcpListener, port: u16) -> PortListener {
        PortListener(self.spawn_accepting(Arc::clone(self).serve_public(listener, Origin::Port(port))))
    }

    fn port_address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address.ip(), port)
    }
}
