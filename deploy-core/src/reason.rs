//! Why a preview says no: a closed list of codes, each with what it means and what to do.
//!
//! A reason is data, not an error: a blocked plan carries all of its reasons at once.

use serde::{Deserialize, Serialize};

use crate::evidence::Fact;
use crate::hint::{CommandLine, Remedy};
use crate::lifecycle::PhaseName;
use crate::time::Timestamp;

macro_rules! reason_codes {
    ($($variant:ident, $code:literal, $phase:ident, $field:expr, $meaning:literal, $fix:literal;)*) => {
        /// The closed list of reason codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum ReasonCode {
            $(#[doc = $meaning] #[serde(rename = $code)] $variant,)*
        }

        impl ReasonCode {
            /// Every code, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The phase that says no.
            #[must_use]
            pub const fn phase(self) -> PhaseName {
                match self { $(Self::$variant => PhaseName::$phase,)* }
            }

            /// What it means, one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do, one instruction.
            #[must_use]
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix,)* }
            }

            /// The profile field it concerns.
            #[must_use]
            pub const fn profile_field(self) -> Option<&'static str> {
                match self { $(Self::$variant => $field,)* }
            }
        }
    };
}

reason_codes! {
    SourceNotFound, "source_not_found", Detect, None,
        "The source does not exist.", "name a directory that exists";
    SourceNotADirectory, "source_not_a_directory", Detect, None,
        "The source is a file where a directory is needed.", "name the directory that holds the site";
    SourceUnreadable, "source_unreadable", Detect, None,
        "Something in the source may not be read.", "give the user that deploys permission to read it";
    SourceUnavailable, "source_unavailable", Detect, None,
        "The repository could not be fetched.", "check its address, the network, and whether a credential is needed";
    SourceTimeout, "source_timeout", Detect, None,
        "Fetching the source took longer than it may.", "try again, or deploy a smaller source";
    SourceChanged, "source_changed", Detect, None,
        "The source is not the one that was named: its content has changed.", "plan again";
    SourceRefused, "source_refused", Detect, None,
        "The address or the way to reach it is not allowed here.", "use https or ssh to a host that may be reached, or allow it with DEPLOY_GIT_ALLOW";
    GitMissing, "git_missing", Detect, None,
        "The program git is not installed, or too old.", "install git 2.38 or newer";
    GitRefNotFound, "git_ref_not_found", Detect, None,
        "The repository has no such branch, tag or commit.", "name a branch, a tag, or the full id of a commit";
    GitCredentialMissing, "git_credential_missing", Detect, None,
        "The variable that should hold the token is not set, or may not be used for git.", "set the variable for the process that fetches; its name begins with DEPLOY_GIT_";
    ArchiveInvalid, "archive_invalid", Detect, None,
        "The file is not an archive that can be read.", "pack it as tar, tar.gz, tar.zst or zip";
    UnsafeArchiveEntry, "unsafe_archive_entry", Detect, None,
        "The archive holds a path or a link out of it, a device, or the same name twice.", "pack it again without the entry that the message names";
    ArchiveTooLarge, "archive_too_large", Detect, None,
        "The archive holds more files, bytes or levels than the limits allow.", "pack only what is deployed";
    SourceUnsafe, "source_unsafe", Detect, None,
        "The source holds a link out of itself, a link loop, a device, or a name that is not UTF-8.", "remove it, or leave it out with .deployignore";
    SourceTooLarge, "source_too_large", Detect, None,
        "The source has more files, bytes or levels than the limits allow.", "narrow it with source.base_directory, or leave files out with .deployignore";
    BaseDirectoryMissing, "base_directory_missing", Detect, Some("source.baseDirectory"),
        "The base directory does not exist in the source.", "correct source.base_directory";
    PathOutsideSource, "path_outside_source", Detect, None,
        "A configured path leaves the source.", "give a relative path without ..";
    NothingToServe, "nothing_to_serve", Detect, Some("runtime.publishDirectory"),
        "No index.html was found where a site keeps it.", "set runtime.publish_directory to the directory that holds index.html";
    PublishDirectoryMissing, "publish_directory_missing", Detect, Some("runtime.publishDirectory"),
        "The publish directory does not exist and no build makes it.", "set runtime.publish_directory to a directory that exists, or runtime.build to the command that makes it";
    PublishDirectoryUnknown, "publish_directory_unknown", Detect, Some("runtime.publishDirectory"),
        "A build command is set but not where its result is.", "set runtime.publish_directory to the directory that the build writes";
    UnsupportedProject, "unsupported_project", Detect, Some("runtime.build"),
        "The project was recognised but can't be planned from what was found.", "set runtime.build and runtime.publish_directory explicitly";
    NothingRecognised, "nothing_recognised", Detect, Some("runtime.start"),
        "Nothing in the source says what it is.", "set source.base_directory to where the app is, or runtime.start to the command that runs it";
    SeveralApps, "several_apps", Detect, Some("source.baseDirectory"),
        "The source holds several apps that can be deployed.", "set source.base_directory to the one that is meant";
    ManifestInvalid, "manifest_invalid", Detect, None,
        "A file that says how the project is built can't be understood.", "mend the file";
    ConflictingLockfiles, "conflicting_lockfiles", Detect, Some("runtime.install"),
        "The source has lockfiles of several package managers, and nothing says which one counts.", "remove all but one, or name the package manager in package.json";
    StartUnknown, "start_unknown", Detect, Some("runtime.start"),
        "It is a program, but nothing says how it is started in production.", "set runtime.start to the command that runs it";
    OutputUnknown, "output_unknown", Detect, Some("runtime.publishDirectory"),
        "The build makes a site, but where it puts it can't be read from the configuration.", "set runtime.publish_directory to the directory that the build writes";
    PortUnknown, "port_unknown", Detect, Some("network.internalPort"),
        "It listens on a port, but nothing says on which.", "set network.internal_port to the port that the program listens on";
    ServiceUnknown, "service_unknown", Detect, Some("runtime.service"),
        "The Compose file has several services that people could reach.", "set runtime.service to the one that people reach";
    ComposeDirective, "compose_directive", Detect, None,
        "The Compose file asks for something that is not carried out, or must not be.", "remove the directive that the message names";
    ComposeDropped, "compose_dropped", Detect, None,
        "The Compose file asks for something that makes no difference here.", "nothing needs to be done";
    ComposeVariable, "compose_variable", Detect, Some("env"),
        "The Compose file refers to a variable that has no value: only what the profile names is looked at.", "set it under `env`, or under `secrets` if nobody may see it";
    StageUnknown, "stage_unknown", Detect, Some("runtime.stage"),
        "The Dockerfile has no stage of that name.", "set runtime.stage to a stage that the Dockerfile has";
    DockerfileMissing, "dockerfile_missing", Detect, Some("runtime.dockerfile"),
        "The Dockerfile that was named does not exist.", "correct runtime.dockerfile";
    ImageInvalid, "image_invalid", Detect, Some("runtime.image"),
        "What was given is not an image reference.", "set runtime.image to NAME:TAG or NAME@sha256:DIGEST";
    FloatingImage, "floating_image", Detect, Some("runtime.image"),
        "The image has no fixed version: what runs may change without a deployment.", "name the image by a version or a digest";
    NoLockfile, "no_lockfile", Detect, Some("runtime.install"),
        "No lockfile fixes the versions of what is installed: two builds of one commit may differ.", "commit the lockfile of the package manager";
    DevServerAsStart, "dev_server_as_start", Detect, Some("runtime.start"),
        "The start command runs a development server.", "set runtime.start to a command for production";
    FloatingBaseImage, "floating_base_image", Detect, Some("runtime.dockerfile"),
        "A base image has no fixed version: two builds of one commit may differ.", "name a version, or a digest, in the Dockerfile";
    PortGuessed, "port_guessed", Detect, Some("network.internalPort"),
        "The port is a guess: it is what such programs usually listen on.", "set network.internal_port to the port that the program listens on";
    NoHealthPath, "no_health_path", Detect, Some("health.path"),
        "Nothing says which path tells health, so / is asked.", "set health.path to a path that answers 2xx when the program can do its work";
    SingleWriterVolume, "single_writer_volume", Detect, None,
        "The program writes to a volume or a database file of its own, which only one instance may use at a time.", "expect a short stop at each deployment, or keep the data in a service";
    VersionUnavailable, "version_unavailable", Detect, None,
        "The version that the source asks for has no image; the nearest one is used.", "ask for a version that is still published";
    UnsupportedStrategy, "unsupported_strategy", Plan, Some("runtime.strategy"),
        "The target can't carry out this strategy.", "use a strategy that the target supports";
    UnsupportedTarget, "unsupported_target", Plan, None,
        "No executor of that name is installed.", "use one of the targets named in the evidence";
    HostInvalid, "host_invalid", Plan, Some("access.host"),
        "The host is not a host name.", "set access.host to a name of letters, digits, dots and hyphens";
    HostTaken, "host_taken", Plan, Some("access.host"),
        "The host belongs to another resource.", "choose another access.host, or remove the other resource's route";
    HealthPathInvalid, "health_path_invalid", Plan, Some("health.path"),
        "The health path is not an absolute path.", "set health.path to a path that begins with /";
    HealthCheckInvalid, "health_check_invalid", Plan, Some("health.check"),
        "How the release is to be asked contradicts itself.", "set health.check to http, tcp, command or image, and health.command only with command";
    InvalidLimit, "invalid_limit", Plan, None,
        "A number or a length of time is outside what is possible.", "correct the value named in the evidence";
    NotSupportedByTarget, "not_supported_by_target", Plan, None,
        "The profile asks for something that the target can't do.", "remove the field, or choose another target";
    PlanChanged, "plan_changed", Plan, None,
        "The plan is not the one that was approved.", "look at the new plan and approve its fingerprint";
    ReleaseNotFound, "release_not_found", Plan, None,
        "The resource has no such release.", "choose one that `deploy releases` lists";
    ReleaseNotUsable, "release_not_usable", Plan, None,
        "The release never passed verification, or it was pruned.", "choose a release that is live or previous";
    ReleaseAlreadyLive, "release_already_live", Plan, None,
        "The release is live already.", "nothing needs to be done";
    ArtifactMissing, "artifact_missing", Plan, None,
        "The release's artifact is gone or damaged.", "choose another release, or deploy the source again";
    InsufficientDisk, "insufficient_disk", Plan, None,
        "There is not enough free space for another release.", "free disk space, or keep fewer releases with rollback.keep";
    BaseImageUnknown, "base_image_unknown", Plan, None,
        "No base image is known for this kind of project.", "add a Dockerfile, or set runtime.image to an image that exists";
    ImageNotPinned, "image_not_pinned", Plan, Some("runtime.image"),
        "The image is named by a tag, which may mean another image tomorrow.", "name the image by its digest";
    VariableNameInvalid, "variable_name_invalid", Plan, None,
        "The name of a variable or secret can't be one.", "use letters, digits and _, not beginning with a digit";
    SecretMissing, "secret_missing", Plan, None,
        "A secret that the profile refers to has no value.", "set the environment variable it names for the control plane";
    EngineUnavailable, "engine_unavailable", Plan, None,
        "The container engine does not answer.", "install and start Docker, and let the user that deploys reach its socket";
    Frozen, "frozen", Plan, None,
        "Nothing is deployed in this time.", "wait until it is over, or ask somebody who may deploy in it";
    AccountPastDue, "account_past_due", Plan, None,
        "An invoice of the workspace was not paid in time. What runs goes on.", "settle the account; what waits goes on by itself then";
    WorkspaceBusy, "workspace_busy", Plan, None,
        "The workspace has as many deployments running as it may.", "nothing needs to be done: it waits for its turn";
    PolicyUnreadable, "policy_unreadable", Plan, None,
        "The policy was changed and can't be read. The one before it counts.", "correct the file at the line that the message names";
    PolicyRefused, "policy_refused", Plan, None,
        "A rule of whoever runs this says no.", "see what the message names";
    FlyAppMissing, "fly_app_missing", Plan, Some("fly.app"),
        "Nothing says which fly app it is.", "set fly.app, or app in fly.toml";
    FlyAppInvalid, "fly_app_invalid", Plan, Some("fly"),
        "What is set for fly can't be a name, a region or a path.", "correct the value that the message names";
    FlyConfigInvalid, "fly_config_invalid", Plan, None,
        "The file fly.toml holds a mistake.", "correct the line and key that the message names";
    FlyctlMissing, "flyctl_missing", Plan, Some("fly.flyctl"),
        "The program flyctl is not there.", "install flyctl, or say where it is with --flyctl";
    BrowserMissing, "browser_missing", Plan, Some("health.browser"),
        "The health policy asks for a browser, and there is no Chromium here.", "install Chromium where the control plane runs, or remove [health.browser]";
    NoCandidate, "no_candidate", Plan, None,
        "The target replaces what serves by itself: the new release can't be checked beside it before users see it.", "expect that users meet the new release before it has proved itself; it is taken back if it does not";
    PortTaken, "port_taken", Plan, Some("access.port"),
        "The port is used by another resource.", "choose another access.port";
}

