//! The frameworks, one row each, and what each makes of a project.

use deploy_core::detect::{Found, ProjectKind};

use super::angular;
use super::config::{Config, Literal};
use super::package::PACKAGE;
use super::shape::{App, Shape, argument, computed, configured, flag, written};
use super::vite;

/// One framework.
pub(super) struct Framework {
    /// Its name in a plan.
    pub(super) name: &'static str,
    /// Its name for people.
    pub(super) shown: &'static str,
    /// Packages of which one shows it.
    pub(super) packages: &'static [&'static str],
    /// What it makes of a project.
    pub(super) shape: fn(&App<'_, '_>) -> Shape,
}

/// What is built on something else comes before it: Astro, SvelteKit and VitePress all have Vite inside, and whatever
/// builds pages comes before what answers requests.
#[rustfmt::skip]
pub(super) const FRAMEWORKS: &[Framework] = &[
    row("blitzjs", "Blitz", &["blitz"], blitz),
    row("redwoodjs", "RedwoodJS", &["@redwoodjs/core"], redwood),
    row("hydrogen", "Hydrogen", &["@shopify/hydrogen"], hydrogen),
    row("docusaurus", "Docusaurus", &["@docusaurus/core", "docusaurus"], docusaurus),
    row("nextjs", "Next.js", &["next"], next),
    row("nuxt", "Nuxt", &["nuxt", "nuxt3", "nuxt-edge", "nuxt-nightly"], nuxt),
    row("sveltekit", "SvelteKit", &["@sveltejs/kit"], sveltekit),
    row("astro", "Astro", &["astro"], astro),
    row("tanstack-start", "TanStack Start", &["@tanstack/react-start", "@tanstack/solid-start", "@tanstack/start"], tanstack),
    row("react-router", "React Router", &["@react-router/dev"], react_router),
    row("remix", "Remix", &["@remix-run/dev", "remix"], remix),
    row("solidstart", "SolidStart", &["@solidjs/start", "solid-start"], solidstart),
    row("qwik", "Qwik", &["@builder.io/qwik-city", "@qwik.dev/router", "@builder.io/qwik"], qwik),
    row("gatsby", "Gatsby", &["gatsby"], |app| site(app, "gatsby build", "Gatsby", "public")),
    row("vitepress", "VitePress", &["vitepress"], |app| docs(app, "vitepress", "VitePress")),
    row("vuepress", "VuePress", &["vuepress", "@vuepress/core", "@vuepress/cli"], |app| docs(app, "vuepress", "VuePress")),
    row("eleventy", "Eleventy", &["@11ty/eleventy"], eleventy),
    row("hexo", "Hexo", &["hexo"], |app| site(app, "hexo generate", "Hexo", "public")),
    row("observable", "Observable Framework", &["@observablehq/framework"], |app| site(app, "observable build", "Observable Framework", "dist")),
    row("metalsmith", "Metalsmith", &["metalsmith"], |app| site(app, "metalsmith", "Metalsmith", "build")),
    row("gridsome", "Gridsome", &["gridsome"], |app| site(app, "gridsome build", "Gridsome", "dist")),
    row("react-static", "React Static", &["react-static"], |app| site(app, "react-static build", "React Static", "dist")),
    row("sapper", "Sapper", &["sapper"], sapper),
    row("scully", "Scully", &["@scullyio/init", "@scullyio/scully"], |app| site(app, "ng build && scully", "Scully", "dist/static")),
    row("quasar", "Quasar", &["@quasar/app", "@quasar/app-vite", "@quasar/app-webpack"], quasar),
    row("umijs", "Umi", &["umi", "@umijs/max"], |app| spa(app, "umi build", "Umi", "dist")),
    row("ionic-angular", "Ionic with Angular", &["@ionic/angular"], ionic_angular),
    row("ionic-react", "Ionic with React", &["@ionic/react"], ionic_react),
    row("angular", "Angular", &["@angular/core", "@angular/cli"], angular::shape),
    row("create-react-app", "Create React App", &["react-scripts"], |app| spa(app, "react-scripts build", "Create React App", "build")),
    row("create-react-app", "Create React App", &["@craco/craco", "react-app-rewired"], |app| spa(app, "craco build", "Create React App", "build")),
    row("vue-cli", "Vue CLI", &["@vue/cli-service"], vue_cli),
    row("ember", "Ember", &["ember-source", "ember-cli"], |app| spa(app, "ember build --environment=production", "Ember", "dist")),
    row("preact", "Preact CLI", &["preact-cli"], |app| spa(app, "preact build", "Preact CLI", "build")),
    row("stencil", "Stencil", &["@stencil/core"], |app| site(app, "stencil build", "Stencil", "www")),
    row("polymer", "Polymer", &["polymer-cli"], |app| site(app, "polymer build", "Polymer", "build")),
    row("dojo", "Dojo", &["@dojo/framework", "@dojo/cli"], |app| site(app, "dojo build", "Dojo", "output/dist")),
    row("saber", "Saber", &["saber"], |app| site(app, "saber build", "Saber", "public")),
    row("sanity", "Sanity", &["sanity", "@sanity/cli"], |app| spa(app, "sanity build", "Sanity", "dist")),
    row("expo", "Expo", &["expo"], |app| spa(app, "expo export --platform web", "Expo", "dist")),
    row("nestjs", "NestJS", &["@nestjs/core"], nest),
    row("adonisjs", "AdonisJS", &["@adonisjs/core"], adonis),
    row("strapi", "Strapi", &["@strapi/strapi", "strapi"], |app| started(app, Some("strapi build"), "strapi start", 1337)),
    row("medusa", "Medusa", &["@medusajs/medusa"], |app| started(app, Some("medusa build"), "medusa start", 9000)),
    row("directus", "Directus", &["directus"], |app| started(app, None, "directus start", 8055)),
    row("nitro", "Nitro", &["nitropack", "nitro"], nitro),
    row("storybook", "Storybook", &["storybook", "@storybook/react"], storybook),
    row("parcel", "Parcel", &["parcel", "parcel-bundler"], parcel),
    row("wmr", "WMR", &["wmr"], |app| site(app, "wmr build", "WMR", "dist")),
    row("brunch", "Brunch", &["brunch"], |app| site(app, "brunch build --production", "Brunch", "public")),
    row("vite", "Vite", &["vite", "rolldown-vite"], vite::shape),
    row("elysia", "Elysia", &["elysia"], serving),
    row("fastify", "Fastify", &["fastify"], serving),
    row("hono", "Hono", &["hono"], serving),
    row("koa", "Koa", &["koa"], serving),
    row("hapi", "hapi", &["@hapi/hapi"], serving),
    row("feathers", "Feathers", &["@feathersjs/feathers"], serving),
    row("sails", "Sails", &["sails"], |_| Shape::server(None, None, 1337)),
    row("loopback", "LoopBack", &["@loopback/rest", "loopback"], serving),
    row("restify", "Restify", &["restify"], |_| Shape::server(None, None, 8080)),
    row("h3", "H3", &["h3"], serving),
    row("express", "Express", &["express"], serving),
    row("polka", "Polka", &["polka"], serving),
];

