//! What the fly target adds to a plan, and why it can't carry one out. Pure.

use std::path::Path;

use deploy_core::health::{HealthCheck, HealthPolicy};
use deploy_core::id::StepId;
use deploy_core::lifecycle::PhaseName;
use deploy_core::plan::{Artifact, ArtifactKind, CommandKind, Origin, Outline, Retry, Step, StepKind};
use deploy_core::port::Compiled;
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::time::Span;

use crate::config::is_app;

pub(crate) const APP: &str = "app";
pub(crate) const BUILD: &str = "build";
pub(crate) const IMAGE: &str = "image";
pub(crate) const CHECK_COMMIT: &str = "check-commit";
pub(crate) const RELEASE: &str = "release";
pub(crate) const CHECK_RELEASE: &str = "check-release";
pub(crate) const CHECK_PUBLIC: &str = "check-public";

/// How long one question may take, the tries of flyctl itself included.
pub(crate) const ASK_TIMEOUT: Span = Span::from_secs(60);
/// How long a rollout may take at most.
const RELEASE_TIMEOUT: Span = Span::from_secs(20 * 60);
/// What the platform says is asked again with bounds: about half a minute in all.
const RETRY: Retry = Retry { attempts: 5, backoff: Span::from_secs(1) };

/// The steps, and why not.
pub(crate) fn compile(outline: &Outline, url: Option<String>, has_recipe: bool) -> Compiled {
    let mut blocked = of_app(outline);
    blocked.extend(of_artifact(outline, has_recipe));
    blocked.extend(of_profile(outline));
    Compiled { steps: steps(outline), url, blocked, warnings: warnings(outline) }
}

fn steps(outline: &Outline) -> Vec<Step> {
    let Some(artifact) = &outline.artifact else { return Vec::new() };
    let app = outline.profile.fly.app.as_deref().unwrap_or("?");
    let policy = &outline.health.policy;
    let patience = Span::from_millis(policy.deadline.as_millis().saturating_add(60_000));
    // A run that may take less gives its rollout no more.
    let rollout = RELEASE_TIMEOUT.min(outline.policy.run_timeout);
    let paths = if outline.health.origin == Origin::Default {
        "at the first of /, /healthz, /health, /livez and /readyz, /_health that answers well"
    } else {
        "as the health policy says"
    };
    let strategy = outline.profile.fly.strategy.map_or("as fly.toml says", |strategy| strategy.as_str());
    vec![
        Step::act(name(APP), format!("ask fly about the app {app}, and check fly.toml"))
            .within(Span::from_millis(3 * ASK_TIMEOUT.as_millis()))
            .tried(RETRY),
        make(artifact, outline),
        Step {
            phase: PhaseName::Execute,
            ..Step::check(
                name(CHECK_COMMIT),
                "compare the commit that was planned with the one the source is at",
            )
        },
        Step {
            action: StepKind::Switch { needs_check: false },
            ..Step::switch(
                name(RELEASE),
                format!("have fly replace the machines of {app} ({strategy}), within {rollout}"),
            )
        }
        .undone_by("have fly bring back the image of the verified release before, and check it")
        .within(rollout)
        .tried(RETRY),
        Step::check(
            name(CHECK_RELEASE),
            "read back from fly that every machine runs this release and passes its checks",
        )
        .within(patience)
        .tried(RETRY),
        check_public(policy, paths, patience),
    ]
}

/// Asking the address that users have, and looking at the page there where a browser is asked for.
fn check_public(policy: &HealthPolicy, paths: &str, patience: Span) -> Step {
    let asks = format!("ask the public address {paths}; {}", policy.asks_for());
    let (title, timeout) = match &policy.browser {
        None => (asks, patience),
        Some(browser) => {
            let both = patience.as_millis().saturating_add(browser.longest().as_millis());
            (format!("{asks}; {}", browser.asks_for()), Span::from_millis(both))
        }
    };
    Step::check(name(CHECK_PUBLIC), title).within(timeout).tried(RETRY)
}

/// The step that says which image it is.
fn make(artifact: &Artifact, outline: &Outline) -> Step {
    if artifact.digest.is_some() {
        let release = &outline.source.locator;
        let title = format!(
            "take the image of {release}; its fly.toml comes back, data and secrets stay as they are"
        );
        return Step::act(name(IMAGE), title);
    }
    match artifact.kind {
        ArtifactKind::PrebuiltImage => {
            let image = artifact.image.as_deref().unwrap_or("the image");
            Step::act(name(IMAGE), format!("take {image}"))
        }
        ArtifactKind::DockerfileImage => {
            let file = artifact.dockerfile.as_deref().unwrap_or("Dockerfile");
            Step::act(name(BUILD), format!("have fly build the image from {file}, and push it"))
                .within(outline.policy.build_timeout)
                .tried(RETRY)
        }
        ArtifactKind::GeneratedImage | ArtifactKind::StaticSite | ArtifactKind::ComposeProject => {
            Step::act(name(BUILD), "have fly build the image from a generated Dockerfile, and push it")
                .within(outline.policy.build_timeout)
                .tried(RETRY)
        }
    }
}

