//! Site generators outside the world of Node: one row each.

use deploy_core::detect::{BuildTool, Detection, Found, ProjectKind, SupportTier};
use deploy_core::path::Inside;
use deploy_core::reason::{Reason, ReasonCode};
use serde_json::Value;

use super::marker::Marker::{self, Ending, File, Word};
use crate::manifest::Values;
use crate::reasons::{no_lockfile, publish_line, with_fixes};
use crate::rule::{Rule, Scene};

/// Generators that make a whole project theirs.
pub(super) const SITES: Rule = |scene| detect(scene, SITE_GENERATORS, false);
/// Generators of documentation, which lie beside programs as often: they come after those.
pub(super) const DOCUMENTATION: Rule = |scene| detect(scene, DOCUMENTATION_GENERATORS, true);

/// What installs a generator.
#[derive(Clone, Copy)]
enum Tool {
    /// A program of its own, in an image.
    Program,
    /// A program that is all there is in an image, by the image and where it lies there: no shell can start it.
    Alone(&'static str, &'static str),
    /// A crate, by its name and version: no image has it, so it is compiled.
    Crate(&'static str),
    /// A package of Python, by this name.
    Python(&'static str),
    /// Gems, from the Gemfile.
    Ruby,
}

struct Generator {
    name: &'static str,
    planner: &'static str,
    language: &'static str,
    /// Any of them shows it.
    markers: &'static [Marker],
    tool: Tool,
    build: &'static str,
    /// Where the result is unless the generator is configured otherwise.
    output: &'static str,
    /// Where that is configured: files, and the path of keys in them.
    configured: (&'static [&'static str], &'static [&'static str]),
    /// The image that has the generator.
    image: &'static str,
}

const NOWHERE: (&[&str], &[&str]) = (&[], &[]);
const HUGO_FILES: &[&str] = &[
    "hugo.toml",
    "hugo.yaml",
    "hugo.yml",
    "hugo.json",
    "config.toml",
    "config.yaml",
    "config.yml",
    "config.json",
];
const RUBY: &str = "ruby:3.4";
const PYTHON: &str = "python:3.13";

/// In this order: what is told apart by a word in a shared file name comes first.
#[rustfmt::skip]
const SITE_GENERATORS: &[Generator] = &[
    row("Zola", "zola", "markdown", &[Word("config.toml", "base_url")], Tool::Alone("ghcr.io/getzola/zola:v0.21.0", "/bin/zola"), "zola build", "public", (&["config.toml"], &["output_dir"]), "debian:bookworm-slim"),
    row("Hugo", "hugo", "go", HUGO, Tool::Program, "hugo --gc --minify", "public", (HUGO_FILES, &["publishDir"]), "hugomods/hugo:exts-0.152.2"),
    row("Middleman", "middleman", "ruby", &[Word("Gemfile", "middleman")], Tool::Ruby, "bundle exec middleman build", "build", NOWHERE, RUBY),
    row("Bridgetown", "bridgetown", "ruby", &[Word("Gemfile", "bridgetown")], Tool::Ruby, "bin/bridgetown deploy", "output", NOWHERE, RUBY),
    row("Nanoc", "nanoc", "ruby", &[File("nanoc.yaml")], Tool::Ruby, "bundle exec nanoc", "output", (&["nanoc.yaml"], &["output_dir"]), RUBY),
    row("Jekyll", "jekyll", "ruby", &[Word("Gemfile", "jekyll"), Word("Gemfile", "github-pages")], Tool::Ruby, "bundle exec jekyll build", "_site", JEKYLL_OUTPUT, RUBY),
    row("Trunk", "trunk", "rust", &[File("Trunk.toml")], Tool::Crate("trunk@0.21.14"), "trunk build --release", "dist", (&["Trunk.toml"], &["build", "dist"]), "rust:1"),
    row("Pelican", "pelican", "python", &[File("pelicanconf.py")], Tool::Python("pelican[markdown]"), "pelican content", "output", NOWHERE, PYTHON),
    row("Lektor", "lektor", "python", &[Ending(".lektorproject")], Tool::Python("lektor"), "lektor build -O output", "output", NOWHERE, PYTHON),
    row("Nikola", "nikola", "python", &[Word("conf.py", "BLOG_TITLE")], Tool::Python("nikola"), "nikola build", "output", NOWHERE, PYTHON),
    row("Eleventy", "eleventy", "javascript", ELEVENTY, Tool::Program, "npx @11ty/eleventy", "_site", NOWHERE, "node:24"),
];

