//! Starting the services around the web one, and taking them back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bollard::models::{NetworkConnectRequest, RestartPolicy, RestartPolicyNameEnum};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{Digest, Name};
use deploy_core::log::LogLevel;
use deploy_core::port::StepContext;
use deploy_core::project::{Condition, Restart, Role, Service};
use deploy_core::step_log::StepLog;

use super::{Project, conditions, images, shape, volumes};
use crate::container::{Place, body};
use crate::containers::{self, Ours};
use crate::engine::{Engine, EngineError};
use crate::image;
use crate::names::{
    LABEL_CONFIG, LABEL_DIGEST, LABEL_RELEASE_NETWORK, LABEL_SERVICE, LABEL_STAYS, Names, network,
};
use crate::network::{self, Ground};
use crate::secrets::Secrets;
use crate::start::{self, digest};

/// How often it is looked whether the services of a candidate run.
const LOOK: Duration = Duration::from_millis(250);

/// What starting one service needs to know.
struct Starting<'a> {
    engine: &'a Engine,
    owner: &'a Name,
    names: &'a Names<'a>,
    cx: &'a StepContext,
    secrets: &'a Secrets,
    log: &'a StepLog,
    /// The images of the services, by their names.
    images: BTreeMap<String, Digest>,
    /// The resource's network.
    ground: Ground,
    /// The network of the release, where it has one.
    own: Option<String>,
}

/// Starts every service but the web one, in order, each when what it depends on is as it must be; then waits for what
/// the web service depends on.
pub(crate) async fn start(
    engine: &Engine,
    owner: &Name,
    names: &Names<'_>,
    cx: &StepContext,
    secrets: &Secrets,
    log: &StepLog,
) -> Result<(), Failure> {
    let Some(project) = Project::of(cx.plan.outline()) else { return Ok(()) };
    let web = image::find(engine, digest(cx)?.as_str()).await?.ok_or_else(|| image::gone(&digest_of(cx)))?;
    let resource = network(owner, names.resource);
    let ground = network::ensure(engine, owner, &resource, names.labels()).await?;
    let own = project.has_network().then(|| names.network());
    if let Some(own) = &own {
        let mut labels = names.labels();
        labels.insert(LABEL_RELEASE_NETWORK.to_owned(), "true".to_owned());
        network::ensure(engine, owner, own, labels).await?;
    }
    volumes::ensure(engine, owner, names, &project).await?;
    let images = images::named_by(&web);
    let starting = Starting { engine, owner, names, cx, secrets, log, images, ground, own };
    // Before a job has run, or anything was started beside them.
    for service in project.services.iter().filter(|service| service.role == Role::Stays) {
        starting.unchanged(service).await?;
    }
    let mut started = BTreeMap::new();
    for service in project.services.iter().copied() {
        starting.wait(service, &started).await?;
        if let Some(id) = starting.service(service).await? {
            started.insert(service.name.as_str(), id);
        }
    }
    Ok(())
}

fn digest_of(cx: &StepContext) -> Digest {
    cx.digest().cloned().unwrap_or_else(|| Digest::of(b""))
}

