//! The outline of a plan: profile over detection over defaults, with the origin of every value.

use serde::{Deserialize, Serialize};

use super::step::Step;
use crate::browser::BrowserPolicy;
use crate::detect::{Detection, Found};
use crate::evidence::Fact;
use crate::health::{HealthCheck, HealthPolicy};
use crate::id::{Digest, Name, ResourceKey, Version};
use crate::reason::{Reason, ReasonCode};
use crate::spec::{HealthBy, HealthProfile, Profile, RuntimeProfile, Source, Spec, Strategy};
use crate::time::Span;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Origin {
    /// The profile: `deploy.toml`, a flag, a request.
    Explicit,
    /// What was found in the source.
    Detected,
    /// What the engine or the target does when nothing is said.
    Default,
}

/// The source, summed up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceSummary {
    /// `directory`, `git`, `archive`, `image` or `release`.
    pub kind: String,
    /// The path, the repository's URL, the image reference, or the release's version. Never holds credentials.
    pub locator: String,
    /// The git reference that was asked for.
    pub git_ref: Option<String>,
    /// The commit the source is at.
    pub commit: Option<String>,
    /// The content of an archive.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<Digest>,
    /// The directory within the source that holds the app.
    pub base_directory: Option<String>,
}

impl SourceSummary {
    /// Sums up what a specification names.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        Self::of_source(&spec.source, spec.profile.source.base_directory.clone())
    }

    /// Sums up a source.
    #[must_use]
    pub fn of_source(source: &Source, base_directory: Option<String>) -> Self {
        let plain = |kind: &str, locator: String| Self {
            kind: kind.to_owned(),
            locator,
            git_ref: None,
            commit: None,
            digest: None,
            base_directory,
        };
        match source {
            Source::Directory { path } => plain("directory", path.clone()),
            Source::Git { url, git_ref, commit, credential: _ } => Self {
                git_ref: git_ref.as_ref().map(ToString::to_string),
                commit: commit.as_ref().map(ToString::to_string),
                ..plain("git", url.to_string())
            },
            Source::Archive { path, digest } => {
                Self { digest: digest.clone(), ..plain("archive", path.clone()) }
            }
            Source::Image { reference } => plain("image", reference.to_string()),
            Source::Release { version } => plain("release", version.to_string()),
        }
    }
}

/// The rule that planned it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Planner {
    /// Its name, for example `static-html`.
    pub key: String,
    /// Whether it was chosen or found.
    pub origin: Origin,
}

/// What kind of thing is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ArtifactKind {
    /// A directory of files.
    StaticSite,
    /// An image from the user's Dockerfile.
    DockerfileImage,
    /// An image from a generated Dockerfile.
    GeneratedImage,
    /// An image that exists already.
    PrebuiltImage,
    /// The services of a Compose file.
    ComposeProject,
}

/// What is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Artifact {
    /// What kind of thing it is.
    pub kind: ArtifactKind,
    /// The directory of the finished site, relative to the base directory.
    #[serde(default)]
    pub publish_directory: Option<String>,
    /// The file for single-page fallback.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fallback: Option<String>,
    /// The Dockerfile.
    #[serde(default)]
    pub dockerfile: Option<String>,
    /// The stage of the Dockerfile; the last one when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stage: Option<String>,
    /// The service of the Compose file that people reach.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service: Option<String>,
    /// The prebuilt image.
    #[serde(default)]
    pub image: Option<String>,
    /// The digest, where it is known before anything runs: a kept release, an image by digest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<Digest>,
    /// Where the choice comes from.
    pub origin: Origin,
}

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CommandKind {
    /// Fetches dependencies.
    Install,
    /// Makes the artifact.
    Build,
    /// Runs the app.
    Start,
    /// Packs the artifact.
    Package,
}

/// A command that will run exactly as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedCommand {
    /// What it is for.
    pub kind: CommandKind,
    /// The command.
    pub command: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What shows it.
    pub evidence: Option<Fact>,
}

/// Where the app listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// The port inside the container; absent for a static site.
    pub internal_port: Option<u16>,
    /// `http`.
    pub protocol: String,
    /// Where the port comes from.
    pub origin: Origin,
}

