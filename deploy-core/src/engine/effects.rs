//! Carrying out effects: the one place where decisions meet the world.

use std::sync::Arc;
use std::time::Duration;

use super::handle::Inner;
use super::turnstile;
use crate::cancel::Cancel;
use crate::command::Report;
use crate::deployment::Deployment;
use crate::detect::Detection;
use crate::effect::{Effect, EffectKind};
use crate::failure::{Failure, FailureCode};
use crate::id::{Digest, Fence, StepId, Version};
use crate::lifecycle::{Phase, Run};
use crate::log::LogLine;
use crate::plan::{Draft, Output, Step};
use crate::port::{
    Executor, Live, LogSink, Probe, ReleaseRecord, ReleaseState, StepContext, StoreError, Survey,
    SurveyRequest,
};
use crate::reason::{Reason, ReasonCode};
use crate::redact::Redactor;
use crate::spec::{Source, Spec};

/// What became of an effect.
pub(super) enum Answer {
    /// The world answered, under this fence.
    Report(Report, Option<Fence>),
    /// It was cancelled before it did anything.
    Nothing,
}

/// Carries out one effect. Always returns: a panic is a failure, and a cancelled effect that does
/// not end within the grace is aborted.
pub(super) async fn run(
    inner: Arc<Inner>,
    deployment: Deployment,
    effect: Effect,
    cancel: Cancel,
) -> (Effect, Answer) {
    let grace = inner.limits.cancel_grace;
    let mut work = tokio::spawn(carry_out(inner, deployment, effect.clone(), cancel.clone()));
    let joined = tokio::select! {
        joined = &mut work => joined,
        () = overdue(&cancel, grace) => {
            work.abort();
            return (effect, Answer::Nothing);
        }
    };
    let answer = joined.unwrap_or_else(|error| {
        tracing::error!(%error, ?effect, "an effect broke off");
        let failure = Failure::new(FailureCode::Internal, "the code that carries out the step broke off");
        Answer::Report(failed(&effect, failure), effect.fence)
    });
    (effect, answer)
}

async fn overdue(cancel: &Cancel, grace: Duration) {
    cancel.cancelled().await;
    tokio::time::sleep(grace).await;
}

/// The report that says an effect failed.
fn failed(effect: &Effect, failure: Failure) -> Report {
    match &effect.kind {
        EffectKind::Claim | EffectKind::Inspect | EffectKind::Draft => Report::PreparationFailed { failure },
        EffectKind::Perform { step } => Report::StepFailed { step: step.clone(), failure },
        EffectKind::Probe { step } => Report::Probed { step: step.clone(), found: Probe::Unknown },
        EffectKind::Undo { step } => Report::UndoFailed { step: step.clone(), failure },
    }
}

async fn carry_out(inner: Arc<Inner>, deployment: Deployment, effect: Effect, cancel: Cancel) -> Answer {
    if effect.kind == EffectKind::Claim {
        return claim(&inner, &deployment, &cancel).await;
    }
    let permit = tokio::select! {
        permit = Arc::clone(&inner.effects).acquire_owned() => permit,
        () = cancel.cancelled() => return Answer::Nothing,
    };
    // The semaphore is never closed; without a permit the effect would only run unbounded.
    let _permit = permit.ok();
    let report = match &effect.kind {
        EffectKind::Claim => return Answer::Nothing,
        EffectKind::Inspect => {
            let detection = inner.previewer.inspect(deployment.spec()).await;
            Report::Inspected { detection: Arc::new(detection) }
        }
        EffectKind::Draft => draft(&inner, &deployment).await,
        EffectKind::Perform { step } | EffectKind::Probe { step } | EffectKind::Undo { step } => {
            on_step(&inner, &deployment, &effect, step, cancel).await
        }
    };
    Answer::Report(report, effect.fence)
}