const fn row(
    name: &'static str,
    shown: &'static str,
    packages: &'static [&'static str],
    shape: fn(&App<'_, '_>) -> Shape,
) -> Framework {
    Framework { name, shown, packages, shape }
}

/// The first framework that a project depends on, and the package that shows it.
pub(super) fn of(app: &App<'_, '_>) -> Option<(&'static Framework, &'static str)> {
    FRAMEWORKS.iter().find_map(|framework| {
        let package = framework.packages.iter().find(|package| app.package.depends_on(package))?;
        is_used(app, framework).then_some((framework, *package))
    })
}

/// Tools that also lie beside a project of another kind count only if a script runs them.
fn is_used(app: &App<'_, '_>, framework: &Framework) -> bool {
    let runs = |words: &[&str]| {
        let scripts = app.package.scripts();
        scripts.iter().any(|name| words.iter().any(|word| app.script(name).contains(word)))
    };
    match framework.name {
        "storybook" => app.script("build").contains("storybook"),
        "vitepress" | "vuepress" => {
            app.script("build").contains("press") || app.package.script("build").is_none()
        }
        "parcel" => runs(&["parcel"]),
        "expo" => app.package.script("build").is_some() || app.package.depends_on("react-native-web"),
        "metalsmith" => app.package.script("start").is_none(),
        "react-static" | "polymer" | "dojo" | "brunch" | "saber" | "sanity" => true,
        // Helpers of tests and libraries bring these along; a program that needs them says so.
        "h3" | "nitro" => app.package.runs_with(framework.packages[0]) || runs(&["nitro"]),
        _ => true,
    }
}