impl Starting<'_> {
    /// Whether a kept release is started again.
    fn restoring(&self) -> bool {
        self.cx.plan.outline().artifact.as_ref().is_some_and(|artifact| artifact.digest.is_some())
    }

    async fn wait(&self, service: &Service, started: &BTreeMap<&str, String>) -> Result<(), Failure> {
        for (name, condition) in &service.depends_on {
            match (condition, started.get(name.as_str())) {
                (Condition::Healthy, Some(id)) => {
                    self.log.system(LogLevel::Info, &format!("waiting until {name} is healthy"));
                    conditions::healthy(self.engine, name, id, self.cx, self.log).await?;
                }
                // A job is waited for where it is run.
                (Condition::Healthy, None) | (Condition::Started | Condition::Completed, _) => {}
            }
        }
        Ok(())
    }

    /// Makes a service run; the container it runs in, unless it is the web one or over already.
    async fn service(&self, service: &Service) -> Result<Option<String>, Failure> {
        match service.role {
            Role::Web => Ok(None),
            Role::Stays => self.staying(service).await.map(Some),
            Role::Replaced => self.replaced(service).await.map(Some),
            Role::Job if self.restoring() => {
                let message = format!("{} is not run for a rollback: data stays as it is", service.name);
                self.log.system(LogLevel::Info, &message);
                Ok(None)
            }
            Role::Job => {
                let id = self.replaced(service).await?;
                conditions::completed(self.engine, &service.name, &id, self.cx, self.log).await?;
                containers::remove(self.engine, &id).await?;
                Ok(None)
            }
        }
    }

    /// Whether what runs for all releases is what this one defines. A rollback leaves it as it is.
    async fn unchanged(&self, service: &Service) -> Result<(), Failure> {
        let name = self.names.staying(&service.name);
        let wanted = shape::definition(self.cx.plan.outline(), service);
        let there = containers::find_ours(self.engine, self.owner, &name).await?;
        let same = |there| containers::label(there, LABEL_CONFIG) == Some(wanted.as_str());
        if there.as_ref().is_none_or(same) {
            return Ok(());
        }
        let what = format!("the service {} runs as it was defined before", service.name);
        if self.restoring() {
            self.log.system(LogLevel::Warn, &format!("{what}: a rollback leaves it so"));
            return Ok(());
        }
        let message = format!("{what}; `docker rm --force {name}` stops and removes it, its volumes stay");
        Err(Failure::new(FailureCode::ServiceChanged, message).because("container", name))
    }

    /// One for all releases: it is never stopped, and never made otherwise, for one of them.
    async fn staying(&self, service: &Service) -> Result<String, Failure> {
        let name = self.names.staying(&service.name);
        let id = match containers::find_ours(self.engine, self.owner, &name).await? {
            None => {
                let message = format!("{} is made, and stays across releases", service.name);
                self.log.system(LogLevel::Info, &message);
                let wanted = shape::definition(self.cx.plan.outline(), service);
                let labels = [(LABEL_STAYS, "true".to_owned()), (LABEL_CONFIG, wanted)];
                self.create(service, &name, &labels).await?
            }
            Some(there) => {
                let id = there.id.clone().unwrap_or_default();
                if containers::is_running(&there) {
                    return Ok(id);
                }
                containers::wake(self.engine, &id, containers::is_paused(&there)).await?;
                return Ok(id);
            }
        };
        containers::start(self.engine, &id).await.map_err(|error| error.or(FailureCode::StartRefused))?;
        Ok(id)
    }

    /// One of the release's own. What an earlier attempt left is taken if it runs.
    async fn replaced(&self, service: &Service) -> Result<String, Failure> {
        let name = self.names.service(&service.name);
        if let Some(left) = containers::find_ours(self.engine, self.owner, &name).await? {
            let ours = containers::label(&left, LABEL_DIGEST) == Some(digest(self.cx)?.as_str());
            let id = left.id.clone().unwrap_or_default();
            if ours && containers::is_running(&left) {
                return Ok(id);
            }
            containers::remove(self.engine, &id).await?;
        }
        let id = self.create(service, &name, &[]).await?;
        self.log.system(LogLevel::Info, &format!("starting {name}"));
        containers::start(self.engine, &id).await.map_err(|error| error.or(FailureCode::StartRefused))?;
        Ok(id)
    }

    async fn create(
        &self,
        service: &Service,
        name: &str,
        more: &[(&str, String)],
    ) -> Result<String, Failure> {
        let outline = self.cx.plan.outline();
        let image = self.images.get(&service.name).ok_or_else(|| {
            Failure::new(FailureCode::Internal, format!("the release names no image of {}", service.name))
        })?;
        let mut labels: HashMap<String, String> = self.names.labels();
        labels.insert(LABEL_SERVICE.to_owned(), service.name.clone());
        labels.insert(LABEL_DIGEST.to_owned(), digest(self.cx)?.to_string());
        labels.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let resource = network(self.owner, self.names.resource);
        let others = containers::list(self.engine, self.owner, Some(self.names.resource)).await?;
        let used: BTreeSet<_> = others.iter().filter_map(|other| other.address).collect();
        let address = self.ground.free_address(&used).ok_or_else(|| {
            Failure::new(FailureCode::StartRefused, format!("the network {resource} has no free address"))
        })?;
        let environment = shape::environment(outline, service, self.secrets).map_err(|error| {
            Failure::new(FailureCode::SecretMissing, format!("{}: {error}", service.name))
        })?;
        let place = Place { network: &resource, address };
        let mut body = body(&shape::caps(outline, service), image, labels, place, environment);
        shape::shape(&mut body, service, self.owner, self.names.resource);
        shape::ask(&mut body, service);
        let stays = service.role == Role::Stays;
        if stays {
            let endpoints =
                body.networking_config.as_mut().and_then(|config| config.endpoints_config.as_mut());
            for endpoint in endpoints.into_iter().flat_map(HashMap::values_mut) {
                endpoint.aliases = Some(vec![service.name.clone()]);
            }
            if let Some(host) = body.host_config.as_mut() {
                let policy = RestartPolicyNameEnum::ALWAYS;
                host.restart_policy = Some(RestartPolicy { name: Some(policy), maximum_retry_count: None });
            }
        }
        let id = start::send(self.engine, name, body).await?;
        if let Some(own) = self.own.as_ref().filter(|_| !stays) {
            join(self.engine, own, &id, &service.name).await?;
        }
        Ok(id)
    }
}

