//! Pieces that plans of several languages share.

use deploy_core::detect::{BuildTool, Found};

use super::program::Program;
use super::release::Release;
use crate::rule::Scene;

/// Node beside the language, for the assets of the pages.
pub(super) const NODE: &str = "node:24-bookworm-slim";

impl Program {
    /// The release of the language, and the images that have it.
    pub(super) fn images(&mut self, release: Release, build: String, runtime: Option<String>) {
        let file = self.detection.evidence.first().map_or_else(String::new, |fact| fact.file.clone());
        let usual = || deploy_core::evidence::Fact::new(file, "names no version");
        let evidence = release.evidence.unwrap_or_else(usual);
        let found = |value: String| Found { value, evidence: evidence.clone() };
        self.detection.runtime_version = Some(release.version.to_owned());
        self.detection.build_image = Some(found(build));
        self.detection.runtime_image = runtime.map(found);
        self.detection.warnings.extend(release.warning);
    }

    /// Copies a program out of another image into the build's.
    pub(super) fn tool(&mut self, image: &str, from: &str, to: &str) {
        let tool = BuildTool { image: image.to_owned(), from: from.to_owned(), to: to.to_owned() };
        self.detection.build_tools.push(tool);
    }

    /// What install reads: those of these files that are there.
    pub(super) fn manifests(&mut self, scene: &Scene<'_>, files: &[&str]) {
        let there = files.iter().filter(|file| match file.strip_suffix('/') {
            Some(directory) => scene.has_directory(directory),
            None => scene.has(file),
        });
        self.detection.manifests.extend(there.map(|file| (*file).to_owned()));
    }

    /// Fetches what these files name before the source comes in. What can't be without the source is no failure here.
    pub(super) fn fetch_ahead(&mut self, scene: &Scene<'_>, command: &str, files: &[&str]) {
        let words = ["/bin/sh", "-c", &format!("{command} || true")];
        self.detection.ahead = vec![words.map(str::to_owned).to_vec()];
        self.manifests(scene, files);
    }

    /// Debian packages of the release and, with their headers, of the build.
    pub(super) fn packages(&mut self, build: &[&str], runtime: &[&str]) {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        self.detection.build_packages.extend(owned(build));
        self.detection.runtime_packages.extend(owned(runtime));
    }

    /// Directories that commands keep between builds.
    pub(super) fn caches(&mut self, directories: &[&str]) {
        self.detection.caches.extend(directories.iter().map(|directory| (*directory).to_owned()));
    }
}

/// What a compiled program is likely to read while it runs: directories by their usual names, and plain data at the top.
pub(super) fn assets(scene: &Scene<'_>) -> Vec<String> {
    const DIRECTORIES: [&str; 26] = [
        "assets",
        "certs",
        "conf",
        "config",
        "configs",
        "content",
        "data",
        "db",
        "dist",
        "fixtures",
        "html",
        "i18n",
        "locales",
        "migration",
        "migrations",
        "priv",
        "public",
        "resources",
        "schema",
        "sql",
        "static",
        "template",
        "templates",
        "ui",
        "views",
        "web",
    ];
    const ENDINGS: [&str; 7] = [".json", ".yaml", ".yml", ".toml", ".html", ".sql", ".txt"];
    let directories =
        DIRECTORIES.iter().filter(|name| scene.has_directory(name)).map(|name| format!("{name}/"));
    let is_data = |name: &&str| ENDINGS.iter().any(|ending| name.ends_with(ending)) && !name.starts_with('.');
    let files = scene.files("").into_iter().filter(is_data).map(str::to_owned);
    directories.chain(files).collect()
}

/// Whether the top is a Node application that keeps something in another language beside it.
pub(super) fn is_node_app(scene: &Scene<'_>) -> bool {
    const APPS: [&str; 14] = [
        "\"next\"",
        "\"nuxt\"",
        "\"astro\"",
        "\"gatsby\"",
        "\"@sveltejs/kit\"",
        "\"@angular/core\"",
        "\"expo\"",
        "\"react-native\"",
        "\"electron\"",
        "\"@nestjs/core\"",
        "\"@remix-run/node\"",
        "\"@react-router/dev\"",
        "\"express\"",
        "\"fastify\"",
    ];
    scene.text("package.json").is_some_and(|text| APPS.iter().any(|name| text.contains(name)))
}

/// How the packages of a `package.json` beside a program are installed, by the lockfile.
const NODE_INSTALLS: [(&str, &str, &str); 4] = [
    ("pnpm-lock.yaml", "corepack enable && pnpm install --frozen-lockfile", "pnpm"),
    ("yarn.lock", "corepack enable && yarn install --frozen-lockfile", "yarn"),
    ("package-lock.json", "npm ci", "npm"),
    ("package.json", "npm install", "npm"),
];

impl Program {
    /// Node beside the program, for the styles and scripts of its pages: installs them after everything else, and says
    /// which program runs their scripts.
    pub(super) fn node_assets(&mut self, scene: &Scene<'_>) -> Option<&'static str> {
        let text = scene.text("package.json")?;
        let (file, command, manager) = *NODE_INSTALLS.iter().find(|(file, _, _)| scene.has(file))?;
        let berry =
            manager == "yarn" && (text.contains("\"packageManager\": \"yarn@") || scene.has(".yarnrc.yml"));
        let command = if berry { "corepack enable && yarn install --immutable" } else { command };
        self.tool(NODE, "/usr/local/", "/usr/local/");
        self.manifests(scene, &["package.json", ".npmrc", ".yarnrc.yml", ".yarn/"]);
        if file != "package.json" {
            self.manifests(scene, &[file]);
        }
        let before = self.detection.install.take();
        let value = match &before {
            Some(before) => format!("{} && {command}", before.value),
            None => command.to_owned(),
        };
        let evidence =
            before.map_or_else(|| scene.fact(file, "names packages of Node"), |before| before.evidence);
        self.detection.install = Some(Found { value, evidence });
        Some(manager)
    }
}

/// The root of the build that a directory belongs to.
pub(super) struct Around<'s> {
    pub(super) root: Scene<'s>,
    /// The way to it: `../`, or `../../`.
    pub(super) up: String,
    /// The directory, as the root calls it.
    pub(super) member: String,
}

impl<'s> Around<'s> {
    /// The nearest directory above that says so.
    pub(super) fn of(scene: &Scene<'s>, owns: impl Fn(&Scene<'s>, &str) -> bool) -> Option<Self> {
        const LEVELS: usize = 4;
        let mut above = std::iter::successors(scene.above(), Scene::above).take(LEVELS).enumerate();
        above.find_map(|(level, root)| {
            let member = scene.at().strip_prefix(root.at())?.trim_start_matches('/').to_owned();
            owns(&root, &member).then(|| Self { up: "../".repeat(level + 1), member, root })
        })
    }

    /// Says that everything of the root is needed.
    pub(super) fn note(&self, program: &mut Program, file: &str) {
        let evidence = self.root.fact(file, "describes the build that it belongs to");
        program.detection.workspace = Some(Found { value: self.root.at().to_owned(), evidence });
        program.detection.manifests.clear();
        program.detection.runtime_files.clear();
    }
}
