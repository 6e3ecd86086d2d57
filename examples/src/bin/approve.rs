//! Runs only what somebody has seen: a plan waits until its fingerprint is approved.

use std::error::Error;
use std::time::Duration;

use deploy_core::command::Command;
use deploy_core::detect::AnyProject;
use deploy_core::engine::{Engine, EngineError, Submission};
use deploy_core::id::Digest;
use deploy_core::port::WhenBusy;
use deploy_core::spec::{Actor, Approval, Spec};
use deploy_core::status::StatusName;
use deploy_core::testkit::MemoryStore;
use deploy_examples::kiosk::Kiosk;
use deploy_source::SourceReader;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let slides = std::env::args().nth(1).ok_or("which directory?")?;
    let engine = Engine::builder(MemoryStore::default(), SourceReader::default(), AnyProject)
        .executor(Kiosk::default())
        .build();
    let actor = Actor("porter".into());
    let mut spec = Spec::directory("lobby".parse()?, "kiosk".parse()?, slides, actor);

    // What a person looks at. Nothing has happened yet.
    let preview = engine.preview(&spec).await?;
    preview.steps.iter().for_each(|step| println!("{}: {}", step.id, step.title));

    spec.approval = Approval::Required;
    let run = engine.submit(Submission { spec, idempotency_key: None, busy: WhenBusy::Refuse }).await?;
    let mut status = engine.status(run.id).await?;
    while status.status != StatusName::Planned {
        status = engine.changed(run.id, status.sequence, Duration::from_secs(30)).await?;
    }

    // Another plan's fingerprint is refused, and says which one waits.
    let approve = |fingerprint| Command::Approve { fingerprint };
    let manager = Actor("manager".into());
    match engine.send(run.id, approve(Digest::of(b"another plan")), manager.clone()).await {
        Err(EngineError::Rejected(rejection)) => println!("refused ({}): {rejection}", rejection.code()),
        other => return Err(format!("approved what nobody has seen: {other:?}").into()),
    }
    engine.send(run.id, approve(preview.fingerprint), manager).await?;
    println!("{}", engine.rested(run.id).await?.status.as_str());
    Ok(())
}
