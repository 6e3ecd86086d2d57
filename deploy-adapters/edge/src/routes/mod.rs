//! The route table: which host answers with which release, and the fence that keeps late writers out.
//!
//! # The fence
//!
//! Every change carries the epoch of the deployment that makes it. Per target the table remembers the highest epoch
//! it ever accepted, also after the target's last route is gone, and refuses a lower one. Deployments of one target
//! get strictly growing epochs, so once a newer one has touched the table, nothing an older one still sends has any
//! effect, however late it arrives. An equal epoch is the same deployment: repeating its change is answered as done
//! (its first reply may have been lost), and it may change its mind (restore the previous release).

mod changes;
mod file;
mod store;
mod table;
mod upstream;

use serde::{Deserialize, Serialize};

pub use file::TableError;
pub use table::RouteTable;
pub use upstream::{Protocol, Upstream};

pub(crate) use store::{Loaded, Store, StoreError};
pub(crate) use table::{Accepted, check_upstream};

use crate::digest::Digest;

/// One route: requests for `host` are answered by the release `digest`, from its files or by the process it runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Normalised host name, see [`crate::host::normalize_host`].
    pub host: String,
    /// Who owns the route, for instance `web@production`.
    pub target: String,
    /// Epoch of the deployment that made it.
    pub epoch: u64,
    /// The release that answers.
    pub digest: Digest,
    /// Single-page applications: the file of the release that answers navigation requests nothing else matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// A port on which this route also answers, whatever the request's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where the release answers itself; without it, its files are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// Requests are held instead of answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
}

/// How requests of a paused route are held. Whatever goes over a bound gets 503 with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// How long one request is held at most, in milliseconds: 1 to [`Pause::MAX_HOLD_MS`].
    pub hold_ms: u64,
    /// How many requests are held at once, at least 1.
    pub requests: usize,
}

impl Pause {
    /// The longest a request can be held: ten minutes.
    pub const MAX_HOLD_MS: u64 = 600_000;
}

/// A wanted pause of one route, or its end. A pause also ends with the next switch: the requests held are then
/// answered by the release that was switched to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseChange {
    /// The host; normalised on arrival.
    pub host: String,
    /// Who asks; must own the host's route.
    pub target: String,
    /// Epoch of the deployment that asks.
    pub epoch: u64,
    /// How to hold requests, or `None` to resume.
    #[serde(default)]
    pub pause: Option<Pause>,
}

/// A wanted change of one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteChange {
    /// The host; normalised on arrival.
    pub host: String,
    /// Who asks; must own the host's route, if there is one.
    pub target: String,
    /// Epoch of the deployment that asks.
    pub epoch: u64,
    /// The release to switch to, or `None` to remove the route.
    #[serde(default)]
    pub to: Option<Digest>,
    /// See [`Route::fallback`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// See [`Route::port`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// See [`Route::upstream`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// How long requests that the replaced upstream has accepted may still take, in milliseconds; then they are cut.
    /// Without it, [`crate::Limits::drain`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
    /// Only change the route if it is what the asker believes it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// What a route is believed to be before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// There is no route for the host.
    Absent,
    /// The host answers from this release.
    Release(Digest),
}

/// An accepted change, durable when this is returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// The route before; equal to `after` when there was nothing to do.
    pub before: Option<Route>,
    /// The route now.
    pub after: Option<Route>,
}

/// Why a change was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A newer deployment of the target has been here.
    #[error("epoch {epoch} of {target:?} is behind epoch {current}")]
    StaleEpoch {
        /// The target.
        target: String,
        /// The refused epoch.
        epoch: u64,
        /// The highest epoch accepted for the target.
        current: u64,
    },
    /// The host belongs to another target.
    #[error("host {host} belongs to {owner:?}")]
    HostTaken {
        /// The host.
        host: String,
        /// Its owner.
        owner: String,
    },
    /// There is no route to pause or resume.
    #[error("there is no route for {host}")]
    Unknown {
        /// The host.
        host: String,
    },
    /// The change contradicts itself or is out of bounds.
    #[error("the change is not valid: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// The text is not a host name.
    #[error(transparent)]
    InvalidHost(#[from] crate::host::InvalidHost),
    /// The target's name is empty, too long or contains control characters.
    #[error("the target name {target:?} is empty, too long or contains control characters")]
    InvalidTarget {
        /// The name.
        target: String,
    },
    /// The route is not what the asker expected.
    #[error("the route of {host} is not what was expected")]
    UnexpectedCurrent {
        /// The host.
        host: String,
        /// What it is.
        current: Option<Box<Route>>,
    },
    /// The port belongs to another route or another process, or is not a port.
    #[error("port {port} cannot be used: {reason}")]
    PortInUse {
        /// The port.
        port: u16,
        /// By whom, or what the system said.
        reason: String,
    },
    /// The table has as many routes, or remembers as many targets, as it may.
    #[error("the route table is full ({limit} {what})")]
    TableFull {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}

impl Refused {
    /// Stable, machine-readable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::StaleEpoch { .. } => "stale_epoch",
            Self::HostTaken { .. } => "host_taken",
            Self::Unknown { .. } => "route_unknown",
            Self::Invalid { .. } => "invalid_change",
            Self::InvalidHost(_) => "invalid_host",
            Self::InvalidTarget { .. } => "invalid_target",
            Self::UnexpectedCurrent { .. } => "unexpected_current",
            Self::PortInUse { .. } => "port_in_use",
            Self::TableFull { .. } => "route_table_full",
        }
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::StaleEpoch { .. } => "Nothing: a newer deployment of this target has taken over.",
            Self::HostTaken { .. } => "Choose another host, or remove the route of its owner first.",
            Self::Unknown { .. } => "Check the host, or route it first.",
            Self::Invalid { .. } => "Correct what the message names.",
            Self::InvalidHost(_) => "Give a plain host name; internationalised names in their xn-- form.",
            Self::InvalidTarget { .. } => "Give a printable target name of at most 256 bytes.",
            Self::UnexpectedCurrent { .. } => "Read the route again and decide anew.",
            Self::PortInUse { .. } => "Choose another port, or stop what uses this one.",
            Self::TableFull { .. } => "Remove routes that are no longer needed, or raise the limit.",
        }
    }
}
