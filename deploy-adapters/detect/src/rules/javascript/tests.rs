use crate::testing::{codes, detect, detect_with};
use deploy_core::detect::{Detection, ProjectKind};
use deploy_core::reason::ReasonCode;

const PAGE: &str = "<!doctype html><div id=app></div><script type=module src=/src/main.ts></script>";

/// A `package.json` with these dependencies (`name` or `name@version`) and scripts (`name: command`).
fn package(dependencies: &[&str], scripts: &[&str]) -> String {
    let pair = |(name, value): (&str, &str)| format!("{name:?}: {value:?}");
    let dependencies = dependencies.iter().map(|text| pair(text.rsplit_once('=').unwrap_or((text, "*"))));
    let scripts = scripts.iter().map(|text| pair(text.split_once(": ").unwrap()));
    let join = |items: Vec<String>| items.join(", ");
    format!(
        "{{ \"dependencies\": {{ {} }}, \"scripts\": {{ {} }} }}",
        join(dependencies.collect()),
        join(scripts.collect())
    )
}

fn value(found: &Option<deploy_core::detect::Found<String>>) -> &str {
    found.as_ref().map_or("", |found| &found.value)
}

fn port(detection: &Detection) -> Option<u16> {
    detection.internal_port.as_ref().map(|found| found.value)
}

