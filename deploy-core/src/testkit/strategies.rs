//! Strategies for [`mod@proptest`]: specifications, plans, inputs, and histories that are legal because the
//! real decider made them.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::samples;
use crate::asked::{Asked, Flag};
use crate::command::{Command, Input, Report, StopMode};
use crate::deployment::Deployment;
use crate::detect::Detection;
use crate::effect::{Effect, EffectKind};
use crate::failure::{Failure, FailureCode};
use crate::id::{DeploymentId, Digest, Fence, Name, ResourceKey, StepId, Version};
use crate::plan::{Draft, Output, Plan, Retry, SourceSummary, Step};
use crate::port::Probe;
use crate::reason::{Reason, ReasonCode};
use crate::spec::{Actor, Approval, Profile, SecretRef, Source, Spec, Strategy as Making, Trigger};
use crate::testkit::decider::accepted;
use crate::time::{Span, Timestamp};
use crate::wire::Envelope;

/// Any name people may choose.
pub fn names() -> impl Strategy<Value = Name> {
    "[a-z0-9]([-a-z0-9]{0,12}[a-z0-9])?".prop_map(|text| text.parse().expect("it follows the grammar"))
}

/// Any digest.
pub fn digests() -> impl Strategy<Value = Digest> {
    any::<[u8; 4]>().prop_map(|seed| Digest::of(&seed))
}

/// Any point in time of this century.
pub fn timestamps() -> impl Strategy<Value = Timestamp> {
    (946_684_800_000_i64..4_102_444_800_000).prop_map(Timestamp::from_millis)
}

/// Any length of time up to a week.
pub fn spans() -> impl Strategy<Value = Span> {
    (0_u64..604_800_000).prop_map(Span::from_millis)
}

/// Any text a person or a program might have written, control characters included.
pub fn texts() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "\\PC{0,40}", any::<String>()]
}

/// Any failure.
pub fn failures() -> impl Strategy<Value = Failure> {
    (select(FailureCode::ALL), texts(), vec((texts(), texts()), 0..3), vec(texts(), 0..25)).prop_map(
        |(code, message, evidence, tail)| {
            let failure = Failure::new(code, message).with_tail(tail);
            evidence.into_iter().fold(failure, |failure, (what, fact)| failure.because(what, fact))
        },
    )
}

/// Any reason.
pub fn reasons() -> impl Strategy<Value = Reason> {
    (select(ReasonCode::ALL), texts(), option::of((texts(), texts()))).prop_map(|(code, message, set)| {
        let reason = Reason::new(code, message).because("deploy.toml", "says so");
        set.into_iter().fold(reason, |reason, (label, set)| reason.set(label, set))
    })
}

fn profiles() -> impl Strategy<Value = Profile> {
    let making = select(vec![Making::Auto, Making::Static, Making::Commands]);
    let texts =
        (option::of(texts()), option::of("[a-z]{1,8}(/[a-z]{1,8})?"), option::of("[a-z]{1,8}\\.test"));
    let numbers = (option::of(1_u32..20), option::of(spans()), option::of(any::<bool>()));
    let maps = (
        btree_map("[A-Z]{1,6}", "\\PC{0,12}", 0..3),
        btree_map("[A-Z]{1,6}", ("[A-Z]{1,6}", any::<bool>(), any::<bool>()), 0..2),
    );
    (making, texts, numbers, maps).prop_map(
        |(making, (build, publish, host), (keep, timeout, back), maps)| {
            let mut profile = Profile::default();
            profile.runtime.strategy = making;
            profile.runtime.build = build;
            profile.runtime.publish_directory = publish;
            profile.access.host = host;
            profile.rollback.keep = keep;
            profile.rollback.automatic = back;
            profile.limits.run_timeout = timeout;
            profile.env = maps.0;
            let secret = |(name, (env, build, file))| (name, SecretRef { env, build, file });
            profile.secrets = maps.1.into_iter().map(secret).collect();
            profile
        },
    )
}

/// Any specification, sensible or not.
pub fn specs() -> impl Strategy<Value = Spec> {
    let id = DeploymentId::new(uuid::Uuid::from_u128(5));
    let trigger =
        select(vec![Trigger::Create, Trigger::Redeploy, Trigger::Retry { of: id }, Trigger::Rollback]);
    let source = prop_oneof![
        texts().prop_map(|path| Source::Directory { path }),
        (git_sources(), any::<bool>()).prop_map(|(source, pinned)| if pinned {
            pin(&source)
        } else {
            source
        }),
        (texts(), option::of(digests())).prop_map(|(path, digest)| Source::Archive { path, digest }),
        select(vec!["nginx", "ghcr.io/acme/web:v1"])
            .prop_map(|reference| Source::Image { reference: reference.parse().expect("a reference") }),
        (1_u32..50).prop_map(|version| Source::Release { version: Version(version) }),
    ];
    let approval = prop_oneof![
        Just(Approval::Automatic),
        Just(Approval::Required),
        digests().prop_map(|fingerprint| Approval::Exactly { fingerprint }),
    ];
    (names(), names(), names(), source, profiles(), trigger, texts(), approval, asked()).prop_map(
        |(resource, environment, target, source, profile, trigger, actor, approval, asked)| Spec {
            resource: ResourceKey { resource, environment },
            target,
            source,
            profile,
            trigger,
            actor: Actor(actor),
            approval,
            workspace: crate::spec::default_workspace(),
            asked,
        },
    )
}

