//! The executor: each step handed to the file that knows how.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use deploy_browser::Browser;
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Digest, Name};
use deploy_core::plan::{Access, Outline, Output, Reuse, Step};
use deploy_core::port::{
    Clock, Compiled, Executor, Keep, Probe, ReleaseRecord, Sources, StepContext, SurveyRequest,
};
use deploy_core::reason::Reason;
use deploy_core::runtime_log::{RuntimeFrom, RuntimeLog, RuntimeLogError};
use deploy_core::secret_hash::SecretKey;
use deploy_core::size::Size;
use deploy_core::step_log::StepLog;
use deploy_core::time::Timestamp;

use crate::compile::{self, ARTIFACT, BUILD, CHECK_CANDIDATE, CHECK_PUBLIC, IMAGE, RETIRE, START, SWITCH};
use crate::engine::Engine;
use crate::front::Front;
use crate::names::Names;
use crate::paths::{Paths, disk, remove_all};
use crate::project::{Project, images};
use crate::secrets::{Resolve, Secrets};
use crate::{
    build, check, containers, image, page, reclaim, recorded, retire, reuse, routing, runtime, secret_files,
    start, survey,
};

/// Where the docker target keeps things and reaches the engine.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    /// The directory for the workspaces of running deployments.
    pub work: PathBuf,
    /// What marks everything that this installation makes: two installations on one engine never touch each
    /// other's. It must stay the same for as long as the installation's records are kept.
    pub owner: Name,
    /// The engine: `unix:///run/docker.sock`, `tcp://127.0.0.1:2375`. It must be on this machine: containers are
    /// reached at their own addresses.
    pub host: String,
    /// The edge's control socket.
    pub edge_socket: PathBuf,
    /// The edge's public address as far as it is known beforehand, for the URL in a preview.
    pub edge_address: Option<SocketAddr>,
    /// Whether this program can serve a finished site: called as `site serve DIRECTORY` it serves what `site publish
    /// SOURCE DIRECTORY` left there on port 80. Without it, finished sites are refused.
    pub serves_sites: bool,
    /// How much the engine's builder may keep for later builds, freed behind builds of ours; without it, that is the
    /// engine's own business.
    pub build_cache: Option<Size>,
}

/// What an image of releases takes on the engine's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUse {
    /// The releases it is the image of, by resource and environment: `web/production v7`.
    pub releases: Vec<String>,
    /// Its bytes.
    pub bytes: u64,
    /// How many of them it shares with other images, if the engine says.
    pub shared: Option<u64>,
}

/// What an engine says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    /// Where it is.
    pub host: String,
    /// Its version.
    pub version: String,
    /// The newest version of the API that it speaks.
    pub api: String,
    /// Its clock, if it says.
    pub now: Option<Timestamp>,
}

/// The docker target.
pub struct DockerExecutor {
    engine: Engine,
    owner: Name,
    paths: Paths,
    front: Front,
    edge_address: Option<SocketAddr>,
    serves_sites: bool,
    build_cache: Option<Size>,
    /// Whether anything was built since the builder's cache was looked after.
    built: AtomicBool,
    sources: Arc<dyn Sources>,
    clock: Arc<dyn Clock>,
    resolve: Resolve,
    secret_key: Option<SecretKey>,
    browser: Browser,
    /// The deployments that anything was done for and that are not finished: a clean-up that began before one of them
    /// did does not know of it.
    active: Mutex<BTreeSet<DeploymentId>>,
}

impl DockerExecutor {
    /// A docker target. `resolve` finds the value of a secret, as late as it can be.
    pub fn new(
        config: DockerConfig,
        sources: Arc<dyn Sources>,
        clock: Arc<dyn Clock>,
        resolve: Resolve,
    ) -> Self {
        Self {
            engine: Engine::new(config.host),
            owner: config.owner,
            paths: Paths::new(config.work),
            front: Front::new(&config.edge_socket),
            edge_address: config.edge_address,
            serves_sites: config.serves_sites,
            build_cache: config.build_cache,
            built: AtomicBool::new(false),
            sources,
            clock,
            resolve,
            secret_key: None,
            browser: Browser::new(None, None),
            active: Mutex::default(),
        }
    }

