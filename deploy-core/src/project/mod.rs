//! The services of a Compose file, as far as they are carried out: what is not in these types is not asked of any
//! target.

mod expand;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::expand::{ExpandError, expand};
use crate::size::Size;
use crate::time::Span;

/// How a service lives beside the releases of its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Role {
    /// People reach it: started beside the one of the live release, proved, and switched to.
    Web,
    /// Every release has one of its own, started beside the one of the live release.
    Replaced,
    /// All releases share one, which runs across deployments: a database, a cache, a queue, and whatever else keeps data
    /// and is not built here.
    Stays,
    /// It runs to its end, and well, before those that wait for that are started: a migration.
    Job,
}

/// What of another service must be so before a service is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Condition {
    /// It runs.
    Started,
    /// Its own health check passes.
    Healthy,
    /// It has ended, and well.
    Completed,
}

/// What happens when a service ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Restart {
    /// It is started again.
    #[default]
    Always,
    /// It is started again if it ended with an error.
    OnFailure,
    /// It may end.
    Never,
}

/// How the image of a service is built.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceBuild {
    /// The directory that is sent, relative to the base directory; empty for that one itself.
    pub context: String,
    /// The Dockerfile, relative to the context.
    pub dockerfile: String,
    /// The stage; the last one when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stage: Option<String>,
    /// Its arguments.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub arguments: BTreeMap<String, String>,
}

/// A named volume in a service. It is kept whatever happens to the service, and never removed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceVolume {
    /// Its name in the Compose file.
    pub name: String,
    /// The absolute path where the service finds it.
    pub path: String,
    /// Whether the service may only read it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub read_only: bool,
}

/// How the target itself asks a service whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceHealth {
    /// `CMD` and words, or `CMD-SHELL` and one command, run inside the service.
    pub test: Vec<String>,
    /// The time between two attempts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interval: Option<Span>,
    /// How long one attempt may take.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout: Option<Span>,
    /// How many bad answers in a row make it unhealthy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retries: Option<u32>,
    /// How long bad answers do not count after the start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub start_period: Option<Span>,
}

/// One service of a Compose file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Service {
    /// Its name, by which the others reach it: lower-case letters and digits, with single separators between them.
    pub name: String,
    /// How it lives beside the releases.
    pub role: Role,
    /// The image it is, unless it is built.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<String>,
    /// How its image is built.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub build: Option<ServiceBuild>,
    /// The words it is started with instead of the image's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entrypoint: Option<Vec<String>>,
    /// The words that follow.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<Vec<String>>,
    /// Its variables. References to variables and secrets of the profile are still in them: see [`expand`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub environment: BTreeMap<String, String>,
    /// Its volumes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub volumes: Vec<ServiceVolume>,
    /// Directories in memory.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub tmpfs: BTreeSet<String>,
    /// What must be so of others before it is started.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub depends_on: BTreeMap<String, Condition>,
    /// How it is asked whether it is well.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub health: Option<ServiceHealth>,
    /// What happens when it ends.
    #[serde(default)]
    pub restart: Restart,
    /// The user it runs as.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// The directory it is started in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub working_dir: Option<String>,
    /// Whether it may write only to its volumes and to memory; as the profile says when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read_only: Option<bool>,
    /// Whether a first process of its own collects those that end.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub init: bool,
    /// The signal that asks it to end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stop_signal: Option<String>,
    /// The most memory it may use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory: Option<Size>,
    /// The most processor time it may use, in thousandths of one core.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_millis: Option<u32>,
    /// The most processes and threads it may have.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pids: Option<u32>,
}

impl Service {
    /// A service of an image, with nothing said about it.
    #[must_use]
    pub fn named(name: impl Into<String>, role: Role) -> Self {
        Self {
            name: name.into(),
            role,
            image: None,
            build: None,
            entrypoint: None,
            command: None,
            environment: BTreeMap::new(),
            volumes: Vec::new(),
            tmpfs: BTreeSet::new(),
            depends_on: BTreeMap::new(),
            health: None,
            restart: Restart::default(),
            user: None,
            working_dir: None,
            read_only: None,
            init: false,
            stop_signal: None,
            memory: None,
            cpu_millis: None,
            pids: None,
        }
    }
}

/// The services in an order in which every one comes after those it depends on; `None` where they wait for each other,
/// or for one that is not there.
#[must_use]
pub fn in_order(services: &[Service]) -> Option<Vec<&Service>> {
    let mut rest: Vec<&Service> = services.iter().collect();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(services.len());
    while !rest.is_empty() {
        let ready = |service: &&Service| service.depends_on.keys().all(|name| placed.contains(name.as_str()));
        let next = rest.iter().position(ready)?;
        let service = rest.remove(next);
        placed.insert(&service.name);
        ordered.push(service);
    }
    Some(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, after: &[&str]) -> Service {
        let depends_on = after.iter().map(|name| ((*name).to_owned(), Condition::Started)).collect();
        Service { depends_on, ..Service::named(name, Role::Replaced) }
    }

    #[test]
    fn services_come_after_what_they_depend_on() {
        let services = [service("web", &["api", "db"]), service("api", &["db"]), service("db", &[])];
        let names: Vec<&str> = in_order(&services).unwrap().iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["db", "api", "web"]);
        assert_eq!(in_order(&[service("a", &["b"]), service("b", &["a"])]), None);
        assert_eq!(in_order(&[service("a", &["nobody"])]), None);
    }
}
