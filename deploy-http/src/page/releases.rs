//! The releases of a resource, and going back to one of them.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use deploy_core::engine;
use deploy_core::id::{ResourceKey, Version};
use deploy_core::plan::{Change, PlanDocument};
use deploy_core::port::{ReleaseRecord, WhenBusy};
use maud::{Markup, html};
use serde::Deserialize;

use super::form::{FormOf, fresh_key};
use super::layout::{Frame, Place};
use super::outcome;
use super::text::{clean, link, source, time};
use super::words;
use crate::access::{Caller, Scope};
use crate::api::Api;
use crate::extract::PathOf;
use crate::problem::Problem;
use crate::resources::resource;

/// What going back never touches.
const UNTOUCHED: &str = "Data in databases and volumes, what other services hold, and the values of secrets";

pub(super) async fn page(
    State(api): State<Api>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, Problem> {
    let key = resource(&api, &id).await?;
    let releases = api.engine().releases(&key).await?;
    let frame = Frame::of(&caller);
    let content = html! {
        p.crumbs { a href="/" { "Runs" } " / " (key) }
        h1 { "Releases of " (key) }
        @if releases.is_empty() { p.empty { "There is none yet." } }
        ol.releases { @for release in &releases { (row(&frame, &key, release)) } }
        p { a href={ "/?resource=" (key.resource) "&environment=" (key.environment) } { "Runs of " (key) } }
    };
    Ok(frame.page(Place::new(&format!("Releases of {key}")), &content))
}

fn row(frame: &Frame, key: &ResourceKey, release: &ReleaseRecord) -> Markup {
    let version = release.version;
    let refused = release.state.refusal().map(|(_, why)| format!("{version} {why}"));
    let stranger = || Some("sign in with a token that may deploy".to_owned());
    let refused = refused.or_else(|| if frame.may(Scope::Deploy) { None } else { stranger() });
    html! {
        li class={ "card release " (words::release(release.state).class()) } {
            div { strong { (version) } " " (words::release(release.state).badge()) }
            div { (source(&release.outline.source)) div.muted { (time(release.created_at)) " · " a href={ "/runs/" (release.deployment) } { "its run" } " " (link(&release.url)) } }
            div {
                @match refused {
                    None => { a.button href={ "/resources/" (key) "/rollback/" (version) } { "Roll back to " (version) "…" } }
                    Some(why) => {
                        button type="button" disabled aria-describedby={ "why-" (version) } { "Roll back to " (version) "…" }
                        p.muted #{ "why-" (version) } { (why) }
                    }
                }
            }
        }
    }
}

/// What going back would do.
pub(super) async fn preview(
    State(api): State<Api>,
    caller: Caller,
    Path((id, version)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (key, version) = (resource(&api, &id).await?, version.parse::<Version>().map_err(Problem::from)?);
    let spec = api.engine().going_back(key.clone(), Some(version), caller.actor()).await?;
    let plan = api.engine().preview(&spec).await?;
    let frame = Frame::of(&caller);
    let title = format!("Roll back {key} to {version}");
    let content = html! {
        p.crumbs { a href="/" { "Runs" } " / " a href={ "/resources/" (key) } { (key) } }
        h1 { (title) }
        (outcome::reasons(&plan.blocked_reasons))
        @if plan.blocked_reasons.is_empty() {
            section.card { h2 { "Will change" } (changes(&plan.changes)) }
            section.card { h2 { "Will not change" } p { (UNTOUCHED) "." } }
        }
        (confirm(&frame, &key, version, &plan))
    };
    Ok(frame.page(Place::new(&title), &content))
}

fn confirm(frame: &Frame, key: &ResourceKey, version: Version, plan: &PlanDocument) -> Markup {
    let blocked = !plan.blocked_reasons.is_empty();
    html! {
        form.buttons method="post" action={ "/resources/" (key) "/rollback/" (version) } {
            (frame.proof())
            input type="hidden" name="key" value=(fresh_key());
            button.primary type="submit" disabled[blocked] aria-describedby=[blocked.then_some("why")] { "Roll back to " (version) }
            a.button.quiet href={ "/resources/" (key) } { "Leave it as it is" }
        }
        @if blocked { p #why.muted { "It would be refused: the reasons are above." } }
    }
}

/// Differences, one per line: field, before, after.
pub(super) fn changes(changes: &[Change]) -> Markup {
    let value = |value: &Option<String>| value.as_deref().map_or_else(|| "–".to_owned(), clean);
    let values = |change: &Change| match (&change.before, &change.after) {
        // Of a secret only this is known.
        (None, None) => ("(a value)".to_owned(), "(another value)".to_owned()),
        (before, after) => (value(before), value(after)),
    };
    html! {
        @if changes.is_empty() { p.muted { "Nothing differs." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Differences" {
                table {
                    thead { tr { th scope="col" { "What" } th scope="col" { "Before" } th scope="col" { "After" } } }
                    tbody { @for change in changes {
                        @let (before, after) = values(change);
                        tr { th scope="row" { code { (clean(&change.field)) } } td { (before) } td { (after) } }
                    } }
                }
            }
        }
    }
}

/// What the button sends.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    key: String,
}

pub(super) async fn roll_back(
    State(api): State<Api>,
    caller: Caller,
    Path((id, version)): Path<(String, String)>,
    FormOf(asked): FormOf<Asked>,
) -> Result<Response, Problem> {
    let (key, version) = (resource(&api, &id).await?, version.parse::<Version>().map_err(Problem::from)?);
    let spec = api.engine().going_back(key, Some(version), caller.actor()).await?;
    let idempotency_key = (!asked.key.is_empty()).then_some(asked.key);
    let submission = engine::Submission { spec, idempotency_key, busy: WhenBusy::Refuse };
    let submitted = api.engine().submit(submission).await?;
    Ok(Redirect::to(&format!("/runs/{}", submitted.id)).into_response())
}
