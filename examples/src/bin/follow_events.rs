//! Follows the events of a run, loses the connection after each, and goes on where it was.

use std::error::Error;
use std::time::Duration;

use deploy_core::detect::AnyProject;
use deploy_core::engine::{Engine, Submission};
use deploy_core::id::{DeploymentId, Seq};
use deploy_core::port::WhenBusy;
use deploy_core::spec::{Actor, Spec};
use deploy_core::testkit::MemoryStore;
use deploy_core::wire::Envelope;
use deploy_examples::kiosk::Kiosk;
use deploy_source::SourceReader;

/// What a client does after it was away: everything after the last number it has seen, or the wait for more.
async fn next(engine: &Engine, id: DeploymentId, seen: Seq) -> Result<Option<Envelope>, Box<dyn Error>> {
    loop {
        if let Some(event) = engine.events(id, seen, 1).await?.pop() {
            return Ok(Some(event));
        }
        if engine.changed(id, seen, Duration::from_secs(30)).await?.status.is_ended() {
            return Ok(engine.events(id, seen, 1).await?.pop());
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let slides = std::env::args().nth(1).ok_or("which directory?")?;
    let engine = Engine::builder(MemoryStore::default(), SourceReader::default(), AnyProject)
        .executor(Kiosk::default())
        .build();
    let spec = Spec::directory("lobby".parse()?, "kiosk".parse()?, slides, Actor("porter".into()));
    let run = engine.submit(Submission { spec, idempotency_key: None, busy: WhenBusy::Refuse }).await?;

    let mut seen = Seq(0); // all that a client has to remember
    while let Some(envelope) = next(&engine, run.id, seen).await? {
        assert_eq!(envelope.sequence, seen.next(), "neither a gap nor a repetition");
        println!("{} {} ({})", envelope.sequence, envelope.event.name(), envelope.phase);
        seen = envelope.sequence;
    }
    Ok(())
}
