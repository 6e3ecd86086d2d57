//! Two runs side by side.

use axum::extract::State;
use axum::response::Response;
use deploy_core::compare::{Comparison, OutputDifference, Side, StepPair, StepTaken};
use deploy_core::id::DeploymentId;
use deploy_core::log::LogLine;
use deploy_core::port::ListQuery;
use deploy_core::status::Status;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{Frame, Place};
use super::releases::changes;
use super::text::{clean, source, time, took};
use super::words;
use crate::access::Caller;
use crate::api::Api;
use crate::extract::QueryOf;
use crate::problem::Problem;

/// Runs to choose from.
const CHOICE: usize = 50;

/// Which two.
#[derive(Deserialize)]
pub(super) struct Pair {
    a: Option<DeploymentId>,
    b: Option<DeploymentId>,
}

pub(super) async fn page(
    State(api): State<Api>,
    caller: Caller,
    QueryOf(pair): QueryOf<Pair>,
) -> Result<Response, Problem> {
    let runs = api.engine().list(&ListQuery { limit: CHOICE, ..ListQuery::default() }).await?;
    let compared = match (pair.a, pair.b) {
        (Some(a), Some(b)) => Some(api.engine().compare(a, b).await?),
        (Some(_) | None, Some(_) | None) => None,
    };
    let content = html! {
        h1 { "Compare two runs" }
        form.filters method="get" action="/compare" {
            (choice("Before", "a", &runs, pair.a))
            (choice("After", "b", &runs, pair.b))
            button type="submit" { "Compare" }
        }
        @if let Some(compared) = &compared { (sides(compared)) }
    };
    Ok(Frame::of(&caller).page(Place::new("Compare"), &content))
}

fn choice(word: &str, name: &str, runs: &[Status], chosen: Option<DeploymentId>) -> Markup {
    html! {
        label { (word) select name=(name) {
            @if let Some(chosen) = chosen.filter(|chosen| runs.iter().all(|run| run.id != *chosen)) {
                option value=(chosen) selected { (chosen) }
            }
            @for run in runs {
                option value=(run.id) selected[chosen == Some(run.id)] {
                    (run.resource) "@" (run.environment) " "
                    @if let Some(version) = run.release { (version) " " }
                    (words::deployment(run).word) " " (run.created_at.to_string().get(..16).unwrap_or_default())
                }
            }
        } }
    }
}

fn sides(
    Comparison { before, after, changes: differences, unknown_secrets, steps: taken, output: parts }: &Comparison,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Both runs" {
            table {
                thead { tr { th scope="col" { "" } th scope="col" { "Before" } th scope="col" { "After" } } }
                tbody {
                    (line("Run", before, after, |side| html! { a href={ "/runs/" (side.id) } { code { (side.id) } } }))
                    (line("State", before, after, |side| words::status(side.status).badge()))
                    (line("Release", before, after, |side| html! { @match side.release { Some(version) => (version), None => "–" } }))
                    (line("Source", before, after, |side| html! { (source(&side.source_summary)) }))
                    (line("Artifact", before, after, |side| html! { @match &side.digest { Some(digest) => { code { (digest.short()) } }, None => "–" } }))
                    (line("Started", before, after, |side| time(side.created_at)))
                    (line("Took", before, after, phases))
                }
            }
        }
        h2 { "What differs in what they planned" }
        (changes(differences))
        @if !unknown_secrets.is_empty() {
            p.muted { "Nobody recorded whether the value of these secrets changed: " (clean(&unknown_secrets.join(", "))) }
        }
        h2 { "Their steps" }
        (steps(taken))
        h2 { "Where their output parts" }
        (output(parts.as_ref()))
    }
}

fn line(word: &str, before: &Side, after: &Side, show: impl Fn(&Side) -> Markup) -> Markup {
    html! { tr { th scope="row" { (word) } td { (show(before)) } td { (show(after)) } } }
}

fn phases(side: &Side) -> Markup {
    html! { @for phase in &side.durations { div { (phase.phase) " " (took(phase.milliseconds)) } } }
}

fn steps(pairs: &[StepPair]) -> Markup {
    html! {
        @if pairs.is_empty() { p.empty { "Neither has any." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Steps of both" {
                table {
                    thead { tr { th scope="col" { "Step" } th scope="col" { "Before" } th scope="col" { "After" } } }
                    tbody { @for pair in pairs { tr { th scope="row" { (pair.id) } td { (step(pair.before)) } td { (step(pair.after)) } } } }
                }
            }
        }
    }
}

fn step(taken: Option<StepTaken>) -> Markup {
    html! {
        @match taken {
            None => "–",
            Some(taken) => {
                (words::step(taken.state, false).badge())
                @if let Some(millis) = taken.milliseconds { " " (took(millis)) }
                @if taken.attempts > 1 { ", attempt " (taken.attempts) }
            }
        }
    }
}

fn output(parts: Option<&OutputDifference>) -> Markup {
    let line = |line: &Option<LogLine>| {
        line.as_ref().map_or_else(|| "(it has ended)".to_owned(), |line| clean(&line.message))
    };
    html! {
        @match parts {
            None => p.empty { "It does not, numbers and times aside." },
            Some(parts) => table { tbody {
                tr { th scope="row" { "Before" } td { code { (line(&parts.before)) } } }
                tr { th scope="row" { "After" } td { code { (line(&parts.after)) } } }
            } },
        }
    }
}
