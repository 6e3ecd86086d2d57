//! Several packages in one source: which of them is the app.

use deploy_core::detect::{Detection, ProjectKind};

use super::manager::Toolchain;
use super::package::{PACKAGE, Package};
use super::shape::App;
use super::{frameworks, nx, project};
use crate::apps;
use crate::development;
use crate::manifest::Values;
use crate::rule::Scene;

/// How many members are looked at.
const MEMBERS: usize = 100;

/// The framework that all apps of a workspace share, for a root that starts them itself.
pub(super) fn shared_framework(app: &App<'_, '_>) -> Option<&'static str> {
    let paths = expanded(app.scene, &patterns(app)?);
    let of = |path: &String| {
        let scene = app.scene.below(path);
        let package = Package::of(&scene)?;
        let tools = app.tools.member(path, &package);
        let inner = App { scene: &scene, package: &package, tools: &tools };
        let framework = frameworks::of(&inner)?.0.name;
        package.script("start").map(|_| framework)
    };
    let mut found = paths.iter().filter_map(of);
    let first = found.next()?;
    found.all(|next| next == first).then_some(first)
}

/// What the members of a workspace come to; `None` if the directory is an app itself, or no workspace.
pub(super) fn members(app: &App<'_, '_>) -> Option<Detection> {
    if app.tools.root.at() != app.scene.at() {
        return None;
    }
    let patterns = patterns(app)?;
    if is_app_itself(app) {
        return None;
    }
    let paths = expanded(app.scene, &patterns);
    let found: Vec<(String, Detection)> = match app.scene.has("nx.json") {
        true => paths.into_iter().filter_map(|path| nx::member(app, path)).collect(),
        false => paths.into_iter().filter_map(|path| member(app, path)).collect(),
    };
    let found = nx::default_of(app, found);
    let found = match handed_over(app.package) {
        Some(directory) if found.iter().any(|(path, _)| *path == directory) => {
            found.into_iter().filter(|(path, _)| *path == directory).collect()
        }
        Some(_) | None => found,
    };
    let (apps, libraries): (Vec<_>, Vec<_>) = found.into_iter().partition(|(path, _)| !is_beside(path));
    let mut candidates = if apps.is_empty() { libraries } else { apps };
    match candidates.len() {
        0 => None,
        1 => candidates.pop().map(|(path, mut detection)| {
            detection.evidence.push(app.scene.fact(&path, "the only app of the workspace"));
            detection
        }),
        _ => Some(several(app, &candidates)),
    }
}

/// The patterns that name the members.
fn patterns(app: &App<'_, '_>) -> Option<Vec<String>> {
    let owned = |patterns: Vec<&str>| patterns.into_iter().map(str::to_owned).collect();
    if let Some(content) = app.scene.yaml("pnpm-workspace.yaml")
        && content.get("packages").is_some()
    {
        return Some(owned(content.texts_at(&["packages"])));
    }
    app.package.workspaces().map(owned).or_else(|| {
        // Nx and Lerna know their packages without the package manager.
        let is_nx = app.scene.has("nx.json") || app.scene.has("lerna.json");
        is_nx.then(|| vec!["apps/*".to_owned(), "packages/*".to_owned()])
    })
}

/// A root that says how it is started is the app, whatever it starts; one that is built by a framework of its own is,
/// too, unless its build only hands over to the members.
fn is_app_itself(app: &App<'_, '_>) -> bool {
    const HANDS_OVER: [&str; 12] = [
        "turbo",
        "nx ",
        "lerna",
        "pnpm -r",
        "pnpm --filter",
        "pnpm -F",
        "--workspace",
        "workspaces",
        "yarn workspace",
        "--recursive",
        "wsrun",
        "moon ",
    ];
    let hands_over = |script: &str| HANDS_OVER.iter().any(|word| script.contains(word));
    let to_member = |script: &str| {
        directory_of(script).is_some_and(|directory| Package::of(&app.scene.below(&directory)).is_some())
    };
    let builds = app.package.script("build").is_some_and(|script| !hands_over(script) && !to_member(script));
    let framework = frameworks::of(app).is_some();
    let started = app
        .package
        .script("start")
        .is_some_and(|start| development::command(start).is_none() && !to_member(start));
    started || framework && builds && !app.scene.has("nx.json")
}

/// The directory that the scripts of the root hand over to.
fn handed_over(package: &Package) -> Option<String> {
    ["build", "start"].iter().find_map(|name| directory_of(package.resolved(name)?))
}

/// The directory that a script runs another one in: `yarn --cwd ./app build`, `npm --prefix app run build`,
/// `cd app && npm run build`.
fn directory_of(script: &str) -> Option<String> {
    let words: Vec<&str> = script.split_whitespace().collect();
    let directory = words.windows(2).find_map(flagged_directory)?;
    let directory = directory.trim_start_matches("./").trim_end_matches(['/', ';']);
    (!directory.is_empty() && !directory.starts_with(['.', '/', '$'])).then(|| directory.to_owned())
}

