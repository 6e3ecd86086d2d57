//! Laws of executors: pure plans, idempotent effects, honest answers, fences at the point of effect.

use std::collections::BTreeSet;
use std::time::Duration;

use super::executor::{Bench, ExecutorFixture, is_switch};
use super::{Law, Verdict};
use crate::failure::FailureCode;
use crate::log::LINE_BYTES;
use crate::plan::{Output, Step, StepKind, Undo};
use crate::port::{Keep, Probe, SurveyRequest};

/// The same outline compiles to the same steps, in an order that can be carried out.
///
/// # Errors
/// What was seen instead.
pub async fn compiling_is_pure_and_deterministic(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "compiling_is_pure_and_deterministic",
        "compile from the outline alone: no I/O, no clock, no counter; name every step once",
    );
    let bench = Bench::new(law, fixture, 1, 1)?;
    let compile = || fixture.executor().compile(bench.plan.outline());
    law.same("the second compilation", compile(), compile())?;
    let steps = bench.steps();
    law.holds(!steps.is_empty(), || "a plan without a step".to_owned())?;
    let names: BTreeSet<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    law.same("the number of different names", names.len(), steps.len())?;
    let sorted = steps.windows(2).all(|two| two[0].phase <= two[1].phase);
    law.holds(sorted, || "a step of the phase execute behind one of the phase verify".to_owned())?;
    law.holds(steps.iter().filter(|step| is_switch(step)).count() <= 1, || "two switches".to_owned())?;
    let Some(switch) = steps.iter().position(is_switch) else { return Ok(()) };
    let unchecked = steps[switch].action == (StepKind::Switch { needs_check: true })
        && !steps[..switch].iter().any(|step| step.action == StepKind::Check);
    law.holds(!unchecked, || "the switch needs a check, and none comes before it".to_owned())
}

/// Compiling and surveying read; they change nothing.
///
/// # Errors
/// What was seen instead.
pub async fn planning_changes_nothing(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "planning_changes_nothing",
        "make directories, names and connections in `perform`, not while planning",
    );
    let before = fixture.everything().await;
    let bench = Bench::new(law, fixture, 1, 1)?;
    let request = SurveyRequest {
        resource: &bench.spec.resource,
        spec: &bench.spec,
        host: &bench.plan.outline().access.host,
        digest: None,
    };
    let first = law.ok("surveying", fixture.executor().survey(&request).await)?;
    let second = law.ok("surveying again", fixture.executor().survey(&request).await)?;
    law.same("the second survey", second, first)?;
    law.same("the target", fixture.everything().await, before)
}

/// A step that was not performed is absent, whatever else is there.
///
/// # Errors
/// What was seen instead.
pub async fn reading_back_before_finds_nothing(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "reading_back_before_finds_nothing",
        "answer from the world under the name the key gives, not from what could be there",
    );
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    for step in bench.steps() {
        let before = fixture.everything().await;
        law.same(&format!("step {} before it ran", step.id), bench.probe(&step).await?, Probe::Absent)?;
        law.same("the target behind reading back", fixture.everything().await, before)?;
        bench.run(&step).await?;
    }
    Ok(())
}

/// A retry has the key of the first attempt, and changes nothing more.
///
/// # Errors
/// What was seen instead.
pub async fn performing_twice_under_one_key_is_one_effect(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "performing_twice_under_one_key_is_one_effect",
        "derive names from the key and create or get under them",
    );
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    for step in bench.steps() {
        let first = law.ok(&format!("step {}", step.id), bench.perform(&step).await)?;
        let once = fixture.everything().await;
        let second = law.ok(&format!("step {} again", step.id), bench.perform(&step).await)?;
        let twice = fixture.everything().await;
        law.same(&format!("the target behind the second {}", step.id), twice, once)?;
        law.same(&format!("the second artifact of {}", step.id), &second.digest, &first.digest)?;
        bench.outputs.push((step.id.clone(), second));
    }
    Ok(())
}

/// After a crash the run goes on with what is read back, so it must be what was reported.
///
/// # Errors
/// What was seen instead.
pub async fn reading_back_after_finds_the_same_output(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "reading_back_after_finds_the_same_output",
        "keep what `perform` answers on the target and read it from there; later steps need all of it",
    );
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    for step in bench.steps() {
        let output = bench.run(&step).await?;
        if step.action != StepKind::Check {
            bench.outputs.pop();
            let found = bench.probe(&step).await?;
            law.same(
                &format!("step {} behind it", step.id),
                found,
                Probe::Present { output: output.clone() },
            )?;
            bench.outputs.push((step.id.clone(), output));
        }
    }
    Ok(())
}