/// Waits for the resource as long as it takes: for every policy first, then for its turn.
async fn claim(inner: &Inner, deployment: &Deployment, cancel: &Cancel) -> Answer {
    let (spec, resource) = (deployment.spec(), &deployment.spec().resource);
    let turn = inner.turnstile.enter(deployment.id(), &spec.workspace);
    let fence = loop {
        if let Some(report) = inner.news_of_policies(deployment).await {
            return Answer::Report(report, None);
        }
        let mut again = turnstile::ASK_AGAIN;
        if deployment.deferred().is_empty() {
            let concurrent = inner.concurrent(&spec.workspace).await;
            match inner.store.acquire(resource, deployment.id(), concurrent).await {
                Ok(fence) => break fence,
                Err(StoreError::Busy { .. } | StoreError::WorkspaceFull { .. }) => {}
                Err(error) => {
                    let failure = Failure::new(FailureCode::TargetUnavailable, error.to_string());
                    return Answer::Report(Report::PreparationFailed { failure }, None);
                }
            }
        } else {
            again = turnstile::JUDGE_AGAIN;
        }
        tokio::select! {
            () = turn.called() => {}
            () = tokio::time::sleep(again) => {}
            () = cancel.cancelled() => return Answer::Nothing,
        }
    };
    match inner.store.releases(resource).await {
        Ok(releases) => Answer::Report(Report::Claimed { live: live_of(&releases) }, Some(fence)),
        // The resource stays ours: the next attempt gets it at once, under a new fence.
        Err(error) => {
            let failure = Failure::new(FailureCode::TargetUnavailable, error.to_string());
            Answer::Report(Report::PreparationFailed { failure }, None)
        }
    }
}

async fn draft(inner: &Inner, deployment: &Deployment) -> Report {
    let Phase::Planning(planning) = deployment.phase() else {
        let failure = Failure::new(FailureCode::Internal, "a plan was to be drafted outside planning");
        return Report::PreparationFailed { failure };
    };
    let spec = deployment.spec();
    match inner.survey(spec, planning.detection()).await {
        Ok(survey) => {
            let draft = inner.previewer.draft(spec, planning.detection(), Some(&survey));
            let restored = survey.release.as_ref().map(|release| release.version);
            let version = restored.or(survey.next_version).unwrap_or(Version::FIRST);
            Report::Drafted { draft, live: survey.live, version }
        }
        Err(error) => {
            let failure = Failure::new(FailureCode::TargetUnavailable, error.to_string());
            Report::PreparationFailed { failure }
        }
    }
}

async fn on_step(
    inner: &Inner,
    deployment: &Deployment,
    effect: &Effect,
    id: &StepId,
    cancel: Cancel,
) -> Report {
    let name = deployment.spec().target.as_str();
    let found = deployment.phase().run().and_then(|run| Some((run, run.step(id)?.0)));
    let (Some(executor), Some((run, step)), Some(key)) =
        (inner.previewer.executor(name), found, effect.key())
    else {
        let failure =
            Failure::new(FailureCode::Internal, format!("step {id} or its executor {name} is not there"));
        return failed(effect, failure);
    };
    let cx = context(inner, deployment, run, effect, cancel);
    let step: &Step = step;
    let (id, clean) = (id.clone(), Redactor::default());
    match &effect.kind {
        EffectKind::Claim | EffectKind::Inspect | EffectKind::Draft => {
            failed(effect, Failure::new(FailureCode::Internal, "not a step's effect"))
        }
        EffectKind::Perform { .. } => match executor.perform(effect, step, &cx).await {
            Ok(output) => Report::StepDone { step: id, output: clean.clean_output(output) },
            Err(failure) => Report::StepFailed { step: id, failure: clean.clean_failure(failure) },
        },
        EffectKind::Probe { .. } => {
            let found = match executor.probe(&key, step, &cx).await {
                Ok(Probe::Present { output }) => Probe::Present { output: clean.clean_output(output) },
                Ok(found @ (Probe::Absent | Probe::Unknown)) => found,
                Err(_) => Probe::Unknown,
            };
            Report::Probed { step: id, found }
        }
        EffectKind::Undo { .. } => match executor.undo(effect, step, &cx).await {
            Ok(()) => Report::Undone { step: id },
            Err(failure) => Report::UndoFailed { step: id, failure: clean.clean_failure(failure) },
        },
    }
}

fn context(
    inner: &Inner,
    deployment: &Deployment,
    run: &Run,
    effect: &Effect,
    cancel: Cancel,
) -> StepContext {
    let owned = |(step, output): (&Step, &Arc<Output>)| (step.id.clone(), (**output).clone());
    let outputs = match &effect.kind {
        EffectKind::Perform { step } | EffectKind::Probe { step } => {
            run.outputs_before(step).map(owned).collect()
        }
        // Taking back may use everything that is known, the step's own output included.
        EffectKind::Undo { .. } | EffectKind::Claim | EffectKind::Inspect | EffectKind::Draft => {
            run.outputs().map(owned).collect()
        }
    };
    StepContext {
        deployment: deployment.id(),
        plan: Arc::clone(run.plan()),
        outputs,
        live_before: run.live_before().cloned(),
        version: run.version(),
        source: deployment.spec().source.pinned(&run.plan().outline().source),
        cancel,
        logs: Arc::new(CleanLines(Arc::clone(&inner.store) as Arc<dyn LogSink>)),
    }
}

