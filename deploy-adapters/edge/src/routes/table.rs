//! The pure part: deciding a change against the table as it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Expect, Refused, Route, RouteChange, Switched};
use crate::host::normalize_host;

/// Longest target name in bytes.
const MAX_TARGET_BYTES: usize = 256;

/// Targets whose epoch is remembered, at most. A remembered target costs about a hundred bytes.
const MAX_TARGETS: usize = 16_384;

/// All routes, and the highest epoch accepted per target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteTable {
    routes: BTreeMap<String, Route>,
    epochs: BTreeMap<String, u64>,
}

impl RouteTable {
    /// The route of a normalised host.
    pub fn get(&self, host: &str) -> Option<&Route> {
        self.routes.get(host)
    }

    /// All routes, by host.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.values()
    }

    /// The highest epoch accepted for a target; kept after its routes are gone.
    pub fn epoch(&self, target: &str) -> Option<u64> {
        self.epochs.get(target).copied()
    }

    /// Applies a change. On success the table is as it must be stored; on refusal it is untouched.
    ///
    /// Checks go from the fence outwards: a stale deployment learns that it is stale and nothing else.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn switch(&mut self, change: &RouteChange, max_routes: usize) -> Result<Switched, Refused> {
        let host = normalize_host(&change.host)?;
        self.check_fence(change)?;
        let before = self.routes.get(&host).cloned();
        if let Some(owned) = &before
            && owned.target != change.target
        {
            let owner = owned.target.clone();
            return Err(Refused::HostTaken { host, owner });
        }
        let after = wanted(change, &host);
        // A change that is already in place was applied before and its reply lost: its expectation was met then.
        if before != after {
            check_expectation(change, &host, before.as_ref())?;
        }
        self.check_room(change, &host, before.is_none() && after.is_some(), max_routes)?;

        self.epochs.insert(change.target.clone(), change.epoch);
        match &after {
            Some(route) => self.routes.insert(host, route.clone()),
            None => self.routes.remove(&host),
        };
        Ok(Switched { before, after })
    }

    /// What a table must satisfy that was read from disk: the laws `switch` keeps.
    pub(super) fn is_consistent(&self) -> bool {
        self.routes.iter().all(|(host, route)| {
            *host == route.host
                && normalize_host(host).as_ref() == Ok(host)
                && self.epoch(&route.target).is_some_and(|highest| route.epoch <= highest)
        })
    }

    fn check_fence(&self, change: &RouteChange) -> Result<(), Refused> {
        let target = &change.target;
        if target.is_empty() || target.len() > MAX_TARGET_BYTES || target.chars().any(char::is_control) {
            let target = target.chars().take(MAX_TARGET_BYTES).collect();
            return Err(Refused::InvalidTarget { target });
        }
        match self.epochs.get(target) {
            Some(&current) if change.epoch < current => {
                Err(Refused::StaleEpoch { target: target.clone(), epoch: change.epoch, current })
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

fn wanted(change: &RouteChange, host: &str) -> Option<Route> {
    change.to.map(|digest| Route {
        host: host.to_owned(),
        target: change.target.clone(),
        epoch: change.epoch,
        digest,
        fallback: change.fallback.clone(),
        port: change.port,
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