/// Puts a container that was not started yet into the network of its release, under its name there.
pub(crate) async fn join(engine: &Engine, network: &str, id: &str, name: &str) -> Result<(), Failure> {
    let request =
        NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(shape::found_as(name)) };
    let joined = engine.change(|docker| async move { docker.connect_network(network, request).await }).await;
    joined.map_err(|error| error.or(FailureCode::StartRefused))
}

/// The containers of a deployment beside its web service.
async fn beside(engine: &Engine, owner: &Name, cx: &StepContext) -> Result<Vec<Ours>, EngineError> {
    let all = containers::list(engine, owner, Some(&cx.plan.outline().resource)).await?;
    let beside = |one: &Ours| one.service.is_some() && one.works_for(cx.deployment);
    Ok(all.into_iter().filter(beside).collect())
}

/// From the switch on, what is to run is started again when it ends.
pub(crate) async fn keep_running(engine: &Engine, owner: &Name, cx: &StepContext) -> Result<(), Failure> {
    let Some(project) = Project::of(cx.plan.outline()) else { return Ok(()) };
    for container in beside(engine, owner, cx).await? {
        let service = project.others().find(|service| container.service.as_ref() == Some(&service.name));
        match service.map_or(Restart::Never, |service| service.restart) {
            Restart::Always => containers::keep_running(engine, &container.id, true).await?,
            Restart::OnFailure => containers::start_again_on_failure(engine, &container.id).await?,
            Restart::Never => {}
        }
    }
    Ok(())
}

/// Whether every service of the release that is to run does: the web one alone is no release.
pub(crate) async fn alive(
    engine: &Engine,
    owner: &Name,
    cx: &StepContext,
    log: &StepLog,
) -> Result<(), Failure> {
    let Some(project) = Project::of(cx.plan.outline()) else { return Ok(()) };
    let there = beside(engine, owner, cx).await?;
    let to_run = |service: &&Service| service.role == Role::Replaced && service.restart == Restart::Always;
    for service in project.others().filter(to_run) {
        let container = there.iter().find(|container| container.service.as_ref() == Some(&service.name));
        let Some(container) = container else {
            let message =
                format!("the container of the service {} was removed by somebody else", service.name);
            return Err(Failure::new(FailureCode::ReleaseExited, message));
        };
        if !container.running
            && let Some(found) = containers::find(engine, &container.id).await?
        {
            return Err(conditions::exited(engine, &service.name, &container.id, &found, log).await);
        }
    }
    Ok(())
}

/// Resolves when a service of the release ends that is to run; never where there is none.
pub(crate) async fn ends(engine: &Engine, owner: &Name, cx: &StepContext, log: &StepLog) -> Failure {
    if Project::of(cx.plan.outline()).is_none() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(LOOK).await;
        match alive(engine, owner, cx, log).await {
            Err(failure) if matches!(failure.code, FailureCode::ReleaseExited | FailureCode::OutOfMemory) => {
                return failure;
            }
            // While the engine does not answer, none is known to have ended.
            Ok(()) | Err(_) => {}
        }
    }
}

/// Removes what a deployment started beside its web service. What stays across releases stays.
pub(crate) async fn undo(
    engine: &Engine,
    owner: &Name,
    names: &Names<'_>,
    cx: &StepContext,
) -> Result<(), Failure> {
    if Project::of(cx.plan.outline()).is_none() {
        return Ok(());
    }
    for container in beside(engine, owner, cx).await? {
        containers::remove(engine, &container.id).await?;
    }
    network::remove(engine, owner, &names.network()).await
}
