//! The executor: each step handed to the file that knows how.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use deploy_browser::{Browser, Look};
use deploy_core::acceptance::Acceptance;
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Digest};
use deploy_core::log::{LogLevel, LogSource};
use deploy_core::plan::{Access, Outline, Output, Reuse, Step};
use deploy_core::port::{
    Clock, Compiled, Executor, Keep, Probe, ReleaseRecord, Sources, StepContext, SurveyRequest,
};
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::redact::Redactor;
use deploy_core::runtime_log::{RuntimeFrom, RuntimeLog, RuntimeLogError};
use deploy_core::step_log::StepLog;
use deploy_core::time::Span;
use deploy_edge::{
    CandidateOptions, Depth, EdgeClient, Status, candidate_host, remove_release, sweep_staging,
};
use deploy_probe::{Address, AddressPolicy, Attempt, Judgement, Prober, Target, check};

use crate::artifact::{self, edge_digest};
use crate::build;
use crate::compile::{self, ARTIFACT, BUILD, CHECK_CANDIDATE, CHECK_PUBLIC, PUBLISH, SWITCH};
use crate::leftovers::end_processes;
use crate::paths::{Paths, remove_all};
use crate::reuse;
use crate::routing::{self, edge_failure};

/// The files of a release never change, so waiting longer than this can't make its answer better.
const DEADLINE: Span = Span::from_secs(2);
/// Less free space than this and no release is begun.
const FREE_BYTES: u64 = 64 * 1024 * 1024;

/// Where the static target keeps things and reaches the edge.
#[derive(Debug, Clone)]
pub struct StaticConfig {
    /// The directory of releases; the edge must serve from the same.
    pub releases: PathBuf,
    /// The directory for builds and records of running deployments.
    pub work: PathBuf,
    /// The edge's control socket.
    pub edge_socket: PathBuf,
    /// The edge's public address as far as it is known beforehand, for the URL in a preview.
    pub edge_address: Option<SocketAddr>,
}

/// The static target.
pub struct StaticExecutor {
    paths: Paths,
    edge: EdgeClient,
    socket: PathBuf,
    edge_address: Option<SocketAddr>,
    sources: Arc<dyn Sources>,
    clock: Arc<dyn Clock>,
    browser: Browser,
    /// Digests published by deployments that are not finished: the records don't name them yet.
    fresh: Mutex<BTreeMap<DeploymentId, Digest>>,
    /// Deployments that publish now: what they store is not among the fresh ones before it is there.
    publishing: Mutex<BTreeSet<DeploymentId>>,
    /// Deployments that anything was done for and that are not finished: a clean-up that began before one of them did
    /// does not know of it.
    active: Mutex<BTreeSet<DeploymentId>>,
}

impl StaticExecutor {
    /// A static target.
    pub fn new(config: StaticConfig, sources: Arc<dyn Sources>, clock: Arc<dyn Clock>) -> Self {
        Self {
            paths: Paths::new(config.releases, config.work),
            edge: EdgeClient::new(&config.edge_socket),
            socket: config.edge_socket,
            edge_address: config.edge_address,
            sources,
            clock,
            browser: Browser::new(None, None),
            fresh: Mutex::default(),
            publishing: Mutex::default(),
            active: Mutex::default(),
        }
    }

    /// The browser that pages are looked at with; the Chromium on `PATH` unless said, which keeps no pictures.
    #[must_use]
    pub fn with_browser(self, browser: Browser) -> Self {
        Self { browser, ..self }
    }