impl ReasonCode {
    /// Whether planning the same again, with nothing changed in the source or the profile, can help: what
    /// stands in the way is outside of both, and may be gone later.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::SourceUnreadable
                | Self::SourceUnavailable
                | Self::SourceTimeout
                | Self::SourceChanged
                | Self::GitMissing
                | Self::GitCredentialMissing
                | Self::HostTaken
                | Self::PortTaken
                | Self::InsufficientDisk
                | Self::UnsupportedTarget
                | Self::BrowserMissing
                | Self::Frozen
                | Self::AccountPastDue
                | Self::WorkspaceBusy
                | Self::PolicyRefused
        )
    }
}

/// One reason why a plan is blocked, or doubtful.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// The phase that says no.
    pub phase: PhaseName,
    /// What is wrong here, in this project.
    pub message: String,
    /// Whether planning the same again, with nothing changed, can help.
    #[serde(default)]
    pub retryable: bool,
    /// What shows it.
    pub evidence: Vec<Fact>,
    /// What removes the cause.
    pub fix: Vec<Remedy>,
    /// What goes on in spite of it.
    #[serde(rename = "override")]
    pub overrides: Vec<Remedy>,
    /// The profile field it concerns, for example `network.internalPort`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile_field: Option<String>,
    /// Where more about it is written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<String>,
    /// When it ends by itself, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<Timestamp>,
}