/// A site in a fixed directory.
fn site(app: &App<'_, '_>, build: &'static str, shown: &str, directory: &str) -> Shape {
    Shape::site(build, written(app, PACKAGE, directory, &format!("{shown} writes {directory}")))
}

/// A site of one page that answers for every path.
fn spa(app: &App<'_, '_>, build: &'static str, shown: &str, directory: &str) -> Shape {
    site(app, build, shown, directory).with_fallback(app, &format!("{shown} makes a single-page app"))
}

/// A program that is started with a command that is installed with it.
fn started(app: &App<'_, '_>, build: Option<&'static str>, command: &str, port: u16) -> Shape {
    let start = app.scene.found(app.tools.manager.exec(command), PACKAGE, format!("{command} starts it"));
    Shape::server(build, Some(start), port)
}

/// A program that is started with `node FILE`, which the build makes.
fn built_file(app: &App<'_, '_>, build: &'static str, file: &str, port: u16) -> Shape {
    let start = app.scene.found(format!("node {file}"), PACKAGE, format!("the build writes {file}"));
    Shape::server(Some(build), Some(start), port)
}

/// A program of its own making: how it starts is for its scripts and files to say.
fn serving(_: &App<'_, '_>) -> Shape {
    Shape { port: Some(3000), reads_port: false, kind: ProjectKind::Server, ..Shape::default() }
}

fn next(app: &App<'_, '_>) -> Shape {
    let config = Config::find(app.scene, "next.config");
    let exports =
        config.as_ref().is_some_and(|config| config.literal("output") == Literal::Text("export".to_owned()));
    if exports || app.script("build").contains("next export") {
        let output = match config.as_ref().filter(|_| exports) {
            Some(config) => configured(app, Some(config), "distDir", "out", "the export of Next.js"),
            None => written(
                app,
                PACKAGE,
                flag(app.script("build"), &["-o", "--outdir"]).unwrap_or("out"),
                "next export",
            ),
        };
        return Shape::site("next build", output);
    }
    let standalone =
        config.as_ref().filter(|config| config.literal("output") == Literal::Text("standalone".to_owned()));
    let mut shape = started(app, Some("next build"), "next start", 3000);
    if let Some(config) = standalone {
        // It keeps the places that files have below the root of the workspace.
        let places = [".next/standalone", app.tools.place(app.scene), "server.js"];
        let place = places.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        let start = format!("node {place}");
        shape.start = Some(app.scene.found(start, &config.file, "output is standalone"));
        // `next start` does not serve a standalone build.
        shape.start_wins = app.script("start").is_empty() || app.script("start").trim() == "next start";
        shape.environment = &[("HOSTNAME", "0.0.0.0")];
    }
    shape
}

fn blitz(app: &App<'_, '_>) -> Shape {
    started(app, Some("blitz build"), "blitz start", 3000)
}

fn redwood(app: &App<'_, '_>) -> Shape {
    started(app, Some("rw build"), "rw serve", 8910)
}

fn hydrogen(app: &App<'_, '_>) -> Shape {
    started(app, Some("shopify hydrogen build"), "shopify hydrogen preview", 3000)
}

fn docusaurus(app: &App<'_, '_>) -> Shape {
    let directory = flag(app.script("build"), &["--out-dir"]).unwrap_or("build");
    site(app, "docusaurus build", "Docusaurus", directory)
}

fn nuxt(app: &App<'_, '_>) -> Shape {
    let config = Config::find(app.scene, "nuxt.config");
    let is_second = app.major_of("nuxt").is_some_and(|major| major < 3);
    let preset = config.as_ref().and_then(|config| match config.literal("preset") {
        Literal::Text(preset) => Some(preset),
        Literal::Missing | Literal::Computed => None,
    });
    let is_static = app.script("build").contains("nuxt generate")
        || app.script("build").contains("nuxi generate")
        || preset
            .as_deref()
            .is_some_and(|preset| matches!(preset, "static" | "github-pages" | "github_pages"))
        || app.package.script("build").is_none() && app.package.script("generate").is_some()
        || is_second
            && config
                .as_ref()
                .is_some_and(|config| config.literal("target") == Literal::Text("static".to_owned()));
    match (is_second, is_static) {
        (true, true) => site(app, "nuxt generate", "nuxt generate", "dist"),
        (true, false) => started(app, Some("nuxt build"), "nuxt start", 3000),
        (false, true) => site(app, "nuxt generate", "nuxt generate", ".output/public"),
        (false, false) => built_file(app, "nuxt build", ".output/server/index.mjs", 3000),
    }
}

