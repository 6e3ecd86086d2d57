//! What somebody asks for: a source, what they fixed explicitly, and how far the engine may go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::asked::Asked;
use crate::id::{DeploymentId, Digest, Name, ResourceKey};
use crate::size::Size;
pub use crate::source::Source;
use crate::time::Span;

/// What somebody asks the engine to deploy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spec {
    /// What is deployed, and in which environment.
    pub resource: ResourceKey,
    /// The name of the executor that carries it out: `static`, `docker`, `fly`.
    pub target: Name,
    /// Where it comes from.
    pub source: Source,
    /// What was fixed explicitly.
    #[serde(default)]
    pub profile: Profile,
    /// Why this deployment exists.
    #[serde(default)]
    pub trigger: Trigger,
    /// Who asked.
    pub actor: Actor,
    /// When the plan may be carried out.
    #[serde(default)]
    pub approval: Approval,
    /// The workspace that the resource belongs to. The engine sets it, from what its
    /// [`Admission`](crate::port::Admission) says: what a request names counts for nothing.
    #[serde(default = "default_workspace", skip_serializing_if = "is_default_workspace")]
    pub workspace: Name,
    /// How a command line asked for it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// The workspace of everything that no other is named for.
#[must_use]
pub fn default_workspace() -> Name {
    "default".parse().expect("it is a name")
}

fn is_default_workspace(workspace: &Name) -> bool {
    workspace.as_str() == "default"
}

impl Spec {
    /// A directory, deployed as it is found, as soon as its plan is ready.
    #[must_use]
    pub fn directory(resource: ResourceKey, target: Name, path: impl Into<String>, actor: Actor) -> Self {
        Self {
            resource,
            target,
            source: Source::Directory { path: path.into() },
            profile: Profile::default(),
            trigger: Trigger::Create,
            actor,
            approval: Approval::Automatic,
            workspace: default_workspace(),
            asked: None,
        }
    }
}

/// Why a deployment exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Trigger {
    /// Somebody deployed a source.
    #[default]
    Create,
    /// The same source again, on purpose.
    Redeploy,
    /// A new attempt after one that did not succeed.
    Retry {
        /// The attempt before.
        of: DeploymentId,
    },
    /// Back to a kept release.
    Rollback,
}

impl Trigger {
    /// The words of all triggers.
    pub const WORDS: [&'static str; 4] = ["create", "redeploy", "retry", "rollback"];

    /// The word, without what it refers to.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Redeploy => "redeploy",
            Self::Retry { .. } => "retry",
            Self::Rollback => "rollback",
        }
    }
}

/// Who gave a command, as they are shown in the history: a user name, a token's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Actor(pub String);

/// When a plan may be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Approval {
    /// As soon as it is ready.
    #[default]
    Automatic,
    /// Only if it is exactly this plan; any other is blocked as `plan_changed`.
    Exactly {
        /// The fingerprint that was seen in a preview.
        fingerprint: Digest,
    },
    /// When somebody approves its fingerprint.
    Required,
}

/// What the user fixed explicitly. An explicit value always wins over what was detected.
///
/// One type reads `deploy.toml` (`base_directory`) and JSON (`baseDirectory`); it is written as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Profile {
    /// Which part of the source.
    pub source: SourceProfile,
    /// How it is built and started.
    pub runtime: RuntimeProfile,
    /// Where it listens.
    pub network: NetworkProfile,
    /// When it counts as healthy.
    pub health: HealthProfile,
    /// Where people reach it.
    pub access: AccessProfile,
    /// Plain environment variables for builds and the running release.
    pub env: BTreeMap<String, String>,
    /// References to secrets, never values.
    pub secrets: BTreeMap<String, SecretRef>,
    /// What happens after a failure, and what is kept.
    pub rollback: RollbackProfile,
    /// Bounds of a run.
    pub limits: LimitsProfile,
    /// What only the fly target needs.
    #[serde(skip_serializing_if = "FlyProfile::is_empty")]
    pub fly: FlyProfile,
}

/// `[source]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceProfile {
    /// The directory within the source that holds the app, for example `apps/web`.
    #[serde(skip_serializing_if = "Option::is_none", alias = "base_directory")]
    pub base_directory: Option<String>,
}

/// How the artifact is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Strategy {
    /// As detection says.
    #[default]
    Auto,
    /// From the user's Dockerfile.
    Dockerfile,
    /// From the user's Compose file.
    Compose,
    /// An image that exists already.
    Image,
    /// With the commands given here.
    Commands,
    /// As a static site.
    Static,
}

/// `[runtime]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuntimeProfile {
    /// How the artifact is made.
    pub strategy: Strategy,
    /// The install command, run as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// The build command, run as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The start command, run as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The directory that holds the finished site, relative to the base directory.
    #[serde(skip_serializing_if = "Option::is_none", alias = "publish_directory")]
    pub publish_directory: Option<String>,
    /// The file answered with status 200 where a single-page app has no file of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The Dockerfile, relative to the base directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The stage of the Dockerfile that is the release; the last one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The service of the Compose file that people reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Arguments of the Dockerfile. They are kept in the image for everyone to read: no place for secrets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", alias = "build_args")]
    pub build_args: BTreeMap<String, String>,
    /// The prebuilt image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Who fetches images from a registry that does not give them to everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryAccess>,
    /// Whether a container may write only to `/tmp`, `/run` and `/var/tmp`; when absent, yes for an image
    /// from a generated Dockerfile and no for any other.
    #[serde(skip_serializing_if = "Option::is_none", alias = "read_only")]
    pub read_only: Option<bool>,
    /// Whether it is made anew even where the same source was built before by the same plan: for base images
    /// and dependencies that moved on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<bool>,
}

