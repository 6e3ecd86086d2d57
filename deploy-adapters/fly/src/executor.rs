//! The executor: each step handed to the file that knows how.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use deploy_browser::Browser;
use deploy_core::effect::{Effect, IdempotencyKey};
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::{DeploymentId, Digest, Fence};
use deploy_core::plan::{Outline, Output, Reuse, Step};
use deploy_core::port::{
    Clock, Compiled, Executor, Keep, Probe, ReleaseRecord, Sources, StepContext, SurveyRequest,
};
use deploy_core::reason::{Reason, ReasonCode};
use deploy_core::redact::Redactor;
use deploy_core::runtime_log::{RuntimeFrom, RuntimeLog, RuntimeLogError};
use deploy_core::spec::{FlyProfile, Profile, Source};
use deploy_core::step_log::StepLog;
use deploy_probe::AddressPolicy;

use crate::compile::{self, APP, BUILD, CHECK_COMMIT, CHECK_PUBLIC, CHECK_RELEASE, IMAGE, RELEASE};
use crate::paths::{Kept, Paths, disk, remove_all};
use crate::run::{Flyctl, end_leftovers, end_orphans};
use crate::{app, back, image, release, reuse, runtime, source, verify};

/// The environment that flyctl's own is taken from: that of this process.
pub type Environment = BTreeMap<OsString, OsString>;

/// Makes the Dockerfile for an outline without one, where somebody knows how.
pub type Recipe = Arc<dyn Fn(&Outline) -> Option<String> + Send + Sync>;

/// Where the fly target keeps things, and what it runs.
#[derive(Clone)]
pub struct FlyConfig {
    /// The directory for the workspaces of running deployments.
    pub work: PathBuf,
    /// The directory for the configurations of kept releases.
    pub releases: PathBuf,
    /// The flyctl program: a name to be found on `PATH`, or a path. A profile may name another one.
    pub flyctl: PathBuf,
    /// Where an app is reached, with `{app}` for its name. Anything but `https://{app}.fly.dev` is for tests: then
    /// addresses of this machine may be asked, too.
    pub app_url: Option<String>,
    /// The environment of this process.
    pub environment: Environment,
    /// Dockerfiles for projects without one.
    pub recipe: Recipe,
}

/// Where an app is reached when nothing else is said.
const APP_URL: &str = "https://{app}.fly.dev";

/// The variables that hold flyctl's tokens. They are read for one purpose: to take them out of what is said.
const TOKENS: [&str; 3] = ["FLY_API_TOKEN", "FLY_ACCESS_TOKEN", "FLY_METRICS_TOKEN"];

/// The fly target.
pub struct FlyExecutor {
    config: FlyConfig,
    pub(crate) paths: Paths,
    pub(crate) sources: Arc<dyn Sources>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) browser: Browser,
    /// The deployments that anything was done for and that are not finished, with the release that each has kept: a
    /// clean-up that began before one of them did does not know of it.
    active: Arc<Mutex<Active>>,
}

type Active = BTreeMap<DeploymentId, Option<Digest>>;

fn lock(active: &Mutex<Active>) -> MutexGuard<'_, Active> {
    active.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One step on its way.
pub(crate) struct Work<'a> {
    pub(crate) target: &'a FlyExecutor,
    pub(crate) cx: &'a StepContext,
    pub(crate) step: &'a Step,
    pub(crate) fence: Option<Fence>,
    pub(crate) log: StepLog,
    pub(crate) flyctl: Flyctl,
    pub(crate) app: &'a str,
}

impl FlyExecutor {
    /// A fly target.
    #[must_use]
    pub fn new(config: FlyConfig, sources: Arc<dyn Sources>, clock: Arc<dyn Clock>) -> Self {
        let paths = Paths::new(config.work.clone(), config.releases.clone());
        let browser = Browser::new(None, None);
        Self { config, paths, sources, clock, browser, active: Arc::default() }
    }

    /// The browser that pages are looked at with; the Chromium on `PATH` unless said, which keeps no pictures.
    #[must_use]
    pub fn with_browser(self, browser: Browser) -> Self {
        Self { browser, ..self }
    }