#[test]
fn every_static_framework_is_planned_with_where_it_writes() {
    for (dependencies, scripts, config, framework, build, output) in [
        (&["vite"][..], &["build: vite build"][..], ("index.html", PAGE), "vite", "npm run build", "dist"),
        (
            &["vite"],
            &["build: vite build --outDir web"],
            ("index.html", PAGE),
            "vite",
            "npm run build",
            "web",
        ),
        (&["vite"], &[], ("vite.config.ts", "build: { outDir: 'out' }"), "vite", "npx vite build", "out"),
        (
            &["vite"],
            &[],
            ("vite.config.ts", "root: 'src', build: { outDir: '../out' }"),
            "vite",
            "npx vite build",
            "out",
        ),
        (
            &["vite"],
            &["start: vite preview", "build: vite build"],
            ("index.html", PAGE),
            "vite",
            "npm run build",
            "dist",
        ),
        (
            &["react-scripts"],
            &["build: react-scripts build", "start: react-scripts start"],
            ("public/index.html", "%PUBLIC_URL%"),
            "create-react-app",
            "npm run build",
            "build",
        ),
        (
            &["@vue/cli-service"],
            &[],
            ("vue.config.js", "outputDir: 'www'"),
            "vue-cli",
            "npx vue-cli-service build",
            "www",
        ),
        (
            &["next"],
            &["build: next build", "start: next start"],
            ("next.config.mjs", "output: 'export'"),
            "nextjs",
            "npm run build",
            "out",
        ),
        (
            &["next"],
            &["build: next build"],
            ("next.config.ts", "output: \"export\", distDir: 'build'"),
            "nextjs",
            "npm run build",
            "build",
        ),
        (
            &["next"],
            &["build: next build && next export"],
            ("pages/index.js", ""),
            "nextjs",
            "npm run build",
            "out",
        ),
        (
            &["nuxt=^3.0.0"],
            &["build: nuxt generate"],
            ("nuxt.config.ts", ""),
            "nuxt",
            "npm run build",
            ".output/public",
        ),
        (
            &["nuxt=^2.15.0"],
            &["generate: nuxt generate"],
            ("nuxt.config.js", "target: 'static'"),
            "nuxt",
            "npm run generate",
            "dist",
        ),
        (
            &["@sveltejs/kit", "vite"],
            &["build: vite build"],
            ("svelte.config.js", "import a from '@sveltejs/adapter-static'; a({ pages: 'docs' })"),
            "sveltekit",
            "npm run build",
            "docs",
        ),
        (
            &["@sveltejs/kit", "vite"],
            &["build: vite build"],
            (
                "vite.config.ts",
                "import a from '@sveltejs/adapter-static'; sveltekit({ adapter: a({ pages: 'docs' }) })",
            ),
            "sveltekit",
            "npm run build",
            "docs",
        ),
        (
            &["astro"],
            &["build: astro build"],
            ("astro.config.mjs", "outDir: './out'"),
            "astro",
            "npm run build",
            "out",
        ),
        (
            &["@react-router/dev", "vite"],
            &["build: react-router build"],
            ("react-router.config.ts", "ssr: false"),
            "react-router",
            "npm run build",
            "build/client",
        ),
        (
            &["@remix-run/dev", "vite"],
            &[],
            ("vite.config.ts", "remix({ ssr: false })"),
            "remix",
            "npx remix vite:build",
            "build/client",
        ),
        (
            &["@solidjs/start"],
            &["build: vinxi build"],
            ("app.config.ts", "server: { preset: 'static' }"),
            "solidstart",
            "npm run build",
            ".output/public",
        ),
        (
            &["gatsby"],
            &["build: gatsby build", "start: gatsby develop"],
            ("a", ""),
            "gatsby",
            "npm run build",
            "public",
        ),
        (
            &["@docusaurus/core"],
            &["build: docusaurus build", "start: docusaurus start"],
            ("a", ""),
            "docusaurus",
            "npm run build",
            "build",
        ),
        (
            &["vitepress"],
            &["docs:build: vitepress build docs"],
            ("docs/index.md", ""),
            "vitepress",
            "npm run docs:build",
            "docs/.vitepress/dist",
        ),
        (
            &["vitepress"],
            &["build: vitepress build"],
            (".vitepress/config.mts", "outDir: '../public'"),
            "vitepress",
            "npm run build",
            "",
        ),
        (
            &["vuepress"],
            &["build: vuepress build src"],
            ("a", ""),
            "vuepress",
            "npm run build",
            "src/.vuepress/dist",
        ),
        (
            &["@11ty/eleventy"],
            &["build: eleventy"],
            (".eleventy.js", "dir: { output: 'public' }"),
            "eleventy",
            "npm run build",
            "public",
        ),
        (&["hexo"], &["build: hexo generate"], ("_config.yml", ""), "hexo", "npm run build", "public"),
        (
            &["storybook", "vite"],
            &["build: storybook build"],
            ("a", ""),
            "storybook",
            "npm run build",
            "storybook-static",
        ),
        (&["ember-source"], &["build: ember build"], ("a", ""), "ember", "npm run build", "dist"),
        (
            &["parcel"],
            &["build: parcel build index.html"],
            ("index.html", PAGE),
            "parcel",
            "npm run build",
            "dist",
        ),
        (&["expo"], &["build: expo export"], ("a", ""), "expo", "npm run build", "dist"),
    ] {
        let text = package(dependencies, scripts);
        let detection = detect(&[("package.json", &text), config]);
        assert_eq!(detection.framework.as_deref(), Some(framework), "{text} {config:?}");
        assert_eq!(
            (detection.kind, value(&detection.build)),
            (ProjectKind::Static, build),
            "{text} {config:?}"
        );
        assert_eq!(value(&detection.publish_directory), output, "{text} {config:?}");
        assert_eq!(detection.blocked.is_empty(), !output.is_empty(), "{text} {:?}", detection.blocked);
        assert_eq!(value(&detection.start), "", "{text}");
    }
}

