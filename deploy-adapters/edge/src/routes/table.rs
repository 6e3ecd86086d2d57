//! The pure part: deciding a change against the table as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Expect, Pause, PauseChange, Refused, Route, RouteChange, Switched, Upstream};
use crate::host::normalize_host;

/// Longest target name in bytes.
const MAX_TARGET_BYTES: usize = 256;

/// Targets whose epoch is remembered, at most. A remembered target costs about a hundred bytes.
const MAX_TARGETS: usize = 16_384;

/// All routes, and the highest epoch accepted per target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteTable {
    /// How many changes were ever applied; numbers the records of the log of changes.
    #[serde(default)]
    changes: u64,
    routes: BTreeMap<String, Arc<Route>>,
    epochs: BTreeMap<String, u64>,
}

/// A change that a table has accepted and that is not applied yet: first it must be durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Normalised.
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) epoch: u64,
    pub(crate) before: Option<Arc<Route>>,
    pub(crate) after: Option<Arc<Route>>,
}

impl Accepted {
    pub(crate) fn switched(&self) -> Switched {
        Switched { before: self.before.as_deref().cloned(), after: self.after.as_deref().cloned() }
    }
}

impl RouteTable {
    /// The route of a normalised host.
    pub fn get(&self, host: &str) -> Option<&Route> {
        self.routes.get(host).map(Arc::as_ref)
    }

    /// All routes, by host.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values()
    }

    /// The highest epoch accepted for a target; kept after its routes are gone.
    pub fn epoch(&self, target: &str) -> Option<u64> {
        self.epochs.get(target).copied()
    }

    /// How many changes were ever applied.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Decides a change; the table stays as it is until [`Self::apply`].
    ///
    /// Checks go from the fence outwards: a stale deployment learns that it is stale and nothing else.
    pub(crate) fn decide(&self, change: &RouteChange, max_routes: usize) -> Result<Accepted, Refused> {
        let host = normalize_host(&change.host)?;
        self.check_fence(&change.target, change.epoch)?;
        let before = self.owned(&host, &change.target)?;
        check_shape(change)?;
        let after = wanted(change, &host).map(Arc::new);
        // A change that is already in place was applied before and its reply lost: its expectation was met then.
        if before != after.as_ref() {
            check_expectation(change, &host, before.map(Arc::as_ref))?;
        }
        self.check_room(change, &host, before.is_none() && after.is_some(), max_routes)?;
        let before = before.cloned();
        Ok(Accepted { host, target: change.target.clone(), epoch: change.epoch, before, after })
    }

    /// Decides a pause or its end; the table stays as it is until [`Self::apply`].
    pub(crate) fn decide_pause(&self, change: &PauseChange) -> Result<Accepted, Refused> {
        let host = normalize_host(&change.host)?;
        self.check_fence(&change.target, change.epoch)?;
        let Some(before) = self.owned(&host, &change.target)?.cloned() else {
            return Err(Refused::Unknown { host });
        };
        if let Some(pause) = change.pause
            && (pause.requests == 0 || !(1..=Pause::MAX_HOLD_MS).contains(&pause.hold_ms))
        {
            let reason = format!("at least one request is held, for 1 to {} ms", Pause::MAX_HOLD_MS);
            return Err(Refused::Invalid { reason });
        }
        let after = Route { epoch: change.epoch, paused: change.pause, ..Route::clone(&before) };
        let after = Some(Arc::new(after));
        let (target, epoch) = (change.target.clone(), change.epoch);
        Ok(Accepted { host, target, epoch, before: Some(before), after })
    }

    /// Applies an accepted change: the only way a table changes.
    pub(crate) fn apply(&mut self, accepted: &Accepted) {
        self.changes += 1;
        self.epochs.insert(accepted.target.clone(), accepted.epoch);
        match &accepted.after {
            Some(route) => self.routes.insert(accepted.host.clone(), Arc::clone(route)),
            None => self.routes.remove(&accepted.host),
        };
    }

    /// What a table must satisfy that was read from disk: the laws `switch` keeps.
    pub(super) fn is_consistent(&self) -> bool {
        self.routes.iter().all(|(host, route)| {
            *host == route.host
                && normalize_host(host).as_ref() == Ok(host)
                && self.epoch(&route.target).is_some_and(|highest| route.epoch <= highest)
        })
    }

    /// The route of a host, unless it belongs to another target.
    fn owned(&self, host: &str, target: &str) -> Result<Option<&Arc<Route>>, Refused> {
        match self.routes.get(host) {
            Some(route) if route.target != target => {
                Err(Refused::HostTaken { host: host.to_owned(), owner: route.target.clone() })
            }
            route => Ok(route),
        }
    }

    fn check_fence(&self, target: &str, epoch: u64) -> Result<(), Refused> {
        if target.is_empty() || target.len() > MAX_TARGET_BYTES || target.chars().any(char::is_control) {
            let target = target.chars().take(MAX_TARGET_BYTES).collect();
            return Err(Refused::InvalidTarget { target });
        }
        match self.epochs.get(target) {
            Some(&current) if epoch < current => {
                Err(Refused::StaleEpoch { target: target.to_owned(), epoch, current })
            }
            None if self.epochs.len() >= MAX_TARGETS => {
                Err(Refused::TableFull { what: "targets", limit: MAX_TARGETS })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_room(
        &self,
        change: &RouteChange,
        host: &str,
        grows: bool,
        max_routes: usize,
    ) -> Result<(), Refused> {
        if grows && self.routes.len() >= max_routes {
            return Err(Refused::TableFull { what: "routes", limit: max_routes });
        }
        let Some(port) = change.port else {
            return Ok(());
        };
        let other = self.routes.values().find(|route| route.port == Some(port) && route.host != host);
        let reason = match other {
            Some(other) => format!("it belongs to the route of {}", other.host),
            None if port == 0 => "it is not a port".to_owned(),
            None => return Ok(()),
        };
        Err(Refused::PortInUse { port, reason })
    }
}

/// What a change may not ask for, whatever the table holds.
fn check_shape(change: &RouteChange) -> Result<(), Refused> {
    let Some(upstream) = &change.upstream else {
        return Ok(());
    };
    if change.to.is_none() {
        return Err(Refused::Invalid { reason: "an upstream without a release".to_owned() });
    }
    check_upstream(upstream, change.fallback.as_deref())
}

/// Whether requests can be sent to an upstream at all.
pub(crate) fn check_upstream(upstream: &Upstream, fallback: Option<&str>) -> Result<(), Refused> {
    let reason = match fallback {
        Some(_) => Some("a fallback is a file, and an upstream has none".to_owned()),
        None => upstream.problem(),
    };
    reason.map_or(Ok(()), |reason| Err(Refused::Invalid { reason }))
}

fn wanted(change: &RouteChange, host: &str) -> Option<Route> {
    change.to.map(|digest| Route {
        host: host.to_owned(),
        target: change.target.clone(),
        epoch: change.epoch,
        digest,
        fallback: change.fallback.clone(),
        port: change.port,
        upstream: change.upstream.clone(),
        paused: None,
    })
}

fn check_expectation(change: &RouteChange, host: &str, before: Option<&Route>) -> Result<(), Refused> {
    let met = match change.expect {
        None => true,
        Some(Expect::Absent) => before.is_none(),
        Some(Expect::Release(digest)) => before.is_some_and(|route| route.digest == digest),
    };
    if met {
        return Ok(());
    }
    Err(Refused::UnexpectedCurrent { host: host.to_owned(), current: before.cloned().map(Box::new) })
}

#[cfg(test)]
mod tests;
