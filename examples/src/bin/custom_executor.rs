//! Deploys to a target of your own (`src/kiosk.rs`): a good slide, an empty one, and back.

use std::error::Error;
use std::path::Path;

use deploy_core::detect::AnyProject;
use deploy_core::engine::{Engine, Submission};
use deploy_core::port::WhenBusy;
use deploy_core::spec::{Actor, Spec};
use deploy_core::status::Status;
use deploy_core::testkit::MemoryStore;
use deploy_examples::kiosk::Kiosk;
use deploy_source::SourceReader;

async fn up(engine: &Engine, slides: &Path) -> Result<Status, Box<dyn Error>> {
    let actor = Actor("porter".into());
    let spec = Spec::directory("lobby".parse()?, "kiosk".parse()?, slides.to_string_lossy(), actor);
    let run = engine.submit(Submission { spec, idempotency_key: None, busy: WhenBusy::Refuse }).await?;
    Ok(engine.rested(run.id).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let slides = tempfile::tempdir()?;
    let kiosk = Kiosk::default();
    let engine = Engine::builder(MemoryStore::default(), SourceReader::default(), AnyProject)
        .executor(kiosk.clone())
        .build();
    for text in ["Welcome.", "", "Closed."] {
        std::fs::write(slides.path().join("slide.txt"), text)?;
        let end = up(&engine, slides.path()).await?;
        let failure = end.failure.map(|failure| format!(" in {}: {}", failure.phase, failure.message));
        println!("{text:?}: {}{}", end.status.as_str(), failure.unwrap_or_default());
        let world = kiosk.world();
        println!(
            "  the screen shows {:?}",
            world.screen.1.as_ref().and_then(|digest| world.slides.get(digest))
        );
    }
    Ok(())
}