    /// The browser that pages are looked at with; the Chromium on `PATH` unless said, which keeps no pictures.
    #[must_use]
    pub fn with_browser(self, browser: Browser) -> Self {
        Self { browser, ..self }
    }

    /// Has a keyed hash recorded of every secret that a release is given, so that two deployments can be compared.
    #[must_use]
    pub fn recording_secrets(mut self, key: SecretKey) -> Self {
        self.secret_key = Some(key);
        self
    }

    /// What starting leaves, with what is recorded of the secrets.
    async fn with_secrets(&self, output: Output, cx: &StepContext) -> Result<Output, Failure> {
        let profile = &cx.plan.outline().profile;
        recorded::with_hashes(&self.engine, self.secret_key.as_ref(), profile, output).await
    }

    fn active(&self) -> MutexGuard<'_, BTreeSet<DeploymentId>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn remove_workspace(&self, deployment: DeploymentId) -> Result<(), Failure> {
        let workspace = self.paths.workspace(deployment);
        let removed = tokio::task::spawn_blocking(move || remove_all(&workspace)).await;
        let removed = removed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        removed.map_err(|error| disk(&error, "remove the workspace"))
    }

    /// Removes the files of secrets that no container reads and no unfinished deployment may need.
    async fn forget_secrets(&self, held: BTreeSet<DeploymentId>, keep: &Keep) -> Result<(), Failure> {
        let containers = containers::list(&self.engine, &self.owner, None).await?;
        let read = |id: &DeploymentId| containers.iter().any(|container| container.maker == Some(*id));
        let unread = held.iter().filter(|id| !read(id) && !keep.deployments.contains(id));
        let unread: Vec<PathBuf> = unread.map(|id| self.paths.secrets().join(id.to_string())).collect();
        let removed = tokio::task::spawn_blocking(move || secret_files::remove(&unread)).await;
        let removed = removed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        removed.map_err(|error| disk(&error, "remove the files of secrets"))
    }

    /// Whether the engine answers.
    ///
    /// # Errors
    /// `target_unavailable`, with what the system said.
    pub async fn reach(&self) -> Result<(), Failure> {
        let answered = self.engine.read(|docker| async move { docker.ping().await }).await;
        answered.map(drop).map_err(Failure::from)
    }

    /// What the engine says about itself.
    ///
    /// # Errors
    /// `target_unavailable`, with what the system said.
    pub async fn engine_facts(&self) -> Result<EngineFacts, Failure> {
        let version = self.engine.read(|docker| async move { docker.version().await }).await?;
        let info = self.engine.read(|docker| async move { docker.info().await }).await?;
        Ok(EngineFacts {
            host: self.engine.host().to_owned(),
            version: version.version.unwrap_or_default(),
            api: version.api_version.unwrap_or_default(),
            now: info.system_time.and_then(|now| now.parse().ok()),
        })
    }

    /// What the images of this installation's releases take.
    ///
    /// # Errors
    /// `target_unavailable`, with what the system said.
    pub async fn disk_use(&self) -> Result<Vec<ImageUse>, Failure> {
        Ok(image::disk_use(&self.engine, &self.owner).await?)
    }

    /// Bounds what the builder keeps, where something was built since. A bound that can't be kept now is kept later.
    async fn bound_cache(&self) {
        let Some(keep) = self.build_cache.filter(|_| self.built.swap(false, Ordering::Relaxed)) else {
            return;
        };
        if let Err(error) = build::cache::prune(&self.engine, keep).await {
            tracing::warn!(%error, "the builder's cache could not be bounded");
            self.built.store(true, Ordering::Relaxed);
        }
    }

    fn names<'a>(&'a self, cx: &'a StepContext) -> Names<'a> {
        Names {
            owner: &self.owner,
            resource: &cx.plan.outline().resource,
            version: cx.version,
            deployment: cx.deployment,
        }
    }

    fn log(&self, step: &Step, cx: &StepContext) -> StepLog {
        StepLog::new(
            (cx.deployment, step.id.clone()),
            Arc::clone(&cx.logs),
            Arc::clone(&self.clock),
            Secrets::hiding(&cx.plan.outline().profile, &self.resolve),
        )
    }

    async fn url(&self, cx: &StepContext) -> Result<String, Failure> {
        Ok(url(&cx.plan.outline().access, self.front.address().await?))
    }

    async fn carry_out(
        &self,
        effect: &Effect,
        step: &Step,
        cx: &StepContext,
        log: &StepLog,
    ) -> Result<Output, Failure> {
        let (engine, owner, front, names) = (&self.engine, &self.owner, &self.front, self.names(cx));
        let secrets = || Secrets::of(&cx.plan.outline().profile, &self.resolve);
        match step.id.as_str() {
            BUILD => {
                let secrets = Secrets::for_build(&cx.plan.outline().profile, &self.resolve)?;
                let sources = self.sources.as_ref();
                self.built.store(true, Ordering::Relaxed);
                build::build(engine, &self.paths, sources, &names, cx, &secrets, log).await
            }
            IMAGE => {
                let credentials = Secrets::registry(&cx.plan.outline().profile, &self.resolve)?;
                image::take(engine, &names, credentials.as_ref(), cx, log).await
            }
            ARTIFACT => image::prove(engine, &names, cx).await,
            START => {
                let files = self.paths.secrets().join(cx.deployment.to_string());
                let started = start::start(engine, owner, &names, cx, (&secrets()?, &files), log).await?;
                self.with_secrets(started, cx).await
            }
            CHECK_CANDIDATE => {
                let before = routing::touched(front, cx).await?;
                let passed = check::candidate(engine, owner, &self.clock, cx, log).await?;
                let edge = reachable(front.address().await?);
                let address = (url(&cx.plan.outline().access, edge), edge);
                let profile = self.paths.workspace(cx.deployment).join("browser");
                let looked = page::look(&self.browser, address, profile, cx, log).await?;
                let acceptance = looked.into_iter().collect();
                Ok(routing::remember(Output { acceptance, ..passed }, &before))
            }
            SWITCH => routing::switch((front, engine, owner), effect, cx, log, self.url(cx).await?).await,
            CHECK_PUBLIC => {
                let address = reachable(front.address().await?);
                let passed = check::public(engine, &self.clock, address, cx, log).await?;
                Ok(Output { url: Some(url(&cx.plan.outline().access, address)), ..passed })
            }
            RETIRE => {
                Ok(retire::retire(engine, owner, front, cx, log, &self.paths.retired(cx.deployment)).await)
            }
            _ => Err(unknown_step(step)),
        }
    }
}