/// When the release counts as healthy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// The policy.
    pub policy: HealthPolicy,
    /// Where the path comes from.
    pub origin: Origin,
}

/// Where people reach the release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Access {
    /// The URL, as far as it is known before anything runs.
    pub url: Option<String>,
    /// The host name.
    pub host: String,
    /// A port of its own.
    pub port: Option<u16>,
    /// Where the host name comes from.
    pub origin: Origin,
}

/// How far the engine may go, and what it does after a failure.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunPolicy {
    /// Whether a failure behind the switch restores the release before.
    pub automatic_rollback: bool,
    /// How many verified releases are kept.
    pub keep: u32,
    /// How long install and build may take together.
    pub build_timeout: Span,
    /// How long the whole run may take, counted from the approval of the plan.
    pub run_timeout: Span,
    /// How old a passed check may be when traffic is switched on its strength.
    pub check_valid_for: Span,
    /// How many steps may run at the same time, where the plan has such that may; 4 unless said.
    #[serde(skip_serializing_if = "is_usual_in_flight", default = "usual_in_flight")]
    pub in_flight_max: u32,
}

/// What plans that were recorded without the number ran with, and what a profile that doesn't say gets.
const fn usual_in_flight() -> u32 {
    4
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
const fn is_usual_in_flight(in_flight_max: &u32) -> bool {
    *in_flight_max == usual_in_flight()
}

/// Everything a plan says, blocked or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Outline {
    /// What is deployed.
    pub resource: ResourceKey,
    /// The executor.
    pub target: Name,
    /// The source.
    pub source: SourceSummary,
    /// What was found.
    pub detection: Detection,
    /// The rule that planned it.
    pub planner: Planner,
    /// What is made; absent while it is not known.
    pub artifact: Option<Artifact>,
    /// What is run to make it.
    pub commands: Vec<PlannedCommand>,
    /// Where the app listens.
    pub network: Network,
    /// When it counts as healthy.
    pub health: Health,
    /// Where people reach it.
    pub access: Access,
    /// What was fixed explicitly, as it will be used.
    pub profile: Profile,
    /// How far the engine may go.
    pub policy: RunPolicy,
    /// The steps, in order. Empty while the plan is blocked before the target was asked.
    pub steps: Vec<Step>,
    /// What is doubtful.
    pub warnings: Vec<Reason>,
}

/// The outline without steps, and every reason the profile itself gives to say no.
pub(super) fn outline(spec: &Spec, detection: &Detection) -> (Outline, Vec<Reason>) {
    let mut profile = spec.profile.clone();
    if profile.source.base_directory.is_none() {
        profile.source.base_directory =
            detection.base_directory.as_ref().map(|directory| directory.value.clone());
    }
    if let Source::Image { reference } = &spec.source {
        profile.runtime = image_only(reference.as_str(), &profile.runtime);
    }
    let mut reasons = detection.blocked.clone();
    let mut source = SourceSummary::of(spec);
    source.base_directory.clone_from(&profile.source.base_directory);
    source.commit = detection.commit.clone().or(source.commit);
    source.digest = detection.source_digest.clone().or(source.digest);
    let artifact = artifact(&profile, detection, &mut reasons);
    let profile = &profile;
    let outline = Outline {
        resource: spec.resource.clone(),
        target: spec.target.clone(),
        source,
        planner: planner(profile, detection),
        health: health(profile, detection, artifact.as_ref(), &mut reasons),
        commands: commands(profile, detection, artifact.as_ref().map(|artifact| artifact.kind)),
        artifact,
        network: network(profile, detection),
        access: access(spec, &mut reasons),
        policy: policy(profile, &mut reasons),
        detection: detection.clone(),
        profile: profile.clone(),
        steps: Vec::new(),
        warnings: detection.warnings.clone(),
    };
    (outline, reasons)
}

