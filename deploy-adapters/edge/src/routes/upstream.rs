//! Where a release answers that runs as a process of its own.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Most addresses of one upstream.
const MAX_ADDRESSES: usize = 16;

/// Where the instances of one release answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Addresses, 1 to 16. All are equal: requests go to them in turn, and one that refuses a connection is skipped.
    pub addresses: Vec<SocketAddr>,
    /// What they speak.
    #[serde(default)]
    pub protocol: Protocol,
}

/// The protocol between the edge and an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, by prior knowledge (RFC 9113 section 3.3). Upgrades (WebSocket) are not possible then.
    Http2,
}

impl Upstream {
    /// The upstream at one address that speaks HTTP/1.1.
    pub fn at(address: SocketAddr) -> Self {
        Self { addresses: vec![address], protocol: Protocol::Http1 }
    }

    /// What is wrong with it, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        if self.addresses.is_empty() || self.addresses.len() > MAX_ADDRESSES {
            return Some(format!("an upstream has 1 to {MAX_ADDRESSES} addresses"));
        }
        let bad =
            self.addresses.iter().find(|a| a.port() == 0 || a.ip().is_unspecified() || a.ip().is_multicast());
        bad.map(|address| format!("{address} is not the address of a process"))
    }
}