#[rustfmt::skip]
const DOCUMENTATION_GENERATORS: &[Generator] = &[
    row("MkDocs", "mkdocs", "python", &[File("mkdocs.yml"), File("mkdocs.yaml")], Tool::Python("mkdocs"), "mkdocs build", "site", (&["mkdocs.yml", "mkdocs.yaml"], &["site_dir"]), PYTHON),
    row("Jupyter Book", "jupyter-book", "python", &[File("_toc.yml")], Tool::Python("jupyter-book<2"), "jupyter-book build .", "_build/html", NOWHERE, PYTHON),
    row("mdBook", "mdbook", "markdown", &[File("book.toml")], Tool::Crate("mdbook@0.4.52"), "mdbook build", "book", (&["book.toml"], &["build", "build-dir"]), "rust:1"),
    row("Sphinx", "sphinx", "python", &[Word("conf.py", "extensions")], Tool::Python("sphinx"), "sphinx-build . _build/html", "_build/html", NOWHERE, PYTHON),
    row("Sphinx", "sphinx", "python", &[Word("docs/conf.py", "extensions")], Tool::Python("sphinx"), "sphinx-build docs docs/_build/html", "docs/_build/html", NOWHERE, PYTHON),
    row("Sphinx", "sphinx", "python", &[Word("docs/source/conf.py", "extensions")], Tool::Python("sphinx"), "sphinx-build docs/source docs/build/html", "docs/build/html", NOWHERE, PYTHON),
    row("Quarto", "quarto", "markdown", &[File("_quarto.yml"), File("_quarto.yaml")], Tool::Program, "quarto render", "_site", (&["_quarto.yml", "_quarto.yaml"], &["project", "output-dir"]), "ghcr.io/quarto-dev/quarto:1.8.25"),
    row("Antora", "antora", "asciidoc", &[File("antora-playbook.yml")], Tool::Program, "npx antora antora-playbook.yml", "build/site", (&["antora-playbook.yml"], &["output", "dir"]), "node:24"),
    row("Jekyll", "jekyll", "ruby", &[File("_config.yml")], Tool::Ruby, "jekyll build", "_site", JEKYLL_OUTPUT, RUBY),
];

const JEKYLL_OUTPUT: (&[&str], &[&str]) = (&["_config.yml"], &["destination"]);

const HUGO: &[Marker] = &[
    File("hugo.toml"),
    File("hugo.yaml"),
    File("hugo.yml"),
    File("hugo.json"),
    File("config/_default/hugo.toml"),
    File("config/_default/hugo.yaml"),
    File("config/_default/config.toml"),
    File("config/_default/config.yaml"),
    Word("config.toml", "baseURL"),
    Word("config.toml", "baseurl"),
    Word("config.yaml", "baseURL"),
    Word("config.yaml", "baseurl"),
    Word("config.yml", "baseURL"),
    Word("config.json", "baseURL"),
    Word("config.json", "baseurl"),
];

const ELEVENTY: &[Marker] = &[
    File(".eleventy.js"),
    File("eleventy.config.js"),
    File("eleventy.config.mjs"),
    File("eleventy.config.cjs"),
];

/// Files of programs: documentation beside them is not what is deployed.
const PROGRAMS: [&str; 16] = [
    "manage.py",
    "app.py",
    "main.py",
    "wsgi.py",
    "asgi.py",
    "go.mod",
    "Cargo.toml",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "mix.exs",
    "config.ru",
    "main.go",
    "Program.cs",
    "artisan",
];

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
const fn row(
    name: &'static str,
    planner: &'static str,
    language: &'static str,
    markers: &'static [Marker],
    tool: Tool,
    build: &'static str,
    output: &'static str,
    configured: (&'static [&'static str], &'static [&'static str]),
    image: &'static str,
) -> Generator {
    Generator { name, planner, language, markers, tool, build, output, configured, image }
}