/// The outline of a rollback: the kept release's own, with its artifact named by digest and nothing
/// left to build.
pub(super) fn restored(spec: &Spec, kept: &Outline, version: Version, digest: &Digest) -> Outline {
    let mut outline = kept.clone();
    let artifact_kind = kept.artifact.as_ref().map_or(ArtifactKind::StaticSite, |artifact| artifact.kind);
    let fallback = kept.artifact.as_ref().and_then(|artifact| artifact.fallback.clone());
    let service = kept.artifact.as_ref().and_then(|artifact| artifact.service.clone());
    outline.source =
        SourceSummary { locator: version.to_string(), kind: "release".to_owned(), ..kept.source.clone() };
    outline.target = spec.target.clone();
    outline.artifact = Some(Artifact {
        kind: artifact_kind,
        publish_directory: None,
        fallback,
        dockerfile: None,
        stage: None,
        service,
        image: None,
        digest: Some(digest.clone()),
        origin: Origin::Explicit,
    });
    outline.commands.clear();
    outline.steps.clear();
    outline.warnings.clear();
    outline
}

/// Where the source is an image, there is nothing to build: of what was fixed for a build, only how the image is started
/// has a meaning.
fn image_only(reference: &str, runtime: &RuntimeProfile) -> RuntimeProfile {
    RuntimeProfile {
        strategy: Strategy::Image,
        image: Some(reference.to_owned()),
        registry: runtime.registry.clone(),
        start: runtime.start.clone(),
        ..RuntimeProfile::default()
    }
}

/// The explicit value if there is one, else the one that was found.
fn prefer<T: Clone>(explicit: Option<&T>, found: Option<&Found<T>>) -> Option<(T, Origin)> {
    explicit
        .map(|value| (value.clone(), Origin::Explicit))
        .or_else(|| found.map(|found| (found.value.clone(), Origin::Detected)))
}

fn planner(profile: &Profile, detection: &Detection) -> Planner {
    let named = |key: &str| Planner { key: key.to_owned(), origin: Origin::Explicit };
    match profile.runtime.strategy {
        Strategy::Auto => Planner { key: detection.planner.clone(), origin: Origin::Detected },
        Strategy::Dockerfile => named("dockerfile"),
        Strategy::Compose => named("compose"),
        Strategy::Image => named("image"),
        Strategy::Commands => named("commands"),
        Strategy::Static => named("static"),
    }
}

/// Whether a path names something below the directory it is relative to, by its letters alone.
fn is_below(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    path.split('/').all(plain) && !path.contains(['\\', '\0'])
}

fn artifact(profile: &Profile, detection: &Detection, reasons: &mut Vec<Reason>) -> Option<Artifact> {
    let runtime = &profile.runtime;
    let fallback = prefer(runtime.fallback.as_ref(), detection.fallback.as_ref()).map(|(file, _)| file);
    if let Some(file) = fallback.as_ref().filter(|file| !is_below(file)) {
        let message = format!("the fallback {file:?} is not a file of the site");
        reasons.push(
            Reason::new(ReasonCode::PathOutsideSource, message)
                .set("name a file of the site", "runtime.fallback = \"index.html\""),
        );
    }
    let (kind, origin) = artifact_kind(profile, detection)?;
    let mut artifact = Artifact {
        kind,
        publish_directory: None,
        fallback: None,
        dockerfile: None,
        stage: None,
        service: None,
        image: None,
        digest: None,
        origin,
    };
    match kind {
        ArtifactKind::StaticSite => {
            let site = prefer(runtime.publish_directory.as_ref(), detection.publish_directory.as_ref())?;
            artifact.publish_directory = Some(site.0);
            artifact.fallback = fallback;
        }
        ArtifactKind::DockerfileImage => {
            let file = prefer(runtime.dockerfile.as_ref(), detection.dockerfile.as_ref());
            artifact.dockerfile = Some(file.map_or_else(|| "Dockerfile".to_owned(), |(file, _)| file));
            let stage = prefer(runtime.stage.as_ref(), detection.dockerfile_stage.as_ref());
            artifact.stage = stage.map(|(stage, _)| stage);
        }
        ArtifactKind::PrebuiltImage => {
            artifact.image =
                Some(prefer(runtime.image.as_ref(), detection.image.as_ref()).map(|(image, _)| image)?);
        }
        ArtifactKind::ComposeProject => {
            let found = detection.compose.as_ref().and_then(|found| found.value.web.clone());
            artifact.service = runtime.service.clone().or(found);
        }
        ArtifactKind::GeneratedImage => {}
    }
    Some(artifact)
}