#[test]
fn every_server_is_planned_with_how_it_starts_and_where_it_listens() {
    for (dependencies, scripts, other, framework, start, listens) in [
        (
            &["next"][..],
            &["build: next build", "start: next start"][..],
            ("a", ""),
            Some("nextjs"),
            "npm run start",
            3000,
        ),
        (&["next"], &["start: next start -p 4000"], ("a", ""), Some("nextjs"), "npm run start", 4000),
        (&["next"], &["dev: next dev"], ("a", ""), Some("nextjs"), "npx next start", 3000),
        (
            &["next"],
            &["start: next start"],
            ("next.config.js", "output: 'standalone'"),
            Some("nextjs"),
            "node .next/standalone/server.js",
            3000,
        ),
        (
            &["nuxt=^3.0.0"],
            &["build: nuxt build", "generate: nuxt generate"],
            ("a", ""),
            Some("nuxt"),
            "node .output/server/index.mjs",
            3000,
        ),
        (
            &["nuxt=^2.0.0"],
            &["build: nuxt build", "start: nuxt start"],
            ("a", ""),
            Some("nuxt"),
            "npm run start",
            3000,
        ),
        (
            &["@sveltejs/kit"],
            &[],
            ("svelte.config.js", "'@sveltejs/adapter-node'"),
            Some("sveltekit"),
            "node build",
            3000,
        ),
        (
            &["@sveltejs/kit"],
            &[],
            (
                "vite.config.ts",
                "import a from '@sveltejs/adapter-node'; sveltekit({ adapter: a({ out: 'x' }) })",
            ),
            Some("sveltekit"),
            "node x",
            3000,
        ),
        (
            &["astro", "@astrojs/node"],
            &["build: astro build", "start: astro dev"],
            ("astro.config.mjs", "output: 'server', '@astrojs/node'"),
            Some("astro"),
            "node ./dist/server/entry.mjs",
            4321,
        ),
        (&["@remix-run/dev"], &["start: remix-serve build"], ("a", ""), Some("remix"), "npm run start", 3000),
        (
            &["@react-router/dev"],
            &[],
            ("a", ""),
            Some("react-router"),
            "npx react-router-serve ./build/server/index.js",
            3000,
        ),
        (
            &["@tanstack/react-start", "vite"],
            &[],
            ("a", ""),
            Some("tanstack-start"),
            "srvx --prod -s ../client dist/server/server.js",
            3000,
        ),
        (&["@solidjs/start"], &[], ("a", ""), Some("solidstart"), "node .output/server/index.mjs", 3000),
        (
            &["@nestjs/core"],
            &["start: nest start", "start:prod: node dist/main"],
            ("src/main.ts", "app.listen(process.env.PORT ?? 3000)"),
            Some("nestjs"),
            "npm run start:prod",
            3000,
        ),
        (
            &["express"],
            &["start: node server.js"],
            ("server.js", "app.listen(8080)"),
            Some("express"),
            "npm run start",
            8080,
        ),
        (
            &["fastify"],
            &[],
            ("index.js", "fastify.listen({ port: process.env.PORT || 4000 })"),
            Some("fastify"),
            "node index.js",
            4000,
        ),
        (
            &["hono"],
            &["dev: tsx watch src/index.ts", "build: tsc", "start: node dist/index.js"],
            ("src/index.ts", "serve({ fetch, port: 3001 })"),
            Some("hono"),
            "npm run start",
            3001,
        ),
        (
            &["koa"],
            &["start: nodemon app.js"],
            ("app.js", "app.listen(5000)"),
            Some("koa"),
            "npm run start",
            5000,
        ),
        (
            &["vite", "express"],
            &["build: vite build", "start: node server.js"],
            ("server.js", "app.listen(7000)"),
            Some("vite"),
            "npm run start",
            7000,
        ),
        (
            &["vite", "express"],
            &["build: vite build", "start: npm run start-server", "start-server: node server/server.js"],
            ("server/server.js", "app.listen(3001)"),
            Some("vite"),
            "npm run start",
            3001,
        ),
        (&[], &[], ("index.js", "http.createServer().listen(9000)"), None, "node index.js", 9000),
    ] {
        let text = package(dependencies, scripts);
        let detection = detect(&[("package.json", &text), ("package-lock.json", ""), other]);
        assert_eq!(detection.framework.as_deref(), framework, "{text}");
        assert_eq!((detection.kind, value(&detection.start)), (ProjectKind::Server, start), "{text}");
        assert_eq!(port(&detection), Some(listens), "{text}");
        assert_eq!(codes(&detection.blocked), [], "{text}");
        assert_eq!(value(&detection.install), "npm ci", "{text}");
        assert_eq!(value(&detection.build_image), "node:24", "{text}");
    }
}