fn detect(scene: &Scene<'_>, generators: &[Generator], documents: bool) -> Option<Detection> {
    // `.nojekyll` says that GitHub Pages must serve the files as they are: `_config.yml` is left over.
    let plain = scene.has(".nojekyll");
    if documents && scene.first_of(&PROGRAMS).is_some() && !scene.is_static_by_choice() {
        return None;
    }
    generators.iter().filter(|generator| !(plain && generator.planner == "jekyll")).find_map(|generator| {
        let shows = format!("configures {}", generator.name);
        let fact = generator.markers.iter().find_map(|marker| marker.find(scene, &shows))?;
        let image = Found { value: generator.image.to_owned(), evidence: fact.clone() };
        let mut detection = Detection {
            planner: generator.planner.to_owned(),
            language: Some(generator.language.to_owned()),
            framework: Some(generator.planner.to_owned()),
            kind: ProjectKind::Static,
            support_tier: SupportTier::Full,
            build: Some(Found { value: generator.build.to_owned(), evidence: fact.clone() }),
            evidence: vec![fact],
            build_image: Some(image),
            ..Detection::default()
        };
        install(scene, generator, &mut detection);
        match output(scene, generator) {
            Ok(found) => detection.publish_directory = Some(found),
            Err(reason) => detection.blocked.push(*reason),
        }
        Some(detection)
    })
}

fn install(scene: &Scene<'_>, generator: &Generator, detection: &mut Detection) {
    let found = |command: &str, file: &str, fact: &str| Some(scene.found(command.to_owned(), file, fact));
    match generator.tool {
        Tool::Program => {}
        Tool::Crate(package) => {
            if generator.planner == "trunk" {
                detection.image_setup.push("rustup target add wasm32-unknown-unknown".to_owned());
            }
            detection.image_setup.push(format!("cargo install --locked {package}"));
        }
        Tool::Alone(image, program) => detection.build_tools.push(BuildTool {
            image: image.to_owned(),
            from: program.to_owned(),
            to: "/usr/local/bin/".to_owned(),
        }),
        Tool::Ruby if scene.has("Gemfile") => {
            detection.package_manager = Some("bundler".to_owned());
            detection.install = found("bundle install", "Gemfile", "names what the site is built with");
            if !scene.has("Gemfile.lock") {
                detection.warnings.push(no_lockfile("bundler", "Gemfile.lock", "bundle lock"));
            }
        }
        Tool::Ruby => detection.image_setup.push(format!("gem install {}", generator.planner)),
        Tool::Python(package) => {
            let files = ["requirements.txt", "docs/requirements.txt", "requirements-docs.txt"];
            match scene.first_of(&files) {
                Some(file) => {
                    detection.package_manager = Some("pip".to_owned());
                    let command = format!("pip install -r {file}");
                    detection.install = found(&command, file, "names what the site is built with");
                    if scene.text(file).is_some_and(names_packages_alone) {
                        detection.manifests.push(file.to_owned());
                    }
                    detection.caches.push("/root/.cache/pip".to_owned());
                }
                None if scene.has("uv.lock") => {
                    detection.package_manager = Some("uv".to_owned());
                    detection.install =
                        found("uv sync --locked", "uv.lock", "fixes every version that is installed");
                    detection.image_setup.push("pip install uv".to_owned());
                    if let Some(build) = &mut detection.build {
                        build.value = format!("uv run {}", build.value);
                    }
                }
                None => {
                    detection.package_manager = Some("pip".to_owned());
                    let file = detection.evidence.first().map(|fact| fact.file.clone()).unwrap_or_default();
                    let command = format!("pip install '{package}'");
                    detection.install = Some(Found {
                        value: command,
                        evidence: scene.fact(&file, "no file names what to install"),
                    });
                    detection.warnings.push(no_lockfile(
                        "pip",
                        "requirements.txt",
                        "sh -c 'pip freeze > requirements.txt'",
                    ));
                }
            }
        }
    }
}

/// Whether requirements can be installed without any other file of the source.
fn names_packages_alone(requirements: &str) -> bool {
    requirements
        .lines()
        .all(|line| !line.trim_start().starts_with(['-', '.', '/']) && !line.contains("file:"))
}

/// Where the result is: what the configuration says, else the default.
fn output(scene: &Scene<'_>, generator: &Generator) -> Result<Found<String>, Box<Reason>> {
    let (files, keys) = generator.configured;
    let configured = files.iter().find_map(|file| {
        let content: Value = match file.rsplit('.').next() {
            Some("toml") => scene.toml(file)?,
            Some("json") => scene.json(file)?,
            _ => lenient_yaml(scene, file)?,
        };
        Some((*file, content.text_at(keys)?.to_owned()))
    });
    let Some((file, directory)) = configured else {
        let file = generator.markers.first().map_or("", |marker| marker.file());
        let fact = format!("{} writes {}", generator.name, generator.output);
        return Ok(scene.found(generator.output.to_owned(), file, fact));
    };
    match Inside::parse(&directory) {
        Ok(inside) => {
            Ok(scene.found(inside.shown().to_owned(), file, format!("{} is {directory}", keys.join("."))))
        }
        Err(wrong) => {
            let fact = scene.fact(file, format!("{} is {directory}", keys.join(".")));
            let message = format!("the build writes {directory}, which can't be published: {wrong}");
            let reason = Reason::new(ReasonCode::OutputUnknown, message).because(fact.file, fact.fact);
            let fixes = vec![("if it is the usual one".to_owned(), publish_line(generator.output))];
            Err(Box::new(with_fixes(reason, fixes)))
        }
    }
}