    fn active(&self) -> MutexGuard<'_, Active> {
        lock(&self.active)
    }

    /// Keeps how a release was configured, before anything that is recorded names it.
    pub(crate) fn keep(
        &self,
        deployment: DeploymentId,
        app: &str,
        digest: &Digest,
        kept: &Kept,
    ) -> Result<(), Failure> {
        self.active().insert(deployment, Some(digest.clone()));
        self.paths.keep(app, digest, kept)
    }

    /// The flyctl that a profile means, if it is there and may be run.
    #[must_use]
    pub fn flyctl(&self, fly: &FlyProfile) -> Option<PathBuf> {
        let wanted = fly.flyctl.as_ref().map_or_else(|| self.config.flyctl.clone(), PathBuf::from);
        if wanted.components().count() > 1 || wanted.is_absolute() {
            return is_program(&wanted).then_some(wanted);
        }
        let path = self.config.environment.get(OsStr::new("PATH"))?;
        std::env::split_paths(path).map(|directory| directory.join(&wanted)).find(|file| is_program(file))
    }

    /// The same, with what it runs with.
    pub(crate) fn running(&self, fly: &FlyProfile) -> Result<Flyctl, Failure> {
        let program = self.flyctl(fly);
        let program = program
            .ok_or_else(|| Failure::new(FailureCode::BuildNotStarted, "the program flyctl is not there"))?;
        Ok(Flyctl::new(program, &self.config.environment, &self.config.work))
    }

    /// Where an app with this outline is reached.
    pub(crate) fn url(&self, outline: &Outline) -> Option<String> {
        if let Some(host) = &outline.profile.access.host {
            return Some(format!("https://{host}/"));
        }
        let app = outline.profile.fly.app.as_deref()?;
        let template = self.config.app_url.as_deref().unwrap_or(APP_URL);
        Some(format!("{}/", template.replace("{app}", app).trim_end_matches('/')))
    }

    /// Where the public check may connect to: a host that a user names may only be a public one.
    pub(crate) fn addresses(&self, outline: &Outline) -> AddressPolicy {
        match (&outline.profile.access.host, &self.config.app_url) {
            (None, Some(_)) => AddressPolicy::local(),
            (Some(_), _) | (None, None) => AddressPolicy::public_only(),
        }
    }

    pub(crate) fn recipe(&self, outline: &Outline) -> Option<String> {
        (self.config.recipe)(outline)
    }

    pub(crate) fn hidden(&self, profile: &Profile) -> Redactor {
        let environment = &self.config.environment;
        let value = |name: &str| environment.get(OsStr::new(name))?.to_str().map(str::to_owned);
        let mut values = BTreeMap::new();
        for name in TOKENS {
            // Several tokens may stand in one variable.
            for (index, token) in value(name).iter().flat_map(|value| value.split(',')).enumerate() {
                values.insert(format!("{name} {index}"), token.to_owned());
            }
        }
        for (name, reference) in &profile.secrets {
            values.extend(value(&reference.env).map(|value| (name.clone(), value)));
        }
        Redactor::new(&values)
    }

    fn work<'a>(
        &'a self,
        step: &'a Step,
        fence: Option<Fence>,
        cx: &'a StepContext,
    ) -> Result<Work<'a>, Failure> {
        let profile = &cx.plan.outline().profile;
        let log = StepLog::new(
            (cx.deployment, step.id.clone()),
            Arc::clone(&cx.logs),
            Arc::clone(&self.clock),
            self.hidden(profile),
        );
        let app = profile.fly.app.as_deref();
        let app = app.ok_or_else(|| Failure::new(FailureCode::ProviderConfig, "no fly app is named"))?;
        Ok(Work { target: self, cx, step, fence, log, flyctl: self.running(&profile.fly)?, app })
    }

    async fn carry_out(&self, work: &Work<'_>) -> Result<Output, Failure> {
        match work.step.id.as_str() {
            APP => app::app(work).await,
            BUILD => image::build(work).await,
            IMAGE => image::take(work),
            CHECK_COMMIT => verify::commit(work).await,
            RELEASE => release::release(work).await,
            CHECK_RELEASE => verify::release(work).await,
            CHECK_PUBLIC => verify::public(work).await,
            _ => Err(unknown_step(work.step)),
        }
    }
}

