//! What the static target adds to a plan. Pure.

use deploy_core::hint::Remedy;
use deploy_core::id::StepId;
use deploy_core::plan::{ArtifactKind, CommandKind, Outline, Retry, Step};
use deploy_core::port::Compiled;
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::time::Span;

pub(crate) const BUILD: &str = "build";
pub(crate) const PUBLISH: &str = "publish";
pub(crate) const ARTIFACT: &str = "artifact";
pub(crate) const CHECK_CANDIDATE: &str = "check-candidate";
pub(crate) const SWITCH: &str = "switch";
pub(crate) const CHECK_PUBLIC: &str = "check-public";

/// How long copying a release may take.
const PUBLISH_TIMEOUT: Span = Span::from_secs(10 * 60);
/// How long one write to the route table may take, the reading back included.
const SWITCH_TIMEOUT: Span = Span::from_secs(30);

/// Every step may be tried again: each is idempotent.
const RETRY: Retry = Retry { attempts: 3, backoff: Span::from_millis(200) };

/// The steps, and why not.
pub(crate) fn compile(outline: &Outline, url: Option<String>) -> Compiled {
    Compiled { steps: steps(outline), url, blocked: objections(outline), warnings: Vec::new() }
}

fn steps(outline: &Outline) -> Vec<Step> {
    let restoring = outline.artifact.as_ref().is_some_and(|artifact| artifact.digest.is_some());
    let mut steps = Vec::with_capacity(5);
    if restoring {
        let artifact = Step::act(StepId::literal(ARTIFACT), "check that the kept release is whole");
        steps.push(artifact.within(PUBLISH_TIMEOUT));
    } else {
        if is_built(outline) {
            let build = Step::act(StepId::literal(BUILD), "build in a copy of the source");
            steps.push(build.undone_by("remove the copy").within(outline.policy.build_timeout));
        }
        let publish = Step::act(StepId::literal(PUBLISH), "store the site as an immutable release");
        steps.push(publish.undone_by("remove what was staged").within(PUBLISH_TIMEOUT));
    }
    let policy = &outline.health.policy;
    let check_timeout = Span::from_millis(policy.deadline.as_millis().saturating_add(30_000));
    let check = |id, title: String| Step::check(StepId::literal(id), title).within(check_timeout);
    let switch = Step::switch(StepId::literal(SWITCH), "send traffic to the new release");
    let asking = "ask the new release before anybody else can";
    steps.push(match &policy.browser {
        None => check(CHECK_CANDIDATE, asking.to_owned()),
        Some(browser) => {
            let both =
                Span::from_millis(check_timeout.as_millis().saturating_add(browser.longest().as_millis()));
            check(CHECK_CANDIDATE, format!("{asking}: {}", browser.asks_for())).within(both)
        }
    });
    steps.push(switch.undone_by("send traffic back to the release before").within(SWITCH_TIMEOUT));
    steps.push(check(CHECK_PUBLIC, "ask the public address for the new release".to_owned()));
    steps.into_iter().map(|step| step.tried(RETRY)).collect()
}

/// Whether commands have to run before there is something to publish.
pub(crate) fn is_built(outline: &Outline) -> bool {
    outline.commands.iter().any(|command| runs_here(command.kind))
}

/// Install and build run in the copy of the source; the others have no place here.
pub(crate) const fn runs_here(kind: CommandKind) -> bool {
    match kind {
        CommandKind::Install | CommandKind::Build | CommandKind::Package => true,
        CommandKind::Start => false,
    }
}

fn objections(outline: &Outline) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match outline.artifact.as_ref().map(|artifact| artifact.kind) {
        Some(ArtifactKind::StaticSite) => {}
        None if outline.detection.blocked.is_empty() => {
            reasons
                .push(Reason::new(ReasonCode::NothingToServe, "no directory with a finished site is known"));
        }
        // Detection has said why.
        None => {}
        Some(
            ArtifactKind::DockerfileImage
            | ArtifactKind::GeneratedImage
            | ArtifactKind::PrebuiltImage
            | ArtifactKind::ComposeProject,
        ) => {
            let message = "the static target serves directories of files; it runs no programs and no images";
            let mut reason = Reason::new(ReasonCode::UnsupportedStrategy, message);
            let otherwise = "if it is, or can be built to, a static site";
            reason.overrides.push(Remedy::set(otherwise, "runtime.strategy = \"static\""));
            reasons.push(reason.set("deploy it to a target that runs programs", "target = \"docker\""));
        }
    }
    let mut cannot = |field: &str, why: &str| {
        let mut reason = Reason::new(ReasonCode::NotSupportedByTarget, format!("{field} is set, but {why}"));
        reason.profile_field = Some(field.to_owned());
        reasons.push(reason);
    };
    let profile = &outline.profile;
    if profile.runtime.start.is_some() {
        cannot("runtime.start", "a static site has no process of its own");
    }
    if profile.network.internal_port.is_some() {
        cannot("network.internal_port", "a static site has no process of its own");
    }
    if !outline.health.policy.check.is_http() {
        cannot("health.check", "a static site is asked over HTTP and in no other way");
    }
    if !profile.secrets.is_empty() {
        cannot("secrets", "a static site is public: a secret used in its build could end up in it");
    }
    reasons
}
