//! A deployment that goes well: what the benchmark and the instruction count run.

use std::sync::Arc;

use deploy_core::command::{Input, Report};
use deploy_core::deployment::Deployment;
use deploy_core::detect::Detection;
use deploy_core::effect::EffectKind;
use deploy_core::id::{DeploymentId, Fence, ResourceId, Version};
use deploy_core::lifecycle::PhaseName;
use deploy_core::plan::{Draft, Output, StepKind};
use deploy_core::spec::Approval;
use deploy_core::testkit;
use deploy_core::time::Timestamp;
use deploy_core::wire::Envelope;

const AT: Timestamp = Timestamp::EPOCH;

fn plan() -> Draft {
    Draft::Ready(testkit::plan(vec![
        testkit::step("publish", PhaseName::Execute, StepKind::Act),
        testkit::step("check-candidate", PhaseName::Verify, StepKind::Check),
        testkit::step("switch", PhaseName::Verify, StepKind::Switch { needs_check: true }),
        testkit::step("check-public", PhaseName::Verify, StepKind::Check),
    ]))
}

/// The first event, the inputs, and the events they lead to.
pub(crate) fn happy() -> (Envelope, Vec<Input>, Vec<Envelope>) {
    let id = DeploymentId::new(uuid::Uuid::nil());
    let spec = Arc::new(testkit::spec(Approval::Automatic));
    let accepted = Deployment::accept(id, ResourceId::new(uuid::Uuid::nil()), spec, AT);
    let mut state = Deployment::replay([&accepted]).expect("a beginning");
    let (mut inputs, mut events) = (Vec::new(), Vec::new());
    while let Some(effect) = state.effects().into_iter().next() {
        let report = match effect.kind.clone() {
            EffectKind::Claim => Report::Claimed { live: Some(testkit::live()) },
            EffectKind::Inspect => Report::Inspected { detection: Arc::new(Detection::default()) },
            EffectKind::Draft => {
                Report::Drafted { draft: plan(), live: Some(testkit::live()), version: Version(2) }
            }
            EffectKind::Perform { step } | EffectKind::Probe { step } | EffectKind::Undo { step } => {
                Report::StepDone { step, output: Output::of(testkit::digest("made")) }
            }
        };
        let input = Input::Report { report, fence: Some(Fence(1)), at: AT };
        let decided = state.decide(&input).expect("a legal input");
        state = decided.iter().try_fold(state, Deployment::evolve).expect("decided events fold");
        inputs.push(input);
        events.extend(decided);
    }
    (accepted, inputs, events)
}
