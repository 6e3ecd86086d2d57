//! Vite, with any library: where it writes, and whether something else serves what it writes.

use deploy_core::detect::ProjectKind;
use deploy_core::reason::Reason;

use super::config::{Config, Literal};
use super::package::PACKAGE;
use super::shape::{App, Shape, computed, flag, written};

/// Packages that decide in the browser what to show for a path.
const ROUTERS: [&str; 12] = [
    "react-router",
    "react-router-dom",
    "@tanstack/react-router",
    "@tanstack/router",
    "wouter",
    "vue-router",
    "@solidjs/router",
    "solid-app-router",
    "svelte-routing",
    "svelte-spa-router",
    "preact-router",
    "preact-iso",
];

/// A site; or a program of the project's own that serves one.
pub(super) fn shape(app: &App<'_, '_>) -> Shape {
    let start = app.script("start");
    let config = Config::find(app.scene, "vite.config");
    if runs_program(app, start) {
        return Shape {
            kind: ProjectKind::Server,
            build: Some("vite build"),
            port: Some(3000),
            ..Shape::default()
        };
    }
    let shape = Shape::site("vite build", output(app, config.as_ref()));
    match ROUTERS.iter().find(|router| app.package.depends_on(router)) {
        Some(router) => shape.with_fallback(app, &format!("{router} shows pages for paths without a file")),
        None => shape,
    }
}

/// Whether the start script runs a program of the project, not a server for files or for development.
fn runs_program(app: &App<'_, '_>, start: &str) -> bool {
    const RUNNERS: [&str; 6] = ["node", "tsx", "ts-node", "bun", "nodemon", "pm2"];
    let mut words = start
        .split_whitespace()
        .skip_while(|word| word.contains('=') || matches!(*word, "cross-env" | "npx"));
    let first = words.next().unwrap_or_default();
    let runs = RUNNERS.contains(&first)
        && words.any(|word| {
            word.contains(".js")
                || word.contains(".ts")
                || word.contains(".mjs")
                || word.contains(".cjs")
                || word.contains('/')
                || word.contains("server")
        });
    runs && !start.contains("vite")
        || start.is_empty()
            && ["express", "fastify", "koa", "hono"].iter().any(|package| app.package.runs_with(package))
            && ["server.js", "server.mjs", "server.ts"].iter().any(|file| app.scene.has(file))
}

/// `build.outDir`, below `root`; `dist` if neither is set.
pub(super) fn output(
    app: &App<'_, '_>,
    config: Option<&Config>,
) -> Result<deploy_core::detect::Found<String>, Box<Reason>> {
    if let Some(directory) = flag(app.script("build"), &["--outDir"]) {
        return written(app, PACKAGE, directory, &format!("--outDir is {directory}"));
    }
    let Some(config) = config else { return written(app, PACKAGE, "dist", "Vite writes dist") };
    let root = match config.literal("root") {
        Literal::Missing => String::new(),
        Literal::Text(root) => root,
        // Most are the directory itself, written in one way or another.
        Literal::Computed if config.has_key("outDir") => {
            return Err(computed(app, &config.file, "root", "dist"));
        }
        Literal::Computed => String::new(),
    };
    let (directory, fact) = match config.literal("outDir") {
        Literal::Missing => ("dist".to_owned(), "Vite writes dist".to_owned()),
        Literal::Text(directory) => {
            let fact = format!("build.outDir is {directory}");
            (directory, fact)
        }
        Literal::Computed => return Err(computed(app, &config.file, "build.outDir", "dist")),
    };
    let joined = if root.is_empty() { directory } else { format!("{root}/{directory}") };
    let below =
        app.scene.path(&joined).filter(|path| app.scene.at().is_empty() || path.starts_with(app.scene.at()));
    let below = below.map_or(joined, |path| path[app.scene.at().len()..].trim_start_matches('/').to_owned());
    written(app, &config.file, &below, &fact)
}
