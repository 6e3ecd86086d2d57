//! Starting the candidate beside the live release.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use bollard::models::{ContainerCreateBody, ContainerInspectResponse};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, Name};
use deploy_core::log::LogLevel;
use deploy_core::plan::{Outline, Output};
use deploy_core::port::{Probe, StepContext};
use deploy_core::project::Service;
use deploy_core::step_log::StepLog;

use crate::compile::STOP_GRACE;
use crate::container::{Caps, Environment, Place, body};
use crate::containers::{self, Ours};
use crate::engine::{Engine, EngineError};
use crate::names::{self, LABEL_CONFIG, LABEL_DIGEST, Names};
use crate::network;
use crate::paths::disk;
use crate::project::{self, Project, shape};
use crate::secret_files;
use crate::secrets::Secrets;
use crate::site;

/// The facts that later steps read.
pub(crate) const CONTAINER: &str = "container";
pub(crate) const ADDRESS: &str = "address";

/// Creates and starts the container of a deployment. One that an earlier attempt left is taken if it runs, and
/// made anew if it does not.
pub(crate) async fn start(
    engine: &Engine,
    owner: &Name,
    names: &Names<'_>,
    cx: &StepContext,
    (secrets, files): (&Secrets, &Path),
    log: &StepLog,
) -> Result<Output, Failure> {
    if let Probe::Present { output } = read_back(engine, owner, names, cx).await? {
        return Ok(output);
    }
    project::start(engine, owner, names, cx, secrets, log).await?;
    let name = names.container();
    let (id, paused) = match kept(engine, owner, names, cx, secrets, log).await? {
        Some((id, paused)) => {
            log.system(LogLevel::Info, &format!("{name} is the container that was kept"));
            (id, paused)
        }
        None => {
            if let Some(left) = containers::find_ours(engine, owner, &name).await? {
                containers::remove(engine, &left.id.unwrap_or_default()).await?;
            }
            (create(engine, owner, names, cx, (secrets, files)).await?, false)
        }
    };
    log.system(LogLevel::Info, &format!("starting {name}"));
    if let Err(error) = containers::wake(engine, &id, paused).await {
        return Err(refused(error));
    }
    // One that has ended already is found, too: the check says how, with its last lines.
    let container = containers::find_ours(engine, owner, &name).await?.ok_or_else(|| vanished(&name))?;
    described(container, &name, cx)
}

