//! What a framework makes of a project: a site, a program, and what it needs for that.

use deploy_core::detect::{Found, ProjectKind};
use deploy_core::path::Inside;
use deploy_core::reason::{Reason, ReasonCode};

use super::config::{Config, Literal};
use super::manager::Toolchain;
use super::package::{PACKAGE, Package};
use crate::reasons::{publish_line, with_fixes};
use crate::rule::Scene;

/// A project as a framework sees it.
pub(super) struct App<'s, 'a> {
    pub(super) scene: &'s Scene<'a>,
    pub(super) package: &'s Package,
    pub(super) tools: &'s Toolchain<'a>,
}

impl App<'_, '_> {
    /// What a script comes to, or nothing.
    pub(super) fn script(&self, name: &str) -> &str {
        self.package.resolved(name).unwrap_or_default()
    }

    /// The major version of a package it depends on, as far as its range says.
    pub(super) fn major_of(&self, package: &str) -> Option<u64> {
        let range = crate::version::Range::parse(self.package.version_of(package)?)?;
        range.lowest().map(|version| version.major)
    }
}

/// What a framework makes of a project.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) kind: ProjectKind,
    /// The program that builds it, where no script does.
    pub(super) build: Option<&'static str>,
    pub(super) output: Option<Found<String>>,
    pub(super) fallback: Option<Found<String>>,
    /// How it is started where no script says so.
    pub(super) start: Option<Found<String>>,
    /// Whether [`Shape::start`] is better than the script `start`, whatever that says.
    pub(super) start_wins: bool,
    /// The port it listens on unless `PORT` or its command says otherwise.
    pub(super) port: Option<u16>,
    /// Whether it listens where `PORT` says.
    pub(super) reads_port: bool,
    /// A package that the start needs and the project does not name, with its version.
    pub(super) tool: Option<&'static str>,
    pub(super) environment: &'static [(&'static str, &'static str)],
    pub(super) blocked: Vec<Reason>,
}

impl Shape {
    /// A site, in a directory that the build writes.
    pub(super) fn site(build: &'static str, output: Result<Found<String>, Box<Reason>>) -> Self {
        let shape = Self { kind: ProjectKind::Static, build: Some(build), ..Self::default() };
        match output {
            Ok(output) => Self { output: Some(output), ..shape },
            Err(reason) => Self { blocked: vec![*reason], ..shape },
        }
    }

    /// A program that listens where `PORT` says, and on this port otherwise.
    pub(super) fn server(build: Option<&'static str>, start: Option<Found<String>>, port: u16) -> Self {
        Self {
            kind: ProjectKind::Server,
            build,
            start,
            port: Some(port),
            reads_port: true,
            ..Self::default()
        }
    }

    /// The page for every path without a file, as single-page apps need it.
    pub(super) fn with_fallback(mut self, app: &App<'_, '_>, why: &str) -> Self {
        self.fallback = Some(app.scene.found("index.html".to_owned(), PACKAGE, why));
        self
    }

    /// Without an adapter the build is neither a program nor a site.
    pub(super) fn unfinished(mut self, package: &str) -> Self {
        let message = format!(
            "{package} builds nothing that runs until it has an adapter: add node-server, express, fastify or static"
        );
        let reason =
            Reason::new(ReasonCode::StartUnknown, message).because(PACKAGE, "has no directory adapters/");
        self.blocked.push(reason);
        self
    }

    /// Nothing starts it on a plain machine: the adapter makes something for one provider.
    pub(super) fn elsewhere(mut self, file: &str, adapter: &str, instead: &str) -> Self {
        let message =
            format!("{adapter} makes something that only its provider can run; use {instead} to run it here");
        self.blocked
            .push(Reason::new(ReasonCode::StartUnknown, message).because(file, format!("uses {adapter}")));
        self
    }
}

/// Where a build writes: what a key of its configuration says, else the default.
pub(super) fn configured(
    app: &App<'_, '_>,
    config: Option<&Config>,
    key: &str,
    default: &str,
    shown: &str,
) -> Result<Found<String>, Box<Reason>> {
    match config.map(|config| (config, config.literal(key))) {
        None | Some((_, Literal::Missing)) => {
            written(app, PACKAGE, default, &format!("{shown} writes {default}"))
        }
        Some((config, Literal::Text(text))) => written(app, &config.file, &text, &format!("{key} is {text}")),
        Some((config, Literal::Computed)) => Err(computed(app, &config.file, key, default)),
    }
}

/// A directory that a build writes, which must be inside.
pub(super) fn written(
    app: &App<'_, '_>,
    file: &str,
    directory: &str,
    fact: &str,
) -> Result<Found<String>, Box<Reason>> {
    match Inside::parse(directory) {
        Ok(inside) => Ok(app.scene.found(inside.shown().to_owned(), file, fact)),
        Err(wrong) => {
            let fact = app.scene.fact(file, fact);
            let message = format!("the build writes {directory}, which can't be published: {wrong}");
            let reason = Reason::new(ReasonCode::OutputUnknown, message).because(fact.file, fact.fact);
            Err(Box::new(with_fixes(reason, vec![("once it writes there".to_owned(), publish_line("dist"))])))
        }
    }
}

/// The directory is computed, so nobody knows it without running the build.
pub(super) fn computed(app: &App<'_, '_>, file: &str, key: &str, usual: &str) -> Box<Reason> {
    let fact = app.scene.fact(file, format!("{key} is computed"));
    let message = format!("{} computes {key}, so where the build puts the site is not known", fact.file);
    let reason = Reason::new(ReasonCode::OutputUnknown, message).because(fact.file, fact.fact);
    Box::new(with_fixes(reason, vec![(format!("if it is {usual}"), publish_line(usual))]))
}

/// What follows a flag in a command: `--outDir web`, `--output=site`, `-o out`.
pub(super) fn flag<'c>(command: &'c str, names: &[&str]) -> Option<&'c str> {
    let words: Vec<&str> = command.split_whitespace().collect();
    words.iter().enumerate().find_map(|(index, word)| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if !names.contains(&name) {
            return None;
        }
        let value = if value.is_empty() { *words.get(index + 1)? } else { value };
        (!value.starts_with('-')).then(|| value.trim_matches(['"', '\'']))
    })
}

/// The first word behind a command that is no flag: `docs` of `vitepress build docs`.
pub(super) fn argument<'c>(script: &'c str, command: &str) -> Option<&'c str> {
    let rest = script.split_once(command)?.1;
    let next = rest.split_whitespace().next()?;
    (!next.starts_with(['-', '&', '|', ';'])).then_some(next)
}