fn asked() -> impl Strategy<Value = Option<Asked>> {
    let flags = proptest::sample::subsequence(Flag::ALL.to_vec(), 0..=Flag::ALL.len());
    let asked = (option::of(texts()), flags)
        .prop_map(|(config, flags)| Asked { config, flags: flags.into_iter().collect() });
    option::of(asked)
}

fn git_sources() -> impl Strategy<Value = Source> {
    let url = select(vec!["https://host/a/b.git", "git@host:a", "/srv/repo"]);
    let git_ref = option::of(select(vec!["main", "v1", "refs/heads/x"]));
    (url, git_ref).prop_map(|(url, git_ref)| Source::Git {
        url: url.parse().expect("a URL"),
        git_ref: git_ref.map(|name| name.parse().expect("a ref")),
        commit: None,
        credential: None,
    })
}

/// The same, at one commit.
fn pin(source: &Source) -> Source {
    let mut planned = SourceSummary::of_source(source, None);
    planned.commit = Some("a".repeat(40));
    source.pinned(&planned)
}

fn step_id(kind: &str, number: usize) -> StepId {
    format!("{kind}-{number}").parse().expect("a name")
}

/// Any plan of the shape a target comes up with: acts, some beside each other, a check, a switch and a
/// check; with and without undos, retries, repeats and automatic rollback.
pub fn plans() -> impl Strategy<Value = Arc<Plan>> {
    let act = (0..3_u8, any::<bool>(), any::<bool>(), 1_u32..4);
    (vec(act, 1..5), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(acts, needs_check, confirmed, automatic)| {
            let mut steps: Vec<Step> = acts
                .into_iter()
                .enumerate()
                .map(|(number, (undo, beside, repeatable, attempts))| {
                    let step = Step::act(step_id("act", number), "do something");
                    let step = match undo {
                        0 => step,
                        1 => step.undone_by("undo it"),
                        _ => step.irreversible("nobody can"),
                    };
                    let retry = Retry { attempts, backoff: Span::from_secs(1) };
                    Step { beside, repeatable, ..step.tried(retry) }
                })
                .collect();
            steps.push(Step::check(step_id("check", 0), "look at the candidate"));
            let switch = Step::switch(step_id("switch", 0), "send traffic").undone_by("send it back");
            let action = crate::plan::StepKind::Switch { needs_check };
            steps.push(Step { action, ..switch });
            if confirmed {
                steps.push(Step::check(step_id("confirm", 0), "look at the address"));
            }
            let mut spec = samples::spec(Approval::Automatic);
            spec.profile.rollback.automatic = Some(automatic);
            samples::plan_for(&spec, steps)
        },
    )
}

/// Every answer the world can give to an effect: all that the decider must be ready for.
#[must_use]
pub fn answers(effect: &Effect, plan: &Arc<Plan>) -> Vec<Report> {
    let codes = [FailureCode::TargetUnavailable, FailureCode::SwitchRefused, FailureCode::ReplyLost];
    let failures = codes.map(|code| Failure::new(code, "simulated"));
    let preparation = |first: Vec<Report>| {
        let failed = failures.iter().cloned().map(|failure| Report::PreparationFailed { failure });
        first.into_iter().chain(failed).collect()
    };
    let output = || Output::of(samples::digest("made"));
    match effect.kind.clone() {
        EffectKind::Claim => {
            let deferred = Report::Deferred { reasons: vec![samples::frozen()] };
            preparation(vec![
                Report::Claimed { live: None },
                Report::Claimed { live: Some(samples::live()) },
                deferred,
                Report::Admitted,
            ])
        }
        EffectKind::Inspect => {
            preparation(vec![Report::Inspected { detection: Arc::new(Detection::default()) }])
        }
        EffectKind::Draft => {
            let drafts = [Draft::Ready(Arc::clone(plan)), Draft::Blocked(samples::blocked())];
            let drafted = |draft| Report::Drafted { draft, live: Some(samples::live()), version: Version(2) };
            preparation(drafts.map(drafted).into())
        }
        EffectKind::Perform { step } => {
            let failed = failures.map(|failure| Report::StepFailed { step: step.clone(), failure });
            let done = Report::StepDone { step: step.clone(), output: output() };
            std::iter::once(done).chain(failed).collect()
        }
        EffectKind::Probe { step } => {
            let found = [Probe::Present { output: output() }, Probe::Absent, Probe::Unknown];
            found.map(|found| Report::Probed { step: step.clone(), found }).into()
        }
        EffectKind::Undo { step } => {
            let failed = failures.map(|failure| Report::UndoFailed { step: step.clone(), failure });
            std::iter::once(Report::Undone { step: step.clone() }).chain(failed).collect()
        }
    }
}

