//! Publishes a directory and serves it under every given host: `serve_dir <directory> <host> [address]`.
//!
//! State lives in a temporary directory that is removed at the end. Stop it with Ctrl-C.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use deploy_edge::{Config, Edge, EdgeClient, Limits, Listen, PublishRequest, RouteChange, publish};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(source), Some(host)) = (arguments.next(), arguments.next()) else {
        return Err("usage: serve_dir <directory> <host> [address]".into());
    };
    let address = arguments.next().unwrap_or("127.0.0.1:0".to_owned()).parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(source.into(), host, address))
}

async fn run(source: PathBuf, host: String, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let state = tempfile::tempdir()?;
    let releases = state.path().join("releases");
    let published = {
        let releases = releases.clone();
        tokio::task::spawn_blocking(move || publish(&PublishRequest::new(&source, &releases, "example")))
            .await??
    };
    println!("published {published:?}");

    let config = Config {
        dir: state.path().join("edge"),
        releases,
        listen: Listen::Preferred(address),
        trusted_proxies: Vec::new(),
        limits: Limits::default(),
    };
    let edge = Edge::start(config).await?;
    let change = RouteChange {
        host: host.clone(),
        target: "example@production".to_owned(),
        epoch: 1,
        to: Some(published.digest),
        fallback: None,
        port: None,
        upstream: None,
        drain_ms: None,
        expect: None,
    };
    EdgeClient::new(edge.control_socket()).switch(&change).await?;
    println!("serving http://{}/ for host {host}, process {}", edge.public_addr(), std::process::id());

    tokio::signal::ctrl_c().await?;
    edge.stop().await;
    Ok(())
}
