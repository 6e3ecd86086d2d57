//! Node: what `package.json` says about frameworks, build scripts and the package manager.

use deploy_core::detect::{Detection, Found, ProjectKind, SupportTier};
use deploy_core::evidence::Fact;
use deploy_core::reason::{Reason, ReasonCode};
use serde_json::Value;

use super::unplanned::Unplanned;
use crate::rule::{Rule, Scene};
use deploy_core::path::Inside;

/// The rule.
pub(super) const RULE: Rule = detect;

const PACKAGE: &str = "package.json";
const VITE_CONFIGS: [&str; 6] = [
    "vite.config.js",
    "vite.config.mjs",
    "vite.config.cjs",
    "vite.config.ts",
    "vite.config.mts",
    "vite.config.cts",
];

/// A framework and where its build puts the site.
struct Framework {
    package: &'static str,
    name: &'static str,
    shown: &'static str,
    output: Output,
}

/// Where a framework's build puts a finished site.
#[derive(Clone, Copy)]
enum Output {
    /// Always there, unless configured otherwise.
    Directory(&'static str),
    /// In Vite's `build.outDir`, `dist` if that is not set.
    Vite,
    /// In the `outputPath` of `angular.json`.
    Angular,
    /// It depends on the configuration whether the result is a static site at all.
    Depends,
    /// It is a server.
    Server,
}

/// What is built on something else comes before it: Astro, SvelteKit and VitePress all have Vite inside.
const FRAMEWORKS: &[Framework] = &[
    framework("next", "nextjs", "Next.js", Output::Depends),
    framework("nuxt", "nuxt", "Nuxt", Output::Depends),
    framework("nuxt3", "nuxt", "Nuxt", Output::Depends),
    framework("@sveltejs/kit", "sveltekit", "SvelteKit", Output::Depends),
    framework("astro", "astro", "Astro", Output::Depends),
    framework("@remix-run/dev", "remix", "Remix", Output::Depends),
    framework("@react-router/dev", "react-router", "React Router", Output::Depends),
    framework("@tanstack/react-start", "tanstack-start", "TanStack Start", Output::Depends),
    framework("@solidjs/start", "solidstart", "SolidStart", Output::Depends),
    framework("@builder.io/qwik", "qwik", "Qwik", Output::Depends),
    framework("gatsby", "gatsby", "Gatsby", Output::Directory("public")),
    framework("@docusaurus/core", "docusaurus", "Docusaurus", Output::Directory("build")),
    framework("vitepress", "vitepress", "VitePress", Output::Depends),
    framework("vuepress", "vuepress", "VuePress", Output::Depends),
    framework("@11ty/eleventy", "eleventy", "Eleventy", Output::Directory("_site")),
    framework("hexo", "hexo", "Hexo", Output::Directory("public")),
    framework("@angular/core", "angular", "Angular", Output::Angular),
    framework("react-scripts", "create-react-app", "Create React App", Output::Directory("build")),
    framework("@vue/cli-service", "vue-cli", "Vue CLI", Output::Directory("dist")),
    framework("ember-source", "ember", "Ember", Output::Directory("dist")),
    framework("@stencil/core", "stencil", "Stencil", Output::Directory("www")),
    framework("gridsome", "gridsome", "Gridsome", Output::Directory("dist")),
    framework("preact-cli", "preact-cli", "Preact CLI", Output::Directory("build")),
    framework("vite", "vite", "Vite", Output::Vite),
    framework("parcel", "parcel", "Parcel", Output::Directory("dist")),
    framework("parcel-bundler", "parcel", "Parcel", Output::Directory("dist")),
    framework("@nestjs/core", "nestjs", "NestJS", Output::Server),
    framework("express", "express", "Express", Output::Server),
    framework("fastify", "fastify", "Fastify", Output::Server),
    framework("koa", "koa", "Koa", Output::Server),
    framework("hono", "hono", "Hono", Output::Server),
    framework("@hapi/hapi", "hapi", "hapi", Output::Server),
];

const fn framework(
    package: &'static str,
    name: &'static str,
    shown: &'static str,
    output: Output,
) -> Framework {
    Framework { package, name, shown, output }
}

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let text = scene.text(PACKAGE)?;
    let package = match serde_json::from_str::<Value>(text) {
        Ok(package) => package,
        Err(error) => return Some(unreadable(&error.to_string())),
    };
    let script = ["build", "generate", "export"].into_iter().find(|name| script(&package, name).is_some());
    let framework = FRAMEWORKS.iter().find(|framework| depends_on(&package, framework.package));
    let server = framework.is_some_and(|framework| matches!(framework.output, Output::Server));
    if server && scene.is_static_by_choice() || framework.is_none() && script.is_none() {
        return None;
    }
    Some(unplanned(scene, &package, framework, script).into_detection(scene))
}

fn unplanned<'a>(
    scene: &Scene<'_>,
    package: &Value,
    framework: Option<&'a Framework>,
    script: Option<&str>,
) -> Unplanned<'a> {
    let manager = PackageManager::of(scene, package);
    let mut evidence = Vec::new();
    if let Some(framework) = framework {
        evidence.push(Fact::new(PACKAGE, format!("depends on {}", framework.package)));
    }
    if let Some(script) = script {
        evidence.push(Fact::new(PACKAGE, format!("has the script {script:?}")));
    }
    evidence.extend(manager.evidence.clone());
    let kind = match framework.map(|framework| framework.output) {
        Some(Output::Server) => ProjectKind::Server,
        Some(Output::Depends) | None => ProjectKind::Unknown,
        Some(Output::Directory(_) | Output::Vite | Output::Angular) => ProjectKind::Static,
    };
    Unplanned {
        planner: framework.map_or("node", |framework| framework.name),
        what: framework.map_or("a Node project with a build".to_owned(), |framework| {
            format!("a {} project", framework.shown)
        }),
        language: Some(if scene.has("tsconfig.json") { "typescript" } else { "javascript" }),
        framework: framework.map(|framework| framework.name),
        package_manager: Some(manager.name),
        kind,
        evidence,
        install: Some(manager.install),
        build: script.map(|script| manager.run(script)),
        output: framework.and_then(|framework| output(scene, framework)),
    }
}

