//! What is asked, and how long it may take.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use deploy_core::time::Span;

/// Where a server listens. There is no name in it: nothing is left to resolve.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A TCP address and port where TLS is spoken, and the name that its certificate must be for.
    Tls(SocketAddr, String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Tls(address, name) => write!(f, "{address} ({name})"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One thing to ask.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The address that is connected to.
    pub address: Address,
    /// The `Host` header: the name of the site, with its port if it is not 80.
    pub host: String,
    /// The path, beginning with `/`, with a query if need be.
    pub path: String,
    /// How long one observation may take, from connecting to the last byte that is read.
    pub timeout: Span,
}