#[test]
fn a_program_that_listens_to_nobody_is_a_worker() {
    let text = package(&["discord.js"], &["start: node bot.js"]);
    let detection = detect(&[("package.json", &text), ("bot.js", "client.login()")]);
    assert_eq!((detection.kind, port(&detection)), (ProjectKind::Worker, None));
    assert!(!codes(&detection.warnings).contains(&ReasonCode::NoHealthPath));
}

#[test]
fn the_package_manager_is_the_one_whose_lockfile_or_name_is_there() {
    let plain = package(&["express"], &["start: node index.js"]);
    let named = plain.replacen('{', "{ \"packageManager\": \"pnpm@9.1.0+sha512.abc\",", 1);
    for (text, files, manager, install) in [
        (&plain, &[("package-lock.json", "")][..], "npm", "npm ci"),
        (&plain, &[("npm-shrinkwrap.json", "")], "npm", "npm ci"),
        (&plain, &[("pnpm-lock.yaml", "")], "pnpm", "pnpm install --frozen-lockfile"),
        (&plain, &[("yarn.lock", "# yarn lockfile v1")], "yarn", "yarn install --frozen-lockfile"),
        (&plain, &[("yarn.lock", "__metadata:\n  version: 8")], "yarn", "yarn install --immutable"),
        (&plain, &[("bun.lock", "")], "bun", "bun install --frozen-lockfile"),
        (&plain, &[("bun.lockb", "")], "bun", "bun install --frozen-lockfile"),
        (&plain, &[], "npm", "npm install"),
        (&plain, &[(".yarnrc.yml", "")], "yarn", "yarn install"),
        (&named, &[], "pnpm", "pnpm install"),
        (
            &named,
            &[("package-lock.json", ""), ("pnpm-lock.yaml", "")],
            "pnpm",
            "pnpm install --frozen-lockfile",
        ),
    ] {
        let files = [&[("package.json", text.as_str()), ("index.js", "app.listen(1)")][..], files].concat();
        let detection = detect(&files);
        assert_eq!(detection.package_manager.as_deref(), Some(manager), "{files:?}");
        assert_eq!(value(&detection.install), install, "{files:?}");
        assert_eq!(codes(&detection.blocked), [], "{files:?}");
        let locked = install.contains("frozen") || install.contains("immutable") || install == "npm ci";
        assert_eq!(codes(&detection.warnings).contains(&ReasonCode::NoLockfile), !locked, "{files:?}");
    }
}

#[test]
fn conflicting_lockfiles_are_asked_about_and_repaired() {
    let text = package(&["express"], &["start: node index.js"]);
    let files = [
        ("package.json", text.as_str()),
        ("yarn.lock", ""),
        ("package-lock.json", ""),
        ("index.js", "app.listen(1)"),
    ];
    let detection = detect(&files);
    assert_eq!(codes(&detection.blocked), [ReasonCode::ConflictingLockfiles]);
    let lines: Vec<&str> = detection.blocked[0].fix.iter().filter_map(|fix| fix.set.as_deref()).collect();
    assert_eq!(
        lines,
        ["runtime.install = \"yarn install --frozen-lockfile\"", "runtime.install = \"npm ci\""]
    );
    assert_eq!(
        (value(&detection.start), port(&detection)),
        ("yarn run start", Some(1)),
        "what was resolved stays"
    );
    let repaired = detect_with(&files, |profile| profile.runtime.install = Some("npm ci".to_owned()));
    assert_eq!(codes(&repaired.blocked), []);
}

#[test]
fn a_broken_package_is_named_and_nothing_is_guessed() {
    let files = [("package.json", "{,}"), ("pnpm-lock.yaml", ""), ("index.html", "<h1>x</h1>")];
    let detection = detect(&files);
    assert!(codes(&detection.blocked).contains(&ReasonCode::ManifestInvalid), "{:?}", detection.blocked);
    assert_eq!(detection.package_manager.as_deref(), Some("pnpm"));
    let repaired = detect_with(&files, |profile| {
        profile.runtime.start = Some("node x".to_owned());
        profile.network.internal_port = Some(1);
    });
    assert_eq!(codes(&repaired.blocked), []);
}

