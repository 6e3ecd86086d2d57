//! Figures over all runs, or those of one resource.

use axum::extract::State;
use axum::response::Response;
use deploy_core::history::{Count, Stats, Times};
use deploy_core::id::Name;
use maud::{Markup, html};
use serde::Deserialize;

use super::form::unless_empty;
use super::layout::{Frame, Place};
use super::text::took;
use crate::access::Caller;
use crate::api::Api;
use crate::extract::QueryOf;
use crate::history::StatsParameters;
use crate::problem::Problem;

/// Weeks that are shown.
const WEEKS: usize = 12;

/// Whose figures. A field that is empty, as forms send it, is absent.
#[derive(Debug, Deserialize)]
pub(super) struct Whose {
    #[serde(default, deserialize_with = "unless_empty")]
    resource: Option<Name>,
    #[serde(default, deserialize_with = "unless_empty")]
    environment: Option<Name>,
}

pub(super) async fn page(
    State(api): State<Api>,
    caller: Caller,
    QueryOf(whose): QueryOf<Whose>,
) -> Result<Response, Problem> {
    let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string).unwrap_or_default();
    let (resource, environment) = (text(&whose.resource), text(&whose.environment));
    let asked =
        StatsParameters { resource: whose.resource, environment: whose.environment, ..Default::default() };
    let stats = api.engine().stats(&asked.query()).await?;
    let content = html! {
        h1 { "Figures" }
        form.filters method="get" action="/stats" {
            label { "Resource" input name="resource" value=(resource) size="12" autocapitalize="none"; }
            label { "Environment" input name="environment" value=(environment) size="12" autocapitalize="none"; }
            button.quiet type="submit" { "Show" }
        }
        @if stats.count.runs == 0 { p.empty { "No run is like that." } } @else { (figures(&stats)) }
    };
    Ok(Frame::of(&caller).page(Place::new("Figures"), &content))
}

fn figures(stats: &Stats) -> Markup {
    let Count { runs, succeeded, failed, stopped, unfinished } = stats.count;
    html! {
        @if stats.truncated { p.muted { "These are the newest runs; older ones are not counted." } }
        p {
            strong { (runs) } @if runs == 1 { " run: " } @else { " runs: " } (succeeded) " succeeded, " (failed) " failed, " (stopped) " stopped, "
            (unfinished) " not finished."
            @if let Some(percent) = stats.success_percent { " " strong { (percent) " %" } " of those that could succeed did." }
        }
        h2 { "How long it took" }
        div.scroll tabindex="0" role="region" aria-label="Durations" {
            table.figures {
                thead { tr { th scope="col" { "" } th scope="col" { "Half within" } th scope="col" { "95 % within" } th scope="col" { "Longest" } th scope="col" { "Times" } } }
                tbody {
                    @if let Some(times) = &stats.duration { (line("Whole run", times)) }
                    @for phase in &stats.phases { (line(&phase.phase.to_string(), &phase.times)) }
                    @if let Some(times) = &stats.time_to_restore { (line("From failing to working again", times)) }
                }
            }
        }
        h2 { "How often" }
        div.scroll tabindex="0" role="region" aria-label="Weeks" {
            table.figures {
                thead { tr { th scope="col" { "Week of" } th scope="col" { "Runs" } th scope="col" { "Succeeded" } th scope="col" { "Failed" } } }
                tbody {
                    @for week in stats.weeks.iter().rev().take(WEEKS) {
                        tr { th scope="row" { (week.from) } td { (week.count.runs) } td { (week.count.succeeded) } td { (week.count.failed) } }
                    }
                }
            }
        }
    }
}

fn line(what: &str, times: &Times) -> Markup {
    html! { tr { th scope="row" { (what) } td { (took(times.median)) } td { (took(times.p95)) } td { (took(times.max)) } td { (times.count) } } }
}