/// One digest goes from the act through the check to the route.
///
/// # Errors
/// What was seen instead.
pub async fn what_is_checked_and_routed_is_what_was_made(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "what_is_checked_and_routed_is_what_was_made",
        "take the digest from what answers, and let checks and the switch name it in their outputs",
    );
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    bench.run_up_to(|step| step.action != StepKind::Act).await?;
    let made = bench.digest();
    law.holds(made.is_some(), || "no act names the artifact it made".to_owned())?;
    for step in bench.steps().into_iter().filter(|step| step.action != StepKind::Act) {
        let output = bench.run(&step).await?;
        law.same(&format!("the artifact of {}", step.id), &output.digest, &made)?;
    }
    let mut other = Bench::after(&bench, fixture, 2)?;
    other.run_up_to(|step| step.action != StepKind::Act).await?;
    law.holds(other.digest() != made, || "another artifact has the same digest".to_owned())
}

/// Nothing before the switch is seen by users.
///
/// # Errors
/// What was seen instead.
pub async fn before_the_switch_what_serves_stays(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "before_the_switch_what_serves_stays",
        "run the candidate beside what serves; only the switch changes the route",
    );
    let mut first = Bench::new(law, fixture, 1, 1)?;
    for step in first.steps().into_iter().take_while(|step| !is_switch(step)) {
        first.run(&step).await?;
        law.same(&format!("what serves behind {}", step.id), fixture.live().await, None)?;
    }
    let mut first = Bench { outputs: Vec::new(), ..first };
    first.run_all().await?;
    let served = fixture.live().await;
    let mut second = Bench::after(&first, fixture, 2)?;
    for step in second.steps().into_iter().take_while(|step| !is_switch(step)) {
        second.run(&step).await?;
        law.same(&format!("what serves behind {}", step.id), fixture.live().await, served.clone())?;
    }
    Ok(())
}

/// The switch is done when users get the new release, and nothing else.
///
/// # Errors
/// What was seen instead.
pub async fn the_switch_makes_exactly_the_new_release_live(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "the_switch_makes_exactly_the_new_release_live",
        "answer only when the route is durable and in effect",
    );
    let mut first = Bench::new(law, fixture, 1, 1)?;
    first.run_all().await?;
    law.same("what serves behind the first run", fixture.live().await, first.digest())?;
    let mut second = Bench::after(&first, fixture, 2)?;
    for step in second.steps() {
        second.run(&step).await?;
        if is_switch(&step) {
            law.same("what serves behind the switch", fixture.live().await, second.digest())?;
        }
    }
    Ok(())
}

/// Whoever wants to go back finds what served before.
///
/// # Errors
/// What was seen instead.
pub async fn the_switch_leaves_the_old_artifact_usable(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "the_switch_leaves_the_old_artifact_usable",
        "leave the old artifact to `reclaim`, which is told what to keep",
    );
    let mut first = Bench::new(law, fixture, 1, 1)?;
    first.run_all().await?;
    let mut second = Bench::after(&first, fixture, 2)?;
    second.run_all().await?;
    law.ok("finishing", fixture.executor().finish(second.deployment).await)?;
    for digest in [first.digest(), second.digest()].into_iter().flatten() {
        law.holds(fixture.has_artifact(&digest).await, || format!("{digest} is gone"))?;
    }
    Ok(())
}

/// Taking the switch back brings back exactly what served before it, at once.
///
/// # Errors
/// What was seen instead.
pub async fn undoing_the_switch_brings_back_what_served(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "undoing_the_switch_brings_back_what_served",
        "remember what was routed before the switch, durably, and put that back",
    );
    let mut first = Bench::new(law, fixture, 1, 1)?;
    first.run_all().await?;
    let served = fixture.live().await;
    let mut second = Bench::after(&first, fixture, 2)?;
    second.run_all().await?;
    let Some(switch) = second.switch().filter(|step| matches!(step.undo, Undo::Automatic { .. })) else {
        return Ok(());
    };
    second.undo(&switch).await?;
    law.same("what serves behind undoing", fixture.live().await, served)?;
    law.same("the switch behind undoing", second.probe(&switch).await?, Probe::Absent)
}

fn undoable(step: &Step) -> bool {
    matches!(step.undo, Undo::Automatic { .. })
}