#[test]
fn what_hurts_later_is_said_now() {
    let dev = package(&["express"], &["start: nodemon index.js"]);
    let detection = detect(&[("package.json", &dev), ("index.js", "app.listen(port)")]);
    let expected = [
        ReasonCode::NoLockfile,
        ReasonCode::DevServerAsStart,
        ReasonCode::PortGuessed,
        ReasonCode::NoHealthPath,
    ];
    assert_eq!(codes(&detection.warnings), expected);
    let fixed = detect_with(&[("package.json", &dev), ("index.js", "app.listen(port)")], |profile| {
        profile.runtime.install = Some("npm ci".to_owned());
        profile.runtime.start = Some("node index.js".to_owned());
        profile.network.internal_port = Some(3000);
        profile.health.path = Some("/up".to_owned());
    });
    assert_eq!(codes(&fixed.warnings), []);
    let text = "{ \"engines\": { \"node\": \"banana\" }, \"scripts\": { \"start\": \"node a.js\" } }";
    let detection = detect(&[("package.json", text), ("a.js", "app.listen(1)")]);
    assert!(codes(&detection.warnings).contains(&ReasonCode::VersionUnavailable));
}

#[test]
fn an_adapter_for_a_provider_says_what_to_use_instead() {
    let text = package(&["@sveltejs/kit", "@sveltejs/adapter-auto"], &["build: vite build"]);
    let detection = detect(&[("package.json", &text), ("svelte.config.js", "'@sveltejs/adapter-auto'")]);
    assert_eq!(codes(&detection.blocked), [ReasonCode::StartUnknown]);
    assert!(detection.blocked[0].message.contains("adapter-node"), "{}", detection.blocked[0].message);

    let text = package(
        &["@builder.io/qwik-city", "@builder.io/qwik"],
        &["build: qwik build", "start: vite --mode ssr"],
    );
    let detection = detect(&[("package.json", &text)]);
    assert_eq!(codes(&detection.blocked), [ReasonCode::StartUnknown]);
    let detection = detect(&[("package.json", &text), ("adapters/static/vite.config.ts", "")]);
    assert_eq!((codes(&detection.blocked), value(&detection.publish_directory)), (vec![], "dist"));
}

#[test]
fn one_app_of_a_workspace_is_planned_from_its_root() {
    let root = "{ \"workspaces\": [\"apps/*\", \"packages/*\"], \"private\": true }";
    let web = "{ \"name\": \"@a/web\", \"dependencies\": { \"vite\": \"7\" }, \"scripts\": { \"build\": \"vite build\" } }";
    let library = "{ \"name\": \"@a/ui\", \"main\": \"index.js\", \"scripts\": { \"build\": \"tsc\" } }";
    let files = |lock: &'static str| {
        vec![
            ("package.json", root),
            (lock, ""),
            ("apps/web/package.json", web),
            ("apps/web/index.html", PAGE),
            ("packages/ui/package.json", library),
            ("packages/ui/index.js", ""),
        ]
    };
    for (lock, install, build) in [
        ("package-lock.json", "npm ci", "npm run build --workspace=apps/web"),
        ("pnpm-lock.yaml", "pnpm install --frozen-lockfile", "pnpm --filter @a/web run build"),
        ("yarn.lock", "yarn install --frozen-lockfile", "yarn workspace @a/web run build"),
        ("bun.lock", "bun install --frozen-lockfile", "bun run --cwd apps/web build"),
    ] {
        let detection = detect(&files(lock));
        assert_eq!((value(&detection.install), value(&detection.build)), (install, build));
        assert_eq!(value(&detection.publish_directory), "apps/web/dist");
        assert_eq!((detection.framework.as_deref(), codes(&detection.blocked)), (Some("vite"), vec![]));
    }
    let turbo = [files("package-lock.json"), vec![("turbo.json", "{}")]].concat();
    assert_eq!(value(&detect(&turbo).build), "npx turbo run build --filter=@a/web");
    // The same app by its own directory: the workspace around it is where the lockfile is.
    let detection = detect_with(&files("pnpm-lock.yaml"), |profile| {
        profile.source.base_directory = Some("apps/web".to_owned());
    });
    assert_eq!(
        (value(&detection.install), value(&detection.build)),
        ("pnpm install --frozen-lockfile", "pnpm run build")
    );
    assert_eq!((value(&detection.publish_directory), value(&detection.workspace)), ("dist", "."));
    assert_eq!(detection.install.unwrap().evidence.file, "pnpm-lock.yaml");
}