    fn publishing(&self) -> std::sync::MutexGuard<'_, BTreeSet<DeploymentId>> {
        self.publishing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeploymentId, Digest>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn active(&self) -> std::sync::MutexGuard<'_, BTreeSet<DeploymentId>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn status(&self) -> Result<Status, Failure> {
        self.edge.status().await.map_err(|error| edge_failure(&error))
    }

    /// Builds, unless the same was built before.
    async fn build(&self, cx: &StepContext, log: &StepLog) -> Result<Output, Failure> {
        let publishing = Publishing::begin(&self.publishing, cx.deployment);
        let Some(digest) = reuse::decide(&self.paths, cx).await? else {
            drop(publishing);
            return build::build(&self.paths, self.sources.as_ref(), cx, log).await;
        };
        let line = format!("nothing is built: {} came out of the same source and plan", digest.short());
        log.line(LogSource::System, LogLevel::Info, &line);
        self.fresh().insert(cx.deployment, digest);
        drop(publishing);
        Ok(Output::default())
    }

    async fn publish(&self, cx: &StepContext, log: &StepLog) -> Result<Output, Failure> {
        let publishing = Publishing::begin(&self.publishing, cx.deployment);
        let output = artifact::store(&self.paths, self.sources.as_ref(), cx, log).await?;
        if let Some(digest) = &output.digest {
            self.fresh().insert(cx.deployment, digest.clone());
        }
        drop(publishing);
        Ok(output)
    }

    /// Asks the loaded release through the control socket: nobody else can reach it there.
    async fn check_candidate(&self, cx: &StepContext, log: &StepLog) -> Result<Output, Failure> {
        let digest =
            cx.digest().ok_or_else(|| Failure::new(FailureCode::Internal, "no artifact to check"))?.clone();
        let outline = cx.plan.outline();
        let fallback = outline.artifact.as_ref().and_then(|artifact| artifact.fallback.clone());
        let loaded = edge_digest(&digest)?;
        self.edge
            .put_candidate(&loaded, &CandidateOptions { fallback, upstream: None })
            .await
            .map_err(|error| edge_failure(&error))?;
        let target = Target {
            address: Address::Unix(self.socket.clone()),
            host: candidate_host(&loaded),
            path: outline.health.policy.path.clone(),
            timeout: outline.health.policy.timeout,
        };
        let before = routing::touched(&self.edge, cx).await?;
        let passed = self.ask(&target, &digest, cx, log).await?;
        let acceptance = self.look(target, cx, log).await?.into_iter().collect();
        Ok(routing::remember(Output { acceptance, ..passed }, &before))
    }

    /// Has a browser load the page under its public name, from where nobody else can reach it.
    async fn look(
        &self,
        target: Target,
        cx: &StepContext,
        log: &StepLog,
    ) -> Result<Option<Acceptance>, Failure> {
        let outline = cx.plan.outline();
        let Some(policy) = &outline.health.policy.browser else { return Ok(None) };
        let edge = reachable(self.status().await?.address);
        let look = Look {
            url: format!("{}{}", url(&outline.access, edge).trim_end_matches('/'), policy.path),
            target,
            policy,
            others: AddressPolicy::public_only(),
            neighbours: Some(edge),
            profile: self.paths.workspace(cx.deployment).join("browser"),
            hidden: Redactor::default(),
            cancel: &cx.cancel,
        };
        let checked = self.browser.check(cx.deployment, outline, look).await?;
        let said = format!("{} {}: {}", checked.name.as_str(), checked.outcome.as_str(), checked.message);
        log.line(LogSource::System, LogLevel::Info, &said);
        Ok(Some(checked))
    }

    /// Asks the public address, on the shared port and on one of its own.
    async fn check_public(&self, cx: &StepContext, log: &StepLog) -> Result<Output, Failure> {
        let digest =
            cx.digest().ok_or_else(|| Failure::new(FailureCode::Internal, "no artifact to check"))?.clone();
        let (outline, public) = (cx.plan.outline(), reachable(self.status().await?.address));
        let own = outline.access.port.map(|port| SocketAddr::new(public.ip(), port));
        let mut passed = Output::default();
        for address in std::iter::once(public).chain(own) {
            let target = Target {
                address: Address::Tcp(address),
                host: outline.access.host.clone(),
                path: outline.health.policy.path.clone(),
                timeout: outline.health.policy.timeout,
            };
            passed = self.ask(&target, &digest, cx, log).await?;
        }
        Ok(Output { url: Some(url(&outline.access, public)), ..passed })
    }

    async fn ask(
        &self,
        target: &Target,
        digest: &Digest,
        cx: &StepContext,
        log: &StepLog,
    ) -> Result<Output, Failure> {
        let mut policy = cx.plan.outline().health.policy.clone();
        policy.deadline = policy.deadline.min(DEADLINE);
        let clock = || self.clock.now();
        let told = |attempt: &Attempt| tell(log, attempt);
        let passed =
            check(&Prober::default(), target, &policy, Some(digest), clock, &cx.cancel, told).await?;
        Ok(Output::of(digest.clone()).with("attempts", passed.attempts.to_string()))
    }
}

