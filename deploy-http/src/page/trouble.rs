//! A problem as a page: what happened, what to do, and the commands that do it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::layout::{Frame, Place};
use super::outcome::remedy_of;
use super::text::clean;
use crate::problem::Problem;

/// A problem for people.
pub(super) fn page(problem: &Problem) -> Response {
    let text = text(problem);
    (problem.status(), super::layout::sent(text)).into_response()
}

fn text(Problem { title, hint, next, retry_after, code, .. }: &Problem) -> String {
    let content = html! {
        h1 { (clean(title)) }
        p { (clean(hint)) "." }
        @for remedy in next {
            p { (remedy_of(remedy)) }
        }
        @if let Some(seconds) = retry_after { p { "Try again in " (seconds) " s." } }
        p.muted { "Code " code { (code) } }
        p { a href="/" { "All runs" } }
    };
    Frame::of_nobody().text(Place::new(&clean(title)), &content)
}

/// The answer to an address that nothing has, for a browser.
pub(crate) fn no_such_page() -> Response {
    let hint = "look at all runs, or check the address";
    page(&Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such page", hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_f20_what_a_problem_says_is_never_markup() {
        let hostile = "<script>alert(1)</script>";
        let problem = Problem::new(StatusCode::NOT_FOUND, hostile, hostile, hostile);
        let text = text(&problem);
        assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"), "{text}");
    }
}
