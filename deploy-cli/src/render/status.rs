//! A deployment as text: what happened, why, what is live now, what to do next.

use std::fmt::Write as _;

use deploy_core::queue::Place;
use deploy_core::status::{Status, StatusName, StepStatus, StepStatusName};
use deploy_core::time::Timestamp;

use super::plan::reasons;
use crate::output::{clean, remedy};

/// The block at the end of a deployment: for a failure its phase, code, cause, what is live, and the
/// next command.
pub(crate) fn conclusion(status: &Status) -> String {
    let mut text = String::new();
    let took = status.updated_at.since(status.created_at);
    let release = status.release.map(|release| format!(" {release}")).unwrap_or_default();
    let _ = writeln!(
        text,
        "{}{release}: {}@{} in {}",
        headline(status),
        status.resource,
        status.environment,
        seconds(took.as_millis())
    );
    failure(&mut text, status);
    acceptance(&mut text, status);
    live(&mut text, status);
    next(&mut text, status);
    text
}

fn acceptance(text: &mut String, status: &Status) {
    for checked in &status.acceptance {
        let (name, outcome) = (checked.name.as_str(), checked.outcome.as_str());
        let _ = writeln!(text, "  check   {name} {outcome}: {}", clean(&checked.message));
    }
}

fn headline(status: &Status) -> &'static str {
    match status.status {
        StatusName::Succeeded => "live",
        StatusName::Failed => "failed",
        StatusName::RolledBack => "failed, and rolled back",
        StatusName::Blocked => "blocked",
        StatusName::Stopped => "stopped",
        StatusName::Superseded => "superseded",
        StatusName::Planned => "waiting for approval",
        StatusName::Queued
        | StatusName::Detecting
        | StatusName::Planning
        | StatusName::Executing
        | StatusName::Verifying
        | StatusName::RollingBack => "going on",
    }
}

fn failure(text: &mut String, status: &Status) {
    if status.status == StatusName::Blocked {
        reasons(text, "blocked", &status.blocked_reasons);
        let _ = writeln!(text);
        return;
    }
    let Some(failure) = &status.failure else { return };
    let step = failure.step.as_ref().map(|step| format!(" (step {step})")).unwrap_or_default();
    let _ = writeln!(text, "  phase   {}{step}", failure.phase);
    let _ = writeln!(text, "  cause   {} [{}]", clean(&failure.message), failure.code.code());
    for fact in &failure.evidence {
        let _ = writeln!(text, "          {}: {}", clean(&fact.file), clean(&head(&fact.fact)));
    }
    for line in &failure.tail {
        let _ = writeln!(text, "        | {}", clean(line));
    }
    if let Some(likely) = &failure.likely {
        let _ = writeln!(text, "  likely  {}", clean(&likely.cause));
    }
}

/// The beginning of a long fact, on one line; the whole of it is in the JSON.
fn head(fact: &str) -> String {
    /// What fits a terminal's few lines.
    const SHOWN: usize = 300;
    let line = fact.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

fn live(text: &mut String, status: &Status) {
    let _ = match &status.live_now {
        Some(live) => writeln!(text, "  live    {} at {}", live.release, clean(&live.url)),
        None if status.status == StatusName::Succeeded => Ok(()),
        None => writeln!(text, "  live    nothing that is known"),
    };
}

fn next(text: &mut String, status: &Status) {
    let Some(recovery) = &status.recovery else { return };
    let _ = writeln!(text, "  hint    {}", clean(&recovery.hint));
    for next in &recovery.next {
        let _ = writeln!(text, "  next    {}", remedy(next));
    }
}

/// Everything about a deployment.
pub(crate) fn details(status: &Status, place: Option<&Place>) -> String {
    let mut text = String::new();
    let paused = if status.paused { ", paused" } else { "" };
    let _ = writeln!(text, "{}  {}@{} on {}", status.id, status.resource, status.environment, status.target);
    let _ = writeln!(text, "  status  {}{paused} (phase {})", status.status.as_str(), status.current_phase);
    if let Some(place) = place {
        let _ = writeln!(text, "  queued {}", waiting(place));
    }
    let _ = writeln!(text, "  source  {}", super::source(&status.source_summary));
    let _ = writeln!(text, "  by      {} at {}", clean(&status.actor.0), status.created_at);
    if let Some(fingerprint) = &status.plan_fingerprint {
        let _ = writeln!(text, "  plan    {fingerprint}");
    }
    if let Some(release) = status.release {
        let _ = writeln!(text, "  release {release}");
    }
    if !status.steps.is_empty() {
        let _ = writeln!(text, "  steps");
        status.steps.iter().for_each(|step| {
            let _ = writeln!(text, "    {}", step_line(step));
        });
    }
    failure(&mut text, status);
    acceptance(&mut text, status);
    live(&mut text, status);
    next(&mut text, status);
    text
}

/// The place in the line, as the rest of a sentence.
pub(crate) fn waiting(place: &Place) -> String {
    let position = place.position.map(|position| format!(" as number {position}")).unwrap_or_default();
    let start = place.expected_start.map(|at| format!("; starts about {at}")).unwrap_or_default();
    format!("{position}: {}{start}", clean(&place.message))
}

/// One step as a line: glyph, word, and how long it took.
pub(crate) fn step_line(step: &StepStatus) -> String {
    let (glyph, word) = match (step.state, step.undone) {
        (_, true) => ("↩", "taken back"),
        (StepStatusName::Pending, false) => ("○", "pending"),
        (StepStatusName::Running, false) => ("◔", "running"),
        (StepStatusName::Completed, false) => ("✔", "completed"),
        (StepStatusName::Failed, false) => ("✖", "failed"),
        (StepStatusName::Skipped, false) => ("–", "skipped"),
    };
    let took = step.started_at.zip(step.ended_at).map(|(from, to)| seconds(to.since(from).as_millis()));
    let again = if step.attempts > 1 { format!(" (attempt {})", step.attempts) } else { String::new() };
    format!("{glyph} {:16} {word:10} {:>7}{again}", step.id.as_str(), took.unwrap_or_default())
}

pub(crate) fn seconds(millis: u64) -> String {
    if millis < 1_000 {
        format!("{millis}ms")
    } else {
        format!("{}.{}s", millis / 1_000, millis % 1_000 / 100)
    }
}

/// A time of day for a line that stands among others of the same day.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}