fn sveltekit(app: &App<'_, '_>) -> Shape {
    // Newer projects configure it where they configure Vite.
    let of_vite = || Config::find(app.scene, "vite.config").filter(|config| config.mentions("adapter"));
    let config = Config::find(app.scene, "svelte.config").or_else(of_vite);
    let uses = |adapter: &str| {
        config.as_ref().map_or_else(|| app.package.depends_on(adapter), |config| config.mentions(adapter))
    };
    if uses("@sveltejs/adapter-static") {
        let output = configured(app, config.as_ref(), "pages", "build", "adapter-static");
        let mut shape = Shape::site("vite build", output);
        if let Some(Literal::Text(page)) = config.as_ref().map(|config| config.literal("fallback")) {
            let file = config.as_ref().map_or(PACKAGE, |config| &config.file);
            shape.fallback = Some(app.scene.found(page, file, "the fallback of adapter-static"));
        }
        return shape;
    }
    let out = match config.as_ref().map(|config| config.literal("out")) {
        Some(Literal::Text(out)) => out,
        Some(Literal::Missing | Literal::Computed) | None => "build".to_owned(),
    };
    let mut shape = Shape::server(Some("vite build"), None, 3000);
    if uses("adapter-node") || uses("svelte-adapter-bun") {
        shape.start = Some(app.scene.found(format!("node {out}"), PACKAGE, "adapter-node writes a program"));
        return shape;
    }
    const ELSEWHERE: [&str; 4] = ["adapter-vercel", "adapter-netlify", "adapter-cloudflare", "adapter-auto"];
    match ELSEWHERE.into_iter().find(|adapter| uses(adapter)) {
        Some(adapter) if app.package.script("start").is_none() => {
            let file = config.as_ref().map_or(PACKAGE, |config| &config.file);
            shape.elsewhere(file, &format!("@sveltejs/{adapter}"), "@sveltejs/adapter-node or adapter-static")
        }
        Some(_) | None => shape,
    }
}

fn astro(app: &App<'_, '_>) -> Shape {
    let config = Config::find(app.scene, "astro.config");
    let says = |word: &str| config.as_ref().is_some_and(|config| config.mentions(word));
    let output = config.as_ref().map(|config| config.literal("output"));
    let on_demand = matches!(output, Some(Literal::Text(text)) if text == "server" || text == "hybrid");
    let adapter = [
        "@astrojs/node",
        "@astrojs/vercel",
        "@astrojs/netlify",
        "@astrojs/cloudflare",
        "@deno/astro-adapter",
    ]
    .into_iter()
    .find(|adapter| says(adapter));
    if !on_demand && adapter != Some("@astrojs/node") {
        return Shape::site("astro build", configured(app, config.as_ref(), "outDir", "dist", "Astro"));
    }
    let out = configured(app, config.as_ref(), "outDir", "dist", "Astro")
        .map_or("dist".to_owned(), |found| found.value);
    let mut shape = built_file(app, "astro build", &format!("./{out}/server/entry.mjs"), 4321);
    shape.environment = &[("HOST", "0.0.0.0")];
    match adapter {
        Some(other) if other != "@astrojs/node" && app.package.script("start").is_none() => {
            let file = config.as_ref().map_or(PACKAGE, |config| &config.file).to_owned();
            Shape { start: None, ..shape }.elsewhere(&file, other, "@astrojs/node")
        }
        Some(_) | None => shape,
    }
}

/// From 1.132 on a build is a handler of requests, unless Nitro makes a program of it: srvx, which its documentation
/// names for that, listens for it.
fn tanstack(app: &App<'_, '_>) -> Shape {
    const SRVX: &str = "srvx@1.0.8";
    const PACKAGES: [&str; 2] = ["@tanstack/react-start", "@tanstack/solid-start"];
    let has_nitro = ["nitro", "nitropack", "@tanstack/nitro-v2-vite-plugin", "vinxi"]
        .iter()
        .any(|package| app.package.depends_on(package));
    let is_handler = |package: &&str| match app.package.version_of(package).map(crate::version::Range::parse)
    {
        Some(Some(range)) => range.lowest().is_none_or(|version| {
            version.major > 1 || (version.major == 1 && version.minor.is_none_or(|minor| minor >= 132))
        }),
        // `latest` is new.
        Some(None) => true,
        None => false,
    };
    if has_nitro || app.package.script("start").is_some() || !PACKAGES.iter().any(is_handler) {
        return built_file(app, "vite build", ".output/server/index.mjs", 3000);
    }
    let command = "srvx --prod -s ../client dist/server/server.js".to_owned();
    let start = app.scene.found(command, PACKAGE, "the build writes dist/server/server.js");
    Shape { tool: Some(SRVX), ..Shape::server(Some("vite build"), Some(start), 3000) }
}

