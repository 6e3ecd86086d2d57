//! Every run, newest first, and what is live now.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use deploy_core::id::{DeploymentId, Name, ResourceKey};
use deploy_core::port::{ListQuery, ReleaseRecord, ReleaseState};
use deploy_core::status::{Status, StatusName};
use maud::{Markup, html};
use serde::Deserialize;

use super::form::unless_empty;
use super::layout::{Frame, Place};
use super::text::{clean, link, source, span, time};
use super::words;
use crate::access::Caller;
use crate::api::Api;
use crate::extract::QueryOf;
use crate::problem::Problem;

/// Runs on one page.
const PAGE: usize = 30;
/// Resources of which is said what is live.
const RESOURCES: usize = 12;

/// Which runs are wanted. A field that is empty, as forms send it, is absent.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    #[serde(default, deserialize_with = "unless_empty")]
    resource: Option<Name>,
    #[serde(default, deserialize_with = "unless_empty")]
    environment: Option<Name>,
    #[serde(default, deserialize_with = "unless_empty")]
    status: Option<StatusName>,
    #[serde(default, deserialize_with = "unless_empty")]
    cursor: Option<DeploymentId>,
}

impl Filter {
    fn query(&self) -> ListQuery {
        ListQuery {
            resource: self.resource.as_ref().map(ToString::to_string),
            environment: self.environment.as_ref().map(ToString::to_string),
            status: self.status.map(|status| status.as_str().to_owned()),
            before: self.cursor,
            limit: PAGE,
            ..ListQuery::default()
        }
    }

    /// The address of the page after `last`. Names and words need no escaping.
    fn older(&self, last: DeploymentId) -> String {
        let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string).unwrap_or_default();
        let status = self.status.map_or("", StatusName::as_str);
        let (resource, environment) = (text(&self.resource), text(&self.environment));
        format!("/?resource={resource}&environment={environment}&status={status}&cursor={last}")
    }
}

pub(super) async fn page(
    State(api): State<Api>,
    caller: Caller,
    QueryOf(filter): QueryOf<Filter>,
) -> Result<Response, Problem> {
    let runs = api.engine().list(&filter.query()).await?;
    let live = live(&api, &runs).await?;
    let moves = runs.iter().any(|run| run.status.is_moving());
    let content = html! {
        h1 { "Runs" }
        (live_now(&live))
        (filters(&filter))
        // The script asks for this part again while the page is looked at.
        div #panel data-fresh data-again="3000" {
            @if runs.is_empty() { (nothing(&filter)) } @else { (table(&runs, &live)) }
            @if let Some(last) = runs.last().filter(|_| runs.len() == PAGE) {
                p { a href=(filter.older(last.id)) { "Older runs →" } }
            }
        }
    };
    Ok(Frame::of(&caller).page(Place::new("Runs").moving(moves), &content))
}

/// The live release of each resource on the page.
async fn live(api: &Api, runs: &[Status]) -> Result<Vec<ReleaseRecord>, Problem> {
    let keys: BTreeSet<(&Name, &Name)> = runs.iter().map(|run| (&run.resource, &run.environment)).collect();
    let mut live = Vec::new();
    for (resource, environment) in keys.into_iter().take(RESOURCES) {
        let key = ResourceKey { resource: resource.clone(), environment: environment.clone() };
        let releases = api.engine().releases(&key).await?;
        live.extend(releases.into_iter().find(|release| release.state == ReleaseState::Live));
    }
    Ok(live)
}

fn live_now(live: &[ReleaseRecord]) -> Markup {
    html! {
        @if !live.is_empty() {
            ul.live aria-label="Live now" {
                @for release in live {
                    li.card {
                        (words::release(release.state).badge()) " "
                        a href={ "/resources/" (release.outline.resource) } { strong { (release.outline.resource) } " " (release.version) }
                        div { (link(&release.url)) }
                        div.muted { "since " (time(release.created_at)) }
                    }
                }
            }
        }
    }
}

fn filters(filter: &Filter) -> Markup {
    let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string).unwrap_or_default();
    html! {
        form.filters method="get" action="/" {
            label { "Resource" input name="resource" value=(text(&filter.resource)) size="12" autocapitalize="none"; }
            label { "Environment" input name="environment" value=(text(&filter.environment)) size="12" autocapitalize="none"; }
            label { "State" select name="status" {
                option value="" { "All states" }
                @for status in StatusName::ALL {
                    option value=(status.as_str()) selected[filter.status == Some(status)] { (words::status(status).word) }
                }
            } }
            button.quiet type="submit" { "Show" }
        }
    }
}

fn nothing(filter: &Filter) -> Markup {
    let filtered = filter.resource.is_some() || filter.environment.is_some() || filter.status.is_some();
    html! {
        p.empty {
            @if filtered { "No run is like that. " a href="/" { "Show all" } }
            @else { "Nothing was deployed yet. " a href="/plan" { "Plan the first one" } ", or give " code { "deploy up" } "." }
        }
    }
}

fn table(runs: &[Status], live: &[ReleaseRecord]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Runs" {
            table.runs {
                thead { tr { th scope="col" { "State" } th scope="col" { "Release" } th scope="col" { "Run" } th scope="col" { "By" } th scope="col" { "Started" } th scope="col" { "Took" } } }
                tbody { @for run in runs { (row(run, live)) } }
            }
        }
    }
}

fn row(run: &Status, live: &[ReleaseRecord]) -> Markup {
    let is_live = live.iter().any(|release| {
        Some(release.version) == run.release
            && release.outline.resource.resource == run.resource
            && release.outline.resource.environment == run.environment
    });
    html! {
        tr {
            td data-label="State" { (words::deployment(run).badge()) }
            td data-label="Release" {
                @if let Some(version) = run.release { (version) } @else { span.muted { "–" } }
                @if is_live { " " (words::release(ReleaseState::Live).badge()) }
            }
            td data-label="Run" {
                a href={ "/runs/" (run.id) } { (run.resource) "@" (run.environment) " on " (run.target) }
                div.muted { (source(&run.source_summary)) }
                @if let Some(failure) = &run.failure {
                    div.why { "at " (failure.phase) ": " (clean(&failure.message)) }
                }
            }
            td data-label="By" { (clean(&run.actor.0)) }
            td data-label="Started" { (time(run.created_at)) }
            td data-label="Took" { (span(Some(run.created_at), run.ended_at)) }
        }
    }
}
