//! JavaScript and TypeScript on Node and Bun: what `package.json` and what lies around it say.
//!
//! | file | holds |
//! |---|---|
//! | `package` | `package.json` |
//! | `manager` | npm, pnpm, Yarn, Bun: which one, and how it installs what the lockfile says |
//! | `node` | the version of Node |
//! | `frameworks`, `vite`, `angular` | what each framework makes of a project |
//! | `shape`, `config` | the words for that, and reading configurations without running them |
//! | `program` | how a program is started, and where it listens |
//! | `entry` | the file a program starts with |
//! | `finish` | what is done in the image once the build is done |
//! | `workspace`, `nx` | several packages in one source |

mod angular;
mod config;
mod entry;
mod finish;
mod frameworks;
mod manager;
pub(crate) mod node;
mod nx;
mod package;
mod program;
mod shape;
mod vite;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};

use deploy_core::detect::{Detection, Found, ProjectKind, SupportTier};
use deploy_core::evidence::Fact;
use deploy_core::reason::{Reason, ReasonCode};

use self::frameworks::Framework;
use self::manager::{Manager, Toolchain};
use self::package::{PACKAGE, Package};
use self::shape::{App, Shape};
use crate::reasons::{publish_line, with_fixes};
use crate::rule::{Rule, Scene};
use crate::rules::static_html;

/// Frameworks that make a whole project theirs: no other language's manifest beside them counts.
pub(super) const FRAMEWORKS: Rule = |scene| detect(scene, Strength::OwnsTheProject);
/// Everything else that is built or started.
pub(super) const RULE: Rule = |scene| detect(scene, Strength::IsBuiltOrStarted);
/// A `package.json`, and nothing that says what for.
pub(super) const LAST: Rule = |scene| detect(scene, Strength::IsThere);

/// A script for Node without a `package.json`: nothing is installed, it is run as it is.
pub(super) const SCRIPTS: Rule = |scene| {
    let package = Package::default();
    let file = entry::find(scene, &package).filter(|file| entry::is_for_node(scene, file))?;
    if Package::of(scene).is_some() || scene.is_static_by_choice() {
        return None;
    }
    let tools = Toolchain::of(scene, &package);
    let detection = project(&App { scene, package: &package, tools: &tools }, None);
    let evidence = vec![scene.fact(&file, "is a script for Node")];
    detection.start.is_some().then_some(Detection {
        evidence,
        install: None,
        package_manager: None,
        caches: Vec::new(),
        ..detection
    })
};

/// How sure it must be that this is a project of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    OwnsTheProject,
    IsBuiltOrStarted,
    IsThere,
}

/// Frameworks and tools that projects in other languages use for their assets.
const HELPERS: [&str; 8] = ["vite", "parcel", "storybook", "brunch", "wmr", "h3", "nitro", "metalsmith"];

fn detect(scene: &Scene<'_>, strength: Strength) -> Option<Detection> {
    let package = Package::of(scene)?;
    let tools = Toolchain::of(scene, &package);
    let app = App { scene, package: &package, tools: &tools };
    let framework = frameworks::of(&app);
    let owns = framework.is_some_and(|(framework, _)| {
        !HELPERS.contains(&framework.name) && (framework.shape)(&app).build.is_some()
    });
    match strength {
        Strength::OwnsTheProject if !owns => return None,
        Strength::IsBuiltOrStarted if !is_project(&app, framework.is_some()) => return None,
        Strength::OwnsTheProject | Strength::IsBuiltOrStarted | Strength::IsThere => {}
    }
    if let Some(members) = workspace::members(&app) {
        return Some(members);
    }
    let mut detection = project(&app, framework);
    if framework.is_none() {
        detection.framework = workspace::shared_framework(&app).map(str::to_owned);
    }
    let static_only = scene.is_static_by_choice() && detection.kind != ProjectKind::Static;
    (!static_only || package.is_broken()).then_some(detection)
}

/// Whether anything says that it is built or started.
fn is_project(app: &App<'_, '_>, framework: bool) -> bool {
    let scripted =
        ["build", "start", "generate", "export"].iter().any(|name| app.package.script(name).is_some());
    let pages = static_html::finished(app.scene);
    framework
        || scripted
        || app.package.is_broken()
        || app.package.workspaces().is_some()
        || app.scene.has("pnpm-workspace.yaml")
        || entry::find(app.scene, app.package).is_some_and(|file| {
            // Beside a finished page, a stray `index.js` is a script of that page, unless it serves it.
            pages.is_empty() || entry::is_for_node(app.scene, &file) && entry::serves(app.scene, &file)
        })
        || pages.is_empty() && program::script(app.package).is_some()
}

