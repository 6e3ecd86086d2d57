//! Handles a blocked plan in code: takes the value that a reason offers, and plans again.

use std::error::Error;
use std::sync::Arc;

use deploy_core::engine::{Previewer, SystemClock};
use deploy_core::plan::PlanDocument;
use deploy_core::port::Executor;
use deploy_core::reason::ReasonCode;
use deploy_core::spec::{Actor, Spec};
use deploy_detect::Catalogue;
use deploy_examples::kiosk::Kiosk;
use deploy_source::SourceReader;

/// What a program does about a reason: mend the request, or tell a person.
fn mend(spec: &mut Spec, plan: &PlanDocument) -> bool {
    let mut mended = false;
    for reason in &plan.blocked_reasons {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a program mends what it knows")]
        match reason.code {
            ReasonCode::BaseDirectoryMissing => {
                spec.profile.source.base_directory = None;
                mended = true;
            }
            ReasonCode::UnsupportedTarget => {
                spec.target = "kiosk".parse().unwrap_or_else(|_| spec.target.clone());
                mended = true;
            }
            other => {
                println!("for a person: {}: {} ({})", other.code(), reason.message, other.fix());
            }
        }
    }
    mended
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let site = std::env::args().nth(1).ok_or("which directory?")?;
    let targets: Vec<Arc<dyn Executor>> = vec![Arc::new(Kiosk::default())];
    let (sources, catalogue) = (Arc::new(SourceReader::default()), Arc::new(Catalogue::new()));
    let previewer = Previewer::from_parts(sources, catalogue, targets, Arc::new(SystemClock));

    let mut spec = Spec::directory("web".parse()?, "kiosc".parse()?, site, Actor("planner".into()));
    spec.profile.source.base_directory = Some("pages".into());
    loop {
        let plan = previewer.preview(&spec, None).await;
        let codes: Vec<&str> = plan.blocked_reasons.iter().map(|reason| reason.code.code()).collect();
        println!("{:?} {codes:?}, {} steps", plan.readiness.status, plan.steps.len());
        if codes.is_empty() || !mend(&mut spec, &plan) {
            return Ok(());
        }
    }
}