/// An undo whose answer was lost is simply done again.
///
/// # Errors
/// What was seen instead.
pub async fn undoing_twice_is_fine(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law("undoing_twice_is_fine", "treat what is gone already as taken back");
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    bench.run_all().await?;
    for step in bench.steps().into_iter().rev().filter(undoable) {
        bench.undo(&step).await?;
        law.same(&format!("step {} behind its undo", step.id), bench.probe(&step).await?, Probe::Absent)?;
        let once = fixture.everything().await;
        bench.undo(&step).await?;
        let what = format!("the target behind the second undo of {}", step.id);
        law.same(&what, fixture.everything().await, once)?;
    }
    Ok(())
}

/// A rollback may ask for a step whose first attempt never arrived.
///
/// # Errors
/// What was seen instead.
pub async fn undoing_what_was_never_done_changes_nothing(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "undoing_what_was_never_done_changes_nothing",
        "treat what was never there as taken back, and touch nothing else",
    );
    let mut first = Bench::new(law, fixture, 1, 1)?;
    first.run_all().await?;
    let served = fixture.live().await;
    let mut second = Bench::after(&first, fixture, 2)?;
    second.run_up_to(is_switch).await?;
    let ready = second.outputs.clone();
    let Some(switch) = second.switch().filter(undoable) else { return Ok(()) };
    second.undo(&switch).await?;
    law.same("what serves behind undoing a switch that never was", fixture.live().await, served.clone())?;
    second.outputs = ready;
    let third = Bench::after(&first, fixture, 3)?;
    for step in third.steps().into_iter().rev().filter(undoable) {
        third.undo(&step).await?;
        let what = format!("what serves behind undoing {} of a deployment that never began", step.id);
        law.same(&what, fixture.live().await, served.clone())?;
    }
    Ok(())
}

/// A stale owner changes nothing, and is told why.
///
/// # Errors
/// What was seen instead.
pub async fn a_lower_fence_is_refused_at_the_point_of_effect(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "a_lower_fence_is_refused_at_the_point_of_effect",
        "keep the highest fence beside the route and compare it in the write itself; say stale_fence",
    );
    let mut stale = Bench::new(law, fixture, 1, 6)?;
    stale.run_up_to(is_switch).await?;
    let Some(switch) = stale.switch() else { return Ok(()) };
    let mut owner = Bench::new(law, fixture, 2, 7)?;
    owner.run_all().await?;
    let served = fixture.live().await;
    let answer = stale.perform(&switch).await.map_err(|failure| failure.code);
    law.same("the answer to a stale switch", answer, Err(FailureCode::StaleFence))?;
    law.same("what serves behind a stale switch", fixture.live().await, served.clone())?;
    if undoable(&switch) {
        let answer = stale.try_undo(&switch).await.map_err(|failure| failure.code);
        law.same("the answer to a stale undo", answer, Err(FailureCode::StaleFence))?;
        law.same("what serves behind a stale undo", fixture.live().await, served)?;
    }
    Ok(())
}

/// How long work that was asked to stop may take: what the engine grants before it drops it.
const GRACE: Duration = Duration::from_secs(10);

/// Work that is asked to stop ends, whether it had done its work or not, and leaves what can be done
/// again or taken back.
///
/// # Errors
/// What was seen instead.
pub async fn cancelled_work_ends(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law("cancelled_work_ends", "watch `cx.cancel` wherever the step waits, and say how far it got");
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    for step in bench.steps() {
        let cancelled = Bench::new(law, fixture, 1, 1)?;
        let cancelled = Bench { outputs: bench.outputs.clone(), deployment: bench.deployment, ..cancelled };
        cancelled.cancel.cancel();
        let ended = tokio::time::timeout(GRACE, cancelled.perform(&step)).await;
        law.holds(ended.is_ok(), || {
            format!("step {} goes on {GRACE:?} after it was asked to stop", step.id)
        })?;
        bench.run(&step).await?;
    }
    Ok(())
}

/// Artifacts and deployments that retention names stay; what serves stays whatever it says.
///
/// # Errors
/// What was seen instead.
pub async fn retention_keeps_what_it_is_told_to_keep(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "retention_keeps_what_it_is_told_to_keep",
        "remove only what neither the lists nor the route name",
    );
    let mut first = Bench::new(law, fixture, 1, 1)?;
    first.run_all().await?;
    let mut second = Bench::after(&first, fixture, 2)?;
    second.run_all().await?;
    let mut open = Bench::after(&second, fixture, 3)?;
    open.run_up_to(is_switch).await?;
    let digests: Vec<_> = [first.digest(), second.digest(), open.digest()].into_iter().flatten().collect();
    let keep = Keep { digests: digests.clone(), deployments: vec![open.deployment] };
    law.ok("reclaiming", fixture.executor().reclaim(&keep).await)?;
    for digest in &digests {
        law.holds(fixture.has_artifact(digest).await, || format!("{digest} was to be kept and is gone"))?;
    }
    law.same("what serves behind retention", fixture.live().await, second.digest())?;
    let Some(switch) = open.switch() else { return Ok(()) };
    open.run(&switch).await?;
    law.same("what serves behind the kept deployment's switch", fixture.live().await, open.digest())?;
    let served = Keep { digests: open.digest().into_iter().collect(), deployments: Vec::new() };
    law.ok("reclaiming again", fixture.executor().reclaim(&served).await)?;
    law.same("what serves behind keeping only that", fixture.live().await, open.digest())
}

