//! One run: where it is, its steps, what can be asked of it, and its log.

use axum::extract::State;
use axum::response::Response;
use deploy_core::engine::View;
use deploy_core::id::DeploymentId;
use deploy_core::queue;
use deploy_core::status::{Status, StepStatus, StepStatusName};
use maud::{Markup, html};

use super::acceptance;
use super::controls;
use super::layout::{Frame, Place, part};
use super::log::{self, LogFilter};
use super::outcome;
use super::text::{clean, link, source, span, time};
use super::words;
use crate::access::Caller;
use crate::api::Api;
use crate::extract::{PathOf, QueryOf};
use crate::problem::Problem;

pub(super) async fn page(
    State(api): State<Api>,
    caller: Caller,
    PathOf(id): PathOf<DeploymentId>,
    QueryOf(filter): QueryOf<LogFilter>,
) -> Result<Response, Problem> {
    let view = api.engine().look(id).await?;
    let place = api.engine().place(id).await?;
    let frame = Frame::of(&caller);
    let lines = log::lines(&api, id, &filter).await?;
    let writes = api.engine().has_runtime_log(id).await?;
    let status = &view.status;
    let content = html! {
        p.crumbs { a href="/" { "Runs" } " / " a href={ "/resources/" (status.resource) "@" (status.environment) } { (status.resource) "@" (status.environment) } }
        div #panel data-fresh data-events={ "/api/deployments/" (id) "/events" } data-part={ "/runs/" (id) "/panel" } {
            (moving(&frame, &view, place.as_ref()))
        }
        (log::section(status, &filter, &lines, writes))
        div #about data-fresh { (facts(status)) }
    };
    let title = format!("{} {}@{}", words::deployment(status).word, status.resource, status.environment);
    Ok(frame.page(Place::new(&title).moving(status.status.is_moving()), &content))
}

/// What changes while it runs. The script puts it in place of the older one.
pub(super) async fn panel(
    State(api): State<Api>,
    caller: Caller,
    PathOf(id): PathOf<DeploymentId>,
) -> Result<Response, Problem> {
    let view = api.engine().look(id).await?;
    let place = api.engine().place(id).await?;
    Ok(part(html! {
        div #panel { (moving(&Frame::of(&caller), &view, place.as_ref())) }
        div #about { (facts(&view.status)) }
    }))
}

fn moving(frame: &Frame, view: &View, place: Option<&queue::Place>) -> Markup {
    let status = &view.status;
    let look = words::deployment(status);
    html! {
        div.head data-sequence=(status.sequence) data-say={ (look.word) (said_of_steps(&status.steps)) } data-ended[status.status.is_ended()] {
            h1 { (status.resource) "@" (status.environment) @if let Some(version) = status.release { " " (version) } }
            p.lead { (look.badge()) span.muted { (progress(&status.steps)) (span(Some(status.created_at), status.ended_at)) } }
        }
        @if let Some(place) = place { (waiting(place)) }
        (controls::section(frame, view))
        (outcome::section(frame, status))
        (acceptance::section(status))
        (steps(status))
    }
}

/// Where in the line it is.
fn waiting(place: &queue::Place) -> Markup {
    html! {
        p.lead.queue {
            @if let Some(position) = place.position { "Number " (position) " in the line: " }
            (clean(&place.message))
            @if let Some(start) = place.expected_start { "; starts about " (time(start)) }
        }
    }
}

/// `step 4 of 7`, while there is one.
fn progress(steps: &[StepStatus]) -> String {
    let running = steps.iter().position(|step| step.state == StepStatusName::Running);
    running.map(|at| format!("step {} of {} · ", at + 1, steps.len())).unwrap_or_default()
}

fn said_of_steps(steps: &[StepStatus]) -> String {
    let running = steps.iter().find(|step| step.state == StepStatusName::Running);
    running.map(|step| format!(", {}", clean(&step.title))).unwrap_or_default()
}

fn steps(status: &Status) -> Markup {
    html! {
        section aria-labelledby="steps" {
            h2 #steps { "Steps" }
            @if status.steps.is_empty() { p.muted { "There are none yet: a plan makes them." } }
            ol.steps { @for step in &status.steps { (step_line(status, step)) } }
        }
    }
}

fn step_line(status: &Status, step: &StepStatus) -> Markup {
    let look = words::step(step.state, step.undone);
    html! {
        li class={ "step " (look.class()) } {
            (look.badge())
            a.title href={ "/runs/" (status.id) "?step=" (step.id) "#log" } data-step=(step.id) {
                span.name { (clean(&step.title)) }
            }
            span.muted { (step.phase) }
            span.took {
                (span(step.started_at, step.ended_at))
                @if step.attempts > 1 { " · attempt " (step.attempts) }
            }
        }
    }
}

fn facts(status: &Status) -> Markup {
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "About this run" }
            dl.facts {
                dt { "Source" } dd { (source(&status.source_summary)) }
                dt { "Target" } dd { (status.target) }
                dt { "By" } dd { (clean(&status.actor.0)) }
                dt { "Started" } dd { (time(status.created_at)) }
                @if let Some(ended) = status.ended_at { dt { "Ended" } dd { (time(ended)) } }
                @if let Some(fingerprint) = &status.plan_fingerprint { dt { "Plan" } dd { code { (fingerprint.short()) } } }
                @if let Some(digest) = &status.digest { dt { "Artifact" } dd { code { (digest.short()) } } }
                @if let Some(live) = &status.live_now {
                    dt { @if status.status.is_ended() { "Live when it ended" } @else { "Live" } }
                    dd { (live.release) " " (link(&live.url)) }
                }
                dt { "Id" } dd { code { (status.id) } }
                dt { "Phases" } dd { @for timing in &status.phases {
                    span.phase { (timing.phase) " " (span(Some(timing.started_at), timing.ended_at)) } " "
                } }
            }
            p { a href={ "/compare?b=" (status.id) } { "Compare with another run" } " · "
                a href={ "/api/deployments/" (status.id) } { "JSON" } }
        }
    }
}