fn react_router(app: &App<'_, '_>) -> Shape {
    let config = Config::find(app.scene, "react-router.config");
    let out = match config.as_ref().map(|config| config.literal("buildDirectory")) {
        Some(Literal::Text(out)) => out,
        Some(Literal::Computed) => {
            return Shape::site(
                "react-router build",
                Err(computed(app, PACKAGE, "buildDirectory", "build/client")),
            );
        }
        Some(Literal::Missing) | None => "build".to_owned(),
    };
    let file = config.as_ref().map_or(PACKAGE, |config| config.file.as_str());
    if config.as_ref().is_some_and(|config| config.is("ssr", "false")) {
        let output = written(app, file, &format!("{out}/client"), "ssr is false");
        return Shape::site("react-router build", output).with_fallback(app, "a single-page app");
    }
    started(app, Some("react-router build"), &format!("react-router-serve ./{out}/server/index.js"), 3000)
}

fn remix(app: &App<'_, '_>) -> Shape {
    let config = Config::find(app.scene, "vite.config");
    if config.as_ref().is_some_and(|config| config.is("ssr", "false") && config.mentions("remix")) {
        let output = written(app, PACKAGE, "build/client", "ssr is false");
        return Shape::site("remix vite:build", output).with_fallback(app, "a single-page app");
    }
    match config {
        Some(_) => started(app, Some("remix vite:build"), "remix-serve ./build/server/index.js", 3000),
        None => started(app, Some("remix build"), "remix-serve ./build/index.js", 3000),
    }
}

fn solidstart(app: &App<'_, '_>) -> Shape {
    if app.package.depends_on("solid-start") {
        if app.package.depends_on("solid-start-static") {
            return site(app, "solid-start build", "solid-start-static", "dist/public");
        }
        return started(app, Some("solid-start build"), "solid-start start", 3000);
    }
    let config = Config::find(app.scene, "app.config");
    let is_static =
        config.as_ref().is_some_and(|config| config.literal("preset") == Literal::Text("static".to_owned()));
    match is_static {
        true => site(app, "vinxi build", "the static preset", ".output/public"),
        false => built_file(app, "vinxi build", ".output/server/index.mjs", 3000),
    }
}

/// What its adapter makes; Qwik without its router is built as any page is.
fn qwik(app: &App<'_, '_>) -> Shape {
    let has = |name: &str| app.scene.has_directory(&format!("adapters/{name}"));
    if let Some(name) = ["express", "fastify", "node-server"].into_iter().find(|name| has(name)) {
        return built_file(app, "qwik build", &format!("server/entry.{name}"), 3000);
    }
    let routes =
        ["@builder.io/qwik-city", "@qwik.dev/router"].iter().find(|name| app.package.depends_on(name));
    match routes {
        Some(router) if !has("static") => Shape::server(Some("qwik build"), None, 3000).unfinished(router),
        Some(_) | None => site(app, "qwik build", "Qwik", "dist"),
    }
}

/// VitePress and VuePress write into the directory that their pages are in.
fn docs(app: &App<'_, '_>, tool: &'static str, shown: &str) -> Shape {
    let command = format!("{tool} build");
    let named = ["build", "docs:build", "build:docs"]
        .iter()
        .find_map(|script| argument(app.script(script), &command));
    let hidden = format!(".{tool}");
    let pages = named.map(str::to_owned).or_else(|| {
        let places = [".", "docs", "src", "doc"].into_iter();
        places.map(str::to_owned).find(|place| app.scene.has_directory(&format!("{place}/{hidden}")))
    });
    let pages = pages.unwrap_or_else(|| ".".to_owned());
    let directory = format!("{pages}/{hidden}/dist");
    let config = Config::find(app.scene, &format!("{pages}/{hidden}/config"));
    let key = if tool == "vitepress" { "outDir" } else { "dest" };
    let output = match config.as_ref().map(|config| (config, config.literal(key))) {
        Some((config, Literal::Text(text))) => {
            // It is relative to the pages, and may lead out of them: `../dist`.
            let joined = app.scene.path(&format!("{pages}/{text}")).unwrap_or_else(|| format!("../{text}"));
            let below =
                joined.strip_prefix(app.scene.at()).unwrap_or(&joined).trim_start_matches('/').to_owned();
            written(app, &config.file, &below, &format!("{key} is {text}"))
        }
        Some((config, Literal::Computed)) => Err(computed(app, &config.file, key, &directory)),
        Some((_, Literal::Missing)) | None => {
            written(app, PACKAGE, &directory, &format!("{shown} writes {directory}"))
        }
    };
    let build = if tool == "vitepress" { "vitepress build" } else { "vuepress build" };
    Shape::site(build, output)
}