impl Reason {
    /// A reason with the list's fix and field.
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self {
            code,
            phase: code.phase(),
            message: message.into(),
            retryable: code.retryable(),
            evidence: Vec::new(),
            fix: vec![Remedy::by_hand(code.fix())],
            overrides: Vec::new(),
            profile_field: code.profile_field().map(str::to_owned),
            link: None,
            until: None,
        }
    }

    /// Says where more about it is written.
    #[must_use]
    pub fn linked(mut self, link: Option<String>) -> Self {
        self.link = link;
        self
    }

    /// Says when it ends by itself.
    #[must_use]
    pub const fn until(mut self, until: Option<Timestamp>) -> Self {
        self.until = until;
        self
    }

    /// Adds what shows it.
    #[must_use]
    pub fn because(mut self, file: impl Into<String>, fact: impl Into<String>) -> Self {
        self.evidence.push(Fact::new(file, fact));
        self
    }

    /// Adds an exact value for `deploy.toml` as the first fix.
    #[must_use]
    pub fn set(mut self, label: impl Into<String>, set: impl Into<String>) -> Self {
        self.fix.insert(0, Remedy::set(label, set));
        self
    }

    /// Adds a command as the first fix.
    #[must_use]
    pub fn run(mut self, label: impl Into<String>, command: impl Into<CommandLine>) -> Self {
        self.fix.insert(0, Remedy::command(label, command));
        self
    }
}
