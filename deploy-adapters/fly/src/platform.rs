//! What flyctl answers in JSON, as far as it matters here. Keys that are not known are passed over.

use std::collections::BTreeMap;

use deploy_core::id::Digest;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// `status --json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AppStatus {
    #[serde(default)]
    pub(crate) hostname: Option<String>,
    #[serde(default)]
    pub(crate) version: Option<u64>,
}

/// One entry of `releases --json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReleaseEntry {
    pub(crate) version: u64,
    #[serde(default)]
    pub(crate) status: String,
    /// When flyctl began it, before any machine was changed.
    #[serde(default)]
    pub(crate) created_at: String,
}

/// One entry of `machine list --json`: the Machines API's own shape.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) image_ref: ImageRef,
    pub(crate) config: MachineConfig,
    pub(crate) events: Vec<MachineEvent>,
    pub(crate) checks: Vec<CheckResult>,
    pub(crate) host_status: Option<String>,
}

/// The image a machine runs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ImageRef {
    pub(crate) registry: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) digest: Option<String>,
}

/// How a machine was configured.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MachineConfig {
    pub(crate) env: Option<BTreeMap<String, String>>,
    pub(crate) metadata: Option<BTreeMap<String, String>>,
}

/// Something that happened to a machine, newest first.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MachineEvent {
    pub(crate) request: Option<EventRequest>,
}

/// What came with an event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventRequest {
    pub(crate) exit_event: Option<ExitEvent>,
    pub(crate) restart_count: Option<u64>,
}

/// How a machine's program ended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExitEvent {
    pub(crate) exit_code: Option<i64>,
    pub(crate) oom_killed: bool,
    pub(crate) requested_stop: bool,
}

/// One health check of a machine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CheckResult {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) output: Option<String>,
}

/// `checks list --json`: by machine.
pub(crate) type Checks = BTreeMap<String, Vec<CheckResult>>;

/// One entry of `logs --json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LogEntry {
    pub(crate) timestamp: String,
    /// The machine.
    #[serde(default)]
    pub(crate) instance: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) meta: LogMeta,
}

/// Where an entry comes from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct LogMeta {
    pub(crate) event: LogEvent,
}

/// Who wrote it: `app`, or a part of the platform such as `proxy` and `runner`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct LogEvent {
    pub(crate) provider: String,
}

/// The variable that says, on every machine, which release it is of.
pub(crate) const MARK: &str = "DEPLOY_RELEASE";

impl Machine {
    fn metadata(&self, key: &str) -> Option<&str> {
        self.config.metadata.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether users meet it: not a builder, not one for a release command or a canary's trial, and not gone.
    pub(crate) fn serves(&self) -> bool {
        let aside = self.metadata("fly_builder_id").is_some()
            || self.metadata("fly_canary").is_some()
            || self.metadata("fly_process_group") == Some("fly_app_release_command");
        let gone = matches!(self.state.as_str(), "destroyed" | "destroying" | "replaced" | "migrated");
        !aside && !gone
    }

    /// Which release it says it is of.
    pub(crate) fn mark(&self) -> Option<&str> {
        self.config.env.as_ref()?.get(MARK).map(String::as_str)
    }

    /// The number that the platform gave its release.
    pub(crate) fn version(&self) -> Option<u64> {
        self.metadata("fly_release_version")?.parse().ok()
    }

    /// The content it runs.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.image_ref.digest.as_ref()?.parse().ok()
    }

    /// The image it runs, by its content.
    pub(crate) fn image(&self) -> Option<String> {
        let ImageRef { registry, repository, digest } = &self.image_ref;
        Some(format!("{}/{}@{}", registry.as_ref()?, repository.as_ref()?, digest.as_ref()?))
    }

    /// How its program ended last, if it did.
    pub(crate) fn exit(&self) -> Option<&ExitEvent> {
        self.events.iter().find_map(|event| event.request.as_ref()?.exit_event.as_ref())
    }

    /// How often its program was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.events.iter().filter_map(|event| event.request.as_ref()?.restart_count).max().unwrap_or(0)
    }
}

/// Reads an answer; what is not whole is no answer.
pub(crate) fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, String> {
    serde_json::from_slice(answer).map_err(|error| unreadable(answer, &error))
}

/// Reads an answer of many values, one after the other. What flyctl was about to write when it was ended is none.
pub(crate) fn read_all<T: DeserializeOwned>(answer: &[u8], was_ended: bool) -> Result<Vec<T>, String> {
    let mut found = Vec::new();
    for value in serde_json::Deserializer::from_slice(answer).into_iter() {
        match value {
            Ok(value) => found.push(value),
            Err(error) if was_ended && error.is_eof() => break,
            Err(error) => return Err(unreadable(answer, &error)),
        }
    }
    Ok(found)
}

fn unreadable(answer: &[u8], error: &serde_json::Error) -> String {
    let shown: String =
        String::from_utf8_lossy(answer).chars().filter(|c| !c.is_control()).take(80).collect();
    format!("flyctl's answer is not what was expected ({error}): {shown:?}")
}