fn is_program(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn unknown_step(step: &Step) -> Failure {
    Failure::new(FailureCode::Internal, format!("the fly target has no step {}", step.id))
}

#[async_trait]
impl Executor for FlyExecutor {
    fn name(&self) -> &'static str {
        "fly"
    }

    fn compile(&self, outline: &Outline) -> Compiled {
        let mut compiled = compile::compile(outline, self.url(outline), self.recipe(outline).is_some());
        self.browser.object(outline, &mut compiled);
        compiled
    }

    async fn survey(&self, request: &SurveyRequest<'_>) -> Result<Vec<Reason>, Failure> {
        let profile = &request.spec.profile;
        let mut reasons = Vec::new();
        // A release that comes back has a profile of its own, with a flyctl of its own.
        let restoring = matches!(request.spec.source, Source::Release { .. });
        if !restoring && self.flyctl(&profile.fly).is_none() {
            let message = "there is no flyctl on the control plane's PATH, or not where it is said to be";
            reasons.push(Reason::new(ReasonCode::FlyctlMissing, message));
        }
        if let Err(found) = source::read(self.sources.as_ref(), &request.spec.source, profile).await {
            // What is wrong with the source itself, detection says.
            reasons.extend(found.into_iter().filter(|reason| reason.code == ReasonCode::FlyConfigInvalid));
        }
        Ok(reasons)
    }

    async fn reuses(&self, outline: &Outline) -> Vec<Reuse> {
        reuse::reuses(self, outline)
    }

    async fn perform(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<Output, Failure> {
        let work = self.work(step, effect.fence, cx)?;
        if cx.cancel.is_cancelled() {
            return Err(Failure::new(FailureCode::Cancelled, "it was stopped before it began"));
        }
        self.active().entry(cx.deployment).or_default();
        let done = self.carry_out(&work).await;
        done.map_err(|failure| work.log.hidden().clean_failure(failure))
    }

    async fn probe(&self, _: &IdempotencyKey, step: &Step, cx: &StepContext) -> Result<Probe, Failure> {
        end_leftovers(cx.deployment);
        match step.id.as_str() {
            APP | BUILD | IMAGE => Ok(match self.paths.noted(cx.deployment, &step.id) {
                Some(output) => Probe::Present { output },
                None => Probe::Absent,
            }),
            CHECK_COMMIT | CHECK_RELEASE | CHECK_PUBLIC => Ok(Probe::Absent),
            RELEASE => release::read_back(&self.work(step, None, cx)?).await,
            _ => Err(unknown_step(step)),
        }
    }

    async fn undo(&self, effect: &Effect, step: &Step, cx: &StepContext) -> Result<(), Failure> {
        match step.id.as_str() {
            APP | BUILD | IMAGE | CHECK_COMMIT | CHECK_RELEASE | CHECK_PUBLIC => Ok(()),
            RELEASE => {
                end_leftovers(cx.deployment);
                let work = self.work(step, effect.fence, cx)?;
                self.active().entry(cx.deployment).or_default();
                let done = back::back(&work).await;
                done.map_err(|failure| work.log.hidden().clean_failure(failure))
            }
            _ => Err(unknown_step(step)),
        }
    }

    async fn finish(&self, deployment: DeploymentId) -> Result<(), Failure> {
        end_leftovers(deployment);
        let workspace = self.paths.workspace(deployment);
        let removed = tokio::task::spawn_blocking(move || remove_all(&workspace)).await;
        let removed = removed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        removed.map_err(|error| disk(&error, "remove the workspace"))?;
        self.active().remove(&deployment);
        Ok(())
    }

    async fn reclaim(&self, keep: &Keep) -> Result<(), Failure> {
        // An image that fly keeps is fly's to remove: only what lies here is freed.
        let (paths, keep, active) = (self.paths.clone(), keep.clone(), Arc::clone(&self.active));
        let work = self.config.work.clone();
        let freed = tokio::task::spawn_blocking(move || {
            end_orphans(&work);
            let unneeded = |deployment| {
                !keep.deployments.contains(&deployment) && !lock(&active).contains_key(&deployment)
            };
            paths.reclaim(unneeded, |digest, file| {
                // Held while it goes: a deployment says so here before it keeps the same again.
                let active = lock(&active);
                let needed =
                    keep.digests.contains(digest) || active.values().flatten().any(|one| one == digest);
                if needed { Ok(()) } else { std::fs::remove_file(file) }
            })
        })
        .await;
        let freed = freed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        freed.map_err(|error| disk(&error, "free the space of old releases"))
    }

    fn keeps_output(&self) -> bool {
        true
    }

    async fn runtime_log(
        &self,
        release: &ReleaseRecord,
        from: RuntimeFrom,
    ) -> Result<Box<dyn RuntimeLog>, RuntimeLogError> {
        runtime::open(self, release, from).await
    }
}
