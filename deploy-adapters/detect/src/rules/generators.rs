//! Site generators outside the world of Node: one row each.

use deploy_core::detect::{Detection, Found, ProjectKind};

use super::marker::Marker::{self, Ending, File, Word};
use super::unplanned::Unplanned;
use crate::rule::{Rule, Scene};

/// The rule.
pub(super) const RULE: Rule = detect;

struct Generator {
    name: &'static str,
    planner: &'static str,
    language: &'static str,
    /// Any of them shows it.
    markers: &'static [Marker],
    build: &'static str,
    /// Where the result is unless the generator is configured otherwise.
    output: &'static str,
}

/// In this order: what is told apart by a word in a shared file name comes first.
const GENERATORS: &[Generator] = &[
    row("Zola", "zola", "markdown", &[Word("config.toml", "base_url")], "zola build", "public"),
    row("Hugo", "hugo", "go", HUGO, "hugo --minify", "public"),
    row("MkDocs", "mkdocs", "python", &[File("mkdocs.yml"), File("mkdocs.yaml")], "mkdocs build", "site"),
    row("Jupyter Book", "jupyter-book", "python", &[File("_toc.yml")], "jupyter-book build .", "_build/html"),
    row(
        "Middleman",
        "middleman",
        "ruby",
        &[Word("Gemfile", "middleman")],
        "bundle exec middleman build",
        "build",
    ),
    row(
        "Bridgetown",
        "bridgetown",
        "ruby",
        &[Word("Gemfile", "bridgetown")],
        "bin/bridgetown deploy",
        "output",
    ),
    row("Nanoc", "nanoc", "ruby", &[File("nanoc.yaml")], "bundle exec nanoc", "output"),
    row("Jekyll", "jekyll", "ruby", JEKYLL, "bundle exec jekyll build", "_site"),
    row("mdBook", "mdbook", "markdown", &[File("book.toml")], "mdbook build", "book"),
    row("Trunk", "trunk", "rust", &[File("Trunk.toml")], "trunk build --release", "dist"),
    row("Pelican", "pelican", "python", &[File("pelicanconf.py")], "pelican content", "output"),
    row("Lektor", "lektor", "python", &[Ending(".lektorproject")], "lektor build -O output", "output"),
    row("Nikola", "nikola", "python", &[Word("conf.py", "BLOG_TITLE")], "nikola build", "output"),
    row(
        "Sphinx",
        "sphinx",
        "python",
        &[Word("conf.py", "extensions")],
        "sphinx-build . _build/html",
        "_build/html",
    ),
    row(
        "Quarto",
        "quarto",
        "markdown",
        &[File("_quarto.yml"), File("_quarto.yaml")],
        "quarto render",
        "_site",
    ),
    row(
        "Antora",
        "antora",
        "asciidoc",
        &[File("antora-playbook.yml")],
        "npx antora antora-playbook.yml",
        "build/site",
    ),
    row("Eleventy", "eleventy", "javascript", ELEVENTY, "npx @11ty/eleventy", "_site"),
];

const HUGO: &[Marker] = &[
    File("hugo.toml"),
    File("hugo.yaml"),
    File("hugo.json"),
    File("config/_default/hugo.toml"),
    File("config/_default/config.toml"),
    Word("config.toml", "baseURL"),
    Word("config.toml", "baseurl"),
    Word("config.yaml", "baseURL"),
];

const JEKYLL: &[Marker] = &[Word("Gemfile", "jekyll"), Word("Gemfile", "github-pages"), File("_config.yml")];

const ELEVENTY: &[Marker] = &[
    File(".eleventy.js"),
    File("eleventy.config.js"),
    File("eleventy.config.mjs"),
    File("eleventy.config.cjs"),
];

const fn row(
    name: &'static str,
    planner: &'static str,
    language: &'static str,
    markers: &'static [Marker],
    build: &'static str,
    output: &'static str,
) -> Generator {
    Generator { name, planner, language, markers, build, output }
}

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    // `.nojekyll` says that GitHub Pages must serve the files as they are: `_config.yml` is left over.
    let plain = scene.has(".nojekyll");
    GENERATORS.iter().filter(|generator| !(plain && generator.planner == "jekyll")).find_map(|generator| {
        let shows = format!("configures {}", generator.name);
        let fact = generator.markers.iter().find_map(|marker| marker.find(scene, &shows))?;
        let output = Found { value: generator.output.to_owned(), evidence: fact.clone() };
        let unplanned = Unplanned {
            planner: generator.planner,
            what: format!("the source of a {} site", generator.name),
            language: Some(generator.language),
            framework: Some(generator.planner),
            kind: ProjectKind::Static,
            evidence: vec![fact],
            build: Some(generator.build.to_owned()),
            output: Some(output),
            ..Unplanned::default()
        };
        Some(unplanned.into_detection(scene))
    })
}