#[test]
fn several_apps_are_listed_with_the_value_to_set() {
    let app = package(&["next"], &["build: next build", "start: next start"]);
    let files = [
        ("package.json", "{}"),
        ("pnpm-workspace.yaml", "packages:\n  - 'apps/**'\n  - '!apps/old'\n"),
        ("pnpm-lock.yaml", ""),
        ("apps/web/package.json", app.as_str()),
        ("apps/admin/package.json", &app),
        ("apps/old/package.json", &app),
        ("apps/web-e2e/package.json", &app),
    ];
    let detection = detect(&files);
    assert_eq!(codes(&detection.blocked), [ReasonCode::SeveralApps]);
    let lines: Vec<&str> = detection.blocked[0].fix.iter().filter_map(|fix| fix.set.as_deref()).collect();
    assert_eq!(lines, ["source.base_directory = \"apps/admin\"", "source.base_directory = \"apps/web\""]);
    assert_eq!(value(&detection.install), "pnpm install --frozen-lockfile", "what was resolved stays");
    let chosen = detect_with(&files, |profile| profile.source.base_directory = Some("apps/web".to_owned()));
    assert_eq!((codes(&chosen.blocked), value(&chosen.start)), (vec![], "pnpm run start"));
}

#[test]
fn apps_of_nx_are_built_by_nx() {
    let project = "{ \"projectType\": \"application\", \"targets\": { \"build\": { \"executor\": \"@nx/webpack:webpack\", \"options\": { \"outputPath\": \"dist/apps/api\" }, \"configurations\": { \"production\": {} } }, \"serve\": { \"executor\": \"@nx/js:node\" } } }";
    let detection = detect(&[
        ("package.json", &package(&["express"], &["start: nx serve"])),
        ("package-lock.json", ""),
        ("nx.json", "{}"),
        ("apps/api/project.json", project),
        ("apps/api/src/main.ts", "app.listen(process.env.PORT || 3333)"),
        ("apps/api-e2e/project.json", project),
    ]);
    assert_eq!(value(&detection.build), "npx nx run api:build:production");
    assert_eq!((value(&detection.start), port(&detection)), ("node dist/apps/api/main.js", Some(3333)));
    assert_eq!(detection.framework.as_deref(), Some("express"));
}

#[test]
fn an_app_in_a_directory_of_its_own_is_found() {
    let app = package(&["express"], &["start: node index.js"]);
    let files =
        [("README.md", ""), ("backend/package.json", app.as_str()), ("backend/index.js", "app.listen(1)")];
    let detection = detect(&files);
    assert_eq!(value(&detection.base_directory), "backend");
    assert_eq!((value(&detection.start), codes(&detection.blocked)), ("npm run start", vec![]));
}

#[test]
fn a_procfile_says_how_it_starts() {
    let text = package(&["express"], &["start: node index.js"]);
    let files = [
        ("package.json", text.as_str()),
        ("index.js", ""),
        ("Procfile", "web: node index.js --port ${PORT:-5555}\n"),
    ];
    let detection = detect(&files);
    assert_eq!(
        (value(&detection.start), port(&detection)),
        ("node index.js --port ${PORT:-5555}", Some(5555))
    );
    assert_eq!(detection.environment["PORT"], "5555");
    let worker =
        detect(&[("package.json", &text), ("index.js", ""), ("Procfile", "worker: node index.js\n")]);
    assert_eq!(worker.kind, ProjectKind::Worker);
}

