//! Verifying: the commit, the machines, the public address.

use deploy_core::acceptance::{Acceptance, AcceptanceName, AcceptanceOutcome, commit_match};
use deploy_core::auto_rollback::Observed;
use deploy_core::failure::{Failure, FailureClass, FailureCode};
use deploy_core::health::HealthPolicy;
use deploy_core::log::LogLevel;
use deploy_core::plan::{Origin, Output};
use deploy_core::spec::Source;
use deploy_core::time::Span;
use deploy_probe::{AskingUrl, Attempt, Judgement, Paths, Prober, SystemResolver, decide};

use crate::app::VERSION;
use crate::dirty;
use crate::executor::Work;
use crate::page;
use crate::paths::Kept;
use crate::platform::Checks;
use crate::release::{ENDED, SAID};
use crate::reuse;
use crate::rollout::{Rollout, Runs, Wanted, judge};

/// Machines that run something else after flyctl has ended may be read too early; more often than this is no accident.
const PATIENCE: u32 = 3;
/// How often the platform is asked at most.
const LEAST_INTERVAL: Span = Span::from_millis(500);
/// How long the first byte may take before it is worth a word, where no limit is set.
const USUAL_FIRST_BYTE: Span = Span::from_secs(3);

/// `DEPLOY-COMMIT-MATCH`: the commit that was planned is the one that the source is at.
pub(crate) async fn commit(work: &Work<'_>) -> Result<Output, Failure> {
    let (cx, profile) = (work.cx, &work.cx.plan.outline().profile);
    let captured = cx.plan.outline().source.commit.as_deref();
    let (now, changes) = match &cx.source {
        Source::Directory { path } => {
            let opened = work.target.sources.open(&cx.source, profile).await.ok();
            (opened.and_then(|opened| opened.commit()), dirty::changes(path).await)
        }
        // What was fetched is the commit itself.
        Source::Git { commit, .. } => (commit.as_ref().map(ToString::to_string), Some(false)),
        Source::Archive { .. } | Source::Image { .. } | Source::Release { .. } => (None, None),
    };
    let checked = commit_match(captured, now.as_deref(), changes);
    work.log.system(LogLevel::Info, &format!("{}: {}", checked.name.as_str(), checked.message));
    if checked.outcome == AcceptanceOutcome::Failed {
        let mut failure = Failure::new(FailureCode::SourceChanged, checked.message.clone());
        failure.acceptance.push(checked);
        return Err(failure);
    }
    Ok(Output { digest: cx.digest().cloned(), acceptance: vec![checked], ..Output::default() })
}

/// Reads back that every machine runs this release.
pub(crate) async fn release(work: &Work<'_>) -> Result<Output, Failure> {
    let wanted = Wanted { mark: work.mark(), digest: work.cx.digest().cloned() };
    let ended =
        work.fact(ENDED).map(|code| (code.to_owned(), work.fact(SAID).unwrap_or_default().to_owned()));
    let runs = rolled_out(work, &wanted, ended).await?;
    let output = Output::of(runs.digest).with("flyRelease", runs.version.to_string());
    Ok(output.with("machines", runs.machines.to_string()))
}

/// Asks the platform until every machine runs what is wanted, or that can't be any more. `ended` is how flyctl failed,
/// where it did.
pub(crate) async fn rolled_out(
    work: &Work<'_>,
    wanted: &Wanted,
    ended: Option<(String, String)>,
) -> Result<Runs, Failure> {
    let policy = &work.cx.plan.outline().health.policy;
    let deadline = work.target.clock.now().after(policy.deadline);
    let (mut others, mut said) = (0, String::new());
    loop {
        let looked = look(work, wanted).await;
        let last = match looked {
            Ok(Rollout::Ready(runs)) => return Ok(runs),
            Ok(Rollout::Failed(failure)) => return Err(explained(*failure, ended.as_ref())),
            Ok(Rollout::Other(what)) => {
                others += 1;
                let failure = Failure::new(FailureCode::WrongRelease, what);
                // Where flyctl itself gave up, nobody is going to change it any more.
                if others >= PATIENCE || ended.is_some() {
                    return Err(explained(failure, ended.as_ref()));
                }
                failure
            }
            Ok(Rollout::Waiting(code, what)) => Failure::new(code, what),
            // What the platform does not say now it may say later.
            Err(failure) if failure.class() == FailureClass::Permanent => return Err(failure),
            Err(failure) => failure,
        };
        if last.message != said {
            work.log.system(LogLevel::Info, &last.message);
            said.clone_from(&last.message);
        }
        if work.target.clock.now() >= deadline {
            return Err(explained(last.because("waited", policy.deadline.to_string()), ended.as_ref()));
        }
        pause(work, policy.interval.max(LEAST_INTERVAL)).await?;
    }
}

