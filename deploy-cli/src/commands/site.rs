//! `site`: publishing and serving one finished site inside a container. There is no control plane beside it: the
//! edge that serves it has one route, which leads to the site whatever host is asked for.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use deploy_edge::{Config, Digest, Edge, EdgeClient, Limits, Listen, PublishRequest, RouteChange, publish};

use super::{serving, trace};
use crate::args::SiteCommand;
use crate::exit::{Exit, Failed};

/// The port inside the container.
const PORT: u16 = 80;
/// The only directory of a container that must be writable.
const RUN: &str = "/run/deploy";
/// The name of the one route. Nobody asks for it: the port leads there.
const HOST: &str = "site.internal";

pub(crate) fn site(command: SiteCommand) -> Result<Exit, Failed> {
    trace();
    match command {
        SiteCommand::Publish { site, releases } => {
            let published = publish(&PublishRequest::new(&site, &releases, "image"));
            published
                .map(|_| Exit::Done)
                .map_err(|error| Failed::usage(error.code(), error.to_string()).hint(error.remedy()))
        }
        SiteCommand::Serve { releases, fallback } => serving(serve(releases, fallback)),
    }
}

async fn serve(releases: PathBuf, fallback: Option<String>) -> Result<Exit, Failed> {
    let digest = only(&releases).map_err(|error| Failed::internal("find the site", error))?;
    let config = Config {
        dir: PathBuf::from(RUN),
        releases,
        listen: Listen::Exact(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        trusted_proxies: Vec::new(),
        limits: Limits::default(),
    };
    let edge = Edge::start(config).await;
    let edge = edge.map_err(|error| Failed::usage(error.code(), error.to_string()).hint(error.remedy()))?;
    let change = RouteChange {
        host: HOST.to_owned(),
        target: "site".to_owned(),
        epoch: 1,
        to: Some(digest),
        fallback,
        port: Some(PORT),
        upstream: None,
        drain_ms: None,
        expect: None,
    };
    let routed = EdgeClient::new(edge.control_socket()).switch(&change).await;
    routed.map_err(|error| Failed::usage(error.code(), error.to_string()).hint(error.remedy()))?;
    super::serve::asked_to_end().await;
    edge.stop().await;
    Ok(Exit::Done)
}

/// The one release that is there.
fn only(releases: &Path) -> io::Result<Digest> {
    let names = std::fs::read_dir(releases)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut digests = names.filter_map(|name| format!("sha256:{name}").parse().ok());
    match (digests.next(), digests.next()) {
        (Some(digest), None) => Ok(digest),
        (None, _) | (Some(_), Some(_)) => Err(io::Error::other("there is not exactly one site")),
    }
}
