//! Sends a host to an upstream: `proxy <upstream address> <host> [address] [other routes]`.
//!
//! The other routes go to the same upstream; they show what a large table costs. State lives in a temporary directory
//! that is removed at the end. Stop it with Ctrl-C.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Instant;

use deploy_edge::{Config, Digest, Edge, EdgeClient, Limits, Listen, RouteChange, Upstream};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(upstream), Some(host)) = (arguments.next(), arguments.next()) else {
        return Err("usage: proxy <upstream address> <host> [address] [other routes]".into());
    };
    let address = arguments.next().unwrap_or("127.0.0.1:0".to_owned()).parse()?;
    let others = arguments.next().map_or(Ok(0), |n| n.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(upstream.parse()?, &host, address, others))
}

async fn run(
    upstream: SocketAddr,
    host: &str,
    address: SocketAddr,
    others: u32,
) -> Result<(), Box<dyn Error>> {
    let state = tempfile::tempdir()?;
    let edge = Edge::start(Config {
        dir: state.path().join("edge"),
        releases: state.path().join("releases"),
        listen: Listen::Preferred(address),
        trusted_proxies: Vec::new(),
        limits: Limits { connections: 4096, ..Limits::default() },
    })
    .await?;
    let client = EdgeClient::new(edge.control_socket());
    let change = |host: &str, release: &str| RouteChange {
        host: host.to_owned(),
        target: format!("{host}@production"),
        epoch: 1,
        to: Some(Digest::of(release.as_bytes())),
        fallback: None,
        port: None,
        upstream: Some(Upstream::at(upstream)),
        drain_ms: None,
        expect: None,
    };
    let started = Instant::now();
    for n in 0..others {
        client.switch(&change(&format!("host-{n}.example"), "one")).await?;
    }
    println!("{others} other routes in {:?}", started.elapsed());
    client.switch(&change(host, "one")).await?;
    let started = Instant::now();
    for n in 0..100 {
        client.switch(&change(host, &n.to_string())).await?;
    }
    println!("one switch: {:?} on average", started.elapsed() / 100);
    println!("serving http://{}/ for host {host}, process {}", edge.public_addr(), std::process::id());

    tokio::signal::ctrl_c().await?;
    edge.stop().await;
    Ok(())
}
