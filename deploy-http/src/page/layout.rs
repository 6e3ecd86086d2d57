//! What every page has around its content.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::{assets, session::FormToken};
use crate::access::{Caller, Scope};

/// Scripts, styles and pictures only from our own files; no frames around us, no form to anywhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Where a page stands among the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    title: &'a str,
    /// Seconds after which a browser without scripts loads it again.
    again: Option<u32>,
}

impl<'a> Place<'a> {
    pub(super) const fn new(title: &'a str) -> Self {
        Self { title, again: None }
    }

    /// Without a script it is loaded again while something moves.
    pub(super) const fn moving(self, moves: bool) -> Self {
        Self { again: if moves { Some(3) } else { None }, ..self }
    }
}

/// Who looks at the page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    visitor: Option<Visitor>,
}

#[derive(Debug, Clone)]
struct Visitor {
    name: String,
    granted: Option<Scope>,
    signed_in: bool,
    form: FormToken,
}

impl Frame {
    /// The frame for a caller.
    pub(super) fn of(caller: &Caller) -> Self {
        let (name, granted) = (caller.actor().0, caller.granted());
        let (signed_in, form) = (caller.has_session(), caller.form().clone());
        Self { visitor: Some(Visitor { name, granted, signed_in, form }) }
    }

    /// The frame where nobody is known.
    pub(super) const fn of_nobody() -> Self {
        Self { visitor: None }
    }

    /// Whether the visitor may do something that needs this.
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.visitor.as_ref().is_some_and(|visitor| visitor.granted >= Some(scope))
    }

    /// The hidden field that every form has.
    pub(super) fn proof(&self) -> Markup {
        html! { @if let Some(visitor) = &self.visitor { input type="hidden" name="form" value=(visitor.form.as_str()); } }
    }

    /// A whole page.
    pub(super) fn page(&self, place: Place<'_>, content: &Markup) -> Response {
        sent(self.text(place, content))
    }

    /// A whole page as text.
    pub(super) fn text(&self, place: Place<'_>, content: &Markup) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (place.title) " · deploy" }
                    link rel="icon" href=(assets::ICON.path()) type="image/svg+xml";
                    link rel="stylesheet" href=(assets::STYLE.path());
                    script src=(assets::SCRIPT.path()) {}
                    @if let Some(seconds) = place.again {
                        noscript { meta http-equiv="refresh" content=(seconds); }
                    }
                }
                body {
                    a.skip href="#main" { "Skip to content" }
                    (self.header())
                    main #main { (content) }
                    footer { p #zone { "Times are UTC." } p #said role="status" {} }
                }
            }
        };
        page.into_string()
    }

    fn header(&self) -> Markup {
        html! {
            header {
                a.brand href="/" { span.glyph aria-hidden="true" { "▲" } " deploy" }
                nav aria-label="Main" { a href="/" { "Runs" } a href="/plan" { "Plan" } a href="/compare" { "Compare" } a href="/stats" { "Figures" } }
                div.who {
                    button #theme type="button" hidden { "Theme" }
                    @match &self.visitor {
                        Some(visitor) if visitor.signed_in => {
                            span { (visitor.name) }
                            form method="post" action="/sign-out" { (self.proof()) button.quiet type="submit" { "Sign out" } }
                        }
                        Some(visitor) if visitor.granted >= Some(Scope::Deploy) => {}
                        Some(_) | None => { a href="/sign-in" { "Sign in" } }
                    }
                }
            }
        }
    }
}

/// A part of a page that the script puts in place of an older one.
pub(super) fn part(content: Markup) -> Response {
    sent(content.into_string())
}

pub(super) fn sent(text: String) -> Response {
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Forms of our own need an origin; other sites learn nothing.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (fields, text).into_response()
}

/// What somebody gets who follows a link of another site: a page of ours that goes on to the same address.
/// Only then does the browser send what says who they are, and the other site has learnt nothing.
pub(crate) fn elsewhere(path: &str) -> Response {
    let path = here(path);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content={ "0; url=" (path) };
                title { "deploy" }
            }
            body { p { a href=(path) { "Go on" } } }
        }
    };
    part(page)
}

/// A path of this server; anything else is the first page.
pub(super) fn here(next: &str) -> &str {
    let ours = next.starts_with('/')
        && !next.starts_with("//")
        && next.chars().all(|c| c.is_ascii_graphic() && c != '\\');
    if ours { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_f20_no_way_on_leads_to_another_site() {
        assert_eq!(here("/runs/dep_1?step=a"), "/runs/dep_1?step=a");
        for other in ["", "//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\r\nx: y"] {
            assert_eq!(here(other), "/", "{other:?}");
        }
    }
}