/// One package, as it is.
fn project(app: &App<'_, '_>, framework: Option<(&'static Framework, &'static str)>) -> Detection {
    let shape = framework.map_or_else(|| plain(app), |(framework, _)| (framework.shape)(app));
    let (version, unavailable) = node::version(app.scene, app.package);
    let tool = shape.tool.map(|tool| app.tools.manager.global(tool));
    let mut detection = Detection {
        planner: framework.map_or("node", |(framework, _)| framework.name).to_owned(),
        language: Some(language(app.scene).to_owned()),
        framework: framework.map(|(framework, _)| framework.name.to_owned()),
        package_manager: Some(app.tools.manager.name().to_owned()),
        support_tier: SupportTier::Full,
        evidence: evidence(app, framework),
        install: app.tools.install.clone(),
        build: build(app, &shape),
        manifests: manifests(app),
        workspace: workspace_root(app),
        caches: vec![app.tools.cache.to_owned()],
        image_setup: app.tools.image_setup().into_iter().chain(tool).collect(),
        blocked: [app.tools.blocked.clone(), shape.blocked.clone()].concat(),
        warnings: [app.tools.warnings.clone(), unavailable.into_iter().collect()].concat(),
        ..Detection::default()
    };
    images(app, &version, &mut detection);
    packages(app, &mut detection);
    detection.runtime_version = Some(version.value);
    match shape.kind {
        ProjectKind::Static => {
            detection.kind = ProjectKind::Static;
            detection.publish_directory = shape.output;
            detection.fallback = shape.fallback;
            detection.runtime_image = None;
        }
        ProjectKind::Server | ProjectKind::Worker | ProjectKind::Unknown => {
            program::describe(app, &shape, &mut detection);
        }
    }
    detection.environment.extend(environment(app.tools.environment()));
    if detection.kind == ProjectKind::Unknown && detection.build.is_some() {
        detection.blocked.push(output_unknown(app));
    }
    detection
}

const fn language_name(typescript: bool) -> &'static str {
    if typescript { "typescript" } else { "javascript" }
}

