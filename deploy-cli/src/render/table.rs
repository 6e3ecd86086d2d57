//! Lists as tables.

use deploy_core::compare::{Comparison, Side, StepTaken};
use deploy_core::history::{Count, Period, Stats, Times};
use deploy_core::log::LogLine;
use deploy_core::plan::{Change, SourceSummary};
use deploy_core::port::{ReleaseRecord, ReleaseState};
use deploy_core::status::{Status, StepStatusName};

use super::status::seconds;
use crate::output::{amount, clean};

/// Weeks that are shown.
const WEEKS: usize = 12;

/// Deployments, newest first: what, where it is, why, who, when.
pub(crate) fn deployments(deployments: &[Status]) -> String {
    if deployments.is_empty() {
        return "no deployments".to_owned();
    }
    let head = ["ID", "RESOURCE", "STATUS", "RELEASE", "SOURCE", "TRIGGER", "BY", "STARTED", "TOOK"]
        .map(str::to_owned);
    let row = |status: &Status| {
        [
            status.id.to_string(),
            format!("{}@{}", status.resource, status.environment),
            format!("{}{}", status.status.as_str(), if status.paused { " (paused)" } else { "" }),
            status.release.map_or_else(|| "-".to_owned(), |release| release.to_string()),
            origin(&status.source_summary),
            status.trigger.as_str().to_owned(),
            clean(&status.actor.0),
            status.created_at.to_string(),
            seconds(status.updated_at.since(status.created_at).as_millis()),
        ]
    };
    columns(&std::iter::once(head).chain(deployments.iter().map(row)).collect::<Vec<_>>())
}

/// Where it came from, in a word: `main@3c9e1d2` tells two commits of one branch apart.
fn origin(source: &SourceSummary) -> String {
    let commit = source.commit.as_ref().map(|commit| commit.chars().take(7).collect::<String>());
    let named = source.git_ref.clone().unwrap_or_else(|| source.kind.clone());
    clean(&commit.map_or(named.clone(), |commit| format!("{named}@{commit}")))
}

/// Releases, newest first.
pub(crate) fn releases(releases: &[ReleaseRecord]) -> String {
    if releases.is_empty() {
        return "no releases".to_owned();
    }
    let head = ["RELEASE", "STATE", "ARTIFACT", "MADE", "BY DEPLOYMENT"].map(str::to_owned);
    let row = |release: &ReleaseRecord| {
        let state = match release.state {
            ReleaseState::Live => "live",
            ReleaseState::Previous => "previous",
            ReleaseState::Failed => "failed",
            ReleaseState::Pruned => "pruned",
        };
        let artifact = format!("sha256:{}", release.digest.short());
        [
            release.version.to_string(),
            state.to_owned(),
            artifact,
            release.created_at.to_string(),
            release.deployment.to_string(),
        ]
    };
    columns(&std::iter::once(head).chain(releases.iter().map(row)).collect::<Vec<_>>())
}

/// Two deployments side by side: what became of them, how long they took, what their plans differ in.
pub(crate) fn comparison(compared: &Comparison) -> String {
    let Comparison { before, after, changes, unknown_secrets, steps, output } = compared;
    let head = ["", "BEFORE", "AFTER"].map(str::to_owned);
    let of = |name: &str, value: &dyn Fn(&Side) -> String| [name.to_owned(), value(before), value(after)];
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut rows = vec![
        head,
        of("deployment", &|side| side.id.to_string()),
        of("status", &|side| side.status.as_str().to_owned()),
        of("release", &|side| or_none(side.release.map(|release| release.to_string()))),
        of("artifact", &|side| {
            or_none(side.digest.as_ref().map(|digest| format!("sha256:{}", digest.short())))
        }),
        of("source", &|side| clean(&side.source_summary.locator)),
        of("started", &|side| side.created_at.to_string()),
        of("took", &|side| seconds(side.durations.iter().map(|phase| phase.milliseconds).sum())),
    ];
    let row = |change: &Change| {
        let cell = |value: &Option<String>| clean(value.as_deref().unwrap_or("-"));
        match (&change.before, &change.after) {
            // Of a secret only this is known.
            (None, None) => [clean(&change.field), "(a value)".to_owned(), "(another value)".to_owned()],
            (before, after) => [clean(&change.field), cell(before), cell(after)],
        }
    };
    rows.extend(changes.iter().map(row));
    let step = |taken: Option<StepTaken>| taken.map_or_else(|| "-".to_owned(), took);
    rows.extend(steps.iter().map(|pair| [format!("step {}", pair.id), step(pair.before), step(pair.after)]));
    let mut text = columns(&rows);
    if let Some(parts) = output {
        let line = |line: &Option<LogLine>| {
            line.as_ref().map_or_else(|| "(it has ended)".to_owned(), |line| clean(&line.message))
        };
        let (before, after) = (line(&parts.before), line(&parts.after));
        text.push_str(&format!("\ntheir output parts here\n  before: {before}\n  after:  {after}"));
    }
    if changes.is_empty() {
        text.push_str("\ntheir plans do not differ");
    }
    if !unknown_secrets.is_empty() {
        let names = clean(&unknown_secrets.join(", "));
        text.push_str(&format!("\nnobody recorded whether the value of these secrets changed: {names}"));
    }
    text
}

/// How a step went, in a word and a time.
fn took(taken: StepTaken) -> String {
    let word = match taken.state {
        StepStatusName::Pending => "pending",
        StepStatusName::Running => "running",
        StepStatusName::Completed => "completed",
        StepStatusName::Failed => "failed",
        StepStatusName::Skipped => "skipped",
    };
    taken.milliseconds.map_or_else(|| word.to_owned(), |millis| format!("{word} {}", seconds(millis)))
}

/// What the runs say together: how many, how well, how long.
pub(crate) fn stats(stats: &Stats) -> String {
    let Count { runs, succeeded, failed, stopped, unfinished } = stats.count;
    let mut text = format!(
        "{}: {succeeded} succeeded, {failed} failed, {stopped} stopped, {unfinished} not finished",
        amount(runs, "run")
    );
    if let Some(percent) = stats.success_percent {
        text.push_str(&format!("; {percent} % of those that could succeed did"));
    }
    if stats.truncated {
        text.push_str("\nthese are the newest; older runs are not amount");
    }
    let mut rows = vec![["TIME", "MEDIAN", "P95", "LONGEST", "COUNT"].map(str::to_owned)];
    rows.extend(stats.duration.iter().map(|whole| times("whole run", whole)));
    rows.extend(stats.phases.iter().map(|phase| times(&phase.phase.to_string(), &phase.times)));
    rows.extend(stats.time_to_restore.iter().map(|restore| times("to restore", restore)));
    if rows.len() > 1 {
        text.push_str(&format!("\n\n{}", columns(&rows)));
    }
    let head = ["WEEK OF", "RUNS", "SUCCEEDED", "FAILED"].map(str::to_owned);
    let week = |week: &Period| {
        let Count { runs, succeeded, failed, .. } = week.count;
        [week.from.clone(), runs.to_string(), succeeded.to_string(), failed.to_string()]
    };
    let weeks = stats.weeks.iter().rev().take(WEEKS).map(week);
    let weeks: Vec<_> = std::iter::once(head).chain(weeks).collect();
    if weeks.len() > 1 {
        text.push_str(&format!("\n\n{}", columns(&weeks)));
    }
    text
}

fn times(what: &str, times: &Times) -> [String; 5] {
    let Times { count, median, p95, max } = *times;
    [what.to_owned(), seconds(median), seconds(p95), seconds(max), count.to_string()]
}

/// Pads every column to its widest cell.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