fn of_app(outline: &Outline) -> Vec<Reason> {
    let fly = &outline.profile.fly;
    let mut reasons = Vec::new();
    let invalid = |message: String| Reason::new(ReasonCode::FlyAppInvalid, message);
    match &fly.app {
        None => {
            let message = "the fly target needs the name of an app";
            reasons
                .push(Reason::new(ReasonCode::FlyAppMissing, message).set("name it", "fly.app = \"my-app\""));
        }
        Some(app) if !is_app(app) => reasons.push(invalid(format!("{app:?} can't be the name of an app"))),
        Some(_) => {}
    }
    let region = |text: &str| text.len() == 3 && text.chars().all(|c| c.is_ascii_lowercase());
    if let Some(wrong) = fly.primary_region.as_ref().filter(|text| !region(text)) {
        reasons.push(invalid(format!("{wrong:?} can't be a region; they are three letters like ams")));
    }
    if let Some(wrong) = fly.flyctl.as_ref().filter(|path| !Path::new(path).is_absolute()) {
        reasons.push(invalid(format!("{wrong:?} is not an absolute path")));
    }
    reasons
}

fn of_artifact(outline: &Outline, has_recipe: bool) -> Option<Reason> {
    let Some(artifact) = &outline.artifact else {
        // Detection has said why.
        let silent = outline.detection.blocked.is_empty();
        let message = "nothing was found that could be started";
        return silent.then(|| Reason::new(ReasonCode::StartUnknown, message));
    };
    if artifact.digest.is_some() {
        return None;
    }
    let unsupported = |message: &str| {
        let reason = Reason::new(ReasonCode::UnsupportedStrategy, message);
        Some(reason.set("build it from a Dockerfile", "runtime.strategy = \"dockerfile\""))
    };
    match artifact.kind {
        ArtifactKind::DockerfileImage | ArtifactKind::PrebuiltImage => None,
        ArtifactKind::StaticSite => unsupported("the fly target has no server for a finished site"),
        ArtifactKind::ComposeProject => unsupported("Compose projects can't be deployed to fly"),
        ArtifactKind::GeneratedImage if !has_recipe => {
            let what = outline.detection.language.as_deref().unwrap_or("this kind of project");
            Some(Reason::new(ReasonCode::BaseImageUnknown, format!("no base image is known for {what}")))
        }
        ArtifactKind::GeneratedImage => {
            let starts = outline.commands.iter().any(|command| command.kind == CommandKind::Start);
            let said = outline.detection.blocked.iter().any(|reason| reason.code == ReasonCode::StartUnknown);
            let message = "no command that starts the app is set or was found";
            (!starts && !said).then(|| Reason::new(ReasonCode::StartUnknown, message))
        }
    }
}

/// What the profile asks for and fly has its own way to say.
fn of_profile(outline: &Outline) -> Vec<Reason> {
    let profile = &outline.profile;
    let limits = &profile.limits;
    let by_command = !matches!(outline.health.policy.check, HealthCheck::Http);
    let asked = [
        (
            !profile.secrets.is_empty(),
            "secrets",
            "secrets of a fly app are fly's: set them with `flyctl secrets set`",
        ),
        (
            profile.runtime.registry.is_some(),
            "runtime.registry",
            "fly fetches images with its own credentials",
        ),
        (
            outline.access.port.is_some(),
            "access.port",
            "ports of a fly app are set in fly.toml, under [[services]]",
        ),
        (by_command, "health.check", "from outside, a fly app can only be asked over HTTP"),
        (
            limits.memory.is_some(),
            "limits.memory",
            "the memory of a fly machine is set in fly.toml, under [[vm]]",
        ),
        (
            limits.cpu_millis.is_some(),
            "limits.cpuMillis",
            "the processors of a fly machine are set in fly.toml, under [[vm]]",
        ),
        (limits.pids.is_some(), "limits.pids", "a fly machine has no limit of processes"),
    ];
    let reason = |(_, field, message): (bool, &str, &str)| {
        let mut reason = Reason::new(ReasonCode::NotSupportedByTarget, message);
        reason.profile_field = Some(field.to_owned());
        reason
    };
    asked.into_iter().filter(|(asked, ..)| *asked).map(reason).collect()
}

fn warnings(outline: &Outline) -> Vec<Reason> {
    let message = "fly replaces the machines itself: users meet the new release before it has proved itself";
    let mut warnings = vec![Reason::new(ReasonCode::NoCandidate, message)];
    let artifact = outline.artifact.as_ref().filter(|artifact| artifact.digest.is_none());
    if let Some(image) =
        artifact.and_then(|artifact| artifact.image.as_deref()).filter(|image| !image.contains("@sha256:"))
    {
        let message =
            format!("{image} is named by a tag; what it means when fly fetches it is what will run");
        warnings.push(Reason::new(ReasonCode::ImageNotPinned, message));
    }
    warnings
}

fn name(id: &'static str) -> StepId {
    StepId::literal(id)
}
