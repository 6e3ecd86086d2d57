//! Nx: apps that are described in `project.json`, and built with `nx`.

use deploy_core::detect::{Detection, ProjectKind, SupportTier};
use serde_json::Value;

use super::frameworks::FRAMEWORKS;
use super::manager::Toolchain;
use super::package::Package;
use super::program;
use super::shape::{App, Shape};
use super::{environment, workspace};
use crate::manifest::Values;

const PROJECT: &str = "project.json";

/// An app of the workspace: by its `project.json`, else by its `package.json`.
pub(super) fn member(app: &App<'_, '_>, path: String) -> Option<(String, Detection)> {
    let scene = app.scene.below(&path);
    let Some(project) = scene.jsonc(PROJECT) else { return workspace::member(app, path) };
    let is_application = project.text_at(&["projectType"]).is_none_or(|kind| kind == "application");
    let target = project.at(&["targets", "build"]);
    let executor = target.text_at(&["executor"])?.to_owned();
    if !is_application || path.ends_with("-e2e") {
        return None;
    }
    let name = project
        .text_at(&["name"])
        .map_or_else(|| path.rsplit('/').next().unwrap_or(&path).to_owned(), str::to_owned);
    let output = target
        .text_at(&["options", "outputPath"])
        .or_else(|| target.text_at(&["options", "outputPath", "base"]));
    let output =
        output.map_or_else(|| format!("dist/{path}"), |output| output.trim_start_matches("./").to_owned());
    let production = !target.at(&["configurations", "production"]).is_null();
    let build =
        if production { format!("nx run {name}:build:production") } else { format!("nx run {name}:build") };
    let mut detection = base(app);
    detection.evidence.push(scene.fact(PROJECT, format!("an app that is built with {executor}")));
    detection.build =
        Some(scene.found(app.tools.manager.exec(&build), PROJECT, format!("{executor} builds it")));
    let is = |word: &str| executor.contains(word);
    if is("next") {
        detection.framework = Some("nextjs".to_owned());
        let start = format!("cd {output} && {}", app.tools.manager.exec("next start"));
        program_of(app, &path, start, 3000, &mut detection);
    } else if is("node") || is("esbuild") || is("nest") || is("js:") || is("webpack") && serves_node(&project)
    {
        let known = FRAMEWORKS.iter().find(|framework| {
            ["nestjs", "fastify", "koa", "hono", "express"].contains(&framework.name)
                && framework.packages.iter().any(|package| app.package.depends_on(package))
        });
        detection.framework = known.map(|framework| framework.name.to_owned());
        program_of(app, &path, format!("node {output}/main.js"), 3000, &mut detection);
    } else {
        let name = ["angular", "vite", "webpack", "rspack"].into_iter().find(|word| is(word));
        detection.framework = name.filter(|name| *name != "webpack").map(str::to_owned);
        let site = if executor.ends_with(":application") { format!("{output}/browser") } else { output };
        detection.kind = ProjectKind::Static;
        detection.fallback = Some(scene.found("index.html".to_owned(), PROJECT, "a single-page app"));
        detection.publish_directory = Some(scene.found(site, PROJECT, "outputPath of the build"));
    }
    Some((path, detection))
}

fn serves_node(project: &Value) -> bool {
    project.text_at(&["targets", "serve", "executor"]).is_some_and(|executor| executor.contains("node"))
}

fn base(app: &App<'_, '_>) -> Detection {
    let (version, unavailable) = super::node::version(app.scene, app.package);
    let mut detection = Detection {
        planner: "nx".to_owned(),
        language: Some(super::language_name(true).to_owned()),
        package_manager: Some(app.tools.manager.name().to_owned()),
        support_tier: SupportTier::Full,
        evidence: vec![app.scene.fact("nx.json", "a workspace of Nx")],
        install: app.tools.install.clone(),
        caches: vec![app.tools.cache.to_owned()],
        image_setup: app.tools.image_setup().into_iter().collect(),
        blocked: app.tools.blocked.clone(),
        warnings: [app.tools.warnings.clone(), unavailable.into_iter().collect()].concat(),
        ..Detection::default()
    };
    super::images(app, &version, &mut detection);
    detection.runtime_version = Some(version.value);
    detection
}

fn program_of(app: &App<'_, '_>, path: &str, start: String, port: u16, detection: &mut Detection) {
    let scene = app.scene.below(path);
    let package = Package::of(&scene).unwrap_or_else(|| app.package.clone());
    let tools = Toolchain { ..app.tools.clone() };
    let inner = App { scene: &scene, package: &package, tools: &tools };
    detection.kind = ProjectKind::Server;
    detection.environment = environment(&[("NODE_ENV", "production")]);
    detection.environment.extend(environment(tools.environment()));
    let main = ["src/main.ts", "src/main.js", "src/index.ts"].into_iter().find(|file| scene.has(file));
    let listens = main.and_then(|file| Some((file.to_owned(), super::entry::listens(scene.text(file)?))));
    let shape = Shape { port: Some(port), reads_port: start.contains("next start"), ..Shape::default() };
    let mut environment = std::mem::take(&mut detection.environment);
    program::port(&inner, &shape, listens, detection, &mut environment);
    detection.environment = environment;
    detection.start = Some(scene.found(start, PROJECT, "where the build writes"));
}

/// The app that `nx.json` names as the default, where it names one.
pub(super) fn default_of(app: &App<'_, '_>, found: Vec<(String, Detection)>) -> Vec<(String, Detection)> {
    let content = app.scene.jsonc("nx.json").unwrap_or_default();
    let Some(name) = content.text_at(&["defaultProject"]) else { return found };
    let is_default = |path: &str| path.rsplit('/').next() == Some(name);
    match found.iter().any(|(path, _)| is_default(path)) {
        true => found.into_iter().filter(|(path, _)| is_default(path)).collect(),
        false => found,
    }
}
