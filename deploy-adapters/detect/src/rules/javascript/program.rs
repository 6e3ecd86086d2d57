//! How a program is started in production, and where it listens.

use deploy_core::detect::{Detection, Found, ProjectKind};
use deploy_core::path::Inside;
use deploy_core::reason::Reason;

use super::config::{Config, Literal};
use super::entry::{self, Listens};
use super::finish::{self, Start};
use super::manager::Manager;
use super::package::{PACKAGE, Package};
use super::shape::{App, Shape, computed, written};
use crate::development;
use crate::ports::Port;
use crate::reasons::{dev_server, port_guessed};

/// Scripts that start a program in production, best first.
const SCRIPTS: [&str; 7] =
    ["start:prod", "start:production", "start-prod", "production", "prod", "serve:prod", "serve"];

/// Packages that answer requests, whatever the framework is called.
const SERVERS: [&str; 14] = [
    "express",
    "fastify",
    "koa",
    "hono",
    "@hapi/hapi",
    "restify",
    "polka",
    "h3",
    "elysia",
    "socket.io",
    "ws",
    "@apollo/server",
    "graphql-yoga",
    "apollo-server",
];
/// Packages of programs that listen to nobody.
const WORKERS: [&str; 10] = [
    "discord.js",
    "telegraf",
    "node-telegram-bot-api",
    "grammy",
    "bullmq",
    "bull",
    "agenda",
    "node-cron",
    "bee-queue",
    "@slack/bolt",
];

/// Frameworks whose programs keep what they make among their own files.
const WRITERS: [(&str, &str); 3] = [
    ("directus", "keeps what is uploaded in uploads"),
    ("nextjs", "keeps the pages and pictures that it makes while it runs in .next"),
    ("strapi", "keeps its data in .tmp and what is uploaded in public"),
];

/// Adds how it is started, what kind of program it is, and its port.
pub(super) fn describe(app: &App<'_, '_>, shape: &Shape, detection: &mut Detection) {
    let (start, command) = start(app, shape);
    if let Some(found) = &start
        && let Some(what) = development::command(&command)
    {
        detection.warnings.push(dev_server(found.evidence.clone(), &command, what));
    }
    let listens = start.as_ref().and_then(|_| entry::port_of(app.scene, &command));
    detection.kind = kind(app, shape, start.is_some(), listens.as_ref().map(|(_, listens)| *listens));
    detection.finish = match &start {
        Some(found) => {
            let start = Start { written: &found.value, comes_to: &command };
            finish::commands(app, detection.framework.as_deref(), start)
        }
        None => Vec::new(),
    };
    let writer = WRITERS.iter().find(|(name, _)| Some(*name) == detection.framework.as_deref());
    detection.writes = writer.map(|(_, why)| app.scene.fact(PACKAGE, *why));
    detection.start = start;
    let mut environment = super::environment(&[("NODE_ENV", "production")]);
    environment.extend(super::environment(shape.environment));
    if detection.kind == ProjectKind::Server && detection.start.is_some() {
        port(app, shape, listens, detection, &mut environment);
    }
    detection.environment = environment;
}

/// The start command, and what it comes to: the text of the script it runs.
fn start(app: &App<'_, '_>, shape: &Shape) -> (Option<Found<String>>, String) {
    let framework = shape.start.clone().map(|found| {
        let plain = app.tools.manager.exec("");
        let command = found
            .value
            .strip_prefix(plain.trim_end())
            .map_or(found.value.clone(), |rest| rest.trim().to_owned());
        (Some(app.tools.placed(found)), command)
    });
    if shape.start_wins && framework.is_some() {
        return framework.unwrap_or_default();
    }
    if let Some(name) = script(app.package) {
        let found = app.scene.found(app.tools.run(name), PACKAGE, format!("the script {name:?}"));
        let command = app.script(name).to_owned();
        // Better what the framework says than a server for development.
        if development::command(&command).is_none() || framework.is_none() {
            return (Some(found), command);
        }
    }
    framework.or_else(|| by_file(app)).unwrap_or_default()
}

/// The script that starts it: `start` unless that is for development and another one is not.
pub(super) fn script(package: &Package) -> Option<&'static str> {
    let command = |name: &str| package.resolved(name);
    let good = |name: &&&str| command(name).is_some_and(|command| development::command(command).is_none());
    match command("start") {
        Some(start) if development::command(start).is_none() => Some("start"),
        Some(_) => SCRIPTS[..6].iter().find(good).copied().or(Some("start")),
        None => SCRIPTS.iter().find(good).copied(),
    }
}