fn flagged_directory<'w>(pair: &[&'w str]) -> Option<&'w str> {
    match pair {
        ["--cwd" | "--prefix" | "-C" | "--dir" | "cd", directory] => Some(directory),
        [flag, ..] => flag.strip_prefix("--cwd=").or_else(|| flag.strip_prefix("--prefix=")),
        [] => None,
    }
}

/// The directories that patterns name, in order.
fn expanded(scene: &Scene<'_>, patterns: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for pattern in patterns.iter().filter(|pattern| !pattern.starts_with('!')) {
        let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
        let mut reached = vec![String::new()];
        for part in pattern.split('/') {
            reached = reached
                .into_iter()
                .flat_map(|directory| step(scene, &directory, part))
                .take(MEMBERS)
                .collect();
        }
        found.extend(reached);
    }
    let excluded = |path: &String| {
        patterns.iter().any(|pattern| pattern.strip_prefix('!').is_some_and(|not| not == path))
    };
    found.retain(|path| !path.is_empty() && !excluded(path));
    found.sort_unstable();
    found.dedup();
    found.truncate(MEMBERS);
    found
}

fn step(scene: &Scene<'_>, directory: &str, part: &str) -> Vec<String> {
    let join =
        |name: &str| if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    let children = || scene.directories(directory).into_iter();
    match part {
        "**" => {
            // Deeper than this, nobody keeps apps.
            let first: Vec<String> = children().map(join).collect();
            let second = first.iter().flat_map(|below| {
                let below_it = scene.directories(below).into_iter();
                below_it.map(|name| format!("{below}/{name}")).collect::<Vec<_>>()
            });
            let second: Vec<String> = second.collect();
            [vec![directory.to_owned()], first, second].concat()
        }
        part if part.contains('*') => {
            let (before, after) = part.split_once('*').unwrap_or((part, ""));
            let fits = |name: &&str| {
                name.starts_with(before) && name.ends_with(after) && name.len() >= part.len() - 1
            };
            children().filter(fits).map(join).collect()
        }
        part => match scene.has_directory(&join(part)) {
            true => vec![join(part)],
            false => Vec::new(),
        },
    }
}

/// Documentation, tests and examples go with an app.
fn is_beside(path: &str) -> bool {
    const BESIDE: [&str; 12] = [
        "docs",
        "doc",
        "documentation",
        "e2e",
        "example",
        "examples",
        "playground",
        "playgrounds",
        "storybook",
        "test",
        "tests",
        "www-docs",
    ];
    path.split('/').any(|part| BESIDE.contains(&part) || part.ends_with("-e2e"))
}

/// A member that can be deployed, planned from the root of the workspace.
pub(super) fn member(app: &App<'_, '_>, path: String) -> Option<(String, Detection)> {
    let scene = app.scene.below(&path);
    let package = Package::of(&scene)?;
    let tools = Toolchain { ..app.tools.member(&path, &package) };
    let inner = App { scene: &scene, package: &package, tools: &tools };
    let framework = frameworks::of(&inner);
    let mut detection = project(&inner, framework);
    let runs = detection.start.is_some() && detection.kind != ProjectKind::Unknown;
    let is_site = detection.kind == ProjectKind::Static;
    let scripted = package.script("start").is_some() || framework.is_some();
    if is_library(&inner, framework.map(|(framework, _)| framework.name)) || !scripted || !(runs || is_site) {
        return None;
    }
    detection.publish_directory = detection.publish_directory.map(|mut found| {
        found.value = format!("{path}/{}", found.value);
        found
    });
    Some((path, detection))
}

/// Something to import, or a build of components: nothing that people reach.
fn is_library(app: &App<'_, '_>, framework: Option<&str>) -> bool {
    let vite = super::config::Config::find(app.scene, "vite.config");
    let bundles_library =
        framework == Some("vite") && vite.as_ref().is_some_and(|config| config.has_key("lib"));
    let no_page =
        framework == Some("vite") && !app.scene.has("index.html") && app.package.script("start").is_none();
    let offers = (app.package.has_exports() || app.package.main().is_some()) && !app.package.is_private();
    bundles_library
        || no_page
        || offers && app.package.script("start").is_none()
        || framework == Some("storybook")
}

/// Several apps: the list, beside what is done at the root whichever is meant.
fn several(app: &App<'_, '_>, candidates: &[(String, Detection)]) -> Detection {
    let paths: Vec<String> = candidates.iter().map(|(path, _)| path.clone()).collect();
    let mut detection = apps::several(app.scene, &paths);
    let frameworks: Vec<&Option<String>> = candidates.iter().map(|(_, found)| &found.framework).collect();
    detection.language = Some(super::language(app.scene).to_owned());
    detection.package_manager = Some(app.tools.manager.name().to_owned());
    detection.framework = frameworks
        .first()
        .filter(|first| frameworks.iter().all(|one| one == *first))
        .and_then(|one| (*one).clone());
    detection.install = app.tools.install.clone();
    detection.build = app
        .package
        .script("build")
        .map(|_| app.scene.found(app.tools.build("build"), PACKAGE, "has the script \"build\""));
    detection.blocked.extend(app.tools.blocked.clone());
    detection.warnings.extend(app.tools.warnings.clone());
    detection
}
