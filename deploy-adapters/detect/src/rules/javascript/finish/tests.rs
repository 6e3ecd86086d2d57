use deploy_core::detect::Detection;

use crate::testing::detect;

/// An application with these scripts (`start` and more), what it runs with, and what it is developed with.
fn app(scripts: &str, dependencies: &str, development: &str) -> String {
    let listed = |names: &str| {
        let names = names.split(' ').filter(|name| !name.is_empty());
        names.map(|name| format!("{name:?}: \"*\"")).collect::<Vec<_>>().join(", ")
    };
    format!(
        "{{ \"scripts\": {scripts}, \"dependencies\": {{ {} }}, \"devDependencies\": {{ {} }} }}",
        listed(dependencies),
        listed(development)
    )
}

fn finish(detection: &Detection) -> Vec<&str> {
    detection.finish.iter().map(|words| words[2].as_str()).collect()
}

const NPM: &str = "npm prune --omit=dev --ignore-scripts";
const SERVER: &str = "import express from 'express';\nexpress().listen(process.env.PORT);\n";

#[test]
fn what_only_the_build_needs_is_not_in_the_release() {
    let package = app(r#"{ "build": "tsc", "start": "node dist/server.js" }"#, "express", "typescript");
    for (lock, head, expected) in [
        ("package-lock.json", "{}", NPM),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'", "CI=true pnpm prune --prod --ignore-scripts"),
        (
            "yarn.lock",
            "# yarn lockfile v1",
            "yarn install --production --frozen-lockfile --ignore-scripts --prefer-offline",
        ),
        ("bun.lock", "{}", "rm -rf node_modules && bun install --production --frozen-lockfile"),
    ] {
        let found = detect(&[("package.json", &package), (lock, head), ("src/server.ts", SERVER)]);
        assert_eq!(finish(&found), [expected], "{lock}");
    }
    let pinned = package.replacen('{', "{ \"packageManager\": \"yarn@4.9.2\",", 1);
    for (settings, expected) in [
        ("nodeLinker: node-modules", "yarn workspaces focus --production"),
        ("nodeLinker: pnp", "rm -rf .yarn/cache && yarn workspaces focus --production"),
    ] {
        let files = [
            ("package.json", &*pinned),
            ("yarn.lock", ""),
            (".yarnrc.yml", settings),
            ("src/server.ts", SERVER),
        ];
        assert_eq!(finish(&detect(&files)), [expected], "{settings}");
    }
    let nothing = app(r#"{ "start": "node server.js" }"#, "express", "");
    assert_eq!(finish(&detect(&[("package.json", &nothing), ("server.js", SERVER)])), [""; 0]);
}

#[test]
fn what_the_start_needs_stays_wherever_it_is_listed() {
    let with_start = |start: &str| format!("{{ \"build\": \"tsc\", \"start\": {start:?} }}");
    for (start, pruned) in [
        ("node dist/server.js", true),
        ("NODE_ENV=production node --enable-source-maps dist/server.js", true),
        ("exec node dist/server.js", true),
        ("knex migrate:latest && node dist/server.js", true),
        ("npm run migrate && node dist/server.js", true),
        ("npm run seed && node dist/server.js", false),
        ("npm run nowhere && node dist/server.js", false),
        ("prisma migrate deploy && node dist/server.js", false),
        ("npx prisma migrate deploy; node dist/server.js", false),
        ("cross-env NODE_ENV=production node dist/server.js", false),
        ("node -r ts-node/register src/server.ts", false),
        ("node --import=tsx src/server.ts", false),
        ("node --import tsx/esm src/server.ts", false),
        ("sh start.sh", false),
        ("tsx src/server.ts", false),
    ] {
        let scripts = with_start(start)
            .replace(" }", ", \"migrate\": \"knex migrate:latest\", \"seed\": \"tsx seed.ts\" }");
        let package = app(&scripts, "express knex", "typescript tsx ts-node prisma cross-env");
        let files = [("package.json", &*package), ("package-lock.json", "{}"), ("src/server.ts", SERVER)];
        assert_eq!(finish(&detect(&files)).contains(&NPM), pruned, "{start}");
    }
    // What runs before it counts as well.
    let package = app(r#"{ "prestart": "tsx seed.ts", "start": "node server.js" }"#, "express", "tsx");
    assert_eq!(finish(&detect(&[("package.json", &package), ("server.js", SERVER)])), [""; 0]);
}

#[test]
fn what_is_imported_stays_though_it_is_listed_for_development() {
    let package = |name| app(r#"{ "start": "node server.js" }"#, "express", name);
    for (name, code, pruned) in [
        ("nodemon", "const express = require('express')\nexpress().listen(3000)", true),
        ("vite", "import express from 'express'\nconst vite = await import('vite')\nlisten(3000)", false),
        ("dotenv", "require(\"dotenv/config\")\nlisten(3000)", false),
        ("@types/express", "import type { Request } from '@types/express'\nlisten(3000)", true),
    ] {
        let package = package(name);
        let found = detect(&[("package.json", &package), ("package-lock.json", "{}"), ("server.js", code)]);
        assert_eq!(finish(&found).contains(&NPM), pruned, "{name}");
    }
    let misplaced = app(r#"{ "start": "node dist/server.js" }"#, "", "express typescript");
    let found =
        detect(&[("package.json", &misplaced), ("package-lock.json", "{}"), ("src/server.ts", SERVER)]);
    assert_eq!(finish(&found), [""; 0]);
    let package = app(
        r#"{ "build": "next build", "start": "next start" }"#,
        "next react",
        "@next/bundle-analyzer typescript",
    );
    for (name, config, pruned) in [
        ("next.config.mjs", "export default {}", true),
        ("next.config.mjs", "import analyzer from '@next/bundle-analyzer'", false),
        ("next.config.mjs", "const analyzer = require(\"@next/bundle-analyzer\")", false),
        // What only the build loads.
        (
            "next.config.mjs",
            "export default { turbopack: { rules: { x: ['@next/bundle-analyzer'] } } }",
            true,
        ),
    ] {
        let files = [("package.json", &*package), ("package-lock.json", "{}"), (name, config)];
        assert_eq!(finish(&detect(&files)).contains(&NPM), pruned, "{name} {config}");
    }
    // Next compiles this one at every start.
    let files =
        [("package.json", &*package), ("package-lock.json", "{}"), ("next.config.ts", "export default {}")];
    let kept = format!(
        "cp -rL node_modules/typescript /tmp/typescript && {NPM} && rm -rf node_modules/typescript && \
         mv /tmp/typescript node_modules/typescript"
    );
    assert_eq!(finish(&detect(&files)), ["rm -rf .next/cache", &kept]);
}

/// Laying packages out anew would take back what scripts made of them.
#[test]
fn what_scripts_made_of_packages_stays_as_it_is() {
    let hooked = r#"{ "start": "node server.js", "postinstall": "patch-package" }"#;
    for (lock, head) in [
        ("yarn.lock", "# yarn lockfile v1"),
        ("bun.lock", "{}"),
        ("yarn.lock", "__metadata:\n  version: 8\n"),
    ] {
        let package = app(hooked, "express", "patch-package typescript");
        let files = [("package.json", &*package), (lock, head), ("server.js", SERVER)];
        assert_eq!(finish(&detect(&files)), [""; 0], "{head}");
        let package = app(r#"{ "start": "node server.js" }"#, "express @prisma/client", "prisma");
        let files = [("package.json", &*package), (lock, head), ("server.js", SERVER)];
        assert_eq!(finish(&detect(&files)), [""; 0], "{head}");
    }
}

#[test]
fn a_standalone_server_of_next_gets_its_assets_and_nothing_that_was_installed() {
    let package = app(r#"{ "build": "next build", "start": "next start" }"#, "next react", "typescript");
    let config = "export default { output: 'standalone' }";
    let found = detect(&[("package.json", &package), ("next.config.mjs", config)]);
    let assets = "cp -r .next/static .next/standalone/.next/ && if [ -d public ]; then cp -r public .next/standalone/; fi";
    assert_eq!(finish(&found), [assets, "rm -rf .next/cache", "rm -rf node_modules"]);
    let elsewhere = "export default { output: 'standalone', distDir: 'build; id' }";
    let found = detect(&[("package.json", &package), ("next.config.mjs", elsewhere)]);
    assert!(finish(&found).iter().all(|command| !command.contains("id")), "{found:?}");
}

#[test]
fn what_carries_its_packages_needs_none_that_were_installed() {
    let package = app(r#"{ "build": "nuxt build" }"#, "", "nuxt vue");
    assert_eq!(finish(&detect(&[("package.json", &package)])), ["rm -rf node_modules"]);
    let package = app(r#"{ "build": "nuxt build", "start": "nuxt preview" }"#, "nuxt", "typescript");
    assert_eq!(finish(&detect(&[("package.json", &package), ("package-lock.json", "{}")])), [NPM]);

    let package = app(r#"{ "build": "nuxt build" }"#, "nuxt", "").replacen('{', "{ \"name\": \"web\",", 1);
    let root = r#"{ "private": true, "workspaces": ["apps/*"] }"#;
    let found =
        detect(&[("package.json", root), ("package-lock.json", "{}"), ("apps/web/package.json", &package)]);
    assert_eq!(finish(&found), ["rm -rf node_modules apps/web/node_modules"]);
}