async fn pause(work: &Work<'_>, span: Span) -> Result<(), Failure> {
    tokio::select! {
        () = tokio::time::sleep(span.as_duration()) => Ok(()),
        () = work.cx.cancel.cancelled() => Err(Failure::new(FailureCode::Cancelled, "it was stopped on request")),
    }
}

/// One look. Where the machines say yes, everything else that the platform knows must not say no.
async fn look(work: &Work<'_>, wanted: &Wanted) -> Result<Rollout, Failure> {
    let machines = work.machines().await?;
    let runs = match judge(&machines, &Checks::new(), wanted) {
        Rollout::Ready(runs) => runs,
        other @ (Rollout::Waiting(..) | Rollout::Other(_) | Rollout::Failed(_)) => return Ok(other),
    };
    let rollout = judge(&machines, &work.checks().await?, wanted);
    if !matches!(rollout, Rollout::Ready(_)) {
        return Ok(rollout);
    }
    let known = work.releases().await?.into_iter().find(|release| release.version == runs.version);
    let Some(entry) = known else {
        let message = format!("fly does not list release {} yet", runs.version);
        return Ok(Rollout::Waiting(FailureCode::WrongRelease, message));
    };
    let current = work.status().await?.version;
    if current.is_some_and(|current| current != runs.version) {
        let current = current.unwrap_or_default();
        return Ok(Rollout::Other(format!(
            "fly is at release {current}, the machines are at {}",
            runs.version
        )));
    }
    let before = work.fact(VERSION).and_then(|version| version.parse::<u64>().ok()).unwrap_or(0);
    if runs.version <= before {
        return Ok(Rollout::Other(format!("release {} was there before this deployment", runs.version)));
    }
    if matches!(entry.status.as_str(), "failed" | "interrupted") {
        work.log.system(
            LogLevel::Warn,
            &format!("fly calls the release {}; every machine runs it well", entry.status),
        );
    }
    Ok(rollout)
}

/// A failure with what flyctl said, and its code where that says more than "another release runs".
fn explained(mut failure: Failure, ended: Option<&(String, String)>) -> Failure {
    let Some((code, said)) = ended else { return failure };
    let known = FailureCode::ALL.iter().find(|known| known.code() == code);
    if let Some(known) = known.filter(|known| known.class() == FailureClass::Permanent)
        && matches!(failure.code, FailureCode::WrongRelease | FailureCode::Unhealthy)
    {
        failure.code = *known;
    }
    failure.because("flyctl", code.as_str()).with_tail(said.lines().map(str::to_owned).collect::<Vec<_>>())
}

/// `DEPLOY-HEALTH-200`, and `DEPLOY-BROWSER` where a browser is asked for: the public address answers, and the machines are still of this release.
pub(crate) async fn public(work: &Work<'_>) -> Result<Output, Failure> {
    let seen = match answers(work).await {
        Ok(seen) => seen,
        Err(failure) => return Err(page::explains(work, failure).await),
    };
    let looked = page::agrees(work).await?;
    let wanted = Wanted { mark: work.mark(), digest: work.cx.digest().cloned() };
    let runs = match look(work, &wanted).await {
        Ok(Rollout::Ready(runs)) => runs,
        Ok(Rollout::Failed(failure)) => return Err(*failure),
        Ok(Rollout::Other(what)) => return Err(Failure::new(FailureCode::WrongRelease, what)),
        Ok(Rollout::Waiting(code, what)) => return Err(Failure::new(code, what)),
        Err(failure) => return Err(failure),
    };
    keep(work, &runs)?;
    let answered = Acceptance::new(AcceptanceName::Health, AcceptanceOutcome::Passed, seen);
    let acceptance = std::iter::once(answered).chain(looked).collect();
    let url = work.target.url(work.cx.plan.outline());
    Ok(Output { digest: Some(runs.digest), url, acceptance, ..Output::default() })
}