/// What is made: as the strategy says; else as the explicit values imply; else what the source brings along (an image, a
/// Dockerfile, a Compose file); else what its kind of program needs.
fn artifact_kind(profile: &Profile, detection: &Detection) -> Option<(ArtifactKind, Origin)> {
    let runtime = &profile.runtime;
    let explicit = match runtime.strategy {
        Strategy::Static => Some(ArtifactKind::StaticSite),
        Strategy::Dockerfile => Some(ArtifactKind::DockerfileImage),
        Strategy::Compose => Some(ArtifactKind::ComposeProject),
        Strategy::Commands => Some(ArtifactKind::GeneratedImage),
        Strategy::Image => Some(ArtifactKind::PrebuiltImage),
        Strategy::Auto if runtime.publish_directory.is_some() => Some(ArtifactKind::StaticSite),
        Strategy::Auto if runtime.image.is_some() => Some(ArtifactKind::PrebuiltImage),
        Strategy::Auto if runtime.dockerfile.is_some() => Some(ArtifactKind::DockerfileImage),
        Strategy::Auto if runtime.service.is_some() => Some(ArtifactKind::ComposeProject),
        Strategy::Auto if runtime.start.is_some() => Some(ArtifactKind::GeneratedImage),
        Strategy::Auto => None,
    };
    if let Some(kind) = explicit {
        return Some((kind, Origin::Explicit));
    }
    let found = match detection {
        Detection { image: Some(_), .. } => ArtifactKind::PrebuiltImage,
        Detection { dockerfile: Some(_), .. } => ArtifactKind::DockerfileImage,
        Detection { compose: Some(_), .. } => ArtifactKind::ComposeProject,
        Detection { publish_directory: Some(_), start: None, .. } => ArtifactKind::StaticSite,
        Detection { start: Some(_), .. } => ArtifactKind::GeneratedImage,
        _ => return None,
    };
    Some((found, Origin::Detected))
}

