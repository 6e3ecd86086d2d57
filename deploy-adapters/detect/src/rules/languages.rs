//! Programs: one file per ecosystem.
//!
//! Two rules, because the top of a source often shows several languages. What can be planned to the start command comes
//! before Node and site generators (a Django project keeps a `package.json` for its styles and a `mkdocs.yml` for its
//! manual); what was only recognised comes after them.

mod asked;
mod clojure;
mod dart;
mod dotnet;
mod elixir;
mod gleam;
mod go;
mod haskell;
mod jvm;
mod listen;
mod native;
mod parts;
mod php;
mod program;
mod python;
mod release;
mod ruby;
mod rust;
mod scala;
mod shell;
mod swift;

use deploy_core::detect::Detection;
use deploy_core::reason::ReasonCode;

use crate::manifest::Values;
use crate::rule::{Rule, Scene};

/// Programs whose manifests say how they are run.
pub(super) const PLANNED: Rule = planned;

/// Programs that were recognised, whatever is missing.
pub(super) const RECOGNISED: Rule = recognised;

/// What says least: a script of a usual name.
pub(super) const SCRIPTS: Rule = scripts;

/// In the order they are asked, full-stack frameworks first: they are the ones that keep other languages beside them.
const ALL: &[Rule] = &[
    ruby::RAILS,
    python::DJANGO,
    elixir::RULE,
    php::RULE,
    scala::RULE,
    jvm::RULE,
    clojure::RULE,
    dotnet::RULE,
    go::RULE,
    rust::RULE,
    ruby::RULE,
    python::RULE,
    gleam::RULE,
    elixir::ERLANG,
    haskell::RULE,
    swift::RULE,
    dart::RULE,
    native::crystal::RULE,
    native::zig::RULE,
    native::ocaml::RULE,
    native::cpp::RULE,
    native::make::RULE,
    native::cobol::RULE,
    native::scheme::RULE,
    native::elm::RULE,
];

fn planned(scene: &Scene<'_>) -> Option<Detection> {
    candidates(scene).find(is_planned)
}

fn recognised(scene: &Scene<'_>) -> Option<Detection> {
    // A Node program that says how it is started is one, whatever else lies at the top.
    let is_node =
        scene.json("package.json").is_some_and(|package| package.text_at(&["scripts", "start"]).is_some());
    if is_node { None } else { candidates(scene).next() }
}

fn scripts(scene: &Scene<'_>) -> Option<Detection> {
    if scene.is_static_by_choice() { None } else { (shell::RULE)(scene) }
}

fn candidates<'s>(scene: &'s Scene<'_>) -> impl Iterator<Item = Detection> + 's {
    // A program is of no use to somebody who wants a site.
    let rules = if scene.is_static_by_choice() { &[] } else { ALL };
    rules.iter().filter_map(|rule| rule(scene))
}

/// Whether it is known how to run it, or which of several programs would be run.
fn is_planned(detection: &Detection) -> bool {
    let several = |reason: &deploy_core::reason::Reason| reason.code == ReasonCode::SeveralApps;
    detection.start.is_some()
        || detection.publish_directory.is_some()
        || detection.blocked.iter().any(several)
}
