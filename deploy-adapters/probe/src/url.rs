//! From a URL that somebody typed to a target with a checked address.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use deploy_core::time::Span;
use http::Uri;
use thiserror::Error;
use tokio::time::timeout;

use crate::address::{AddressPolicy, classify};
use crate::target::{Address, Target};

/// The longest URL that is read.
const URL_BYTES: usize = 2_048;

/// How many addresses of one name are looked at.
const ADDRESSES: usize = 32;

/// Why a URL can't be checked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It is not a URL that can be asked over plain HTTP.
    #[error("{url:?} can't be checked: {why}")]
    Invalid {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Its host has no address.
    #[error("{host} does not resolve: {why}")]
    Unresolved {
        /// The host.
        host: String,
        /// What the resolver says.
        why: String,
    },
    /// Its address may not be connected to.
    #[error("{host} is {address}, which may not be connected to ({why})")]
    Refused {
        /// The host.
        host: String,
        /// The address it resolves to.
        address: SocketAddr,
        /// What kind of address that is.
        why: String,
    },
}

/// The parts of a URL that matter to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// The host, without brackets.
    pub host: String,
    /// Whether TLS is spoken: `https`.
    pub tls: bool,
    /// The port; 80, or 443 with TLS, when there is none.
    pub port: u16,
    /// The `Host` header.
    pub authority: String,
    /// The path and the query.
    pub path: String,
}

impl HttpUrl {
    /// Reads `http://host[:port][/path]` or `https://`. A user name, another scheme or anything odd is refused, not interpreted.
    ///
    /// # Errors
    /// [`UrlError::Invalid`].
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let invalid = |why| UrlError::Invalid { url: url.chars().take(200).collect(), why };
        if url.len() > URL_BYTES {
            return Err(invalid("it is too long"));
        }
        // Readers differ on these; whoever writes them wants them to.
        if url.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace() || !c.is_ascii()) {
            return Err(invalid("it holds a backslash, a space or a character outside ASCII"));
        }
        let uri: Uri = url.parse().map_err(|_| invalid("it is not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(invalid("it does not begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| invalid("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("it holds a user name"));
        }
        // Read here, because the parser takes a port that is too large for none.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => Some(if tls { 443 } else { 80 }),
            Some(port) => port.strip_prefix(':').and_then(|port| port.parse().ok()),
            None => None,
        };
        let port = port.ok_or_else(|| invalid("its port is not a number up to 65535"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains('%') {
            return Err(invalid("it has no plain host"));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host: host.to_owned(), tls, port, authority: authority.to_string(), path })
    }
}

/// Finds the addresses of a host.
pub trait Resolve {
    /// The addresses of `host`, each with `port`.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// The resolver of the operating system. Names below `localhost` are this machine (RFC 6761, section 6.3), also where
/// that does not know it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match tokio::net::lookup_host((host, port)).await {
            Ok(addresses) => Ok(addresses.take(ADDRESSES).collect()),
            Err(_) if is_local(host) => Ok(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)]),
            Err(error) => Err(error),
        }
    }
}

fn is_local(host: &str) -> bool {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase().ends_with(".localhost")
}

/// Resolves the host of a URL once, refuses it if *any* of its addresses may not be connected to, and gives the target
/// at the first of them.
///
/// # Errors
/// See [`UrlError`].
pub async fn resolve_and_check(
    url: &str,
    policy: &AddressPolicy,
    resolver: &impl Resolve,
    within: Span,
) -> Result<Target, UrlError> {
    let HttpUrl { host, tls, port, authority, path } = HttpUrl::parse(url)?;
    let unresolved = |why: String| UrlError::Unresolved { host: host.clone(), why };
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => timeout(within.as_duration(), resolver.resolve(&host, port))
            .await
            .map_err(|_| unresolved("the resolver did not answer in time".to_owned()))?
            .map_err(|error| unresolved(error.to_string()))?,
    };
    if let Some(&address) = addresses.iter().find(|address| !policy.allows(**address)) {
        let why = format!("{:?}", classify(address.ip())).to_lowercase();
        return Err(UrlError::Refused { host, address, why });
    }
    let address = *addresses.first().ok_or_else(|| unresolved("it has no address".to_owned()))?;
    let address = if tls { Address::Tls(address, host) } else { Address::Tcp(address) };
    Ok(Target { address, host: authority, path, timeout: within })
}
