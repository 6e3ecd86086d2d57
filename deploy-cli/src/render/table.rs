//! Lists as tables.

use deploy_core::plan::SourceSummary;
use deploy_core::port::{ReleaseRecord, ReleaseState};
use deploy_core::spec::Trigger;
use deploy_core::status::Status;
use deploy_http::{Comparison, Side};

use super::status::seconds;
use crate::output::clean;

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
            trigger(&status.trigger).to_owned(),
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

const fn trigger(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::Create => "create",
        Trigger::Redeploy => "redeploy",
        Trigger::Retry { .. } => "retry",
        Trigger::Rollback => "rollback",
    }
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
    let Comparison { before, after, changes } = compared;
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
    let cell = |value: &Option<String>| clean(value.as_deref().unwrap_or("-"));
    rows.extend(
        changes.iter().map(|change| [clean(&change.field), cell(&change.before), cell(&change.after)]),
    );
    let mut text = columns(&rows);
    if changes.is_empty() {
        text.push_str("\ntheir plans do not differ");
    }
    text
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
