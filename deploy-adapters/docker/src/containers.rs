//! Our containers on the engine: finding them, reading their state, stopping and removing them. Nothing here
//! touches a container that does not carry our label.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, ContainerUpdateBody, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Digest, Name, ResourceKey};
use deploy_core::time::Span;

use crate::engine::{Engine, EngineError};
use crate::names::{
    LABEL_CONFIG, LABEL_DEPLOYMENT, LABEL_DIGEST, LABEL_ENVIRONMENT, LABEL_OWNER, LABEL_RESOURCE,
    LABEL_SERVICE, LABEL_STAYS, LABEL_USES, resource_labels, works_for,
};

/// One of our containers, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ours {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The deployment that made it.
    pub(crate) maker: Option<DeploymentId>,
    pub(crate) resource: String,
    pub(crate) environment: String,
    pub(crate) digest: Option<Digest>,
    pub(crate) config: Option<String>,
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) created: i64,
    pub(crate) running: bool,
    /// Whether it stands still, which counts as running.
    pub(crate) paused: bool,
    /// The service of a Compose project that it is; none where people reach it.
    pub(crate) service: Option<String>,
    /// Whether all releases share it.
    pub(crate) stays: bool,
    /// The services that its release has beside it.
    pub(crate) uses: BTreeSet<String>,
}

impl Ours {
    /// Whether it works for a deployment.
    pub(crate) fn works_for(&self, deployment: DeploymentId) -> bool {
        !self.stays && works_for(&self.name, deployment)
    }

    fn of(summary: ContainerSummary) -> Option<Self> {
        let labels = summary.labels.unwrap_or_default();
        let label = |name: &str| labels.get(name).cloned();
        let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let address = networks.values().find_map(|endpoint| {
            let fixed = endpoint.ipam_config.as_ref()?.ipv4_address.as_deref()?;
            fixed.parse().ok()
        });
        let state = summary.state.map(|state| state.to_string());
        Some(Self {
            id: summary.id?,
            name: summary.names?.first()?.trim_start_matches('/').to_owned(),
            maker: label(LABEL_DEPLOYMENT).and_then(|id| id.parse().ok()),
            resource: label(LABEL_RESOURCE)?,
            environment: label(LABEL_ENVIRONMENT)?,
            config: label(LABEL_CONFIG),
            digest: label(LABEL_DIGEST).and_then(|digest| digest.parse().ok()),
            address,
            created: summary.created.unwrap_or_default(),
            running: matches!(state.as_deref(), Some("running" | "restarting" | "paused")),
            paused: state.as_deref() == Some("paused"),
            service: label(LABEL_SERVICE),
            stays: label(LABEL_STAYS).is_some(),
            uses: labels.keys().filter_map(|name| name.strip_prefix(LABEL_USES)).map(str::to_owned).collect(),
        })
    }
}

