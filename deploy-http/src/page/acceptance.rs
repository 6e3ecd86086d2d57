//! What was proved about a run: its acceptance checks, with what a browser saw.

use deploy_core::acceptance::{Acceptance, AcceptanceOutcome};
use deploy_core::browser::PageSeen;
use deploy_core::id::DeploymentId;
use deploy_core::status::Status;
use maud::{Markup, html};

use super::text::clean;
use crate::screenshot;

pub(super) fn section(status: &Status) -> Markup {
    html! {
        @if !status.acceptance.is_empty() {
            section aria-labelledby="acceptance" {
                h2 #acceptance { "Checks" }
                dl.facts { @for checked in &status.acceptance { (row(checked)) } }
                (picture(status))
            }
        }
    }
}

fn row(checked: &Acceptance) -> Markup {
    let glyph = match checked.outcome {
        AcceptanceOutcome::Passed => "✔",
        AcceptanceOutcome::SoftPassed => "○",
        AcceptanceOutcome::Failed => "✖",
    };
    html! {
        dt { code { (checked.name.as_str()) } }
        dd {
            span.glyph aria-hidden="true" { (glyph) } " " strong { (checked.outcome.as_str()) } ": " (clean(&checked.message))
            @if let Some(page) = &checked.page { (console(page)) }
        }
    }
}

fn console(page: &PageSeen) -> Markup {
    html! {
        @if !page.messages.is_empty() {
            ul.evidence { @for message in &page.messages { li { code { (clean(message)) } } } }
        }
    }
}

/// A picture of what users would have seen, or see.
fn picture(status: &Status) -> Markup {
    let taken = screenshot::latest(status).map(|_| source(status.id));
    html! {
        @if let Some(source) = taken {
            p { a href=(source) { img src=(source) width="320" height="200" loading="lazy" alt="The page as the browser saw it"; } }
        }
    }
}

fn source(id: DeploymentId) -> String {
    format!("/api/deployments/{id}/screenshot")
}
