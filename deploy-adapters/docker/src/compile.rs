//! What the docker target adds to a plan. Pure.

use deploy_core::health::HealthPolicy;
use deploy_core::id::StepId;
use deploy_core::lifecycle::PhaseName;
use deploy_core::plan::{Artifact, ArtifactKind, Outline, Retry, Step};
use deploy_core::port::Compiled;
use deploy_core::project::Role;
use deploy_core::spec::Warm;
use deploy_core::time::Span;

use crate::container::Caps;
use crate::objections::{doubts, objections};
use crate::project::Project;
use crate::recipe::Recipe;
use crate::site;

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
/// How long the services of a project may take until the web one can be started: each has its own bound.
const PROJECT_TIMEOUT: Span = Span::from_secs(20 * 60);
/// How long one write to the route table may take, the reading back included.
const SWITCH_TIMEOUT: Span = Span::from_secs(30);
/// How long the release before may go on answering what it was asked before the switch.
pub(crate) const DRAIN: Span = Span::from_secs(30);
/// How long a container may take to end after it was asked to, before it is killed.
pub(crate) const STOP_GRACE: Span = Span::from_secs(10);
/// Draining, the grace, and some.
const RETIRE_TIMEOUT: Span = Span::from_secs(100);
/// An engine that restarts is back within seconds: 5 retries over about 15 seconds.
const RETRY: Retry = Retry { attempts: 6, backoff: Span::from_millis(500) };

/// The steps, and why not.
pub(crate) fn compile(outline: &Outline, url: Option<String>, serves_sites: bool) -> Compiled {
    let blocked = objections(outline, serves_sites);
    Compiled { steps: steps(outline), url, blocked, warnings: doubts(outline) }
}

fn steps(outline: &Outline) -> Vec<Step> {
    let Some(artifact) = &outline.artifact else { return Vec::new() };
    let policy = &outline.health.policy;
    let check_timeout = Span::from_millis(policy.deadline.as_millis().saturating_add(30_000));
    let host = &outline.access.host;
    vec![
        make(artifact, outline),
        start(outline),
        check_candidate(policy, check_timeout),
        Step::switch(name(SWITCH), format!("send {host} to the new release"))
            .undone_by("send traffic back to the release before")
            .within(SWITCH_TIMEOUT)
            .tried(RETRY),
        check(CHECK_PUBLIC, format!("ask {host} for the new release"), check_timeout),
        Step {
            phase: PhaseName::Verify,
            ..act(
                RETIRE,
                format!(
                    "let the release before finish what it was asked, at most {DRAIN}, then {}; it is kept for a rollback",
                    match outline.profile.rollback.warm.filter(|_| Project::of(outline).is_none()) {
                        None | Some(Warm::Stopped) => "stop it",
                        Some(Warm::Paused) => "let it stand still, with the memory it has",
                    }
                ),
                RETIRE_TIMEOUT,
            )
            .undone_by("start the release before again")
        },
    ]
}

/// The step that makes the image be there.
fn make(artifact: &Artifact, outline: &Outline) -> Step {
    if artifact.digest.is_some() {
        let release = &outline.source.locator;
        let title = format!(
            "check that the image of {release} is here; its configuration comes back, data{} and the values of secrets stay as they are now",
            if Project::of(outline).is_some() { ", volumes, services that all releases share" } else { "" }
        );
        return act(ARTIFACT, title, START_TIMEOUT).undone_by("give up our name for the image");
    }
    let timeout = outline.policy.build_timeout;
    match artifact.kind {
        ArtifactKind::DockerfileImage => {
            let file = artifact.dockerfile.as_deref().unwrap_or("Dockerfile");
            let stage = artifact.stage.as_ref().map_or(String::new(), |stage| format!(", stage {stage}"));
            act(BUILD, format!("build the image from {file}{stage}"), timeout).undone_by("remove the image")
        }
        ArtifactKind::PrebuiltImage => {
            let image = artifact.image.as_deref().unwrap_or("the image");
            act(IMAGE, format!("fetch {image} unless it is here"), FETCH_TIMEOUT)
                .undone_by("give up our name for the image")
        }
        ArtifactKind::StaticSite => {
            let title = "build an image of the site and a server of our own, on no base image";
            act(BUILD, title, timeout).undone_by("remove the image")
        }
        ArtifactKind::ComposeProject => {
            let services = outline.detection.compose.iter().flat_map(|found| &found.value.definitions);
            let names: Vec<&str> = services.map(|service| service.name.as_str()).collect();
            act(BUILD, format!("build or fetch the images of {}", names.join(", ")), timeout)
                .undone_by("remove the images")
        }
        ArtifactKind::GeneratedImage => {
            let from =
                Recipe::of(outline).map_or(String::new(), |recipe| format!(" on {}", recipe.runtime_image));
            act(BUILD, format!("build the image from a generated Dockerfile{from}"), timeout)
                .undone_by("remove the image")
        }
    }
}

