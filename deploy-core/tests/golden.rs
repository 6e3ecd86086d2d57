//! Stored histories of schema 1: they replay on every later version to the recorded end. The files are
//! never edited; a new kind of event adds a new file.
//!
//! `UPDATE_GOLDEN=1 cargo test -p deploy-core --test golden` writes the files that are missing.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, not the pure part")]

use std::path::PathBuf;
use std::sync::Arc;

use deploy_core::command::{Command, Input, Report, StopMode};
use deploy_core::deployment::Deployment;
use deploy_core::detect::Detection;
use deploy_core::effect::EffectKind;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Fence, ResourceId, Version};
use deploy_core::lifecycle::PhaseName;
use deploy_core::plan::{Draft, Output, StepKind};
use deploy_core::spec::{Actor, Approval};
use deploy_core::testkit;
use deploy_core::time::Timestamp;
use deploy_core::wire::{Envelope, WireError, decode, encode};

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + second * 1_000)
}

fn plan() -> Draft {
    Draft::Ready(testkit::plan(vec![
        testkit::step("publish", PhaseName::Execute, StepKind::Act),
        testkit::step("check-candidate", PhaseName::Verify, StepKind::Check),
        testkit::step("switch", PhaseName::Verify, StepKind::Switch { needs_check: true }),
        testkit::step("check-public", PhaseName::Verify, StepKind::Check),
    ]))
}

/// Drives a deployment; `failing` names steps whose every attempt fails for good.
fn history(failing: &[&str], before: &[Input]) -> Vec<Envelope> {
    let id = DeploymentId::new(uuid::Uuid::from_u128(7));
    let spec = Arc::new(testkit::spec(Approval::Automatic));
    let accepted = Deployment::accept(id, ResourceId::new(uuid::Uuid::from_u128(8)), spec, at(0));
    let mut events = vec![accepted];
    let mut state = Deployment::replay(&events).unwrap();
    let take = |state: &mut Deployment, events: &mut Vec<Envelope>, input: &Input| {
        let decided = state.decide(input).unwrap();
        *state = decided.iter().try_fold(state.clone(), Deployment::evolve).unwrap();
        events.extend(decided);
    };
    for input in before {
        take(&mut state, &mut events, input);
    }
    let mut second = 1;
    while let Some(effect) = state.effects().into_iter().next() {
        let report = match effect.kind.clone() {
            EffectKind::Claim => Report::Claimed { live: Some(testkit::live()) },
            EffectKind::Inspect => Report::Inspected { detection: Arc::new(Detection::default()) },
            EffectKind::Draft => {
                Report::Drafted { draft: plan(), live: Some(testkit::live()), version: Version(2) }
            }
            EffectKind::Perform { step } if failing.contains(&step.as_str()) => {
                Report::StepFailed { step, failure: Failure::new(FailureCode::Unhealthy, "status 503") }
            }
            EffectKind::Perform { step } | EffectKind::Probe { step } => {
                Report::StepDone { step, output: Output::of(testkit::digest("made")) }
            }
            EffectKind::Undo { step } => Report::Undone { step },
        };
        take(&mut state, &mut events, &Input::Report { report, fence: Some(Fence(1)), at: at(second) });
        second += 1;
    }
    assert!(state.is_ended());
    events
}

fn golden(name: &str, now: &[Envelope], status: &str) {
    let file =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.v1.ndjson"));
    if !file.exists() && std::env::var("UPDATE_GOLDEN").is_ok() {
        let text: String = now.iter().map(|envelope| encode(envelope) + "\n").collect();
        std::fs::write(&file, text).unwrap();
    }
    let stored = std::fs::read_to_string(&file).unwrap();
    let events: Vec<Envelope> = stored.lines().map(|line| decode(line).unwrap()).collect();
    assert_eq!(Deployment::replay(&events).unwrap().status().status.as_str(), status);
    // What is read is written again as it was: nothing is lost on the way.
    for (line, event) in stored.lines().zip(&events) {
        let (stored, again): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(line).unwrap(), serde_json::from_str(&encode(event)).unwrap());
        assert_eq!(stored, again);
    }
}

#[test]
fn inv_15_stored_histories_replay_to_their_recorded_end() {
    golden("succeeded", &history(&[], &[]), "succeeded");
    golden("failed-before-the-switch", &history(&["check-candidate"], &[]), "failed");
    golden("rolled-back", &history(&["check-public"], &[]), "rolled-back");
    let stop = Command::Stop { mode: StopMode::AfterStep, undo: false };
    let stop = Input::Command { command: stop, by: Actor("anna".to_owned()), at: at(1) };
    golden("stopped", &history(&[], &[stop]), "stopped");
}

#[test]
fn inv_15_an_event_of_a_newer_schema_is_refused_by_name() {
    let newer = r#"{"schema":2,"deployment":"whatever","something":"new"}"#;
    assert_eq!(decode(newer), Err(WireError::TooNew { found: 2, supported: 1 }));
    assert!(matches!(decode("{"), Err(WireError::Damaged { .. })));
}