/// What is run. A Dockerfile, a Compose file and a finished image bring commands of their own; only what was fixed
/// explicitly is run beside them.
fn commands(profile: &Profile, detection: &Detection, artifact: Option<ArtifactKind>) -> Vec<PlannedCommand> {
    let runtime = &profile.runtime;
    let runs = |kind| match artifact {
        None | Some(ArtifactKind::GeneratedImage) => true,
        Some(ArtifactKind::StaticSite) => kind != CommandKind::Start,
        Some(ArtifactKind::DockerfileImage | ArtifactKind::PrebuiltImage | ArtifactKind::ComposeProject) => {
            false
        }
    };
    let one = |kind, explicit: &Option<String>, found: &Option<Found<String>>| {
        let found = found.as_ref().filter(|_| runs(kind));
        let (command, origin) = prefer(explicit.as_ref(), found)?;
        let evidence = match origin {
            Origin::Explicit => Some(Fact::new("deploy.toml", "set explicitly")),
            Origin::Detected | Origin::Default => found.map(|found| found.evidence.clone()),
        };
        Some(PlannedCommand { kind, command, origin, evidence })
    };
    [
        one(CommandKind::Install, &runtime.install, &detection.install),
        one(CommandKind::Build, &runtime.build, &detection.build),
        one(CommandKind::Start, &runtime.start, &detection.start),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn network(profile: &Profile, detection: &Detection) -> Network {
    let port = prefer(profile.network.internal_port.as_ref(), detection.internal_port.as_ref());
    let origin = port.map_or(Origin::Default, |(_, origin)| origin);
    Network { internal_port: port.map(|(port, _)| port), protocol: "http".to_owned(), origin }
}

/// How often it is asked: often enough that nobody waits for the next question. A command is a process each time.
fn interval(check: &HealthCheck, usual: Span) -> Span {
    match check {
        HealthCheck::Http | HealthCheck::Tcp => usual,
        HealthCheck::Command { .. } | HealthCheck::Image => Span::from_millis(100),
    }
}

/// How long it may take: files answer at once, a program has to start first.
fn patience(artifact: Option<&Artifact>) -> Span {
    match artifact.map(|artifact| artifact.kind) {
        None | Some(ArtifactKind::StaticSite) => Span::from_secs(10),
        Some(
            ArtifactKind::DockerfileImage
            | ArtifactKind::GeneratedImage
            | ArtifactKind::PrebuiltImage
            | ArtifactKind::ComposeProject,
        ) => Span::from_secs(60),
    }
}

fn health(
    profile: &Profile,
    detection: &Detection,
    artifact: Option<&Artifact>,
    reasons: &mut Vec<Reason>,
) -> Health {
    let deadline = patience(artifact);
    let wanted = &profile.health;
    let (path, origin) = prefer(wanted.path.as_ref(), detection.health_path.as_ref())
        .unwrap_or_else(|| ("/".to_owned(), Origin::Default));
    absolute(&path, ("the health path", "health.path"), reasons);
    let usual = HealthPolicy::default();
    let check = health_check(wanted, reasons);
    let policy = HealthPolicy {
        path,
        interval: wanted.interval.unwrap_or_else(|| interval(&check, usual.interval)),
        check,
        timeout: wanted.timeout.unwrap_or(usual.timeout),
        healthy_after: wanted.healthy_after.unwrap_or(usual.healthy_after),
        out_of: wanted.out_of,
        stable_for: wanted.stable_for,
        deadline: wanted.deadline.unwrap_or(deadline),
        expected_status: wanted.expected_status,
        expected_body: wanted.expected_body.clone(),
        first_byte: wanted.first_byte,
        browser: browser(wanted, reasons),
    };
    let (needed, deadline) = (u64::from(policy.healthy_after), policy.deadline.as_millis());
    bounded(reasons, "health.out_of", policy.out_of.map_or(needed, u64::from), needed, 100);
    bounded(reasons, "health.stable_for", policy.stable_for.map_or(0, Span::as_millis), 0, deadline);
    bounded(reasons, "health.healthy_after", u64::from(policy.healthy_after), 1, 100);
    bounded(reasons, "health.timeout", policy.timeout.as_millis(), 1, 300_000);
    bounded(reasons, "health.interval", policy.interval.as_millis(), 1, 300_000);
    let first_byte = policy.first_byte.unwrap_or(policy.timeout);
    bounded(reasons, "health.first_byte", first_byte.as_millis(), 1, 300_000);
    bounded(reasons, "health.deadline", policy.deadline.as_millis(), 1, 3_600_000);
    bounded(reasons, "health.expected_status", u64::from(policy.expected_status.unwrap_or(200)), 100, 599);
    Health { policy, origin }
}

fn absolute(path: &str, (what, field): (&str, &str), reasons: &mut Vec<Reason>) {
    if !path.starts_with('/') || path.starts_with("//") || path.chars().any(|c| c.is_control() || c == ' ') {
        let message = format!("{what} {path:?} is not an absolute path");
        let mut reason = Reason::new(ReasonCode::HealthPathInvalid, message)
            .set("begin it with one slash", format!("{field} = \"/\""));
        reason.profile_field = Some(field.to_owned());
        reasons.push(reason);
    }
}

fn browser(wanted: &HealthProfile, reasons: &mut Vec<Reason>) -> Option<BrowserPolicy> {
    let wanted = wanted.browser.as_ref().filter(|wanted| wanted.enabled.unwrap_or(true))?;
    let usual = BrowserPolicy::default();
    let policy = BrowserPolicy {
        path: wanted.path.clone().unwrap_or(usual.path),
        timeout: wanted.timeout.unwrap_or(usual.timeout),
        wait: wanted.wait.unwrap_or(usual.wait),
        max_console_errors: wanted.max_console_errors.unwrap_or(usual.max_console_errors),
        screenshot: wanted.screenshot.unwrap_or(usual.screenshot),
    };
    absolute(&policy.path, ("the path of the page", "health.browser.path"), reasons);
    bounded(reasons, "health.browser.timeout", policy.timeout.as_millis(), 1, 120_000);
    bounded(reasons, "health.browser.wait", policy.wait.as_millis(), 0, 30_000);
    let most = u64::from(policy.max_console_errors);
    bounded(reasons, "health.browser.max_console_errors", most, 0, 1_000);
    Some(policy)
}

fn health_check(wanted: &HealthProfile, reasons: &mut Vec<Reason>) -> HealthCheck {
    let invalid = |message: &str| {
        Reason::new(ReasonCode::HealthCheckInvalid, message)
            .set("run a command", "health.command = \"...\"")
            .set("or ask over HTTP", "health.check = \"http\"")
    };
    if wanted.command.is_some() && !matches!(wanted.check, None | Some(HealthBy::Command)) {
        reasons.push(invalid("health.command is set, but health.check says to ask in another way"));
    }
    match (wanted.check, &wanted.command) {
        (None | Some(HealthBy::Command), Some(command)) => HealthCheck::Command { command: command.clone() },
        (Some(HealthBy::Command), None) => {
            reasons.push(invalid("health.check is \"command\", but there is no health.command"));
            HealthCheck::Http
        }
        (None | Some(HealthBy::Http), _) => HealthCheck::Http,
        (Some(HealthBy::Tcp), _) => HealthCheck::Tcp,
        (Some(HealthBy::Image), _) => HealthCheck::Image,
    }
}

fn access(spec: &Spec, reasons: &mut Vec<Reason>) -> Access {
    let wanted = &spec.profile.access;
    let (host, origin) = match &wanted.host {
        Some(host) => (host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(), Origin::Explicit),
        None => (default_host(spec), Origin::Default),
    };
    let valid = host.len() <= 253 && host.split('.').all(|label| label.parse::<Name>().is_ok());
    if !valid {
        reasons.push(Reason::new(ReasonCode::HostInvalid, format!("{host:?} is not a host name")));
    }
    Access { url: None, host, port: wanted.port, origin }
}

/// `web.localhost` in production, `web-staging.localhost` elsewhere; names under `.localhost`
/// resolve to loopback (RFC 6761, section 6.3).
fn default_host(spec: &Spec) -> String {
    let ResourceKey { resource, environment } = &spec.resource;
    match environment.as_str() {
        "production" => format!("{resource}.localhost"),
        other => format!("{resource}.{other}.localhost"),
    }
}

fn policy(profile: &Profile, reasons: &mut Vec<Reason>) -> RunPolicy {
    let policy = RunPolicy {
        automatic_rollback: profile.rollback.automatic.unwrap_or(true),
        keep: profile.rollback.keep.unwrap_or(5),
        build_timeout: profile.limits.build_timeout.unwrap_or(Span::from_secs(15 * 60)),
        run_timeout: profile.limits.run_timeout.unwrap_or(Span::from_secs(60 * 60)),
        check_valid_for: Span::from_secs(60),
        in_flight_max: profile.limits.steps_in_flight.unwrap_or(usual_in_flight()),
    };
    bounded(reasons, "limits.steps_in_flight", u64::from(policy.in_flight_max), 1, 64);
    bounded(reasons, "rollback.keep", u64::from(policy.keep), 1, 1_000);
    bounded(reasons, "limits.build_timeout", policy.build_timeout.as_millis(), 1_000, 86_400_000);
    bounded(reasons, "limits.run_timeout", policy.run_timeout.as_millis(), 1_000, 7 * 86_400_000);
    policy
}

fn bounded(reasons: &mut Vec<Reason>, field: &str, value: u64, least: u64, most: u64) {
    if !(least..=most).contains(&value) {
        let message = format!("{field} is {value}, which is not between {least} and {most}");
        let mut reason = Reason::new(ReasonCode::InvalidLimit, message);
        reason.profile_field = Some(field.to_owned());
        reasons.push(reason);
    }
}