/// Starting the candidate, and of a project the services around it.
fn start(outline: &Outline) -> Step {
    match Project::of(outline) {
        None => act(START, start_title(outline), START_TIMEOUT).undone_by("stop and remove it"),
        Some(project) => act(START, project_title(outline, &project), PROJECT_TIMEOUT)
            .undone_by("stop and remove them; what stays across releases stays"),
    }
}

/// What a person should know about how the services of a project run.
fn project_title(outline: &Outline, project: &Project<'_>) -> String {
    let restoring = outline.artifact.as_ref().is_some_and(|artifact| artifact.digest.is_some());
    let mut parts = Vec::new();
    let mut say = |role, before: &str, after: &str| {
        let names = project.names(role);
        if !names.is_empty() {
            parts.push(format!("{before} {}{after}", names.join(", ")));
        }
    };
    say(Role::Stays, "let", " run, which all releases share and no deployment stops");
    if restoring {
        say(Role::Job, "pass over", ", which a rollback does not run");
    } else {
        say(Role::Job, "run", " to the end");
    }
    say(Role::Replaced, "start", " beside those of the live release");
    say(Role::Web, "start", " beside the live one");
    let limits = "each without privileges, with at most the memory, processor and processes that the file or the profile says";
    format!("{}; {limits}", parts.join(", "))
}

/// What a person should know about how the container runs.
fn start_title(outline: &Outline) -> String {
    let caps = Caps::of(outline);
    let port = site::port(outline).map_or(String::new(), |port| format!(" on port {port}"));
    let cpu = caps.cpu_millis.map_or(String::new(), |millis| format!(", {millis}/1000 of a core"));
    let files = if caps.read_only { ", files read-only but for /tmp" } else { "" };
    let secrets =
        secrets(outline, false, "with the secrets") + &secrets(outline, true, "with the secret files");
    format!(
        "start it beside the live release{port}: at most {} of memory{cpu} and {} processes, without privileges{files}{secrets}",
        caps.memory, caps.pids
    )
}

/// The names of the secrets that the release reads in one way.
fn secrets(outline: &Outline, file: bool, what: &str) -> String {
    let those = outline.profile.secrets.iter().filter(|(_, secret)| secret.file == file);
    let names: Vec<&str> = those.map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!(", {what} {}", names.join(", ")) }
}

fn act(id: &str, title: impl Into<String>, timeout: Span) -> Step {
    Step::act(name(id), title).within(timeout).tried(RETRY)
}

/// Asking the candidate, and looking at it where a browser is asked for.
fn check_candidate(policy: &HealthPolicy, timeout: Span) -> Step {
    let asks = format!("ask the new container itself: {}; {}", policy.check.asks(policy), policy.asks_for());
    match &policy.browser {
        None => check(CHECK_CANDIDATE, asks, timeout),
        Some(browser) => {
            let both = Span::from_millis(timeout.as_millis().saturating_add(browser.longest().as_millis()));
            check(CHECK_CANDIDATE, format!("{asks}; {}", browser.asks_for()), both)
        }
    }
}

fn check(id: &str, title: impl Into<String>, timeout: Span) -> Step {
    Step::check(name(id), title).within(timeout).tried(RETRY)
}

fn name(id: &str) -> StepId {
    id.parse().expect("the step names above are names")
}
