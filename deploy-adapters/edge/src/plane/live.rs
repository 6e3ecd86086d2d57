//! The routes as requests see them.

use std::collections::HashMap;
use std::sync::Arc;

use super::hold::Hold;
use crate::digest::Digest;
use crate::proxy::Backend;
use crate::routes::Route;
use crate::site::Site;

/// A route and what answers it. Never changes: a changed route is another one of these.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) route: Arc<Route>,
    pub(crate) source: Source,
    /// Set while the route is paused.
    pub(crate) hold: Option<Arc<Hold>>,
}

/// What answers a route.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The files of a release.
    Site(Arc<Site>),
    /// The process of a release.
    Upstream(Arc<Backend>),
    /// Nothing: the release could not be loaded when the edge started.
    Missing,
}

impl Source {
    /// The process, if it is one.
    pub(crate) fn backend(&self) -> Option<&Arc<Backend>> {
        match self {
            Self::Upstream(backend) => Some(backend),
            Self::Site(_) | Self::Missing => None,
        }
    }
}

impl Live {
    pub(crate) fn new(route: Arc<Route>, source: Source) -> Self {
        let hold = route.paused.map(|pause| Arc::new(Hold::new(pause)));
        Self { route, source, hold }
    }
}

/// All live routes, found by host or by port in constant time.
#[derive(Debug, Default)]
pub(crate) struct LiveRoutes {
    by_host: HashMap<String, Arc<Live>>,
    by_port: HashMap<u16, Arc<Live>>,
}

impl LiveRoutes {
    /// Puts a route in the place of the one its host had, which is returned.
    pub(crate) fn insert(&mut self, live: Live) -> Option<Arc<Live>> {
        let before = self.remove(&live.route.host);
        let live = Arc::new(live);
        if let Some(port) = live.route.port {
            self.by_port.insert(port, Arc::clone(&live));
        }
        self.by_host.insert(live.route.host.clone(), live);
        before
    }

    pub(crate) fn remove(&mut self, host: &str) -> Option<Arc<Live>> {
        let before = self.by_host.remove(host)?;
        if let Some(port) = before.route.port {
            self.by_port.remove(&port);
        }
        Some(before)
    }

    pub(crate) fn by_host(&self, host: &str) -> Option<&Arc<Live>> {
        self.by_host.get(host)
    }

    pub(crate) fn by_port(&self, port: u16) -> Option<&Arc<Live>> {
        self.by_port.get(&port)
    }

    /// By host.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let mut routes: Vec<Route> = self.by_host.values().map(|live| Route::clone(&live.route)).collect();
        routes.sort_unstable_by(|a, b| a.host.cmp(&b.host));
        routes
    }

    /// A release some route has loaded.
    pub(crate) fn site(&self, digest: &Digest) -> Option<Arc<Site>> {
        self.by_host.values().find_map(|live| match &live.source {
            Source::Site(site) if site.digest == *digest => Some(Arc::clone(site)),
            Source::Site(_) | Source::Upstream(_) | Source::Missing => None,
        })
    }

    /// The upstreams that get requests, with whether their route is paused.
    pub(crate) fn backends(&self) -> impl Iterator<Item = (&Arc<Backend>, bool)> {
        self.by_host.values().filter_map(|live| Some((live.source.backend()?, live.hold.is_some())))
    }
}