/// Every command, with arguments that fit the plan and some that don't.
#[must_use]
pub fn commands(plan: &Plan) -> Vec<Command> {
    let other = DeploymentId::new(uuid::Uuid::max());
    let mut all = vec![
        Command::Pause,
        Command::Resume,
        Command::Recheck,
        Command::Supersede { by: other },
        Command::Approve { fingerprint: plan.fingerprint().clone() },
        Command::Approve { fingerprint: samples::digest("another plan") },
    ];
    for mode in [StopMode::AfterStep, StopMode::Now] {
        all.extend([false, true].map(|undo| Command::Stop { mode, undo }));
    }
    for step in plan.steps() {
        let found = [Probe::Present { output: Output::of(samples::digest("made")) }, Probe::Absent];
        all.extend(found.map(|found| Command::Attest { step: step.id.clone(), found }));
    }
    all
}

/// Every input this state could get next: answers to what it wants, its timer, a new owner, commands.
#[must_use]
pub fn inputs_of(state: &Deployment, plan: &Arc<Plan>, at: Timestamp) -> Vec<Input> {
    let by = Actor("somebody".to_owned());
    let mut all = Vec::new();
    for effect in state.effects() {
        let claimed = state.fence().map_or(1, |fence| fence.0 + 1);
        let answer = |report| {
            let claims = matches!(report, Report::Claimed { .. });
            let fence = if claims { Some(Fence(claimed)) } else { effect.fence };
            Input::Report { report, fence, at }
        };
        all.extend(answers(&effect, plan).into_iter().map(answer));
    }
    let due = state.deadline().map(|deadline| Input::Tick { at: deadline.max(at) });
    let fence = state.fence().map(|fence| Fence(fence.0 + 1));
    all.extend(due);
    all.push(Input::Recover { fence, at });
    all.extend(commands(plan).into_iter().map(|command| Input::Command { command, by: by.clone(), at }));
    all
}

/// Drives the real decider: each number picks one of the inputs that the state could get. What it refuses
/// leaves no trace. Most numbers pick an answer, and half of those the one everybody hopes for, which comes first:
/// otherwise hardly anything would get far.
///
/// # Panics
/// When the decider decides what can't be folded: that is a bug.
#[must_use]
pub fn drive(spec: Spec, plan: &Arc<Plan>, choices: &[u32]) -> Vec<Envelope> {
    let mut history = accepted(spec);
    let mut state = Deployment::replay(&history).expect("an acceptance begins a history");
    let mut silent = false;
    for (number, choice) in choices.iter().enumerate() {
        let at = Timestamp::from_millis(1_000 * number as i64);
        let inputs = inputs_of(&state, plan, at);
        let answers =
            inputs.iter().take_while(|input| matches!(input, Input::Report { .. } | Input::Tick { .. }));
        let (wanted, pick) = (answers.count(), (*choice >> 3) as usize);
        let silence = inputs.iter().position(is_silence).filter(|_| silent);
        let picked = match (choice % 8, silence) {
            // A world that would not say mostly goes on not saying.
            (2.., Some(silence)) => silence,
            (2..=4, None) if wanted > 0 => pick % wanted,
            (5.., None) if wanted > 0 => 0,
            _ => pick % inputs.len(),
        };
        silent = is_silence(&inputs[picked]) || (silent && matches!(inputs[picked], Input::Tick { .. }));
        let Ok(events) = state.decide(&inputs[picked]) else { continue };
        state = events.iter().try_fold(state, Deployment::evolve).expect("what is decided can be folded");
        history.extend(events);
    }
    history
}

fn is_silence(input: &Input) -> bool {
    matches!(input, Input::Report { report: Report::Probed { found: Probe::Unknown, .. }, .. })
}

/// Any history: a deployment driven through the real decider by a chain of choices, ended or not. It
/// shrinks by leaving choices out.
pub fn histories() -> impl Strategy<Value = Vec<Envelope>> {
    let approval = select(vec![Approval::Automatic, Approval::Required]);
    (plans(), approval, vec(any::<u32>(), 0..60))
        .prop_map(|(plan, approval, choices)| drive(samples::spec(approval), &plan, &choices))
}

/// Any input at all, whether or not anybody would send it now.
pub fn inputs() -> impl Strategy<Value = Input> {
    let plan = plans();
    (plan, vec(any::<u32>(), 0..40), any::<u32>(), timestamps(), option::of(0_u64..4)).prop_map(
        |(plan, choices, pick, at, fence)| {
            let history = drive(samples::spec(Approval::Automatic), &plan, &choices);
            let state = Deployment::replay(&history).expect("the decider made it");
            let mut inputs = inputs_of(&state, &plan, at);
            let input = inputs.swap_remove(pick as usize % inputs.len());
            match (input, fence) {
                (Input::Report { report, at, .. }, Some(other)) => {
                    Input::Report { report, fence: Some(Fence(other)), at }
                }
                (input, _) => input,
            }
        },
    )
}
