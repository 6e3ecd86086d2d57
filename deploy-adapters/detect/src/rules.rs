//! The rules, in the order they are asked. See `rule` for how to add one.

pub(crate) mod containers;
mod generators;
mod marker;
mod node;
pub(crate) mod procfile;
mod programs;
pub(crate) mod static_html;
mod unplanned;

use crate::rule::Rule;

/// Every rule; the first that answers wins.
///
/// Frameworks come before what they are written in (an Astro site is not "a Node program"), programs before
/// containers (a `Dockerfile` says nothing about what is inside), and plain pages last: an `index.html` is a finished
/// site only if nothing beside it says that something has to be built or run first.
pub(crate) const ALL: &[Rule] = &[node::RULE, generators::RULE, programs::RULE, static_html::RULE];
