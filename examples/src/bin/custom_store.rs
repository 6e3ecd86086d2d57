//! Runs the engine over a store of your own (`src/audited.rs`): the auditor refuses twice, and nothing is lost.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use deploy_core::detect::AnyProject;
use deploy_core::engine::{Engine, Submission};
use deploy_core::port::WhenBusy;
use deploy_core::spec::{Actor, Spec};
use deploy_core::testkit::MemoryStore;
use deploy_core::wire::Envelope;
use deploy_examples::{audited::Audited, kiosk::Kiosk};
use deploy_source::SourceReader;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let slides = std::env::args().nth(1).ok_or("which directory?")?;
    let asked = AtomicU32::new(0);
    let auditor = move |event: &Envelope| match asked.fetch_add(1, Ordering::Relaxed) {
        2 | 3 => Err("the auditor is out for lunch".to_owned()),
        _ => {
            println!("audited {} {}", event.sequence, event.event.name());
            Ok(())
        }
    };
    let store = Audited(MemoryStore::default(), Arc::new(auditor));
    let engine =
        Engine::builder(store, SourceReader::default(), AnyProject).executor(Kiosk::default()).build();

    let spec = Spec::directory("lobby".parse()?, "kiosk".parse()?, slides, Actor("porter".into()));
    let run = engine.submit(Submission { spec, idempotency_key: None, busy: WhenBusy::Refuse }).await?;
    println!("{}", engine.rested(run.id).await?.status.as_str());
    Ok(())
}
