//! Passing requests on to the process a release runs as.
//!
//! One request is one *flight*: counted when it finds its route, and over when the last byte of its response, or the
//! last byte of its upgraded connection, is through. A release can be stopped when it gets no new flights and has
//! none left.
//!
//! A request is sent to an upstream once. It is sent again only if the connection turns out to have been closed
//! before: if nothing of the request was written, whatever the request; if something was but not a byte of a response
//! came back, only if the request is idempotent (RFC 9110 section 9.2.2), has no body, and went over a connection that
//! had been kept. So no POST is ever done twice.

mod backend;
mod body;
mod connect;
mod forward;
mod headers;
mod pool;
mod tunnel;

use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;

use ipnet::IpNet;

use crate::limits::Limits;

pub(crate) use backend::{Backend, Flight};
pub(crate) use body::ResponseBody;
pub(crate) use connect::keep_alive;
pub(crate) use forward::forward;

/// What all upstreams of an edge share.
#[derive(Debug)]
pub(crate) struct Proxy {
    limits: Limits,
    trusted: Vec<IpNet>,
    /// Flights of all upstreams.
    in_flight: AtomicUsize,
}

impl Proxy {
    pub(crate) fn new(limits: Limits, trusted: Vec<IpNet>) -> Self {
        Self { limits, trusted, in_flight: AtomicUsize::new(0) }
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&peer))
    }
}
