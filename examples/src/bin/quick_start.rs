//! Embeds the whole engine: a store, the static target and a data plane, in one process.

use std::{env, error::Error, sync::Arc};

use deploy_core::engine::{Engine, Submission, SystemClock};
use deploy_core::port::WhenBusy;
use deploy_core::spec::{Actor, Spec};
use deploy_detect::Catalogue;
use deploy_edge::{Config, Edge, Listen};
use deploy_source::SourceReader;
use deploy_static::{StaticConfig, StaticExecutor};
use deploy_store_sqlite::SqliteStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (site, state) =
        (env::args().nth(1).ok_or("which directory?")?, env::temp_dir().join("deploy-quick-start"));
    let (releases, work) = (state.join("releases"), state.join("work"));
    let listen = Listen::Preferred("127.0.0.1:0".parse()?);
    let edge = Edge::start(Config {
        dir: state.join("edge"),
        releases: releases.clone(),
        listen,
        trusted_proxies: Vec::new(),
        limits: Default::default(),
    })
    .await?;
    let target = StaticConfig {
        releases,
        work,
        edge_socket: edge.control_socket().into(),
        edge_address: Some(edge.public_addr()),
    };
    let target = StaticExecutor::new(target, Arc::new(SourceReader::default()), Arc::new(SystemClock));
    let store = SqliteStore::open(&state.join("store"), Default::default())?;
    let engine = Engine::builder(store, SourceReader::default(), Catalogue::new()).executor(target).build();
    engine.recover().await?; // whatever a crash left unfinished goes on

    let spec = Spec::directory("web".parse()?, "static".parse()?, site, Actor("quick start".into()));
    let plan = engine.preview(&spec).await?; // changes nothing
    println!(
        "{:?}: {} steps, {} reasons why not",
        plan.readiness.status,
        plan.steps.len(),
        plan.blocked_reasons.len()
    );
    let run = engine.submit(Submission { spec, idempotency_key: None, busy: WhenBusy::Refuse }).await?; // durable
    let end = engine.rested(run.id).await?;
    println!("{} {:?} {:?}", end.status.as_str(), end.live_now, end.failure.map(|failure| failure.message));
    Ok(())
}
