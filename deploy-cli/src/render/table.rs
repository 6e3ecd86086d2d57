//! Lists as tables.

use deploy_core::port::{ReleaseRecord, ReleaseState};
use deploy_core::spec::Trigger;
use deploy_core::status::Status;

use super::status::seconds;
use crate::output::clean;

/// Deployments, newest first: what, where it is, why, who, when.
pub(crate) fn deployments(deployments: &[Status]) -> String {
    if deployments.is_empty() {
        return "no deployments".to_owned();
    }
    let head = ["ID", "RESOURCE", "STATUS", "RELEASE", "TRIGGER", "BY", "STARTED", "TOOK"].map(str::to_owned);
    let row = |status: &Status| {
        [
            status.id.to_string(),
            format!("{}@{}", status.resource, status.environment),
            format!("{}{}", status.status.as_str(), if status.paused { " (paused)" } else { "" }),
            status.release.map_or_else(|| "-".to_owned(), |release| release.to_string()),
            trigger(&status.trigger).to_owned(),
            clean(&status.actor.0),
            status.created_at.to_string(),
            seconds(status.updated_at.since(status.created_at).as_millis()),
        ]
    };
    columns(&std::iter::once(head).chain(deployments.iter().map(row)).collect::<Vec<_>>())
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