/// The container that was kept of the release a rollback goes back to, now under this deployment's name: only one
/// that is exactly what would be created now, and that nobody is sent to.
async fn kept(
    engine: &Engine,
    owner: &Name,
    names: &Names<'_>,
    cx: &StepContext,
    secrets: &Secrets,
    log: &StepLog,
) -> Result<Option<(String, bool)>, Failure> {
    let outline = cx.plan.outline();
    // The services of a project find each other in a network of their deployment's own.
    if Project::of(outline).is_some() {
        return Ok(None);
    }
    if outline.artifact.as_ref().is_none_or(|artifact| artifact.digest.is_none()) {
        return Ok(None);
    }
    let (digest, config) = (digest(cx)?, config(outline, digest(cx)?, secrets));
    let fits = |other: &Ours| other.digest.as_ref() == Some(digest) && other.config.as_ref() == Some(&config);
    let listed = containers::list(engine, owner, Some(names.resource)).await?;
    let mut kept = None;
    for other in listed.into_iter().filter(fits) {
        let Some(container) = containers::find(engine, &other.id).await? else { continue };
        let paused = containers::is_paused(&container);
        // Somebody is sent to one that runs; one that the engine had to start again is no proof of anything.
        if containers::is_running(&container) || container.restart_count.unwrap_or(0) > 0 {
            continue;
        }
        // One that this deployment took over before it was cut off; else what goes on at once; else the newest.
        let rank = (other.works_for(cx.deployment), paused, other.created);
        kept = kept.max(Some((rank, other.id, paused)));
    }
    let Some((_, id, paused)) = kept else { return Ok(None) };
    match containers::rename(engine, &id, &names.container()).await {
        Ok(()) => Ok(Some((id, paused))),
        // Gone meanwhile, or the name is somebody else's, which creating it says better.
        Err(error @ (EngineError::NotFound(_) | EngineError::Conflict(_) | EngineError::Refused { .. })) => {
            log.system(LogLevel::Debug, &format!("the container that was kept can't be taken over: {error}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// What tells a container from one that was created otherwise. The values of secrets are part of it, and can't be
/// read out of it by anybody who could not read them from the container itself.
fn config(outline: &Outline, digest: &Digest, secrets: &Secrets) -> String {
    let anywhere = Place { network: "", address: std::net::Ipv4Addr::UNSPECIFIED };
    let variables = environment(outline, secrets);
    let body = body(&Caps::of(outline), digest, HashMap::new(), anywhere, variables);
    // By way of a value: its keys are in order, those of the body's maps are not.
    let mut text = serde_json::to_value(&body).map(|value| value.to_string()).unwrap_or_default();
    // Where a file lies differs from container to container, what is in it does not.
    for (name, value) in secrets.files() {
        text.push_str(&format!("\0{name}={value}"));
    }
    Digest::of(text.as_bytes()).to_string()
}

async fn create(
    engine: &Engine,
    owner: &Name,
    names: &Names<'_>,
    cx: &StepContext,
    (secrets, files): (&Secrets, &Path),
) -> Result<String, Failure> {
    let outline = cx.plan.outline();
    let digest = digest(cx)?;
    let network = names::network(owner, names.resource);
    let ground = network::ensure(engine, owner, &network, names.labels()).await?;
    let others = containers::list(engine, owner, Some(names.resource)).await?;
    let used: BTreeSet<_> = others.iter().filter_map(|other| other.address).collect();
    let address = ground.free_address(&used).ok_or_else(|| {
        Failure::new(FailureCode::StartRefused, format!("the network {network} has no free address"))
    })?;
    let mut labels = names.labels();
    labels.insert(LABEL_DIGEST.to_owned(), digest.to_string());
    labels.insert(LABEL_CONFIG.to_owned(), config(outline, digest, secrets));
    let place = Place { network: &network, address };
    let Some(project) = Project::of(outline) else {
        let mut body = body(&Caps::of(outline), digest, labels, place, environment(outline, secrets));
        mount(&mut body, files, secrets)?;
        return send(engine, &names.container(), body).await;
    };
    let caps = shape::caps(outline, project.web);
    let mut body = body(&caps, digest, labels, place, of_web(outline, project.web, secrets)?);
    shape::shape(&mut body, project.web, owner, names.resource);
    mount(&mut body, files, secrets)?;
    let id = send(engine, &names.container(), body).await?;
    if project.has_network() {
        project::join(engine, &names.network(), &id, &project.web.name).await?;
    }
    Ok(id)
}

fn mount(body: &mut ContainerCreateBody, files: &Path, secrets: &Secrets) -> Result<(), Failure> {
    secret_files::mount(body, files, secrets).map_err(|error| disk(&error, "write the files of secrets"))
}

/// What the file says of the web service, then what the profile says: that wins.
fn of_web(outline: &Outline, web: &Service, secrets: &Secrets) -> Result<Environment, Failure> {
    let own = shape::environment(outline, web, secrets)
        .map_err(|error| Failure::new(FailureCode::SecretMissing, format!("{}: {error}", web.name)))?;
    let mut variables: BTreeMap<String, String> = own.0.into_iter().collect();
    variables.extend(outline.profile.env.clone());
    variables.extend(secrets.variables().map(|(name, value)| (name.clone(), value.clone())));
    Ok(Environment(variables.into_iter().collect()))
}

pub(crate) async fn send(engine: &Engine, name: &str, body: ContainerCreateBody) -> Result<String, Failure> {
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    let created =
        engine.change(|docker| async move { docker.create_container(Some(options), body).await }).await;
    match created {
        Ok(created) => Ok(created.id),
        Err(EngineError::NotFound(message)) => Err(Failure::new(FailureCode::ArtifactMissing, message)),
        Err(EngineError::Conflict(message)) => Err(Failure::new(FailureCode::NameTaken, message)),
        Err(error) => Err(error.or(FailureCode::StartRefused)),
    }
}

/// Why the engine did not start it, in words that name what is wrong.
fn refused(error: EngineError) -> Failure {
    error.or(FailureCode::StartRefused)
}

/// The plain variables, the secrets, and the port to listen on unless the profile says otherwise.
fn environment(outline: &Outline, secrets: &Secrets) -> Environment {
    let plain = outline.profile.env.iter();
    let mut variables: Vec<(String, String)> =
        plain.chain(secrets.variables()).map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(port) = site::port(outline)
        && !variables.iter().any(|(name, _)| name == "PORT")
    {
        variables.push(("PORT".to_owned(), port.to_string()));
    }
    Environment(variables)
}

pub(crate) fn digest(cx: &StepContext) -> Result<&Digest, Failure> {
    cx.digest().ok_or_else(|| Failure::new(FailureCode::Internal, "no image to start"))
}

/// Whether the deployment's container runs.
pub(crate) async fn read_back(
    engine: &Engine,
    owner: &Name,
    names: &Names<'_>,
    cx: &StepContext,
) -> Result<Probe, Failure> {
    let name = names.container();
    let Some(container) = containers::find_ours(engine, owner, &name).await? else {
        return Ok(Probe::Absent);
    };
    if !containers::is_running(&container) {
        return Ok(Probe::Absent);
    }
    Ok(Probe::Present { output: described(container, &name, cx)? })
}

/// What later steps need to know of the container, after a look at whether it is the right one.
fn described(container: ContainerInspectResponse, name: &str, cx: &StepContext) -> Result<Output, Failure> {
    let digest = digest(cx)?;
    if containers::label(&container, LABEL_DIGEST) != Some(digest.as_str()) {
        let message = format!("the container {name} belongs to another deployment");
        return Err(Failure::new(FailureCode::NameTaken, message));
    }
    let address = containers::address(&container).ok_or_else(|| vanished(name))?;
    let id = container.id.ok_or_else(|| vanished(name))?;
    Ok(Output::of(digest.clone()).with(CONTAINER, id).with(ADDRESS, address.to_string()))
}

fn vanished(name: &str) -> Failure {
    Failure::new(FailureCode::ReleaseExited, format!("the container {name} was removed by somebody else"))
}

/// Removes the container of a deployment; one that it took over is kept again, as it was. Nobody is sent to it any
/// more.
pub(crate) async fn undo(
    engine: &Engine,
    owner: &Name,
    names: &Names<'_>,
    cx: &StepContext,
) -> Result<(), Failure> {
    undo_web(engine, owner, names).await?;
    project::undo(engine, owner, names, cx).await
}

async fn undo_web(engine: &Engine, owner: &Name, names: &Names<'_>) -> Result<(), Failure> {
    match containers::find_ours(engine, owner, &names.container()).await {
        Ok(Some(container)) => {
            let id = container.id.as_deref().unwrap_or_default();
            match names::made_as(&container, names.deployment) {
                Some(name) => {
                    containers::keep_running(engine, id, false).await?;
                    containers::stop(engine, id, STOP_GRACE).await?;
                    containers::rename(engine, id, &name).await?;
                }
                None => containers::remove(engine, id).await?,
            }
            Ok(())
        }
        // What has our name but is not ours was never made by us.
        Ok(None) => Ok(()),
        Err(failure) if failure.code == FailureCode::NameTaken => Ok(()),
        Err(failure) => Err(failure),
    }
}
