//! One edge per directory: the lock, the control socket, and the record of where it listens.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::Instant;

use crate::bind::bind_until;
use crate::durable::{self, ReplaceError};
use crate::edge::{Listen, ServeError};
use crate::limits::Limits;

const LOCK_FILE: &str = "edge.lock";
const RECORD_FILE: &str = "edge.json";
const SOCKET_FILE: &str = "edge.sock";
const TABLE_FILE: &str = "routes.json";

/// Longest path of a unix socket in bytes (unix(7): 108 with the final NUL).
const MAX_SOCKET_PATH: usize = 107;

/// Where the control socket of the edge in `dir` is.
pub fn control_socket(dir: &Path) -> PathBuf {
    dir.join(SOCKET_FILE)
}

/// An edge's directory, held exclusively until dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    dir: PathBuf,
    /// Locked; the lock goes with the process, however it ends.
    _lock: File,
}

/// Where an edge listens; kept in its directory so that it listens there again after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    address: SocketAddr,
    pid: u32,
    version: String,
}

impl Instance {
    /// Creates `dir` if needed, closes it to other users and takes its lock.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, ServeError> {
        let failed = |action| move |e: io::Error| ServeError::io(action, &e);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o700)))
            .map_err(failed("prepare the edge's directory"))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(LOCK_FILE))
            .map_err(failed("open the lock file"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(ServeError::AlreadyRunning { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => Err(ServeError::io("lock the edge's directory", &error)),
        }
    }

    pub(crate) fn table_path(&self) -> PathBuf {
        self.dir.join(TABLE_FILE)
    }

    /// Opens the control socket. One that is there is stale: this process holds the lock.
    pub(crate) fn bind_control(&self) -> Result<UnixListener, ServeError> {
        let path = control_socket(&self.dir);
        if path.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(ServeError::SocketPathTooLong { path });
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ServeError::io("remove the stale control socket", &error));
            }
            Ok(()) | Err(_) => {}
        }
        let listener =
            UnixListener::bind(&path).map_err(|e| ServeError::io("open the control socket", &e))?;
        // Between bind and this the directory's mode keeps others out.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(|e| ServeError::io("protect the control socket", &e))?;
        Ok(listener)
    }

    /// Binds the public address and records it.
    ///
    /// An address this directory's edge had before is waited for, because its previous process may be just ending;
    /// a preferred address is only exchanged for another one on the very first start, so that links stay valid.
    pub(crate) async fn bind_public(
        &self,
        listen: Listen,
        limits: &Limits,
    ) -> Result<TcpListener, ServeError> {
        let recorded = self.recorded_address();
        let deadline = Instant::now() + limits.rebind_timeout;
        let (address, bound) = match (listen, recorded) {
            (Listen::Exact(address), Some(recorded)) if recorded == address => {
                (address, bind_until(address, deadline).await)
            }
            (Listen::Preferred(_), Some(recorded)) => (recorded, bind_until(recorded, deadline).await),
            (Listen::Exact(address), _) => (address, TcpListener::bind(address).await),
            (Listen::Preferred(address), None) => (address, bind_or_any_port(address).await),
        };
        let listener = bound.map_err(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                ServeError::AddressInUse { address }
            } else {
                ServeError::io(&format!("listen on {address}"), &error)
            }
        })?;
        self.record(&listener)?;
        Ok(listener)
    }

    fn recorded_address(&self) -> Option<SocketAddr> {
        // An unreadable record only means that another address may be chosen.
        let bytes = fs::read(self.dir.join(RECORD_FILE)).ok()?;
        serde_json::from_slice::<Record>(&bytes).ok().map(|record| record.address)
    }

    fn record(&self, listener: &TcpListener) -> Result<(), ServeError> {
        let failed = |e: &io::Error| ServeError::io("record the edge's address", e);
        let record = Record {
            address: listener.local_addr().map_err(|e| failed(&e))?,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let bytes = serde_json::to_vec(&record).map_err(|e| failed(&io::Error::from(e)))?;
        match durable::replace(&self.dir.join(RECORD_FILE), &bytes, || Ok(())) {
            Ok(()) => Ok(()),
            Err(ReplaceError::NotReplaced(error) | ReplaceError::NotSettled(error)) => Err(failed(&error)),
        }
    }
}

async fn bind_or_any_port(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::new(address.ip(), 0)).await
        }
        result => result,
    }
}