/// Takes what can only be a token out of every line, whoever wrote it.
struct CleanLines(Arc<dyn LogSink>);

impl LogSink for CleanLines {
    fn line(&self, line: LogLine) {
        let message = Redactor::default().clean(&line.message);
        self.0.line(LogLine { message, ..line });
    }
}

fn live_of(releases: &[ReleaseRecord]) -> Option<Live> {
    let live = releases.iter().find(|release| release.state == ReleaseState::Live)?;
    Some(Live {
        release: live.version,
        digest: live.digest.clone(),
        host: live.outline.access.host.clone(),
        url: live.url.clone(),
        verified: live.verified,
    })
}

impl Inner {
    /// What the records and the target say about a plan before it is drafted. Reads only.
    pub(super) async fn survey(&self, spec: &Spec, detection: &Detection) -> Result<Survey, StoreError> {
        let mut releases = self.store.releases(&spec.resource).await?;
        if matches!(spec.source, Source::Release { .. }) {
            self.look_for_artifacts(&mut releases).await;
        }
        let kept = releases.iter().filter(|release| release.state != ReleaseState::Failed);
        let next_version = kept.map(|release| release.version).max().map_or(Version::FIRST, Version::next);
        let live_release = releases.iter().find(|release| release.state == ReleaseState::Live);
        let mut survey = Survey {
            live: live_of(&releases),
            live_release: live_release.cloned().map(Arc::new),
            next_version: Some(next_version),
            ..Survey::default()
        };
        if let Source::Release { version } = spec.source {
            match usable(&releases, version) {
                Ok(release) => survey.release = Some(Arc::new(release.clone())),
                Err(reason) => survey.reasons.push(*reason),
            }
        }
        if let Some(executor) = self.previewer.executor(spec.target.as_str()) {
            let reasons = self.ask_executor(executor.as_ref(), spec, detection, &survey).await?;
            survey.reasons.extend(reasons);
        }
        Ok(survey)
    }

    /// Takes releases for pruned whose artifact somebody else removed: what the targets hold now is the truth.
    pub(super) async fn look_for_artifacts(&self, releases: &mut [ReleaseRecord]) {
        for executor in self.previewer.executors() {
            let kept = |release: &ReleaseRecord| {
                release.state == ReleaseState::Previous && release.outline.target.as_str() == executor.name()
            };
            let artifacts: Vec<Digest> = releases
                .iter()
                .filter(|release| kept(release))
                .map(|release| release.digest.clone())
                .collect();
            if artifacts.is_empty() {
                continue;
            }
            let missing = executor.missing(&artifacts).await;
            for release in releases.iter_mut().filter(|release| kept(release)) {
                if missing.contains(&release.digest) {
                    release.state = ReleaseState::Pruned;
                }
            }
        }
    }

    async fn ask_executor(
        &self,
        executor: &dyn Executor,
        spec: &Spec,
        detection: &Detection,
        survey: &Survey,
    ) -> Result<Vec<Reason>, StoreError> {
        let so_far = self.previewer.draft(spec, detection, Some(survey));
        let outline = match &so_far {
            Draft::Ready(plan) => plan.outline(),
            Draft::Blocked(blocked) => blocked.outline(),
        };
        let digest = survey.release.as_ref().map(|release| &release.digest);
        let request = SurveyRequest { resource: &spec.resource, spec, host: &outline.access.host, digest };
        let answer = executor.survey(&request).await;
        answer.map_err(|failure| StoreError::Unavailable { what: failure.message })
    }
}

/// The release a rollback goes back to, or why it can't.
fn usable(releases: &[ReleaseRecord], version: Version) -> Result<&ReleaseRecord, Box<Reason>> {
    let named = releases.iter().filter(|release| release.version == version);
    // A failed release may have had the number before the one that got it in the end.
    let named = named.min_by_key(|release| release.state == ReleaseState::Failed);
    let (code, message) = match named.map(|release| (release, release.state.refusal())) {
        Some((release, None)) if release.verified => return Ok(release),
        Some((_, None)) => (ReasonCode::ReleaseNotUsable, format!("{version} never passed verification")),
        Some((_, Some((code, why)))) => (code, format!("{version} {why}")),
        None => (ReasonCode::ReleaseNotFound, format!("there is no release {version}")),
    };
    let usable =
        releases.iter().filter(|release| release.state == ReleaseState::Previous && release.verified);
    let usable: Vec<String> = usable.map(|release| release.version.to_string()).collect();
    let usable = if usable.is_empty() { "none".to_owned() } else { usable.join(", ") };
    Err(Box::new(Reason::new(code, message).because("releases", format!("usable: {usable}"))))
}
