//! The routes as requests see them: one immutable value, replaced as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use crate::digest::Digest;
use crate::routes::Route;
use crate::site::Site;

/// A route and the release it answers from.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) route: Route,
    /// `None` if the release could not be loaded when the edge started.
    pub(crate) site: Option<Arc<Site>>,
}

/// All live routes, found by host or by port.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveRoutes {
    by_host: HashMap<String, Arc<Live>>,
    by_port: HashMap<u16, Arc<Live>>,
}

impl LiveRoutes {
    pub(crate) fn insert(&mut self, route: Route, site: Option<Arc<Site>>) {
        self.remove(&route.host);
        let live = Arc::new(Live { route, site });
        if let Some(port) = live.route.port {
            self.by_port.insert(port, Arc::clone(&live));
        }
        self.by_host.insert(live.route.host.clone(), live);
    }

    pub(crate) fn remove(&mut self, host: &str) {
        let port = self.by_host.remove(host).and_then(|live| live.route.port);
        if let Some(port) = port {
            self.by_port.remove(&port);
        }
    }

    pub(crate) fn by_host(&self, host: &str) -> Option<&Arc<Live>> {
        self.by_host.get(host)
    }

    pub(crate) fn by_port(&self, port: u16) -> Option<&Arc<Live>> {
        self.by_port.get(&port)
    }

    pub(crate) fn route(&self, host: &str) -> Option<&Route> {
        self.by_host.get(host).map(|live| &live.route)
    }

    /// By host.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let mut routes: Vec<Route> = self.by_host.values().map(|live| live.route.clone()).collect();
        routes.sort_unstable_by(|a, b| a.host.cmp(&b.host));
        routes
    }

    /// A release some route has loaded.
    pub(crate) fn site(&self, digest: &Digest) -> Option<Arc<Site>> {
        let mut sites = self.by_host.values().filter_map(|live| live.site.as_ref());
        sites.find(|site| site.digest == *digest).cloned()
    }
}