/// YAML that may hold tags of the generator's own (`!!python/name`), which no other program understands: what can't be
/// read then says nothing, and is no mistake of the project's.
fn lenient_yaml(scene: &Scene<'_>, file: &str) -> Option<Value> {
    crate::manifest::yaml(scene.text(file)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{codes, detect};

    fn value(found: Option<&Found<String>>) -> &str {
        found.map_or("", |found| found.value.as_str())
    }

    #[test]
    fn every_generator_is_planned_with_where_it_writes() {
        for (files, planner, install, build, output) in [
            (vec![("hugo.toml", "publishDir = \"www\"")], "hugo", "", "hugo --gc --minify", "www"),
            (vec![("config.toml", "base_url = \"x\"")], "zola", "", "zola build", "public"),
            (vec![("config.yaml", "baseURL: x")], "hugo", "", "hugo --gc --minify", "public"),
            (
                vec![
                    ("Gemfile", "gem 'jekyll'"),
                    ("Gemfile.lock", ""),
                    ("_config.yml", "destination: ./out"),
                ],
                "jekyll",
                "bundle install",
                "bundle exec jekyll build",
                "out",
            ),
            (vec![("_config.yml", "title: x")], "jekyll", "", "jekyll build", "_site"),
            (
                vec![
                    ("mkdocs.yml", "site_dir: public\nx: !!python/name:a.b"),
                    ("requirements.txt", "mkdocs"),
                ],
                "mkdocs",
                "pip install -r requirements.txt",
                "mkdocs build",
                "public",
            ),
            (
                vec![("mkdocs.yml", ""), ("uv.lock", "")],
                "mkdocs",
                "uv sync --locked",
                "uv run mkdocs build",
                "site",
            ),
            (vec![("book.toml", "[build]\nbuild-dir = \"out\"")], "mdbook", "", "mdbook build", "out"),
            (
                vec![("docs/conf.py", "extensions = []")],
                "sphinx",
                "pip install 'sphinx'",
                "sphinx-build docs docs/_build/html",
                "docs/_build/html",
            ),
            (vec![("Trunk.toml", "")], "trunk", "", "trunk build --release", "dist"),
            (vec![("_quarto.yml", "project: { output-dir: web }")], "quarto", "", "quarto render", "web"),
        ] {
            let detection = detect(&files);
            assert_eq!(detection.planner, planner, "{files:?}");
            assert_eq!(value(detection.install.as_ref()), install, "{files:?}");
            assert_eq!(value(detection.build.as_ref()), build, "{files:?}");
            assert_eq!(value(detection.publish_directory.as_ref()), output, "{files:?}");
            assert_eq!(codes(&detection.blocked), [], "{files:?}");
        }
    }

    #[test]
    fn a_generator_is_in_the_image_that_builds_with_it() {
        let detection = detect(&[("book.toml", "")]);
        assert_eq!(detection.image_setup, ["cargo install --locked mdbook@0.4.52"]);
        let early = |requirements| {
            detect(&[("mkdocs.yml", ""), ("requirements.txt", requirements)]).manifests.concat()
        };
        assert_eq!(early("mkdocs==1.6.1\n# -r of nothing\n"), "requirements.txt");
        for needs_more in ["-r more.txt", "-e .", "./plugin", "plugin @ file:plugin"] {
            assert_eq!(early(needs_more), "", "{needs_more}");
        }
    }

    #[test]
    fn documentation_beside_a_program_is_not_what_is_deployed() {
        let detection = detect(&[("mkdocs.yml", ""), ("main.py", ""), ("requirements.txt", "fastapi")]);
        assert_eq!(detection.language.as_deref(), Some("python"));
        assert_ne!(detection.planner, "mkdocs");
    }

    #[test]
    fn what_is_written_outside_is_asked_for() {
        let detection = detect(&[("hugo.toml", "publishDir = \"../www\"")]);
        assert_eq!(codes(&detection.blocked), [ReasonCode::OutputUnknown]);
    }
}
