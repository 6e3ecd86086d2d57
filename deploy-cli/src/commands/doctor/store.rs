//! The store: SQLite's own check, the hash chains, seals, rows that refer to nothing, the archive of logs.

use deploy_store_sqlite::{CheckReport, Limits, Problem, inspect};

use super::Check;
use crate::commands::Context;
use crate::output::amount;

/// Problems that are told of one by one.
const TOLD: usize = 5;

pub(super) fn store(cx: &Context) -> Check {
    let name = "store";
    if !cx.state.store().exists() {
        return Check::well(name, "nothing was deployed yet");
    }
    match inspect(&cx.state.store(), &Limits::default()) {
        Ok(report) => {
            // Without a control plane nobody holds the reserve, and nobody has to.
            let short = !report.reserve && cx.state.owner().is_some();
            let summary = summary(&report, short);
            if report.is_sound() {
                return Check::well(name, summary);
            }
            explained(Check::bad(name, format!("{summary}; {}", damage(&report))), &report)
        }
        Err(error) => restorable(Check::bad(name, error.to_string())),
    }
}

fn summary(report: &CheckReport, short: bool) -> String {
    let CheckReport { deployments, unfinished, events, database_bytes, sqlite, .. } = report;
    let size = database_bytes >> 10;
    let mut text = format!(
        "{} ({unfinished} unfinished), {}, {size} KiB, SQLite {sqlite}",
        amount(*deployments, "deployment"),
        amount(*events, "event")
    );
    if short {
        text.push_str("; space is short, nothing new is accepted");
    }
    text
}

fn damage(report: &CheckReport) -> String {
    let told: Vec<String> = report.problems.iter().take(TOLD).map(told).collect();
    let more = report.problems.len().saturating_sub(TOLD);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{}{more}", told.join("; "))
}

fn told(problem: &Problem) -> String {
    match problem {
        Problem::File { what } => format!("the file is damaged: {what}"),
        Problem::Deployment { id, what } => format!("{id}: {what}"),
        Problem::Log { id, what } => format!("the archived log of {id}: {what}"),
        Problem::Release { id, what } => format!("{id}: {what}"),
    }
}

/// What to do, by the gravest kind of damage.
fn explained(check: Check, report: &CheckReport) -> Check {
    let file = report.problems.iter().any(|problem| matches!(problem, Problem::File { .. }));
    let records = report.problems.iter().any(|problem| !matches!(problem, Problem::Log { .. }));
    match (file, records) {
        (true, _) => restorable(check),
        (false, true) => restorable(
            check.hint("only what is named is concerned: it is left alone, everything else goes on"),
        ),
        (false, false) => check.hint("only old log lines are lost; every deployment is whole"),
    }
}

fn restorable(check: Check) -> Check {
    check.command("save what there is, before anything else", "deploy backup damaged.backup").command(
        "restore the last good backup into a new state directory",
        "deploy restore FILE --state-dir DIR",
    )
}
