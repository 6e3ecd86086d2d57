//! How a phase can fail: a closed list of codes, each with its class, its meaning and its remedy.

mod place;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::acceptance::Acceptance;
use crate::auto_rollback::Observed;
use crate::diagnosis;
use crate::evidence::Fact;

/// What the engine may do about a failure without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FailureClass {
    /// Trying again may help; the effect did not happen.
    Transient,
    /// Trying again will not help; the effect did not happen as asked.
    Permanent,
    /// It is not known whether the effect happened: the world must be read back.
    InDoubt,
}

macro_rules! failure_codes {
    ($($variant:ident, $code:literal, $class:ident, $retry:literal, $meaning:literal, $remedy:literal;)*) => {
        /// The closed list of failure codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum FailureCode {
            $(#[doc = $meaning] #[serde(rename = $code)] $variant,)*
        }

        impl FailureCode {
            /// Every code, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What the engine may do about it.
            #[must_use]
            pub const fn class(self) -> FailureClass {
                match self { $(Self::$variant => FailureClass::$class,)* }
            }

            /// Whether a person's retry, with nothing changed, can help.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retry,)* }
            }

            /// What it means, one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do, one instruction.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

failure_codes! {
    PlanBlocked, "plan_blocked", Permanent, false,
        "The plan says no.", "remove the blocked reasons, then deploy again";
    BlockedTooLong, "blocked_too_long", Permanent, false,
        "A blocked plan was not changed in time.", "remove the blocked reasons, then deploy again";
    ApprovalExpired, "approval_expired", Permanent, true,
        "Nobody approved the plan in time.", "deploy again and approve the plan";
    SourceUnavailable, "source_unavailable", Transient, true,
        "The source could not be read.", "check that the source is there and may be read";
    SourceChanged, "source_changed", Permanent, false,
        "The source is not what was planned any more: its commit is gone, or the archive has another content.", "deploy again, so that what is there now is planned";
    TargetUnavailable, "target_unavailable", Transient, true,
        "The target did not answer.", "check that the target's process runs, then retry";
    BuildFailed, "build_failed", Permanent, false,
        "A build command ended with an error.", "read the build log, mend the build, then deploy again";
    BuildNotStarted, "build_not_started", Permanent, false,
        "A build command could not be started.", "check that the program it names is installed";
    SourceUnsafe, "source_unsafe", Permanent, false,
        "What would be published holds something unsafe: a link out of it, a device, a name that is not UTF-8.", "remove it from the publish directory";
    PublishDirectoryMissing, "publish_directory_missing", Permanent, false,
        "The build did not make the publish directory.", "correct runtime.publish_directory or the build command";
    NothingToPublish, "nothing_to_publish", Permanent, false,
        "The publish directory is empty.", "correct runtime.publish_directory or the build command";
    TooLarge, "too_large", Permanent, false,
        "The release has more files or bytes than the limits allow.", "publish less, or raise the limits";
    DiskFull, "disk_full", Permanent, true,
        "There is no space left.", "free disk space, then retry";
    ArtifactMissing, "artifact_missing", Permanent, false,
        "The artifact is gone or damaged.", "deploy the source again";
    StepTimedOut, "step_timed_out", Permanent, true,
        "A step took longer than it may.", "read the step's log, raise its limit if it only needs longer";
    RunTimedOut, "run_timed_out", Permanent, true,
        "The whole run took longer than it may.", "raise limits.run_timeout if it only needs longer";
    Unhealthy, "unhealthy", Permanent, false,
        "The new release did not pass its health check.", "compare the answer in the evidence with the health policy";
    PageFailed, "page_failed", Permanent, false,
        "The new release's page did not load in a browser as its policy says.", "look at the console's errors in the evidence, and at the screenshot";
    BrowserUnavailable, "browser_unavailable", Transient, true,
        "The browser that looks at the page could not be started, or ended on its way.", "check that Chromium can run where the control plane runs, or remove [health.browser]";
    WrongRelease, "wrong_release", Permanent, true,
        "Something answered, but it was not the new release.", "check what else listens on that address";
    ReleaseExited, "release_exited", Permanent, false,
        "The new release's process ended before it proved itself.", "read its last lines, mend the start command or what it needs, then deploy again";
    OutOfMemory, "out_of_memory", Permanent, false,
        "The kernel ended the new release for using more memory than it may.", "raise limits.memory, or make the release need less";
    StartRefused, "start_refused", Permanent, false,
        "The new release could not be started.", "correct what the message names: the start command, the image or a limit";
    ImageUnavailable, "image_unavailable", Permanent, true,
        "The image is not on this machine and could not be fetched.", "check the image's name and that the registry can be reached, or load the image on the machine";
    SecretMissing, "secret_missing", Permanent, false,
        "A secret that the profile refers to has no value.", "set the environment variable it names for the control plane, then deploy again";
    NameTaken, "name_taken", Permanent, false,
        "Something that is not ours has the name that the release needs.", "rename or remove it: it is never touched by the engine";
    ServiceChanged, "service_changed", Permanent, false,
        "A service that all releases share runs as it was defined before; replacing it would stop it for the live release.", "stop and remove its container when that suits you, its data stays, then deploy again";
    SwitchRefused, "switch_refused", Permanent, false,
        "The route could not be switched.", "read the message of the edge in the evidence";
    StaleFence, "stale_fence", Permanent, false,
        "A newer deployment owns the resource.", "look at the newer deployment";
    HostTaken, "host_taken", Permanent, false,
        "The host belongs to another resource.", "choose another access.host";
    PortUnavailable, "port_unavailable", Permanent, true,
        "The port is in use.", "free the port or choose another access.port";
    ReplyLost, "reply_lost", InDoubt, true,
        "The target took the order but its answer was lost.", "nothing: the world is read back";
    OutcomeUnknown, "outcome_unknown", Permanent, true,
        "It could not be found out whether a step took effect.", "look at the target by hand, then say what you found";
    UndoFailed, "undo_failed", Permanent, true,
        "What a step did could not be undone.", "restore the release by hand: see what is live now";
    ProviderAuth, "provider_auth", Permanent, false,
        "The provider does not know who asks, or does not let them.", "log in with `flyctl auth login`, or set FLY_API_TOKEN for the control plane";
    AppNotFound, "app_not_found", Permanent, false,
        "The provider has no such app, or does not show it to who asks.", "correct fly.app, or make the app with `flyctl apps create`";
    ProviderConfig, "provider_config", Permanent, false,
        "The provider's configuration of the app is not valid.", "correct the line and key that the message names in fly.toml";
    ProviderRefused, "provider_refused", Permanent, false,
        "The provider refused what was asked for.", "read what it said in the evidence";
    ProviderCapacity, "provider_capacity", Permanent, true,
        "The provider has no room for the machines there.", "choose another fly.primaryRegion, or try again later";
    ReleaseCommandFailed, "release_command_failed", Permanent, false,
        "The release command of fly.toml ended with an error.", "read the log, mend the command, then deploy again";
    RateLimited, "rate_limited", Transient, true,
        "The provider was asked too often.", "wait a minute, then retry";
    ProviderUnavailable, "provider_unavailable", Transient, true,
        "The provider did not answer, or not with an answer.", "look at status.flyio.net, then retry";
    Cancelled, "cancelled", Permanent, true,
        "The step was stopped on request.", "deploy again when you are ready";
    RecordDamaged, "record_damaged", Permanent, false,
        "The record of the deployment can't be read, and somebody ended it. What it did is not known.", "look at the target, then deploy again";
    Internal, "internal", Permanent, true,
        "Something went wrong inside the engine.", "report it with the diagnostics of `deploy doctor`";
}

/// The number of log lines a failure keeps.
pub const TAIL_LINES: usize = 20;

/// The number of last lines an executor hands over: what tells the cause may stand above the tail.
pub const HEARD_LINES: usize = 200;

/// A failed effect, as data: it feeds `decide`, is stored, and is shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// The stable code.
    pub code: FailureCode,
    /// What happened here, one lower-case sentence.
    pub message: String,
    /// What shows it: the status and body of a probe, the exit code of a build.
    #[serde(default)]
    pub evidence: Vec<Fact>,
    /// The last lines of output, at most [`TAIL_LINES`].
    #[serde(default)]
    pub tail: Vec<String>,
    /// What was seen of the new release, where the target replaces what serves by itself: what going back depends on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed: Option<Box<Observed>>,
    /// The acceptance checks that it settled.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub acceptance: Vec<Acceptance>,
}

impl Failure {
    /// A failure without evidence yet.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            evidence: Vec::new(),
            tail: Vec::new(),
            observed: None,
            acceptance: Vec::new(),
        }
    }

    /// Adds what shows it.
    #[must_use]
    pub fn because(mut self, what: impl Into<String>, fact: impl Into<String>) -> Self {
        self.evidence.push(Fact::new(what, fact));
        self
    }

    /// Keeps the last lines of some output, and as evidence the line above them that tells the cause.
    /// Executors hand over up to [`HEARD_LINES`].
    #[must_use]
    pub fn with_tail(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.tail.extend(lines);
        let surplus = self.tail.len().saturating_sub(TAIL_LINES);
        let cut: Vec<String> = self.tail.drain(..surplus).collect();
        if let Some(line) = diagnosis::telling(&cut) {
            self.evidence.push(Fact::new(diagnosis::OUTPUT, line.as_str()));
        }
        self
    }

    /// What the engine may do about it.
    #[must_use]
    pub const fn class(&self) -> FailureClass {
        self.code.class()
    }
}