/// Where the build puts the site, if that is certain.
fn output(scene: &Scene<'_>, framework: &Framework) -> Option<Found<String>> {
    let fact = |fact: String| Fact::new(PACKAGE, fact);
    match framework.output {
        Output::Directory(directory) => Some(Found {
            value: directory.to_owned(),
            evidence: fact(format!("{} writes {directory}", framework.shown)),
        }),
        Output::Vite => vite_output(scene),
        Output::Angular => angular_output(scene),
        Output::Depends | Output::Server => None,
    }
}

/// `dist`, or what the configuration sets as a plain text. Anything computed is not known.
fn vite_output(scene: &Scene<'_>) -> Option<Found<String>> {
    let config = VITE_CONFIGS.iter().find_map(|file| Some((*file, scene.text(file)?)));
    let Some((file, after)) = config.and_then(|(file, text)| Some((file, text.split_once("outDir")?.1)))
    else {
        let evidence = Fact::new(PACKAGE, "Vite writes dist");
        return Some(Found { value: "dist".to_owned(), evidence });
    };
    let value = after.trim_start().strip_prefix(':')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let directory = Inside::parse(value[1..].split_once(quote)?.0).ok()?;
    let evidence = Fact::new(file, format!("build.outDir is {}", directory.shown()));
    Some(Found { value: directory.shown().to_owned(), evidence })
}

/// Angular writes `outputPath`, and since version 17 a `browser` directory in it.
fn angular_output(scene: &Scene<'_>) -> Option<Found<String>> {
    let config: Value = serde_json::from_str(scene.text("angular.json")?).ok()?;
    let projects = config.get("projects")?.as_object()?;
    let (name, project) = projects.iter().next().filter(|_| projects.len() == 1)?;
    let build = ["architect", "targets"].iter().find_map(|key| project.get(key)?.get("build"))?;
    let options = build.get("options");
    let path = match options.and_then(|options| options.get("outputPath")) {
        Some(Value::String(path)) => path.clone(),
        None => format!("dist/{name}"),
        Some(_) => return None,
    };
    let in_browser =
        build.get("builder").and_then(Value::as_str).is_some_and(|name| name.ends_with(":application"));
    let directory = Inside::parse(&path).ok()?;
    let directory = if in_browser { directory.join("browser") } else { directory.shown().to_owned() };
    let evidence = Fact::new("angular.json", format!("the build of {name} writes {directory}"));
    Some(Found { value: directory, evidence })
}

/// Which program installs packages and runs scripts.
struct PackageManager {
    name: &'static str,
    install: &'static str,
    evidence: Option<Fact>,
}

/// Lock files, each with whose it is and the command that installs exactly what it says.
const LOCKS: [(&str, &str, &str); 6] = [
    ("pnpm-lock.yaml", "pnpm", "pnpm install --frozen-lockfile"),
    ("yarn.lock", "yarn", "yarn install --frozen-lockfile"),
    ("bun.lock", "bun", "bun install --frozen-lockfile"),
    ("bun.lockb", "bun", "bun install --frozen-lockfile"),
    ("package-lock.json", "npm", "npm ci"),
    ("npm-shrinkwrap.json", "npm", "npm ci"),
];

impl PackageManager {
    fn of(scene: &Scene<'_>, package: &Value) -> Self {
        let named = package.get("packageManager").and_then(Value::as_str).unwrap_or_default();
        let by_name = |manager: &str| named.split('@').next() == Some(manager);
        let locks = || LOCKS.iter().filter(|(file, _, _)| scene.has(file));
        let lock = locks().find(|(_, manager, _)| by_name(manager)).or_else(|| locks().next());
        match lock {
            Some(&(file, name, install)) => {
                Self { name, install, evidence: Some(Fact::new(file, format!("belongs to {name}"))) }
            }
            None => Self { name: "npm", install: "npm install", evidence: None },
        }
    }

    fn run(&self, script: &str) -> String {
        format!("{} run {script}", self.name)
    }
}

fn script<'a>(package: &'a Value, name: &str) -> Option<&'a str> {
    package.get("scripts")?.get(name)?.as_str().filter(|command| !command.trim().is_empty())
}

fn depends_on(package: &Value, name: &str) -> bool {
    let groups = ["dependencies", "devDependencies"];
    groups.iter().any(|group| package.get(group).is_some_and(|packages| packages.get(name).is_some()))
}

/// What can't be read can't be judged, and guessing would be the wrong guess.
fn unreadable(error: &str) -> Detection {
    let message =
        format!("package.json is not valid JSON: {error}; mend it, or set what to publish explicitly");
    let reason = Reason::new(ReasonCode::ManifestInvalid, message).because(PACKAGE, "not valid JSON");
    Detection {
        language: Some("javascript".to_owned()),
        support_tier: SupportTier::None,
        evidence: vec![Fact::new(PACKAGE, "not valid JSON")],
        blocked: vec![reason],
        ..Detection::default()
    }
}
