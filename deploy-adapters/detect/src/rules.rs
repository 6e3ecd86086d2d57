//! The rules, in the order they are asked. See `rule` for how to add one.

pub(crate) mod containers;
mod deno;
mod generators;
mod javascript;
mod languages;
mod marker;
pub(crate) mod procfile;
pub(crate) mod static_html;
mod staticfile;

use crate::rule::Rule;

/// Every rule; the first that answers wins.
///
/// Programs whose own manifest says how they run come first, with the JavaScript that many of them have for their
/// assets; frameworks before what they are written in (an Astro site is not "a Node program"); and plain pages after
/// everything that is built or run: an `index.html` is a finished site only if nothing beside it says that something
/// has to be done first.
pub(crate) const ALL: &[Rule] = &[
    languages::PLANNED,
    deno::RULE,
    javascript::FRAMEWORKS,
    generators::SITES,
    generators::DOCUMENTATION,
    languages::RECOGNISED,
    javascript::RULE,
    staticfile::RULE,
    static_html::RULE,
    languages::SCRIPTS,
    javascript::LAST,
    javascript::SCRIPTS,
];
