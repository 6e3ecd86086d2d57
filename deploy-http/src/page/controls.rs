//! What can be asked of a run: a button each, and under those that would be refused, why.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use deploy_core::command::{Command, StopMode};
use deploy_core::control::{Control, ControlName};
use deploy_core::engine::{self, EngineError, View};
use deploy_core::id::DeploymentId;
use maud::{Markup, html};
use serde::Deserialize;

use super::form::{FormOf, fresh_key};
use super::layout::Frame;
use super::text::clean;
use crate::access::{Caller, Scope};
use crate::api::Api;
use crate::problem::Problem;

/// What a control says, and what it does.
const fn words(name: ControlName) -> (&'static str, &'static str) {
    match name {
        ControlName::Approve => ("Approve the plan", "carries out the plan that waits"),
        ControlName::Pause => ("Pause", "the running step ends, nothing new starts"),
        ControlName::Resume => ("Resume", "goes on"),
        ControlName::Stop => ("Stop", "skips what remains; what was done stays"),
        ControlName::StopAndUndo => ("Stop and undo", "skips what remains and takes back what was done"),
        ControlName::Recheck => ("Look again", "reads the source again and plans anew"),
        ControlName::Retry => ("Retry", "a new run that tries the same again"),
        ControlName::Redeploy => ("Redeploy", "a new run that deploys the same source as it is now"),
    }
}

/// Those that only matter in one state: they are not shown where they would be refused.
const fn is_rare(name: ControlName) -> bool {
    match name {
        ControlName::Approve | ControlName::Recheck | ControlName::Resume => true,
        ControlName::Pause
        | ControlName::Stop
        | ControlName::StopAndUndo
        | ControlName::Retry
        | ControlName::Redeploy => false,
    }
}

pub(super) fn section(frame: &Frame, view: &View) -> Markup {
    let stranger = (!frame.may(Scope::Deploy)).then_some("sign in with a token that may deploy");
    let shown = view.controls.iter().filter(|control| control.refused.is_none() || !is_rare(control.name));
    let shown: Vec<(&Control, Option<&str>)> = shown
        .map(|control| {
            let refused = control.refused.as_ref().map(|refused| refused.why.hint.as_str());
            (control, refused.or(stranger))
        })
        .collect();
    let mut reasons: Vec<&str> = shown.iter().filter_map(|(_, why)| *why).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let status = &view.status;
    html! {
        section.controls aria-label="Controls" {
            div.buttons {
                @for (control, why) in &shown { (button(frame, status.id, control.name, why.and_then(|why| reasons.binary_search(&why).ok()))) }
                a.button.quiet href={ "/resources/" (status.resource) "@" (status.environment) } { "Roll back…" }
            }
            (refusals(&shown, &reasons))
        }
    }
}

/// `why` is the number of the reason why it is disabled.
fn button(frame: &Frame, id: DeploymentId, name: ControlName, why: Option<usize>) -> Markup {
    let (word, does) = words(name);
    let key = name.as_str();
    html! {
        form method="post" action={ "/runs/" (id) "/" (key) } {
            (frame.proof())
            input type="hidden" name="key" value=(fresh_key());
            button type="submit" #{ "do-" (key) } title=(does) disabled[why.is_some()] aria-describedby=[why.map(|at| format!("why-{at}"))] { (word) }
        }
    }
}

/// Why the disabled ones are disabled: those of one reason together.
fn refusals(shown: &[(&Control, Option<&str>)], reasons: &[&str]) -> Markup {
    let of = |reason: &str| {
        let refused = shown.iter().filter(|(_, why)| *why == Some(reason));
        refused.map(|(control, _)| words(control.name).0).collect::<Vec<_>>().join(", ")
    };
    html! {
        @if !reasons.is_empty() {
            ul.whys { @for (at, reason) in reasons.iter().enumerate() {
                li #{ "why-" (at) } { strong { (of(reason)) } ": " (clean(reason)) }
            } }
        }
    }
}

/// What every button sends.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    key: String,
}

/// Asks the engine, and shows the run as it is then.
pub(super) async fn ask(
    State(api): State<Api>,
    Path((id, control)): Path<(String, String)>,
    caller: Caller,
    FormOf(asked): FormOf<Asked>,
) -> Result<Response, Problem> {
    let id: DeploymentId = id.parse().map_err(Problem::from)?;
    let name = ControlName::ALL.into_iter().find(|name| name.as_str() == control);
    let none =
        || Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such control", "open the run again");
    let id = carry_out(&api, id, name.ok_or_else(none)?, &caller, asked).await?;
    Ok(Redirect::to(&format!("/runs/{id}")).into_response())
}

/// The deployment to look at afterwards.
async fn carry_out(
    api: &Api,
    id: DeploymentId,
    name: ControlName,
    caller: &Caller,
    asked: Asked,
) -> Result<DeploymentId, Problem> {
    let stop = |undo| Command::Stop { mode: StopMode::AfterStep, undo };
    let command = match name {
        ControlName::Approve => Command::Approve { fingerprint: waiting(api, id).await? },
        ControlName::Pause => Command::Pause,
        ControlName::Resume => Command::Resume,
        ControlName::Stop => stop(false),
        ControlName::StopAndUndo => stop(true),
        ControlName::Recheck => Command::Recheck,
        ControlName::Retry => {
            let again = api.engine().again(id, caller.actor()).await;
            return submit(api, id, again, asked).await;
        }
        ControlName::Redeploy => {
            let again = api.engine().redeploy(id, caller.actor()).await;
            return submit(api, id, again, asked).await;
        }
    };
    match api.engine().send(id, command, caller.actor()).await {
        Ok(_) => Ok(id),
        Err(error) => Err(Problem::about(api.engine(), id, error).await),
    }
}

async fn waiting(api: &Api, id: DeploymentId) -> Result<deploy_core::id::Digest, Problem> {
    let none = || {
        let title = "no plan waits for approval";
        Problem::new(StatusCode::CONFLICT, "not_waiting_for_approval", title, "open the run again")
    };
    api.engine().status(id).await?.plan_fingerprint.ok_or_else(none)
}

/// Submits what follows from a deployment.
async fn submit(
    api: &Api,
    id: DeploymentId,
    submission: Result<engine::Submission, EngineError>,
    asked: Asked,
) -> Result<DeploymentId, Problem> {
    let submission = match submission {
        Ok(submission) => submission,
        Err(error) => return Err(Problem::about(api.engine(), id, error).await),
    };
    let idempotency_key = (!asked.key.is_empty()).then_some(asked.key);
    Ok(api.engine().submit(engine::Submission { idempotency_key, ..submission }).await?.id)
}
