//! What the docker target adds to a plan. Pure.

use deploy_core::id::StepId;
use deploy_core::lifecycle::PhaseName;
use deploy_core::plan::{Artifact, ArtifactKind, Outline, Retry, Step, StepKind, Undo};
use deploy_core::port::Compiled;
use deploy_core::time::Span;

use crate::container::Caps;
use crate::objections::{doubts, objections};
use crate::recipe::Recipe;

pub(crate) const BUILD: &str = "build";
pub(crate) const IMAGE: &str = "image";
pub(crate) const ARTIFACT: &str = "artifact";
pub(crate) const START: &str = "start";
pub(crate) const CHECK_CANDIDATE: &str = "check-candidate";
pub(crate) const SWITCH: &str = "switch";
pub(crate) const CHECK_PUBLIC: &str = "check-public";
pub(crate) const RETIRE: &str = "retire";

/// How long fetching an image may take.
const FETCH_TIMEOUT: Span = Span::from_secs(15 * 60);
/// How long creating and starting a container may take.
const START_TIMEOUT: Span = Span::from_secs(2 * 60);
/// How long one write to the route table may take, the reading back included.
const SWITCH_TIMEOUT: Span = Span::from_secs(30);
/// How long the release before may go on answering what it was asked before the switch.
pub(crate) const DRAIN: Span = Span::from_secs(30);
/// How long a container may take to end after it was asked to, before it is killed.
pub(crate) const STOP_GRACE: Span = Span::from_secs(10);
/// An engine that restarts is back within seconds: 5 retries over about 15 seconds.
const RETRY: Retry = Retry { attempts: 6, backoff: Span::from_millis(500) };

/// The steps, and why not.
pub(crate) fn compile(outline: &Outline, url: Option<String>) -> Compiled {
    Compiled { steps: steps(outline), url, blocked: objections(outline), warnings: doubts(outline) }
}

fn steps(outline: &Outline) -> Vec<Step> {
    let Some(artifact) = &outline.artifact else { return Vec::new() };
    let policy = &outline.health.policy;
    let check_timeout = Span::from_millis(policy.deadline.as_millis().saturating_add(30_000));
    let good = policy.expected_status.map_or("2xx".to_owned(), |status| status.to_string());
    let (path, times, deadline) = (&policy.path, policy.healthy_after, policy.deadline);
    let host = &outline.access.host;
    vec![
        make(artifact, outline),
        act(START, &start_title(outline), "stop and remove it", START_TIMEOUT),
        check(
            CHECK_CANDIDATE,
            &format!(
                "ask the new container itself: GET {path} must answer {good} {times} times in a row within {deadline}"
            ),
            check_timeout,
        ),
        Step {
            action: StepKind::Switch { needs_check: true },
            phase: PhaseName::Verify,
            ..act(
                SWITCH,
                &format!("send {host} to the new release"),
                "send traffic back to the release before",
                SWITCH_TIMEOUT,
            )
        },
        check(CHECK_PUBLIC, &format!("ask {host} for the new release"), check_timeout),
        Step {
            phase: PhaseName::Verify,
            ..act(
                RETIRE,
                &format!("let the release before finish what it was asked, at most {DRAIN}, then stop it; it is kept for a rollback"),
                "start the release before again",
                Span::from_millis(DRAIN.as_millis() + STOP_GRACE.as_millis() + 60_000),
            )
        },
    ]
}

/// The step that makes the image be there.
fn make(artifact: &Artifact, outline: &Outline) -> Step {
    if artifact.digest.is_some() {
        let release = &outline.source.locator;
        let title = format!(
            "check that the image of {release} is here; its configuration comes back, data and the values of secrets stay as they are now"
        );
        return Step { undo: Undo::NotNeeded, ..act(ARTIFACT, &title, "", START_TIMEOUT) };
    }
    let timeout = outline.policy.build_timeout;
    match artifact.kind {
        ArtifactKind::DockerfileImage => {
            let file = artifact.dockerfile.as_deref().unwrap_or("Dockerfile");
            let stage =
                outline.profile.runtime.stage.as_ref().map_or(String::new(), |stage| format!(", stage {stage}"));
            act(BUILD, &format!("build the image from {file}{stage}"), "remove the image", timeout)
        }
        ArtifactKind::PrebuiltImage => {
            let image = artifact.image.as_deref().unwrap_or("the image");
            act(IMAGE, &format!("fetch {image} unless it is here"), "give up our name for the image", FETCH_TIMEOUT)
        }
        ArtifactKind::GeneratedImage | ArtifactKind::StaticSite | ArtifactKind::ComposeProject => {
            let from = Recipe::of(outline)
                .map_or(String::new(), |recipe| format!(" on {}", recipe.runtime_image));
            act(BUILD, &format!("build the image from a generated Dockerfile{from}"), "remove the image", timeout)
        }
    }
}

/// What a person should know about how the container runs.
fn start_title(outline: &Outline) -> String {
    let caps = Caps::of(outline);
    let port = outline.network.internal_port.map_or(String::new(), |port| format!(" on port {port}"));
    let cpu = caps.cpu_millis.map_or(String::new(), |millis| format!(", {millis}/1000 of a core"));
    let files = if caps.read_only { ", files read-only but for /tmp" } else { "" };
    let secrets: Vec<&str> = outline.profile.secrets.keys().map(String::as_str).collect();
    let secrets =
        if secrets.is_empty() { String::new() } else { format!(", with the secrets {}", secrets.join(", ")) };
    format!(
        "start it beside the live release{port}: at most {} of memory{cpu} and {} processes, without privileges{files}{secrets}",
        caps.memory, caps.pids
    )
}

fn act(id: &str, title: &str, undo: &str, timeout: Span) -> Step {
    Step {
        id: id.parse::<StepId>().expect("the step names above are names"),
        phase: PhaseName::Execute,
        title: title.to_owned(),
        action: StepKind::Act,
        undo: Undo::Automatic { title: undo.to_owned() },
        timeout,
        retry: RETRY,
        repeatable: true,
    }
}

fn check(id: &str, title: &str, timeout: Span) -> Step {
    Step {
        phase: PhaseName::Verify,
        action: StepKind::Check,
        undo: Undo::NotNeeded,
        ..act(id, title, "", timeout)
    }
}
