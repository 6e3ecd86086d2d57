//! `deploy.toml`: finding it, reading it, and saying exactly what is wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deploy_core::id::Name;
use deploy_core::spec::{
    AccessProfile, FlyProfile, HealthProfile, LimitsProfile, NetworkProfile, Profile, RollbackProfile,
    RuntimeProfile, SecretRef, SourceProfile,
};
use serde::Deserialize;

use crate::exit::Failed;

/// The largest configuration that is read: 1 MiB.
const CONFIG_BYTES: u64 = 1024 * 1024;

/// What `deploy.toml` may hold. Unknown keys are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DeployToml {
    resource: Option<Name>,
    environment: Option<Name>,
    target: Option<Name>,
    source: SourceProfile,
    runtime: RuntimeProfile,
    network: NetworkProfile,
    health: HealthProfile,
    access: AccessProfile,
    env: BTreeMap<String, String>,
    secrets: BTreeMap<String, SecretRef>,
    rollback: RollbackProfile,
    limits: LimitsProfile,
    fly: FlyProfile,
}

/// A configuration, from a file or empty.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The file it was read from.
    pub(crate) file: Option<PathBuf>,
    pub(crate) resource: Option<Name>,
    pub(crate) environment: Option<Name>,
    pub(crate) target: Option<Name>,
    pub(crate) profile: Profile,
}

impl Config {
    /// Reads the file that was named, else the nearest one from `start` up to its repository's root.
    pub(crate) fn load(named: Option<&Path>, start: &Path) -> Result<Self, Failed> {
        let file = match named {
            Some(file) => Some(file.to_owned()),
            None => nearest(start),
        };
        file.map_or_else(|| Ok(Self::default()), |file| Self::read(&file))
    }

    fn read(file: &Path) -> Result<Self, Failed> {
        let name = file.display();
        let unreadable = |error: std::io::Error| {
            Failed::usage("config_unreadable", format!("{name} can't be read: {error}"))
        };
        let size = std::fs::metadata(file).map_err(unreadable)?.len();
        if size > CONFIG_BYTES {
            return Err(Failed::usage(
                "config_unreadable",
                format!("{name} is larger than {CONFIG_BYTES} bytes"),
            ));
        }
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let parsed: DeployToml = toml::from_str(&text).map_err(|error| {
            let message = format!("{name} is not as it should be\n{}", error.to_string().trim_end());
            Failed::usage("config_invalid", message)
                .hint("correct the line above; `deploy schema profile` shows every key")
        })?;
        let DeployToml {
            resource,
            environment,
            target,
            source,
            runtime,
            network,
            health,
            access,
            env,
            secrets,
            rollback,
            limits,
            fly,
        } = parsed;
        let profile =
            Profile { source, runtime, network, health, access, env, secrets, rollback, limits, fly };
        Ok(Self { file: Some(file.to_owned()), resource, environment, target, profile })
    }
}

/// The nearest `deploy.toml` from a directory upwards. Outside a repository only the directory itself
/// counts: a file further up could be anybody's.
fn nearest(start: &Path) -> Option<PathBuf> {
    let start = start.canonicalize().ok()?;
    let root =
        start.ancestors().find(|directory| directory.join(".git").exists()).unwrap_or(&start).to_owned();
    let within = start.ancestors().take_while(|directory| directory.starts_with(&root));
    within.map(|directory| directory.join("deploy.toml")).find(|file| file.is_file())
}
