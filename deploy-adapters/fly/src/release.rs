//! Having fly replace the machines. How flyctl ended is not the verdict: what the machines run is.

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::log::LogLevel;
use deploy_core::plan::Output;
use deploy_core::port::Probe;
use deploy_core::time::{Span, Timestamp};

use crate::argv;
use crate::classify;
use crate::executor::Work;
use crate::image::IMAGE;
use crate::platform::{MARK, Machine};
use crate::rollout::{is_ours, refuse};
use crate::run::End;

/// The facts that say how flyctl ended, where it did not end well.
pub(crate) const ENDED: &str = "flyctlCode";
pub(crate) const SAID: &str = "flyctlSaid";

/// The fact that says when users could first meet the new release.
pub(crate) const BEGAN: &str = "rolloutBegan";

/// How long flyctl may wait for one machine at least.
const LEAST_WAIT: Span = Span::from_secs(60);

/// The step. It is done when users meet the new release on any machine; whether all of it is well, the checks say.
pub(crate) async fn release(work: &Work<'_>) -> Result<Output, Failure> {
    let mark = work.mark();
    let before = work.machines().await?;
    refuse(&before, &mark)?;
    let began = work.target.clock.now();
    let serving = |machines: &[Machine]| machines.iter().filter(|machine| machine.serves()).count();
    if serving(&before) > 0 && ours(work, &before) == serving(&before) {
        // An attempt before this one did it.
        return output(work, &before, began, None);
    }
    let image = work.fact(IMAGE).ok_or_else(|| Failure::new(FailureCode::Internal, "no image is known"))?;
    let (directory, outline) = (work.directory()?, work.cx.plan.outline());
    let restoring = outline.artifact.as_ref().and_then(|artifact| artifact.digest.as_ref());
    let config = config(work, &directory, restoring)?;
    let value = format!("{MARK}={mark}");
    let call = argv::release(&argv::Release {
        app: work.app,
        config: config.as_deref(),
        image,
        strategy: outline.profile.fly.strategy,
        primary_region: outline.profile.fly.primary_region.as_deref(),
        mark: &value,
        wait: outline.health.policy.deadline.max(LEAST_WAIT),
        back: restoring.is_some(),
    });
    let watch = crate::run::Watch { directory: Some(&directory), ..work.watch(work.step.timeout) };
    let ran = work.flyctl.stream(&call, &watch, &work.log).await?;
    let failure = classify::failure(&ran, true).map(|failure| failure.because("command", call.shown()));
    if let (End::Stopped, Some(failure)) = (&ran.end, &failure) {
        return Err(failure.clone());
    }
    let after = match (work.machines().await, &failure) {
        (Ok(machines), _) => machines,
        // Nobody knows now what became of it: the world is read back later.
        (Err(unread), _) => {
            return Err(Failure::new(
                FailureCode::ReplyLost,
                "flyctl has ended, and the machines can't be read",
            )
            .because("then", unread.message)
            .with_tail(ran.said));
        }
    };
    match failure {
        Some(failure) if ours(work, &after) == 0 => Err(untouched(failure)),
        Some(failure) => {
            work.log.system(
                LogLevel::Warn,
                &format!("flyctl failed ({}); the machines tell", failure.code.code()),
            );
            output(work, &after, began, Some(&failure))
        }
        None if ours(work, &after) == 0 => {
            let message = "flyctl ended well, but no machine is of this release";
            Err(Failure::new(FailureCode::WrongRelease, message).with_tail(ran.said))
        }
        None => output(work, &after, began, None),
    }
}

/// A rollout that never reached a machine has another meaning than one that did.
fn untouched(mut failure: Failure) -> Failure {
    if failure.code == FailureCode::ReplyLost {
        failure.code = FailureCode::ProviderUnavailable;
    }
    failure
}

/// The configuration that goes with the image: the kept one of a release that comes back, else the effective one.
fn config(
    work: &Work<'_>,
    directory: &std::path::Path,
    restoring: Option<&deploy_core::id::Digest>,
) -> Result<Option<std::path::PathBuf>, Failure> {
    let Some(digest) = restoring else { return Ok(Some(directory.join("fly.toml"))) };
    let Some(kept) = work.target.paths.kept(work.app, digest) else {
        work.log
            .system(LogLevel::Warn, "the release's fly.toml was not kept here; the app keeps the one it has");
        return Ok(None);
    };
    let file = directory.join("fly.toml");
    let written = crate::paths::write_whole(&file, kept.config.as_bytes());
    written.map_err(|error| crate::paths::disk(&error, "write the release's fly.toml"))?;
    Ok(Some(file))
}

fn ours(work: &Work<'_>, machines: &[Machine]) -> usize {
    let mark = work.mark();
    machines.iter().filter(|machine| machine.serves() && is_ours(machine, &mark)).count()
}

fn output(
    work: &Work<'_>,
    machines: &[Machine],
    began: Timestamp,
    failure: Option<&Failure>,
) -> Result<Output, Failure> {
    let paths = &work.target.paths;
    if let (None, Some(noted)) = (failure, paths.noted(work.cx.deployment, &work.step.id)) {
        return Ok(noted);
    }
    let mark = work.mark();
    let found = machines
        .iter()
        .filter(|machine| machine.serves() && is_ours(machine, &mark))
        .find_map(Machine::digest);
    let digest = work.cx.digest().cloned().or(found);
    let url = work.target.url(work.cx.plan.outline());
    let mut output = Output { digest, url, ..Output::default() }.with(BEGAN, began.to_string());
    if let Some(failure) = failure {
        let said = failure.tail.iter().rev().take(5).rev().cloned().collect::<Vec<_>>().join("\n");
        output = output.with(ENDED, failure.code.code()).with(SAID, format!("{}\n{said}", failure.message));
    }
    paths.note(work.cx.deployment, &work.step.id, &output)?;
    Ok(output)
}

/// Whether the machines are of this deployment's release: all, none, or it is open.
pub(crate) async fn read_back(work: &Work<'_>) -> Result<Probe, Failure> {
    let machines = work.machines().await?;
    let serving = machines.iter().filter(|machine| machine.serves()).count();
    match ours(work, &machines) {
        0 => Ok(Probe::Absent),
        ours if ours == serving => {
            let output = output(work, &machines, work.target.clock.now(), None)?;
            Ok(Probe::Present { output })
        }
        // Begun and not ended: done again, it goes on where it stands.
        _ => Ok(Probe::Unknown),
    }
}