#[test]
fn helpers_of_other_languages_do_not_take_over() {
    let assets = package(&["vite", "laravel-vite-plugin"], &["build: vite build"]);
    let detection = detect(&[
        ("package.json", &assets),
        ("composer.json", "{}"),
        ("artisan", ""),
        ("vite.config.js", ""),
    ]);
    assert_eq!(detection.language.as_deref(), Some("php"));
    let detection = detect(&[("package.json", &package(&["next"], &[])), ("requirements.txt", "")]);
    assert_eq!(detection.framework.as_deref(), Some("nextjs"));
}

#[test]
fn a_script_that_needs_no_packages_is_run_as_it_is() {
    let server = "require('http').createServer(f).listen(process.env.PORT || 4000)";
    let detection = detect(&[("server.js", server)]);
    let start = detection.start.map(|found| found.value);
    assert_eq!((start.as_deref(), detection.install), (Some("node server.js"), None));
    assert_eq!((detection.kind, detection.internal_port.unwrap().value), (ProjectKind::Server, 4000));
    assert_eq!(detect(&[("index.js", "document.title = 'x'")]).language, None);
    assert_eq!(detect(&[("server.ts", server)]).language, None);
    // Beside a page it is a script of that page, unless it serves it.
    let page = ("public/index.html", "<h1>hello</h1>");
    let package = ("package.json", "{ \"main\": \"server.js\" }");
    assert_eq!(detect(&[page, package, ("server.js", server)]).planner, "node");
    assert_eq!(detect(&[page, package, ("server.js", "alert(1)")]).planner, "static-html");
}

#[test]
fn a_root_that_hands_over_to_a_directory_is_that_app() {
    let root = r#"{ "workspaces": ["web", "tool"], "devDependencies": { "vite": "5" },
        "scripts": { "build": "yarn --cwd ./web build", "start": "yarn --cwd ./web start" } }"#;
    let app = r#"{ "name": "web", "private": true, "scripts": { "build": "vite build", "start": "yarn && vite" },
        "devDependencies": { "vite": "5" } }"#;
    let tool = r#"{ "name": "tool", "scripts": { "start": "node x.js" } }"#;
    let files = [
        ("package.json", root),
        ("yarn.lock", ""),
        ("web/package.json", app),
        ("web/index.html", ""),
        ("tool/package.json", tool),
    ];
    let detection = detect(&files);
    assert_eq!(detection.publish_directory.unwrap().value, "web/dist");
    assert_eq!(detection.build.unwrap().value, "yarn run build");
}

#[test]
fn inv_37_no_text_of_a_manifest_gets_into_the_commands_that_prepare_an_image() {
    for asked in ["9.1.0; touch x", ">=9 <10", "$(id)", "latest", "9.1.0 && id", "--registry=x", "9\nid"] {
        for (name, lockfile) in [("pnpm", "pnpm-lock.yaml"), ("yarn", "yarn.lock")] {
            let manifest = serde_json::json!({
                "packageManager": format!("{name}@{asked}"),
                "scripts": { "start": "node server.js" },
            });
            let files = [("package.json", manifest.to_string()), (lockfile, "__metadata:\n".to_owned())];
            let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
            let setup = detect(&files).image_setup.join("\n");
            assert!(!setup.contains(asked), "{setup}");
        }
    }
}

#[test]
fn a_handler_of_tanstack_start_gets_a_server() {
    let of = |version: &str, more: &str| {
        let text = format!(
            r#"{{ "scripts": {{ "build": "vite build" }}, "dependencies": {{ "@tanstack/react-start": "{version}"{more} }} }}"#
        );
        let detection = detect(&[("package.json", &text), ("package-lock.json", "{}")]);
        (value(&detection.start).to_owned(), detection.image_setup)
    };
    let handler = "srvx --prod -s ../client dist/server/server.js".to_owned();
    for version in ["latest", "^1.132.0", "1.169.5", "^2.0.0"] {
        assert_eq!(
            of(version, ""),
            (handler.clone(), vec!["npm install -g srvx@1.0.8".to_owned()]),
            "{version}"
        );
    }
    let program = ("node .output/server/index.mjs".to_owned(), Vec::new());
    assert_eq!(of("^1.121.7", ""), program);
    assert_eq!(of("latest", r#", "nitro": "3""#), program);
}