/// Asks the public address until the health policy is decided, and says what answered.
pub(crate) async fn answers(work: &Work<'_>) -> Result<String, Failure> {
    let outline = work.cx.plan.outline();
    let (target, policy) = (work.target, public_policy(&outline.health.policy));
    let unknown = || Failure::new(FailureCode::Internal, "the app's address is not known");
    let url = target.url(outline).ok_or_else(unknown)?;
    let paths = match outline.health.origin {
        Origin::Default => Paths::Cascade,
        Origin::Explicit | Origin::Detected => Paths::One(policy.path.clone()),
    };
    let (prober, addresses) = (Prober::default(), target.addresses(outline));
    let mut asking = AskingUrl::new(&prober, (&url, paths), (&addresses, &SystemResolver), &policy);
    let clock = || target.clock.now();
    let decided = decide(&mut asking, &policy, clock, &work.cx.cancel, |attempt| tell(work, attempt)).await;
    match (decided, asking.answered()) {
        (Ok(_), Some(good)) => {
            let limit = policy.first_byte.unwrap_or(USUAL_FIRST_BYTE);
            let slow = good.first_byte > limit.as_duration();
            let word = if slow { "over" } else { "within" };
            let millis = good.first_byte.as_millis();
            let seen = format!(
                "{} answered {}, its first byte after {millis}ms, {word} {limit}",
                good.path, good.status
            );
            work.log.system(if slow { LogLevel::Warn } else { LogLevel::Info }, &seen);
            Ok(seen)
        }
        (Ok(_), None) => Err(Failure::new(FailureCode::Internal, "a good answer was not remembered")),
        (Err(failure), _) if failure.code == FailureCode::Cancelled => Err(failure),
        (Err(mut failure), _) => {
            let (status, elapsed) = (asking.status(), page::elapsed(work));
            failure.observed =
                Some(Box::new(Observed { status, healthy: false, console_errors: None, elapsed }));
            let message = failure.message.clone();
            let failed = Acceptance::new(AcceptanceName::Health, AcceptanceOutcome::Failed, message);
            failure.acceptance.push(failed);
            Err(failure.because("url", url))
        }
    }
}

/// The policy for an address at the other end of the internet.
fn public_policy(policy: &HealthPolicy) -> HealthPolicy {
    HealthPolicy { interval: policy.interval.max(LEAST_INTERVAL), ..policy.clone() }
}

fn tell(work: &Work<'_>, attempt: &Attempt) {
    let number = attempt.number;
    match &attempt.look.judgement {
        Judgement::Good => {
            work.log.system(LogLevel::Debug, &format!("attempt {number}: {}", attempt.look.seen));
        }
        Judgement::Bad(problem) => {
            work.log.system(LogLevel::Warn, &format!("attempt {number}: {}", problem.message));
        }
    }
}

/// Keeps what going back to this release will need.
fn keep(work: &Work<'_>, runs: &Runs) -> Result<(), Failure> {
    // A release that came back has what was kept of it.
    let restored = work.cx.plan.outline().artifact.as_ref().is_some_and(|artifact| artifact.digest.is_some());
    if restored {
        return Ok(());
    }
    let file = work.directory()?.join("fly.toml");
    let Ok(config) = std::fs::read_to_string(&file) else { return Ok(()) };
    let usual = || format!("registry.fly.io/{}@{}", work.app, runs.digest);
    let image = runs.image.clone().unwrap_or_else(usual);
    let inputs = reuse::inputs(work.target, work.cx.plan.outline());
    work.target.keep(work.cx.deployment, work.app, &runs.digest, &Kept { image, config, inputs })
}
