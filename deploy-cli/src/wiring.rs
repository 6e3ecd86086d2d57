//! Plugging the adapters into the engine.

use std::net::SocketAddr;
use std::sync::Arc;

use deploy_core::engine::{Previewer, SystemClock};
use deploy_core::port::{Clock, Executor, Sources};
use deploy_detect::Catalogue;
use deploy_source::Directories;
use deploy_static::{StaticConfig, StaticExecutor};
use serde::Deserialize;

use crate::state::State;

/// Where the data plane listens unless it is told otherwise.
pub(crate) const EDGE_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7480);

/// The static target of a state directory.
pub(crate) fn static_executor(state: &State) -> StaticExecutor {
    let config = StaticConfig {
        releases: state.releases(),
        work: state.work(),
        edge_socket: deploy_edge::control_socket(&state.edge()),
        edge_address: Some(edge_address(state)),
    };
    let sources: Arc<dyn Sources> = Arc::new(Directories::default());
    StaticExecutor::new(config, sources, Arc::new(SystemClock))
}

/// The address the edge recorded, else the one it will try first.
fn edge_address(state: &State) -> SocketAddr {
    #[derive(Deserialize)]
    struct Recorded {
        address: SocketAddr,
    }
    let text = std::fs::read(state.edge().join("edge.json")).ok();
    let recorded = text.and_then(|text| serde_json::from_slice::<Recorded>(&text).ok());
    recorded.map_or(EDGE_ADDRESS, |recorded| recorded.address)
}

/// Previews without a control plane.
pub(crate) fn previewer(state: &State) -> Previewer {
    let executors: Vec<Arc<dyn Executor>> = vec![Arc::new(static_executor(state))];
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Previewer::from_parts(Arc::new(Directories::default()), Arc::new(Catalogue::default()), executors, clock)
}
