//! Laws over all histories, plans, specifications and inputs that the strategies of the testkit make.

#![expect(clippy::unwrap_used, reason = "a test, not the pure part")]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use deploy_core::command::{Command, Input};
use deploy_core::deployment::Deployment;
use deploy_core::event::EventKind;
use deploy_core::failure::Failure;
use deploy_core::id::Seq;
use deploy_core::lifecycle::PhaseName;
use deploy_core::plan::{Draft, DraftRequest, Plan, PlanDocument, StepKind, draft};
use deploy_core::reason::Reason;
use deploy_core::spec::{Approval, Spec};
use deploy_core::status::Status;
use deploy_core::testkit::strategies::{self, drive};
use deploy_core::testkit::{self, FixedPlan};
use deploy_core::time::Timestamp;
use deploy_core::wire::{Envelope, WireError, decode, encode};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is written and read again is what it was, and is written the same way again.
fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    let read: T = serde_json::from_str(&text).unwrap();
    assert_eq!(read, *value);
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}

fn replayed(history: &[Envelope]) -> Deployment {
    Deployment::replay(history).unwrap()
}

proptest! {
    #[test]
    fn inv_15_every_prefix_of_a_history_replays_and_the_whole_is_its_parts(history in strategies::histories()) {
        let mut state = replayed(&history[..1]);
        for length in 2..=history.len() {
            state = state.evolve(&history[length - 1]).unwrap();
            prop_assert_eq!(&state, &replayed(&history[..length]));
        }
    }

    #[test]
    fn inv_14_decided_events_are_numbered_from_1_without_a_gap(history in strategies::histories()) {
        let numbers: Vec<u64> = history.iter().map(|event| event.sequence.0).collect();
        prop_assert_eq!(numbers, (1..=history.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn inv_15_every_event_and_its_status_round_trip(history in strategies::histories()) {
        for envelope in &history {
            prop_assert_eq!(&decode(&encode(envelope)).unwrap(), envelope);
            round_trips(&envelope.event);
        }
        round_trips(&replayed(&history).status());
    }

    #[test]
    fn inv_15_an_event_of_a_newer_schema_is_refused_by_name(
        history in strategies::histories(),
        schema in 2_u32..,
    ) {
        let newer = Envelope { schema, ..history[history.len() - 1].clone() };
        prop_assert_eq!(decode(&encode(&newer)), Err(WireError::TooNew { found: schema, supported: 1 }));
    }

    #[test]
    fn inv_16_damage_is_refused_not_guessed_at(
        history in strategies::histories(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode(&history[history.len() - 1]).into_bytes();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        let read = std::str::from_utf8(&bytes).map(decode);
        // Either it is refused, or what was read is what would be written.
        if let Ok(Ok(envelope)) = read {
            prop_assert_eq!(decode(&encode(&envelope)), Ok(envelope));
        }
    }

    #[test]
    fn inv_16_any_event_in_any_state_is_folded_or_refused(
        history in strategies::histories(),
        other in strategies::histories(),
    ) {
        let state = replayed(&history);
        for stranger in &other {
            let next = Envelope { sequence: state.seq().next(), ..stranger.clone() };
            let _ = state.clone().evolve(&next);
            let gap = Envelope { sequence: Seq(state.seq().0 + 2), ..stranger.clone() };
            prop_assert!(state.clone().evolve(&gap).is_err());
        }
    }

    #[test]
    fn inv_16_any_input_in_any_state_is_decided_or_refused_and_what_is_decided_folds(
        history in strategies::histories(),
        input in strategies::inputs(),
    ) {
        let state = replayed(&history);
        let before = state.clone();
        match state.decide(&input) {
            Ok(events) => {
                let after = events.iter().try_fold(state.clone(), Deployment::evolve);
                prop_assert!(after.is_ok());
                prop_assert_eq!(state.decide(&input), Ok(events));
            }
            Err(rejection) => {
                prop_assert!(!rejection.code().is_empty());
                prop_assert!(!rejection.hint(state.id()).next.is_empty());
            }
        }
        prop_assert_eq!(state, before);
    }

    #[test]
    fn inv_09_an_ended_deployment_refuses_every_command(history in strategies::histories()) {
        let state = replayed(&history);
        if state.is_ended() {
            let by = deploy_core::spec::Actor("somebody".to_owned());
            let input = Input::Command { command: Command::Pause, by, at: Timestamp::EPOCH };
            prop_assert_eq!(state.decide(&input).unwrap_err().code(), "already_ended");
        }
    }

    #[test]
    fn commands_specifications_failures_and_reasons_round_trip(
        plan in strategies::plans(),
        spec in strategies::specs(),
        failure in strategies::failures(),
        reason in strategies::reasons(),
    ) {
        strategies::commands(&plan).iter().for_each(round_trips::<Command>);
        round_trips::<Spec>(&spec);
        round_trips::<Failure>(&failure);
        round_trips::<Reason>(&reason);
        round_trips::<Plan>(&plan);
    }

    #[test]
    fn inv_28_the_same_request_is_the_same_plan_and_its_document_round_trips(
        spec in strategies::specs(),
        plan in strategies::plans(),
        at in strategies::timestamps(),
    ) {
        let executor = FixedPlan { steps: plan.steps().to_vec() };
        let detection = deploy_core::detect::Detection::default();
        let request = DraftRequest {
            spec: &spec,
            detection: &detection,
            survey: None,
            executor: Some(&executor),
            installed: &["fixed"],
        };
        let first = draft(&request);
        prop_assert_eq!(&draft(&request), &first);
        round_trips::<Draft>(&first);
        round_trips::<PlanDocument>(&PlanDocument::new(&first, &spec, at, None));
    }

    #[test]
    fn a_status_says_the_same_after_a_restart(history in strategies::histories()) {
        let (driven, read): (Status, Vec<Envelope>) = (
            replayed(&history).status(),
            history.iter().map(|envelope| decode(&encode(envelope)).unwrap()).collect(),
        );
        prop_assert_eq!(replayed(&read).status(), driven);
    }
}

/// The strategies are worth nothing if they leave something out.
#[test]
fn histories_come_across_every_kind_of_event() {
    let step = testkit::step;
    let plan = testkit::plan(vec![
        step("act", PhaseName::Execute, StepKind::Act),
        step("other", PhaseName::Execute, StepKind::Act),
        step("check", PhaseName::Verify, StepKind::Check),
        step("switch", PhaseName::Verify, StepKind::Switch { needs_check: true }),
        step("confirm", PhaseName::Verify, StepKind::Check),
    ]);
    let mut rng = testkit::sim::Rng::new(1);
    let mut seen = BTreeSet::new();
    for number in 0..8_000 {
        let approval = if number % 4 == 0 { Approval::Required } else { Approval::Automatic };
        let choices: Vec<u32> = (0..60).map(|_| rng.next() as u32).collect();
        let history = drive(testkit::spec(approval), &Arc::clone(&plan), &choices);
        seen.extend(history.iter().map(|envelope| envelope.event.kind()));
    }
    let missing: Vec<_> = EventKind::ALL.iter().filter(|kind| !seen.contains(kind)).collect();
    assert!(missing.is_empty(), "no history has {missing:?}");
}