/// `registry` of `[runtime]`: a name, and where the password is found. Never the password.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegistryAccess {
    /// The registry that it is for, for example `ghcr.io`: no other one is told. That of `runtime.image` when absent;
    /// for base images of a build, and images of a Compose project, it must be named.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server: Option<String>,
    /// The name that the registry knows.
    pub username: String,
    /// Its password or token.
    pub password: SecretRef,
}

/// `[network]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NetworkProfile {
    /// The port the app listens on inside its container.
    #[serde(skip_serializing_if = "Option::is_none", alias = "internal_port")]
    pub internal_port: Option<u16>,
}

/// How a release is asked whether it is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HealthBy {
    /// By a request over HTTP.
    Http,
    /// By a connection.
    Tcp,
    /// By the command given here.
    Command,
    /// By the command that the image names.
    Image,
}

/// `[health]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthProfile {
    /// How it is asked: over HTTP when absent, unless a command is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<HealthBy>,
    /// The command that is run beside the release and ends with 0 when it is well, run as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The path that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The time between two attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// How long one attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How many good answers make it healthy.
    #[serde(skip_serializing_if = "Option::is_none", alias = "healthy_after")]
    pub healthy_after: Option<u32>,
    /// Of how many answers, the last ones, that many must be good; in a row when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "out_of")]
    pub out_of: Option<u32>,
    /// How long it must stay so before it counts; at once when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "stable_for")]
    pub stable_for: Option<Span>,
    /// How long it may take until it is healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// The status that counts as good; any 2xx when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "expected_status")]
    pub expected_status: Option<u16>,
    /// A text the body must contain.
    #[serde(skip_serializing_if = "Option::is_none", alias = "expected_body")]
    pub expected_body: Option<String>,
    /// How long the first byte of a good answer may take; only measured when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "first_byte")]
    pub first_byte: Option<Span>,
    /// How a browser looks at it once it answers; none looks when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<BrowserProfile>,
}

/// `[health.browser]`: a headless Chromium loads the page before it counts as well. That it stands there asks for it.
/// Where there is no Chromium, the plan is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BrowserProfile {
    /// Whether it is asked for; yes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The path of the page; `/` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How long it may take until it is loaded; 15 seconds when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How long its console is listened to after that; 1 second when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
    /// How many errors there may be on the console; none when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "max_console_errors")]
    pub max_console_errors: Option<u32>,
    /// Whether a picture of it is kept; yes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screenshot: Option<bool>,
}

/// How machines are replaced on fly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Rollout {
    /// One after another.
    Rolling,
    /// All at once, without waiting for any.
    Immediate,
    /// One that is thrown away first, then one after another.
    Canary,
    /// All new ones beside the old ones, then the traffic.
    Bluegreen,
}

impl Rollout {
    /// Every strategy.
    pub const ALL: [Self; 4] = [Self::Rolling, Self::Immediate, Self::Canary, Self::Bluegreen];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Immediate => "immediate",
            Self::Canary => "canary",
            Self::Bluegreen => "bluegreen",
        }
    }
}

/// `[fly]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlyProfile {
    /// The app, which must exist; `app` of `fly.toml` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Where new machines are made; `primary_region` of `fly.toml`, else fly's choice, when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "primary_region")]
    pub primary_region: Option<String>,
    /// How machines are replaced; `deploy.strategy` of `fly.toml`, else rolling, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Rollout>,
    /// The flyctl program, as an absolute path; the one on the control plane's `PATH` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flyctl: Option<String>,
}

impl FlyProfile {
    /// Whether nothing is fixed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.app.is_none()
            && self.primary_region.is_none()
            && self.strategy.is_none()
            && self.flyctl.is_none()
    }
}

/// `[access]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccessProfile {
    /// The host name it is reached by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// A port of its own beside the host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// Where a secret's value is read from, late, in the process that needs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretRef {
    /// The environment variable of the control plane that holds it.
    pub env: String,
    /// Whether the build may read it too, as a file that is in no layer, no argument and no history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub build: bool,
    /// Whether the running release gets it as the file `/run/secrets/NAME` instead of as a variable. Whoever may ask the
    /// engine sees the variables of a container; of a file they see the name only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub file: bool,
}

/// `[rollback]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RollbackProfile {
    /// Whether a failure behind the switch restores the release before; yes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic: Option<bool>,
    /// How many verified releases are kept, the live one included; 5 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// How the release before is kept, where it is a process; stopped when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<Warm>,
}

/// How the release before is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Warm {
    /// It is started again for a rollback, and needs nothing until then.
    Stopped,
    /// It stands still and goes on at once, and keeps its memory until then.
    Paused,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LimitsProfile {
    /// How long install and build together may take; 15 minutes when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "build_timeout")]
    pub build_timeout: Option<Span>,
    /// How long the whole run may take; 1 hour when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "run_timeout")]
    pub run_timeout: Option<Span>,
    /// How many steps may run at the same time, where the plan has such that may; 4 when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "steps_in_flight")]
    pub steps_in_flight: Option<u32>,
    /// The most memory a running release may use; 1 GiB when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// The most processor time a running release may use, in thousandths of one core; unlimited when absent.
    #[serde(skip_serializing_if = "Option::is_none", alias = "cpu_millis")]
    pub cpu_millis: Option<u32>,
    /// The most processes and threads a running release may have; 1024 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

impl LimitsProfile {
    /// The most memory a running release may use where nothing is said.
    pub const MEMORY: Size = Size::from_mib(1024);
}