/// One attempt as a log line: a bad one is worth a look, a good one only for those who look closely.
fn tell(log: &StepLog, attempt: &Attempt) {
    let number = attempt.number;
    match &attempt.look.judgement {
        Judgement::Good => log.line(LogSource::System, LogLevel::Debug, &format!("attempt {number}: good")),
        Judgement::Bad(problem) => {
            log.line(LogSource::System, LogLevel::Warn, &format!("attempt {number}: {}", problem.message));
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
    Failure::new(FailureCode::Internal, format!("the static target has no step {}", step.id))
}

#[async_trait]
impl Executor for StaticExecutor {
    fn name(&self) -> &'static str {
        "static"
    }

    fn compile(&self, outline: &Outline) -> Compiled {
        let address = self.edge_address.map(|address| url(&outline.access, address));
        let mut compiled = compile::compile(outline, address);
        self.browser.object(outline, &mut compiled);
        compiled
    }

    async fn survey(&self, request: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
        let status = self.status().await?;
        let owner = request.resource.to_string();
        let mut reasons = Vec::new();
        if let Some(route) =
            status.routes.iter().find(|route| route.host == request.host && route.target != owner)
        {
            let message = format!("{} belongs to {}", request.host, route.target);
            reasons.push(Reason::new(ReasonCode::HostTaken, message).because("access.host", request.host));
        }
        let port = request.spec.profile.access.port;
        let taken =
            |port| status.routes.iter().find(|route| route.port == Some(port) && route.target != owner);
        if let Some((port, route)) = port.and_then(|port| Some((port, taken(port)?))) {
            reasons
                .push(Reason::new(ReasonCode::PortTaken, format!("port {port} belongs to {}", route.target)));
        }
        if let Some(digest) = request.digest
            && let Err(failure) = artifact::verify(&self.paths, digest, Depth::Sizes).await
        {
            reasons.push(Reason::new(ReasonCode::ArtifactMissing, failure.message));
        }
        reasons.extend(too_little_space(&self.paths));
        Ok(reasons)
    }

    async fn reuses(&self, outline: &Outline) -> Vec<Reuse> {
        reuse::reuses(&self.paths, outline).await
    }

    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        self.active().insert(cx.deployment);
        let log = StepLog::new(
            (cx.deployment, step.id.clone()),
            Arc::clone(&cx.logs),
            Arc::clone(&self.clock),
            Redactor::default(),
        );
        match step.id.as_str() {
            BUILD => self.build(cx, &log).await,
            PUBLISH => self.publish(cx, &log).await,
            ARTIFACT => artifact::prove(&self.paths, cx).await,
            CHECK_CANDIDATE => self.check_candidate(cx, &log).await,
            SWITCH => {
                let url = url(&cx.plan.outline().access, self.status().await?.address);
                routing::switch(&self.edge, effect, cx, url).await
            }
            CHECK_PUBLIC => self.check_public(cx, &log).await,
            _ => Err(unknown_step(step)),
        }
    }

    async fn probe(&self, _: &IdempotencyKey, step: &Step, cx: &StepContext) -> Result<Probe, Failure> {
        match step.id.as_str() {
            BUILD => {
                let (built, reused) = (self.paths.built(cx.deployment), self.paths.reused(cx.deployment));
                let built = built.is_file() || reused.is_file();
                Ok(if built { Probe::Present { output: Output::default() } } else { Probe::Absent })
            }
            PUBLISH => artifact::read_back(&self.paths, cx).await,
            ARTIFACT | CHECK_CANDIDATE | CHECK_PUBLIC => Ok(Probe::Absent),
            SWITCH => {
                let url = url(&cx.plan.outline().access, self.status().await?.address);
                routing::read_back(&self.edge, cx, url).await
            }
            _ => Err(unknown_step(step)),
        }
    }

    async fn undo(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<(), Failure> {
        match step.id.as_str() {
            BUILD | PUBLISH => self.finish(cx.deployment).await,
            SWITCH => routing::undo(&self.edge, effect, cx).await,
            ARTIFACT | CHECK_CANDIDATE | CHECK_PUBLIC => Ok(()),
            _ => Err(unknown_step(step)),
        }
    }

    async fn finish(&self, deployment: DeploymentId) -> Result<(), Failure> {
        let digest = self.fresh().remove(&deployment);
        if let Some(digest) = digest {
            // Only memory of the edge: it forgets by itself when it restarts or needs the room.
            let _ = self.edge.forget_candidate(&edge_digest(&digest)?).await;
        }
        let workspace = self.paths.workspace(deployment);
        let removed = tokio::task::spawn_blocking(move || {
            end_processes(deployment);
            remove_all(&workspace)
        });
        let removed = removed.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        removed.map_err(|error| build::disk(&error, "remove the workspace"))?;
        self.active().remove(&deployment);
        Ok(())
    }

    async fn reclaim(&self, keep: &Keep) -> Result<(), Failure> {
        // Looked at before anybody is asked what is needed: what is stored after that is none of this clean-up's
        // business. Who stores something now has it named nowhere yet: then nothing is removed this time.
        let mut seen = stored(&self.paths).map_err(|error| build::disk(&error, "list the releases"))?;
        let workspaces =
            self.paths.workspaces().map_err(|error| build::disk(&error, "list the workspaces"))?;
        let mut unfinished = keep.deployments.clone();
        unfinished.extend(self.active().iter());
        if !self.publishing().is_empty() {
            seen.clear();
        }
        let before: Vec<Digest> = self.fresh().values().cloned().collect();
        // The point of effect has the last word: what a route names is never removed. Whoever is not fresh any more
        // has ended before this, with a route or without a release.
        let routed = self.status().await?.routes.into_iter().map(|route| route.digest);
        let kept = keep.digests.iter().chain(&before).map(edge_digest).collect::<Result<Vec<_>, _>>()?;
        let fresh = self.fresh().values().map(edge_digest).collect::<Result<Vec<_>, _>>()?;
        let kept: Vec<deploy_edge::Digest> = kept.into_iter().chain(fresh).chain(routed).collect();
        let (paths, seen) = (self.paths.clone(), (seen, workspaces));
        let swept = tokio::task::spawn_blocking(move || sweep(&paths, &seen, &kept, &unfinished)).await;
        let swept = swept.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        swept.map_err(|error| build::disk(&error, "free the space of old releases"))
    }

    async fn runtime_log(
        &self,
        _: &ReleaseRecord,
        _: RuntimeFrom,
    ) -> Result<Box<dyn RuntimeLog>, RuntimeLogError> {
        Err(RuntimeLogError::Absent {
            why: "a static release runs no process that writes anything; /metrics counts its requests",
        })
    }
}

/// A deployment that publishes, for as long as it does.
struct Publishing<'a>(&'a Mutex<BTreeSet<DeploymentId>>, DeploymentId);