/// The URL of a release behind the edge.
fn url(access: &Access, edge: SocketAddr) -> String {
    match edge.port() {
        80 => format!("http://{}/", access.host),
        port => format!("http://{}:{port}/", access.host),
    }
}

/// An address that listens on every interface is asked on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = if address.is_ipv4() {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        std::net::Ipv6Addr::LOCALHOST.into()
    };
    SocketAddr::new(loopback, address.port())
}

fn unknown_step(step: &Step) -> Failure {
    Failure::new(FailureCode::Internal, format!("the docker target has no step {}", step.id))
}

#[async_trait]
impl Executor for DockerExecutor {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn compile(&self, outline: &Outline) -> Compiled {
        let url = self.edge_address.map(|address| url(&outline.access, address));
        let mut compiled = compile::compile(outline, url, self.serves_sites);
        self.browser.object(outline, &mut compiled);
        compiled
    }

    async fn survey(&self, request: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
        survey::survey(&self.engine, &self.owner, &self.front, &self.resolve, request).await
    }

    async fn missing(&self, artifacts: &[Digest]) -> Vec<Digest> {
        image::missing(&self.engine, artifacts).await
    }

    async fn reuses(&self, outline: &Outline) -> Vec<Reuse> {
        reuse::reuses(&self.engine, &self.owner, outline).await
    }

    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        self.active().insert(cx.deployment);
        let log = self.log(step, cx);
        self.paths.begin().map_err(|error| disk(&error, "make the directory for workspaces"))?;
        let done = self.carry_out(effect, step, cx, &log).await;
        done.map_err(|failure| log.hidden().clean_failure(failure))
    }

    async fn probe(&self, _: &IdempotencyKey, step: &Step, cx: &StepContext) -> Result<Probe, Failure> {
        match step.id.as_str() {
            BUILD | IMAGE | ARTIFACT => image::read_back(&self.engine, &self.names(cx)).await,
            START => match start::read_back(&self.engine, &self.owner, &self.names(cx), cx).await? {
                Probe::Present { output } => {
                    Ok(Probe::Present { output: self.with_secrets(output, cx).await? })
                }
                other @ (Probe::Absent | Probe::Unknown) => Ok(other),
            },
            CHECK_CANDIDATE | CHECK_PUBLIC => Ok(Probe::Absent),
            RETIRE => Ok(retire::read_back(&self.paths.retired(cx.deployment))),
            SWITCH => routing::read_back(&self.front, cx, self.url(cx).await?).await,
            _ => Err(unknown_step(step)),
        }
    }

    async fn undo(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<(), Failure> {
        self.active().insert(cx.deployment);
        match step.id.as_str() {
            BUILD | IMAGE | ARTIFACT => {
                let names = self.names(cx);
                image::untag(&self.engine, &names.image()).await?;
                if let Some(project) = Project::of(cx.plan.outline()) {
                    images::untag(&self.engine, &names, &project).await?;
                }
                self.remove_workspace(cx.deployment).await
            }
            START => start::undo(&self.engine, &self.owner, &self.names(cx), cx).await,
            SWITCH => routing::undo(&self.front, effect, cx).await,
            RETIRE => retire::undo(&self.engine, &self.owner, cx, &self.paths.retired(cx.deployment)).await,
            CHECK_CANDIDATE | CHECK_PUBLIC => Ok(()),
            _ => Err(unknown_step(step)),
        }
    }

    async fn finish(&self, deployment: DeploymentId) -> Result<(), Failure> {
        self.remove_workspace(deployment).await?;
        self.active().remove(&deployment);
        Ok(())
    }

    async fn reclaim(&self, keep: &Keep) -> Result<(), Failure> {
        // Where nothing was ever deployed there need not even be an engine.
        if !self.paths.in_use() {
            return Ok(());
        }
        let workspaces = self.paths.workspaces().map_err(|error| disk(&error, "look for workspaces"))?;
        let held = secret_files::held(&self.paths.secrets());
        let held = held.map_err(|error| disk(&error, "look for the files of secrets"))?;
        let seen = reclaim::look(&self.engine, &self.owner, &self.front).await?;
        let mut keep = keep.clone();
        keep.deployments.extend(self.active().iter());
        for deployment in workspaces.into_iter().filter(|deployment| !keep.deployments.contains(deployment)) {
            self.remove_workspace(deployment).await?;
        }
        reclaim::reclaim(&self.engine, &self.owner, seen, &keep).await?;
        self.forget_secrets(held, &keep).await?;
        self.bound_cache().await;
        Ok(())
    }

    fn keeps_output(&self) -> bool {
        true
    }

    async fn runtime_log(
        &self,
        release: &ReleaseRecord,
        from: RuntimeFrom,
    ) -> Result<Box<dyn RuntimeLog>, RuntimeLogError> {
        let hidden = Secrets::hiding(&release.outline.profile, &self.resolve);
        runtime::open(&self.engine, &self.owner, &self.front, release, from, hidden).await
    }
}