fn eleventy(app: &App<'_, '_>) -> Shape {
    let scripts = ["build", "build:11ty", "eleventy", "production"];
    let by_flag = scripts.iter().find_map(|name| flag(app.script(name), &["--output"]));
    if let Some(directory) = by_flag {
        return Shape::site(
            "@11ty/eleventy",
            written(app, PACKAGE, directory, &format!("--output is {directory}")),
        );
    }
    let config = Config::find(app.scene, "eleventy.config").or_else(|| Config::find(app.scene, ".eleventy"));
    Shape::site("@11ty/eleventy", configured(app, config.as_ref(), "output", "_site", "Eleventy"))
}

fn sapper(app: &App<'_, '_>) -> Shape {
    match app.script("build").contains("sapper export") {
        true => site(app, "sapper export", "sapper export", "__sapper__/export"),
        false => built_file(app, "sapper build", "__sapper__/build", 3000),
    }
}

fn quasar(app: &App<'_, '_>) -> Shape {
    let ssr = ["-m ssr", "--mode ssr", "--mode=ssr"].iter().any(|flag| app.script("build").contains(flag));
    match ssr {
        true => built_file(app, "quasar build -m ssr", "dist/ssr/index.js", 3000),
        false => spa(app, "quasar build", "Quasar", "dist/spa"),
    }
}

fn ionic_angular(app: &App<'_, '_>) -> Shape {
    match app.scene.has("angular.json") {
        true => angular::shape(app),
        false => spa(app, "ionic build", "Ionic", "www"),
    }
}

fn ionic_react(app: &App<'_, '_>) -> Shape {
    match app.package.depends_on("react-scripts") {
        true => spa(app, "ionic build", "Create React App", "build"),
        false => vite::shape(app),
    }
}

fn vue_cli(app: &App<'_, '_>) -> Shape {
    if let Some(directory) = flag(app.script("build"), &["--dest"]) {
        return spa(app, "vue-cli-service build", "--dest", directory);
    }
    let config = Config::find(app.scene, "vue.config");
    let output = configured(app, config.as_ref(), "outputDir", "dist", "Vue CLI");
    Shape::site("vue-cli-service build", output).with_fallback(app, "Vue CLI makes a single-page app")
}

fn parcel(app: &App<'_, '_>) -> Shape {
    let by_flag = flag(app.script("build"), &["--dist-dir", "-d", "--out-dir"]);
    site(app, "parcel build", "Parcel", by_flag.unwrap_or("dist"))
}

fn storybook(app: &App<'_, '_>) -> Shape {
    let by_flag = flag(app.script("build"), &["-o", "--output-dir"]);
    site(app, "storybook build", "Storybook", by_flag.unwrap_or("storybook-static"))
}

fn nest(app: &App<'_, '_>) -> Shape {
    let scripted = ["start:prod", "start:production"].iter().find(|name| app.package.script(name).is_some());
    let start: Found<String> = match scripted {
        Some(name) => app.scene.found(app.tools.manager.run(name), PACKAGE, format!("the script {name:?}")),
        None => app.scene.found("node dist/main".to_owned(), PACKAGE, "nest build writes dist/main.js"),
    };
    let mut shape = Shape::server(Some("nest build"), Some(start), 3000);
    // `nest start` compiles once more, with packages that a release does not need.
    shape.start_wins = app.script("start").starts_with("nest start");
    shape.reads_port = false;
    shape
}

fn adonis(app: &App<'_, '_>) -> Shape {
    let mut shape = built_file(app, "node ace build", "build/bin/server.js", 3333);
    shape.environment = &[("HOST", "0.0.0.0")];
    shape
}

fn nitro(app: &App<'_, '_>) -> Shape {
    built_file(app, "nitro build", ".output/server/index.mjs", 3000)
}
