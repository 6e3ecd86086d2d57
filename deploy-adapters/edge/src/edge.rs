//! Starting and stopping an edge.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::instance::{Instance, control_socket};
use crate::lifecycle::Phase;
use crate::limits::Limits;
use crate::plane::{Origin, Plane};
use crate::routes::{Store, TableError};

/// Files a process needs besides its connections.
const RESERVED_FILES: u64 = 128;

/// What an edge serves, and where.
#[derive(Debug, Clone)]
pub struct Config {
    /// The edge's own directory: lock, control socket, route table, recorded address. Closed to other users.
    pub dir: PathBuf,
    /// The directory that holds the releases, see [`mod@crate::publish`].
    pub releases: PathBuf,
    /// The public address.
    pub listen: Listen,
    /// Peers whose `X-Forwarded-*` and `Forwarded` headers are believed: the load balancer or TLS proxy in front of
    /// this edge. Normally none.
    pub trusted_proxies: Vec<IpNet>,
    /// Bounds.
    pub limits: Limits,
}

/// Which public address to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// This one or none.
    Exact(SocketAddr),
    /// The one this directory's edge had before; else this one; else the same host with a port the kernel chooses.
    Preferred(SocketAddr),
}

/// Why an edge could not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// Another edge serves this directory.
    #[error("an edge is already running in {dir:?}")]
    AlreadyRunning {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has the address.
    #[error("{address} is in use by another process")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The path of the control socket is longer than the system allows.
    #[error("the path of the control socket is too long: {path:?}")]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// The route table is not usable and there is no good copy of it.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Anything else the system refused.
    #[error("could not {action}: {reason}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        reason: String,
    },
}

impl ServeError {
    /// Stable, machine-readable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyRunning { .. } => "already_running",
            Self::AddressInUse { .. } => "address_in_use",
            Self::SocketPathTooLong { .. } => "socket_path_too_long",
            Self::Table(error) => error.code(),
            Self::Io { .. } => "io_error",
        }
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::AlreadyRunning { .. } => "Use the running one, or stop it first.",
            Self::AddressInUse { .. } => "Stop what uses the address, or choose another one.",
            Self::SocketPathTooLong { .. } => "Choose a state directory with a shorter path.",
            Self::Table(error) => error.remedy(),
            Self::Io { .. } => "Check the state directory and its permissions.",
        }
    }

    pub(crate) fn io(action: &str, error: &io::Error) -> Self {
        Self::Io { action: action.to_owned(), reason: error.to_string() }
    }
}

/// Serves until `shutdown` is ready or a stop is asked for through the control socket, then drains and returns.
///
/// Wants a tokio runtime with I/O and time, which only accepts connections and serves the control socket: one thread is
/// enough. Public requests are answered on threads of the edge's own, [`Limits::workers`]. Raises the process's
/// soft limit of open files to the hard one.
///
/// # Errors
/// [`ServeError`] if the edge cannot start.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let edge = Edge::start(config).await?;
    tokio::select! {
        () = shutdown => {}
        () = edge.stop_requested() => {}
    }
    edge.stop().await;
    Ok(())
}

/// Starts edges; see [`Edge::start`].
#[derive(Debug)]
pub struct Edge;

/// An edge that is serving. Dropping it without [`RunningEdge::stop`] ends it at once, like a crash would.
#[derive(Debug)]
pub struct RunningEdge {
    plane: Arc<Plane>,
    control: PathBuf,
    recovered_from: Option<TableError>,
    _instance: Instance,
}

impl Edge {
    /// Starts an edge in the current tokio runtime. When this returns, its routes are being served and its control
    /// socket answers.
    ///
    /// # Errors
    /// [`ServeError`]; nothing is left running then.
    pub async fn start(config: Config) -> Result<RunningEdge, ServeError> {
        let Config { dir, releases, listen, trusted_proxies, mut limits } = config;
        afford(&mut limits);
        let instance = Instance::acquire(&dir)?;
        let mut loaded = Store::load(&instance.table_path())?;
        let recovered_from = loaded.recovered_from.take();
        let public = instance.bind_public(listen, &limits).await?;
        let control = instance.bind_control()?;
        let address = public.local_addr().map_err(|e| ServeError::io("read the public address", &e))?;

        let plane = Plane::new(limits, address, releases, trusted_proxies)
            .map_err(|e| ServeError::io("start the worker threads", &e))?;
        let edge = RunningEdge {
            plane: Arc::clone(&plane),
            control: control_socket(&dir),
            recovered_from,
            _instance: instance,
        };
        if let Some(error) = &edge.recovered_from {
            plane.warn(format!("{error}; what could be made good is served, the last change may be missing"));
        }
        plane.restore(loaded).await;
        plane.spawn_accepting(Arc::clone(&plane).serve_public(public, Origin::Host));
        plane.spawn_accepting(Arc::clone(&plane).serve_control(control));
        Ok(edge)
    }
}

impl RunningEdge {
    /// The bound public address.
    pub fn public_addr(&self) -> SocketAddr {
        self.plane.address
    }

    /// Where the control socket is.
    pub fn control_socket(&self) -> &Path {
        &self.control
    }

    /// Set if the route table was damaged and what could be made good of it is being served: what was wrong.
    pub fn recovered_from(&self) -> Option<&TableError> {
        self.recovered_from.as_ref()
    }

    /// Returns once a stop is asked for through the control socket.
    pub async fn stop_requested(&self) {
        self.plane.stop_requested.notified().await;
    }

    /// Stops accepting, lets responses in flight end for at most the drain limit, and closes everything.
    /// The address and the directory can be used again when this returns.
    pub async fn stop(self) {
        self.plane.drain().await;
    }
}

impl Drop for RunningEdge {
    fn drop(&mut self) {
        self.plane.phase.send_replace(Phase::Closed);
    }
}

/// Lowers the numbers of connections and of proxied requests to what the process may open: a socket and a file for
/// each connection, a socket for each request.
fn afford(limits: &mut Limits) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Refusal is fine: the numbers follow what the limit is afterwards.
    let _ = setrlimit(Resource::Nofile, raised);
    if let Some(files) = getrlimit(Resource::Nofile).current {
        let third = usize::try_from(files.saturating_sub(RESERVED_FILES) / 3).unwrap_or(usize::MAX).max(1);
        limits.connections = limits.connections.min(third);
        limits.proxied_requests = limits.proxied_requests.min(third);
    }
}
