//! Why a run did not succeed, what is live now, and what to do next.

use deploy_core::evidence::Fact;
use deploy_core::hint::{Hint, Remedy};
use deploy_core::reason::Reason;
use deploy_core::status::{FailureStatus, Status};
use maud::{Markup, html};

use super::layout::Frame;
use super::text::{clean, link};
use crate::access::Scope;

pub(super) fn section(frame: &Frame, status: &Status) -> Markup {
    let (failure, recovery) = (&status.failure, &status.recovery);
    html! {
        @if failure.is_some() || recovery.is_some() {
            section.card.outcome aria-labelledby="outcome" {
                h2 #outcome { @if failure.is_some() { "What happened" } @else { "What it waits for" } }
                (reasons(&status.deferred_reasons))
                @if status.blocked_reasons.is_empty() {
                    @if let Some(failure) = failure { (cause(failure)) }
                } @else {
                    (reasons(&status.blocked_reasons))
                    @if frame.may(Scope::Deploy) { p { a.button href={ "/plan?from=" (status.id) } { "Change the plan" } } }
                }
                (live(status))
                @if let Some(recovery) = recovery { (next(recovery)) }
            }
        }
    }
}

fn cause(failure: &FailureStatus) -> Markup {
    html! {
        p.lead { "At " strong { (failure.phase) } @if let Some(step) = &failure.step { " in step " strong { (step) } } ": " (clean(&failure.message)) }
        @if let Some(likely) = &failure.likely { p { strong { "Most likely: " } (clean(&likely.cause)) } }
        p.muted { "Code " code { (failure.code.code()) } @if failure.retryable { " · trying again, with nothing changed, can help" } }
        (evidence(&failure.evidence))
        @if !failure.tail.is_empty() {
            p { "The last lines of its output:" }
            pre tabindex="0" { @for line in &failure.tail { (clean(line)) "\n" } }
        }
    }
}

/// What shows it.
pub(super) fn evidence(facts: &[Fact]) -> Markup {
    html! {
        @if !facts.is_empty() {
            ul.evidence { @for fact in facts { li { code { (clean(&fact.file)) } " " (clean(&fact.fact)) } } }
        }
    }
}

/// Why a plan says no, or what is doubtful about it.
pub(super) fn reasons(reasons: &[Reason]) -> Markup {
    html! { @for reason in reasons { (reason_of(reason, &html! {})) } }
}

/// One reason, with what removes it; `fix` is a form that does.
pub(super) fn reason_of(reason: &Reason, fix: &Markup) -> Markup {
    html! {
        article.reason {
            p.lead { span.glyph aria-hidden="true" { "⊘" } " " (clean(&reason.message)) }
            p.muted { code { (reason.code.code()) } @if let Some(url) = &reason.link { " · " (link(url)) } }
            (evidence(&reason.evidence))
            @for remedy in &reason.fix {
                p { "To do: " (remedy_of(remedy)) }
            }
            (fix)
        }
    }
}

fn live(status: &Status) -> Markup {
    html! {
        p { strong { "Live now: " }
            @match &status.live_now {
                Some(live) => { (live.release) " " (link(&live.url)) }
                None => { "nothing that is known" }
            }
        }
    }
}

fn next(recovery: &Hint) -> Markup {
    html! {
        p { strong { "Next: " } (clean(&recovery.hint)) "." }
        ul { @for remedy in &recovery.next {
            li { (remedy_of(remedy)) }
        } }
    }
}

/// What can be done: an instruction, the line of `deploy.toml`, the command.
pub(super) fn remedy_of(Remedy { label, set, command }: &Remedy) -> Markup {
    html! {
        (clean(label))
        @if let Some(line) = set { ": " code { (clean(line)) } " in deploy.toml" }
        @if let Some(command) = command {
            @if set.is_some() { ", then " } @else { ": " }
            code.command { (clean(&command.to_string())) }
        }
    }
}
