//! Going back: the image of the verified release before, by its content, and checked like any other release.

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::log::LogLevel;

use crate::app::MACHINES;
use crate::argv;
use crate::classify;
use crate::compile::ASK_TIMEOUT;
use crate::executor::Work;
use crate::mark::Mark;
use crate::paths::{disk, write_whole};
use crate::platform::{MARK, Machine};
use crate::rollout::{Wanted, is_ours, refuse};
use crate::verify;

/// Takes the release back. What it goes back to is known, and was verified, before anything is changed.
pub(crate) async fn back(work: &Work<'_>) -> Result<(), Failure> {
    let (ours, back) =
        (work.mark(), Mark::back(&work.cx.plan.outline().resource, work.fence, work.cx.deployment));
    let machines = work.machines().await?;
    refuse(&machines, &ours)?;
    let is = |mark: &Mark| machines.iter().filter(|m| m.serves() && is_ours(m, mark)).count();
    let (new, returned) = (is(&ours), is(&back));
    if new == 0 && returned == 0 {
        return Ok(());
    }
    let Some(before) = &work.cx.live_before else { return remove(work, &machines).await };
    if !before.verified {
        let message =
            format!("{} never passed verification: there is no release to go back to", before.release);
        return Err(Failure::new(FailureCode::UndoFailed, message));
    }
    let wanted = Wanted { mark: back, digest: Some(before.digest.clone()) };
    if new > 0 {
        again(work, &wanted).await?;
    }
    let runs = verify::rolled_out(work, &wanted, None).await?;
    let answered = verify::answers(work).await?;
    let (release, version) = (before.release, runs.version);
    work.log
        .system(LogLevel::Info, &format!("{release} serves again, as fly's release {version}: {answered}"));
    Ok(())
}

/// Has fly make the machines what they were.
async fn again(work: &Work<'_>, wanted: &Wanted) -> Result<(), Failure> {
    let Some(digest) = &wanted.digest else {
        return Err(Failure::new(FailureCode::UndoFailed, "the release before is not known by its content"));
    };
    let kept = work.target.paths.kept(work.app, digest);
    let image = kept
        .as_ref()
        .map_or_else(|| format!("registry.fly.io/{}@{digest}", work.app), |kept| kept.image.clone());
    let directory = work.target.paths.workspace(work.cx.deployment).join("back");
    let config = match &kept {
        Some(kept) => {
            let file = directory.join("fly.toml");
            let written = write_whole(&file, kept.config.as_bytes());
            written.map_err(|error| disk(&error, "write the fly.toml of the release before"))?;
            Some(file)
        }
        None => None,
    };
    let value = format!("{MARK}={}", wanted.mark);
    let call = argv::release(&argv::Release {
        app: work.app,
        config: config.as_deref(),
        image: &image,
        strategy: None,
        primary_region: None,
        mark: &value,
        wait: work.cx.plan.outline().health.policy.deadline,
        back: true,
    });
    let ran = work.flyctl.stream(&call, &work.watch(work.step.timeout), &work.log).await?;
    // As forwards, the machines are the verdict; a failure is worth a try only where it is transient.
    match classify::failure(&ran, true) {
        Some(failure) if failure.class() != deploy_core::failure::FailureClass::Permanent => Err(failure),
        Some(failure) => {
            work.log
                .system(LogLevel::Warn, &format!("flyctl failed: {}; the machines tell", failure.message));
            Ok(())
        }
        None => Ok(()),
    }
}

/// Where no release served before and the app had no machine, those that this deployment made go.
async fn remove(work: &Work<'_>, machines: &[Machine]) -> Result<(), Failure> {
    if work.fact(MACHINES) != Some("0") {
        let message =
            "what served before was not released from here: there is no verified release to go back to";
        return Err(Failure::new(FailureCode::UndoFailed, message));
    }
    let mark = work.mark();
    for machine in machines.iter().filter(|machine| is_ours(machine, &mark)) {
        let call = argv::destroy(work.app, &machine.id);
        let ran = work.flyctl.stream(&call, &work.watch(ASK_TIMEOUT), &work.log).await?;
        if let Some(failure) = classify::failure(&ran, true) {
            return Err(failure);
        }
    }
    Ok(())
}