impl<'a> Publishing<'a> {
    fn begin(all: &'a Mutex<BTreeSet<DeploymentId>>, deployment: DeploymentId) -> Self {
        all.lock().unwrap_or_else(PoisonError::into_inner).insert(deployment);
        Self(all, deployment)
    }
}

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// The releases that are stored. Anything that is not named by a digest is not ours.
fn stored(paths: &Paths) -> std::io::Result<Vec<deploy_edge::Digest>> {
    let entries = match std::fs::read_dir(&paths.releases) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        found.extend(entry?.file_name().to_str().and_then(deploy_edge::Digest::from_dir_name));
    }
    Ok(found)
}

/// Removes what is not kept of what was seen, and what deployments left that have ended.
fn sweep(
    paths: &Paths,
    (seen, workspaces): &(Vec<deploy_edge::Digest>, Vec<DeploymentId>),
    kept: &[deploy_edge::Digest],
    unfinished: &[DeploymentId],
) -> std::io::Result<()> {
    for deployment in workspaces.iter().filter(|deployment| !unfinished.contains(deployment)) {
        end_processes(*deployment);
        remove_all(&paths.workspace(*deployment))?;
    }
    let keys: Vec<String> = unfinished.iter().map(ToString::to_string).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    sweep_staging(&paths.releases, &keys).map_err(std::io::Error::other)?;
    reuse::sweep(paths, kept)?;
    for digest in seen.iter().filter(|digest| !kept.contains(digest)) {
        remove_release(&paths.releases, digest).map_err(std::io::Error::other)?;
    }
    Ok(())
}

fn too_little_space(paths: &Paths) -> Option<Reason> {
    let existing = paths.releases.ancestors().find(|directory| directory.is_dir())?;
    let space = rustix::fs::statvfs(existing).ok()?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    (free < FREE_BYTES).then(|| {
        let message = format!("{} MiB are free, at least {} MiB are needed", free >> 20, FREE_BYTES >> 20);
        Reason::new(ReasonCode::InsufficientDisk, message)
    })
}