/// The file it starts with.
fn by_file(app: &App<'_, '_>) -> Option<(Option<Found<String>>, String)> {
    let file = entry::find(app.scene, app.package)?;
    let is_typescript = [".ts", ".mts", ".tsx"].iter().any(|ending| file.ends_with(ending));
    let manager = app.tools.manager;
    let command = if manager == Manager::Bun {
        format!("bun {file}")
    } else if file.ends_with(".jsx") {
        return None;
    } else if !is_typescript {
        format!("node {file}")
    } else if app.package.script("build").is_some() {
        format!("node {}", compiled(app, &file))
    } else {
        // Without any of these, whether Node can run it as it is depends on what is written in it.
        let runner = ["tsx", "ts-node"].into_iter().find(|runner| app.package.depends_on(runner))?;
        manager.exec(&format!("{runner} {file}"))
    };
    let found = app.scene.found(app.tools.here(&command), &file, "the file it starts with");
    Some((Some(found), command))
}

/// Where the compiler puts what it makes of a file.
fn compiled(app: &App<'_, '_>, file: &str) -> String {
    use crate::manifest::Values;
    let options = app.scene.jsonc("tsconfig.json").unwrap_or_default();
    let out = options.text_at(&["compilerOptions", "outDir"]).unwrap_or("dist").trim_start_matches("./");
    let root = options.text_at(&["compilerOptions", "rootDir"]).unwrap_or("src").trim_start_matches("./");
    let below =
        file.strip_prefix(root.trim_end_matches('/')).map_or(file, |rest| rest.trim_start_matches('/'));
    let stem = below.rsplit_once('.').map_or(below, |(stem, _)| stem);
    format!("{}/{stem}.js", out.trim_end_matches('/'))
}

fn kind(app: &App<'_, '_>, shape: &Shape, started: bool, listens: Option<Listens>) -> ProjectKind {
    let uses = |packages: &[&str]| packages.iter().any(|package| app.package.depends_on(package));
    match (shape.kind, listens) {
        (ProjectKind::Server, _) | (_, Some(Listens::On(_) | Listens::Somewhere)) => ProjectKind::Server,
        _ if !started => ProjectKind::Unknown,
        _ if uses(&SERVERS) => ProjectKind::Server,
        (_, Some(Listens::Nowhere)) => ProjectKind::Worker,
        _ if uses(&WORKERS) => ProjectKind::Worker,
        _ => ProjectKind::Server,
    }
}

pub(super) fn port(
    app: &App<'_, '_>,
    shape: &Shape,
    listens: Option<(String, Listens)>,
    detection: &mut Detection,
    environment: &mut std::collections::BTreeMap<String, String>,
) {
    let usual = shape.port.unwrap_or(3000);
    let mut by_variable = |port: u16| {
        environment.insert("PORT".to_owned(), port.to_string());
    };
    let (port, fact, guessed) = match listens {
        Some((file, Listens::On(Port::Fixed(port)))) => {
            (port, app.scene.fact(&file, format!("listens on {port}")), false)
        }
        Some((file, Listens::On(Port::Variable(default)))) => {
            let port = default.unwrap_or(usual);
            by_variable(port);
            (port, app.scene.fact(&file, format!("listens where PORT says, which is set to {port}")), false)
        }
        Some((_, Listens::Somewhere | Listens::Nowhere)) | None if shape.reads_port => {
            by_variable(usual);
            let what = detection.framework.as_deref().unwrap_or("it");
            (
                usual,
                app.scene.fact(PACKAGE, format!("{what} listens where PORT says, which is set to {usual}")),
                false,
            )
        }
        Some((_, Listens::Somewhere | Listens::Nowhere)) | None => {
            by_variable(usual);
            (
                usual,
                app.scene.fact(PACKAGE, format!("most such programs listen on {usual}, or where PORT says")),
                true,
            )
        }
    };
    if guessed {
        detection.warnings.push(port_guessed(port, "nothing that was read says where it listens"));
    }
    detection.internal_port = Some(Found { value: port, evidence: fact });
}

/// Where a bundler writes: `path.resolve(__dirname, 'web')`, else `dist`.
pub(super) fn bundled(app: &App<'_, '_>, config: &Config) -> Result<Found<String>, Box<Reason>> {
    if let Literal::Text(text) = config.literal("path") {
        return written(app, &config.file, &text, &format!("output.path is {text}"));
    }
    for sign in ["path.resolve(__dirname,", "path.join(__dirname,", "resolve(__dirname,", "join(__dirname,"] {
        let Some((before, rest)) = config.code.split_once(sign) else { continue };
        let rest = rest.trim_start();
        let text = rest
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\''))
            .and_then(|quote| rest[1..].split_once(quote).map(|(text, _)| text));
        if let Some(text) =
            text.filter(|text| before.trim_end().ends_with("path:") && Inside::parse(text).is_ok())
        {
            return written(
                app,
                &config.file,
                text.trim_start_matches("./"),
                &format!("output.path is {text}"),
            );
        }
    }
    match config.has_key("path") && config.mentions("output") {
        true => Err(computed(app, &config.file, "output.path", "dist")),
        false => written(app, &config.file, "dist", "the bundler writes dist"),
    }
}