fn language(scene: &Scene<'_>) -> &'static str {
    language_name(scene.has("tsconfig.json"))
}

/// No framework that is known: a site if a bundler says where it writes, else whatever its scripts say.
fn plain(app: &App<'_, '_>) -> Shape {
    let bundler = ["webpack.config", "rollup.config", "rspack.config", "rsbuild.config", "farm.config"];
    let config = bundler.iter().find_map(|stem| config::Config::find(app.scene, stem));
    let started = program::script(app.package).is_some() || app.package.script("build").is_none();
    match config {
        Some(config)
            if !started && config.mentions("html") || is_rsbuild(app) && !started_by_program(app) =>
        {
            let output = program::bundled(app, &config);
            Shape::site("webpack", output)
        }
        Some(_) | None => Shape::default(),
    }
}

fn is_rsbuild(app: &App<'_, '_>) -> bool {
    app.package.depends_on("@rsbuild/core")
}

fn started_by_program(app: &App<'_, '_>) -> bool {
    app.script("start").contains("node ")
}

fn evidence(app: &App<'_, '_>, framework: Option<(&'static Framework, &'static str)>) -> Vec<Fact> {
    let mut evidence = Vec::new();
    if let Some((framework, package)) = framework {
        evidence.push(app.scene.fact(PACKAGE, format!("depends on {package}: {}", framework.shown)));
    } else {
        evidence.push(app.scene.fact(PACKAGE, "a project for Node"));
    }
    evidence.extend(app.tools.evidence.clone());
    evidence
}

/// The script `build`, else what the framework builds with.
fn build(app: &App<'_, '_>, shape: &Shape) -> Option<Found<String>> {
    let scripts = ["build", "build:prod", "build:production"];
    let generated = shape.kind == ProjectKind::Static && app.package.script("build").is_none();
    let others =
        ["generate", "export", "docs:build", "build:docs", "build-storybook", "site:build", "build:site"];
    let others = others.iter().filter(|_| generated);
    if let Some(name) = scripts.iter().chain(others).find(|name| app.package.script(name).is_some()) {
        let command = app.tools.build(name);
        return Some(app.scene.found(command, PACKAGE, format!("has the script {name:?}")));
    }
    let command = shape.build?;
    let command = match command.split_once(' ') {
        Some(("node", _)) => app.tools.here(command),
        _ => app.tools.exec(command),
    };
    Some(app.scene.found(command, PACKAGE, "what the framework is built with, as no script says otherwise"))
}

/// The root of the workspace, where the app is a member of one.
fn workspace_root(app: &App<'_, '_>) -> Option<Found<String>> {
    let root = &app.tools.root;
    if root.at() == app.scene.at() || app.tools.member.is_some() {
        return None;
    }
    let value = if root.at().is_empty() { ".".to_owned() } else { root.at().to_owned() };
    Some(root.found(value, PACKAGE, "the root of the workspace"))
}

fn images(app: &App<'_, '_>, version: &Found<String>, detection: &mut Detection) {
    let found = |value: String| Found { value, evidence: version.evidence.clone() };
    let (build, run) = match app.tools.manager {
        Manager::Bun => {
            let version = app.tools.version.clone().unwrap_or_else(|| "1".to_owned());
            (format!("oven/bun:{version}"), format!("oven/bun:{version}-slim"))
        }
        Manager::Npm | Manager::Pnpm | Manager::YarnClassic | Manager::YarnBerry => {
            (format!("node:{}", version.value), format!("node:{}-slim", version.value))
        }
    };
    detection.build_image = Some(found(build));
    detection.runtime_image = Some(found(run));
}

/// Debian packages that well-known dependencies need.
fn packages(app: &App<'_, '_>, detection: &mut Detection) {
    let needs: [(&str, &[&str]); 5] = [
        ("@prisma/client", &["openssl"]),
        ("prisma", &["openssl"]),
        ("puppeteer", &["chromium", "fonts-liberation"]),
        ("puppeteer-core", &["chromium", "fonts-liberation"]),
        ("fluent-ffmpeg", &["ffmpeg"]),
    ];
    let needed = needs.iter().filter(|(package, _)| app.package.depends_on(package));
    let needed: BTreeSet<String> =
        needed.flat_map(|(_, names)| names.iter().map(|name| (*name).to_owned())).collect();
    detection.runtime_packages = needed;
}

/// What the install command reads; empty if scripts of the project run in it, which may read anything.
fn manifests(app: &App<'_, '_>) -> Vec<String> {
    const FILES: [&str; 9] = [
        PACKAGE,
        ".npmrc",
        ".yarnrc",
        ".yarnrc.yml",
        ".pnpmfile.cjs",
        "pnpm-workspace.yaml",
        "bunfig.toml",
        ".nvmrc",
        "npm-shrinkwrap.json",
    ];
    let root = &app.tools.root;
    let hooks = ["preinstall", "install", "postinstall", "prepare"];
    let runs_own = |package: &Package| hooks.iter().any(|hook| package.script(hook).is_some());
    let local = |version: &&str| {
        ["file:", "link:", "portal:", "./", "../"].iter().any(|word| version.starts_with(word))
    };
    let is_workspace = app.tools.root_package.workspaces().is_some() || root.has("pnpm-workspace.yaml");
    if is_workspace
        || [app.package, &app.tools.root_package].into_iter().any(runs_own)
        || app.package.dependency_versions().iter().any(local)
    {
        return Vec::new();
    }
    let mut manifests: Vec<String> =
        FILES.iter().filter(|file| root.has(file)).map(|file| (*file).to_owned()).collect();
    manifests.extend(app.tools.lockfile.map(str::to_owned).filter(|file| file != "npm-shrinkwrap.json"));
    let directories = [".yarn", "patches"].iter().filter(|name| root.has_directory(name));
    manifests.extend(directories.map(|name| format!("{name}/")));
    manifests.sort_unstable();
    manifests
}

/// There is a build, but nothing is started and no directory is known to be a site.
fn output_unknown(app: &App<'_, '_>) -> Reason {
    let script = app.script("build");
    let fact = app.scene.fact(PACKAGE, format!("the script \"build\" is {script}"));
    let message = "there is a build, but nothing says where its result is, or what is started";
    let reason = Reason::new(ReasonCode::OutputUnknown, message).because(fact.file, fact.fact);
    with_fixes(reason, vec![("if it makes a site in dist".to_owned(), publish_line("dist"))])
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests;