/// All of our containers, or those of one resource, running or not.
pub(crate) async fn list(
    engine: &Engine,
    owner: &Name,
    resource: Option<&ResourceKey>,
) -> Result<Vec<Ours>, EngineError> {
    let labels = match resource {
        Some(resource) => resource_labels(owner, resource),
        None => HashMap::from([(LABEL_OWNER.to_owned(), owner.to_string())]),
    };
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let filters = HashMap::from([("label", labels)]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let found = engine.read(|docker| async move { docker.list_containers(Some(options)).await }).await?;
    Ok(found.into_iter().filter_map(Ours::of).collect())
}

/// The container of a name or id, if there is one.
pub(crate) async fn find(
    engine: &Engine,
    name: &str,
) -> Result<Option<ContainerInspectResponse>, EngineError> {
    let found = engine
        .read(|docker| async move { docker.inspect_container(name, None::<InspectContainerOptions>).await })
        .await;
    match found {
        Ok(container) => Ok(Some(container)),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same, if it is ours.
pub(crate) async fn find_ours(
    engine: &Engine,
    owner: &Name,
    name: &str,
) -> Result<Option<ContainerInspectResponse>, Failure> {
    let Some(container) = find(engine, name).await? else { return Ok(None) };
    let label = container.config.as_ref().and_then(|config| config.labels.as_ref()?.get(LABEL_OWNER));
    if label.map(String::as_str) == Some(owner.as_str()) {
        return Ok(Some(container));
    }
    let message = format!("there is a container {name} that is not ours");
    Err(Failure::new(FailureCode::NameTaken, message).because("container", name))
}

/// A label of a container.
pub(crate) fn label<'a>(container: &'a ContainerInspectResponse, name: &str) -> Option<&'a str> {
    container.config.as_ref()?.labels.as_ref()?.get(name).map(String::as_str)
}

/// The fixed address of a container.
pub(crate) fn address(container: &ContainerInspectResponse) -> Option<Ipv4Addr> {
    let networks = container.network_settings.as_ref()?.networks.as_ref()?;
    networks
        .values()
        .find_map(|endpoint| endpoint.ipam_config.as_ref()?.ipv4_address.as_deref()?.parse().ok())
}

pub(crate) fn is_running(container: &ContainerInspectResponse) -> bool {
    container.state.as_ref().and_then(|state| state.running).unwrap_or(false) && !is_paused(container)
}

pub(crate) fn is_paused(container: &ContainerInspectResponse) -> bool {
    container.state.as_ref().and_then(|state| state.paused).unwrap_or(false)
}

/// Gives a container another name; one that has it is fine.
pub(crate) async fn rename(engine: &Engine, id: &str, name: &str) -> Result<(), EngineError> {
    let options = RenameContainerOptionsBuilder::default().name(name).build();
    let renamed = engine.change(|docker| async move { docker.rename_container(id, options).await }).await;
    match renamed {
        Err(EngineError::Refused { message, .. }) if message.contains("same name") => Ok(()),
        other => other,
    }
}

/// Lets a container stand still; one that does, or does not run, is fine.
pub(crate) async fn pause(engine: &Engine, id: &str) -> Result<(), EngineError> {
    settled(engine.change(|docker| async move { docker.pause_container(id).await }).await)
}

/// Lets a container go on; one that runs, or does not run at all, is fine.
pub(crate) async fn unpause(engine: &Engine, id: &str) -> Result<(), EngineError> {
    settled(engine.change(|docker| async move { docker.unpause_container(id).await }).await)
}

/// The engine refuses to do what is done: "is already paused", "is not paused", "is not running".
fn settled(answer: Result<(), EngineError>) -> Result<(), EngineError> {
    match answer {
        Err(EngineError::Conflict(message) | EngineError::Refused { message, .. })
            if ["paused", "not running"].iter().any(|sign| message.contains(sign)) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Makes a container run, whether it stands still or has ended.
pub(crate) async fn wake(engine: &Engine, id: &str, paused: bool) -> Result<(), EngineError> {
    if paused { unpause(engine, id).await } else { start(engine, id).await }
}

/// Starts a container; one that runs is fine.
pub(crate) async fn start(engine: &Engine, id: &str) -> Result<(), EngineError> {
    engine
        .change(|docker| async move { docker.start_container(id, None::<StartContainerOptions>).await })
        .await
}

/// Says whether the engine starts it again when it ends, and when the engine itself starts. `unless-stopped` would
/// not do: an engine that was killed stops what it finds running when it is back (20.10), and takes that for
/// somebody's wish.
pub(crate) async fn keep_running(engine: &Engine, id: &str, keep: bool) -> Result<(), EngineError> {
    restart(engine, id, if keep { RestartPolicyNameEnum::ALWAYS } else { RestartPolicyNameEnum::NO }).await
}

/// Whether [`keep_running`] was said of it.
pub(crate) fn stays_up(container: &ContainerInspectResponse) -> bool {
    let policy = container.host_config.as_ref().and_then(|host| host.restart_policy.as_ref()?.name);
    policy == Some(RestartPolicyNameEnum::ALWAYS)
}

/// Lets the engine start it again when it ends with an error.
pub(crate) async fn start_again_on_failure(engine: &Engine, id: &str) -> Result<(), EngineError> {
    restart(engine, id, RestartPolicyNameEnum::ON_FAILURE).await
}

async fn restart(engine: &Engine, id: &str, name: RestartPolicyNameEnum) -> Result<(), EngineError> {
    let body = ContainerUpdateBody {
        restart_policy: Some(RestartPolicy { name: Some(name), maximum_retry_count: None }),
        ..ContainerUpdateBody::default()
    };
    engine.change(|docker| async move { docker.update_container(id, body).await }).await
}

/// Asks a container to end, and ends it after the grace; one that is not running, or not there, is fine.
pub(crate) async fn stop(engine: &Engine, id: &str, grace: Span) -> Result<(), EngineError> {
    let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
    // What stands still can't hear that it is to end.
    match unpause(engine, id).await {
        Ok(()) | Err(EngineError::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let options = StopContainerOptionsBuilder::default().t(seconds).build();
    match engine.change(|docker| async move { docker.stop_container(id, Some(options)).await }).await {
        Err(EngineError::NotFound(_)) => Ok(()),
        // Status 304, not modified: it had ended already.
        Err(EngineError::Refused { status: 304, .. }) => Ok(()),
        other => other,
    }
}

/// Removes a container, running or not; one that is not there is fine. Volumes without a name go with it.
pub(crate) async fn remove(engine: &Engine, id: &str) -> Result<(), EngineError> {
    remove_with(engine, id, true).await
}

/// The same, but every volume is left.
pub(crate) async fn remove_leaving_volumes(engine: &Engine, id: &str) -> Result<(), EngineError> {
    remove_with(engine, id, false).await
}

async fn remove_with(engine: &Engine, id: &str, volumes: bool) -> Result<(), EngineError> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(volumes).build();
    match engine.change(|docker| async move { docker.remove_container(id, Some(options)).await }).await {
        // A removal that is under way ends by itself.
        Err(EngineError::NotFound(_) | EngineError::Conflict(_)) => Ok(()),
        other => other,
    }
}