/// Clean-up is done again after a crash, and takes nothing that serves.
///
/// # Errors
/// What was seen instead.
pub async fn finishing_twice_is_fine_and_leaves_the_release(fixture: &impl ExecutorFixture) -> Verdict {
    let law =
        Law("finishing_twice_is_fine_and_leaves_the_release", "free only what this deployment alone used");
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    bench.run_all().await?;
    law.ok("finishing", fixture.executor().finish(bench.deployment).await)?;
    let once = fixture.everything().await;
    law.ok("finishing again", fixture.executor().finish(bench.deployment).await)?;
    law.same("the target behind finishing twice", fixture.everything().await, once)?;
    law.same("what serves", fixture.live().await, bench.digest())
}

/// Things on the target that are not ours stay as they are, through a whole life and a clean-up.
///
/// # Errors
/// What was seen instead.
pub async fn what_is_not_ours_is_never_touched(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "what_is_not_ours_is_never_touched",
        "mark what is yours when you make it, and remove only what bears the mark",
    );
    fixture.add_foreign().await;
    let before = fixture.foreign().await;
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    bench.run_all().await?;
    law.ok("finishing", fixture.executor().finish(bench.deployment).await)?;
    law.ok("reclaiming", fixture.executor().reclaim(&Keep::default()).await)?;
    for step in bench.steps().into_iter().rev().filter(undoable) {
        bench.undo(&step).await?;
    }
    law.ok("reclaiming again", fixture.executor().reclaim(&Keep::default()).await)?;
    law.same("what is not ours", fixture.foreign().await, before)
}

/// A plan of another version or target is refused, not guessed at.
///
/// # Errors
/// What was seen instead.
pub async fn a_step_that_is_not_ours_is_refused(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "a_step_that_is_not_ours_is_refused",
        "match on the names of your own steps and fail on any other",
    );
    let bench = Bench::new(law, fixture, 1, 1)?;
    let strange = Step { id: "no-such-step-of-anybody".parse().expect("a name"), ..bench.steps()[0].clone() };
    let before = fixture.everything().await;
    let answer = bench.perform(&strange).await;
    law.holds(answer.is_err(), || format!("it is answered {answer:?}"))?;
    law.same("the target", fixture.everything().await, before)
}

/// Every line names its deployment and step and is cut at the limit.
///
/// # Errors
/// What was seen instead.
pub async fn log_lines_say_where_they_belong(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law(
        "log_lines_say_where_they_belong",
        "write lines with the deployment and step of the context, through a `step_log::StepLog`",
    );
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    bench.run_all().await?;
    for line in bench.lines.all() {
        law.same("the deployment of a line", line.deployment, bench.deployment)?;
        let own = line.step.as_ref().is_some_and(|id| bench.plan.steps().iter().any(|step| step.id == *id));
        law.holds(own, || format!("the line {:?} is of step {:?}", line.message, line.step))?;
        law.holds(line.message.len() <= LINE_BYTES, || format!("a line of {} bytes", line.message.len()))?;
    }
    Ok(())
}

/// A value the executor was trusted with occurs in no line and no output.
///
/// # Errors
/// What was seen instead.
pub async fn secrets_stay_secret(fixture: &impl ExecutorFixture) -> Verdict {
    let law = Law("secrets_stay_secret", "redact values before they become a line, an output or a failure");
    let canaries = fixture.canaries();
    if canaries.is_empty() {
        return Ok(());
    }
    let mut bench = Bench::new(law, fixture, 1, 1)?;
    bench.run_all().await?;
    let lines = bench.lines.all().into_iter().map(|line| line.message);
    let outputs = bench.outputs.iter().map(|(_, output): &(_, Output)| format!("{output:?}"));
    for text in lines.chain(outputs) {
        let told = canaries.iter().any(|canary| text.contains(canary.as_str()));
        law.holds(!told, || format!("a secret is repeated in {} bytes of output", text.len()))?;
    }
    Ok(())
}
