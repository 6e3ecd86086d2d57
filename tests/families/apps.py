"""Small applications of every family that plans know: what is in them, who lays out the rest, what they answer.

`create` and `lock` run in a container of `image`, in the application's directory, as their authors would run them.
`gone` must not be in the release, `kept` must be.
"""

from dataclasses import dataclass, field


@dataclass
class App:
    name: str
    text: str
    files: dict = field(default_factory=dict)
    create: str = ""
    lock: str = ""
    image: str = "node:24"
    path: str = "/"
    base: str = ""
    gone: tuple = ()
    kept: tuple = ()
    blocked: str = ""


NPM = "npm install --package-lock-only --ignore-scripts"
PNPM = "npm install -g pnpm@9.15.4 && pnpm install --lockfile-only"
YARN = "yarn install --ignore-scripts && rm -rf node_modules"
BERRY = "npm install -g --force @yarnpkg/cli-dist@4.9.2 && yarn install --mode=update-lockfile"
BUN = "bun install --lockfile-only"

TSC = '{ "compilerOptions": { "outDir": "dist", "rootDir": "src", "module": "node16", "moduleResolution": "node16", "target": "es2022", "strict": true, "esModuleInterop": true, "skipLibCheck": true, "types": ["node"] }, "include": ["src"] }'
EXPRESS_TS = "import express from 'express';\nconst app = express();\napp.get('/', (_, answer) => { answer.send('hello from express'); });\napp.listen(Number(process.env.PORT ?? 3000), '0.0.0.0');\n"
TYPES = '"typescript": "~5.9.0", "@types/express": "^5", "@types/node": "^24"'


def express(manager="", scripts="", more="", dev=TYPES):
    manager = f'"packageManager": "{manager}", ' if manager else ""
    scripts = f", {scripts}" if scripts else ""
    return {
        "package.json": f'{{ "name": "app", "private": true, {manager}"scripts": {{ "build": "tsc", "start": "node dist/server.js"{scripts} }}, '
        f'"dependencies": {{ "express": "^5"{more} }}, "devDependencies": {{ {dev} }} }}',
        "tsconfig.json": TSC,
        "src/server.ts": EXPRESS_TS,
    }


TYPESCRIPT = ("node_modules/typescript",)

NODE = [
    App("express-npm", "hello from express", express(), lock=NPM, gone=TYPESCRIPT, kept=("node_modules/express",)),
    App("express-pnpm", "hello from express", express(), lock=PNPM, gone=TYPESCRIPT, kept=("node_modules/express",)),
    App("express-pnpm-pinned", "hello from express", express("pnpm@9.15.4"), lock=PNPM, gone=TYPESCRIPT),
    App("express-yarn-1", "hello from express", express(), lock=YARN, gone=TYPESCRIPT, kept=("node_modules/express",)),
    App(
        "express-yarn-4",
        "hello from express",
        {**express("yarn@4.9.2"), ".yarnrc.yml": "nodeLinker: node-modules\n", "yarn.lock": ""},
        lock=BERRY,
        gone=TYPESCRIPT,
        kept=("node_modules/express",),
    ),
    App(
        "fastify-yarn-4-pnp",
        "hello from fastify",
        {
            "package.json": '{ "name": "app", "private": true, "packageManager": "yarn@4.9.2", "scripts": { "start": "node server.js" }, "dependencies": { "fastify": "^5" }, "devDependencies": { "typescript": "~5.9.0" } }',
            "server.js": "const app = require('fastify')();\napp.get('/', async () => 'hello from fastify');\napp.listen({ port: Number(process.env.PORT ?? 3000), host: '0.0.0.0' });\n",
            "yarn.lock": "",
        },
        lock=BERRY,
    ),
    App(
        "hono-bun",
        "hello from bun",
        {
            "package.json": '{ "name": "app", "private": true, "scripts": { "start": "bun run src/index.ts" }, "dependencies": { "hono": "^4" }, "devDependencies": { "typescript": "~5.9.0" } }',
            "src/index.ts": "import { Hono } from 'hono';\nconst app = new Hono();\napp.get('/', (c) => c.text('hello from bun'));\nexport default { port: Number(process.env.PORT ?? 3000), fetch: app.fetch };\n",
        },
        lock=BUN,
        image="oven/bun:1",
        gone=TYPESCRIPT,
        kept=("node_modules/hono",),
    ),
    App(
        "scripts-of-its-own",
        "hello from postinstall",
        {
            **express(scripts='"postinstall": "node scripts/words.js", "prepare": "husky"', more=', "argon2": "^0.43", "sharp": "^0.34"', dev=TYPES + ', "husky": "^9"'),
            "scripts/words.js": "require('fs').writeFileSync('words.txt', 'hello from postinstall');\n",
            "src/server.ts": "import express from 'express';\nimport argon2 from 'argon2';\nimport sharp from 'sharp';\nimport { readFileSync } from 'node:fs';\nconst app = express();\napp.get('/', async (_, answer) => {\n  await argon2.hash('x');\n  await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } }).png().toBuffer();\n  answer.send(readFileSync('words.txt', 'utf8'));\n});\napp.listen(Number(process.env.PORT ?? 3000));\n",
        },
        lock=NPM,
        gone=TYPESCRIPT + ("node_modules/husky",),
    ),
    App(
        "writes-beside-itself",
        "written beside itself",
        {
            "package.json": '{ "name": "app", "private": true, "scripts": { "start": "node server.js" } }',
            "deploy.toml": "[runtime]\nread_only = false\n",
            "server.js": "const fs = require('node:fs');\nfs.writeFileSync('written.txt', 'written beside itself');\nrequire('node:http').createServer((_, answer) => answer.end(fs.readFileSync('written.txt'))).listen(process.env.PORT ?? 3000);\n",
        },
    ),
    App(
        "started-by-a-development-package",
        "hello from tsx",
        {
            "package.json": '{ "name": "app", "private": true, "type": "module", "scripts": { "start": "tsx src/server.ts" }, "dependencies": { "express": "^5" }, "devDependencies": { "tsx": "^4", "@types/node": "^24" } }',
            "src/server.ts": EXPRESS_TS.replace("express'); });", "tsx'); });").replace("from express", "from tsx"),
        },
        lock=NPM,
        kept=("node_modules/tsx",),
    ),
    App(
        "pnpm-workspace",
        "words of a sibling",
        {
            "package.json": '{ "name": "root", "private": true, "packageManager": "pnpm@9.15.4" }',
            "pnpm-workspace.yaml": "packages:\n  - apps/*\n  - packages/*\n",
            "packages/words/package.json": '{ "name": "@x/words", "version": "1.0.0", "main": "dist/index.js", "types": "dist/index.d.ts", "scripts": { "build": "tsc" }, "devDependencies": { "typescript": "~5.9.0" } }',
            "packages/words/tsconfig.json": '{ "compilerOptions": { "outDir": "dist", "rootDir": "src", "module": "commonjs", "target": "es2022", "declaration": true } }',
            "packages/words/src/index.ts": "export const words: string = 'words of a sibling';\n",
            "apps/web/package.json": '{ "name": "web", "private": true, "scripts": { "build": "tsc", "start": "node dist/server.js" }, "dependencies": { "express": "^5", "@x/words": "workspace:*" }, "devDependencies": { ' + TYPES + " } }",
            "apps/web/tsconfig.json": TSC,
            "apps/web/src/server.ts": "import express from 'express';\nimport { words } from '@x/words';\nconst app = express();\napp.get('/', (_, answer) => { answer.send(words); });\napp.listen(Number(process.env.PORT ?? 3000));\n",
        },
        lock=PNPM,
    ),
    App(
        "npm-workspace",
        "words of a sibling",
        {
            "package.json": '{ "name": "root", "private": true, "workspaces": ["apps/*", "packages/*"] }',
            "packages/words/package.json": '{ "name": "@x/words", "version": "1.0.0", "main": "index.js" }',
            "packages/words/index.js": "exports.words = 'words of a sibling';\n",
            "apps/web/package.json": '{ "name": "web", "private": true, "scripts": { "start": "node server.js" }, "dependencies": { "express": "^5", "@x/words": "*" }, "devDependencies": { "typescript": "~5.9.0" } }',
            "apps/web/server.js": "const { words } = require('@x/words');\nrequire('express')().get('/', (_, answer) => answer.send(words)).listen(process.env.PORT ?? 3000);\n",
        },
        lock=NPM,
    ),
]

NEXT_PAGE = "export const dynamic = 'force-dynamic';\nexport default function Page() { return <h1>hello from next</h1>; }\n"
NEXT = {
    "package.json": '{ "name": "app", "private": true, "scripts": { "dev": "next dev", "build": "next build", "start": "next start" }, "dependencies": { "next": "^15", "react": "^19", "react-dom": "^19" }, "devDependencies": { "typescript": "~5.9.0", "@types/react": "^19", "@types/node": "^24" } }',
    "tsconfig.json": '{ "compilerOptions": { "jsx": "preserve", "strict": true, "noEmit": true, "esModuleInterop": true, "module": "esnext", "moduleResolution": "bundler", "resolveJsonModule": true, "isolatedModules": true, "allowJs": true, "incremental": true, "skipLibCheck": true, "lib": ["dom", "esnext"], "plugins": [{ "name": "next" }] }, "include": ["next-env.d.ts", "**/*.ts", "**/*.tsx", ".next/types/**/*.ts"], "exclude": ["node_modules"] }',
    "app/layout.tsx": "export default function Layout({ children }: { children: React.ReactNode }) { return <html><body>{children}</body></html>; }\n",
    "app/page.tsx": NEXT_PAGE,
    "public/robots.txt": "robots of next\n",
}

FRAMEWORKS = [
    App("next", "hello from next", {**NEXT, "next.config.ts": "import type { NextConfig } from 'next';\nconst config: NextConfig = {};\nexport default config;\n"}, lock=NPM),
    App("next-standalone", "robots of next", {**NEXT, "next.config.mjs": "export default { output: 'standalone' };\n"}, lock=NPM, path="/robots.txt"),
    App(
        "next-standalone-workspace",
        "robots of next",
        {
            "package.json": '{ "name": "root", "private": true, "packageManager": "pnpm@9.15.4" }',
            "pnpm-workspace.yaml": "packages:\n  - apps/*\n",
            **{f"apps/web/{path}": text for path, text in NEXT.items()},
            "apps/web/next.config.mjs": "export default { output: 'standalone' };\n",
        },
        lock=PNPM,
        path="/robots.txt",
    ),
    App("next-export", "hello from next", {**NEXT, "app/page.tsx": NEXT_PAGE.split("\n", 1)[1], "next.config.mjs": "export default { output: 'export' };\n"}, lock=NPM),
    App("create-next-app", "/_next/static/", create="npx --yes create-next-app@latest . --empty --ts --app --tailwind --eslint --no-src-dir --import-alias '@/*' --use-npm --skip-install --disable-git --yes", lock=NPM),
    App(
        "nuxt",
        "hello from nuxt",
        {
            "package.json": '{ "name": "app", "private": true, "type": "module", "scripts": { "build": "nuxt build", "preview": "nuxt preview", "postinstall": "nuxt prepare" }, "dependencies": { "nuxt": "^4", "vue": "^3" } }',
            "nuxt.config.ts": "export default defineNuxtConfig({ compatibilityDate: '2025-07-15', telemetry: false });\n",
            "app/app.vue": "<template><h1>hello from nuxt</h1></template>\n",
            "tsconfig.json": '{ "files": [], "references": [{ "path": "./.nuxt/tsconfig.app.json" }] }',
        },
        lock=PNPM,
    ),
    App(
        "sveltekit-node",
        "Welcome to SvelteKit",
        create="npx --yes sv create . --template minimal --types ts --no-add-ons --no-install && sed -i 's/adapter-auto/adapter-node/' vite.config.ts package.json && sed -i 's/\"@sveltejs\\/adapter-node\": \"[^\"]*\"/\"@sveltejs\\/adapter-node\": \"^5\"/' package.json",
        lock=NPM,
        gone=("node_modules/vite",),
    ),
    App("sveltekit-auto", "", create="npx --yes sv create . --template minimal --types ts --no-add-ons --no-install", lock=NPM, blocked="start_unknown"),
    App(
        "sveltekit-static",
        "Welcome to SvelteKit",
        create="npx --yes sv create . --template minimal --types ts --no-add-ons --no-install && sed -i 's/adapter-auto/adapter-static/' vite.config.ts package.json && sed -i 's/\"@sveltejs\\/adapter-static\": \"[^\"]*\"/\"@sveltejs\\/adapter-static\": \"^3\"/' package.json && echo 'export const prerender = true;' > src/routes/+layout.ts",
        lock=NPM,
    ),
    App(
        "react-router",
        "hello from react-router",
        {
            "package.json": '{ "name": "app", "private": true, "type": "module", "scripts": { "build": "react-router build", "dev": "react-router dev", "start": "react-router-serve ./build/server/index.js", "typecheck": "tsc" }, "dependencies": { "@react-router/node": "7.18.4", "@react-router/serve": "7.18.4", "isbot": "^5", "react": "^19", "react-dom": "^19", "react-router": "7.18.4" }, "devDependencies": { "@react-router/dev": "7.18.4", "typescript": "~5.9.0", "vite": "^7", "@types/react": "^19", "@types/node": "^24" } }',
            "vite.config.ts": "import { reactRouter } from '@react-router/dev/vite';\nimport { defineConfig } from 'vite';\nexport default defineConfig({ plugins: [reactRouter()] });\n",
            "react-router.config.ts": "export default { ssr: true };\n",
            "tsconfig.json": '{ "compilerOptions": { "jsx": "react-jsx", "module": "esnext", "moduleResolution": "bundler", "target": "es2022", "noEmit": true, "skipLibCheck": true }, "include": ["app"] }',
            "app/root.tsx": "import { Outlet, Scripts } from 'react-router';\nexport default function Root() { return <html><body><Outlet /><Scripts /></body></html>; }\n",
            "app/routes.ts": "import { index } from '@react-router/dev/routes';\nexport default [index('routes/home.tsx')];\n",
            "app/routes/home.tsx": "export default function Home() { return <h1>hello from react-router</h1>; }\n",
        },
        lock=NPM,
        gone=("node_modules/vite",),
    ),
    App(
        "remix",
        "hello from remix",
        {
            "package.json": '{ "name": "app", "private": true, "type": "module", "scripts": { "build": "remix vite:build", "dev": "remix vite:dev", "start": "remix-serve ./build/server/index.js" }, "dependencies": { "@remix-run/node": "^2", "@remix-run/react": "^2", "@remix-run/serve": "^2", "isbot": "^4", "react": "^18", "react-dom": "^18" }, "devDependencies": { "@remix-run/dev": "^2", "typescript": "~5.9.0", "vite": "^6" } }',
            "vite.config.ts": "import { vitePlugin as remix } from '@remix-run/dev';\nimport { defineConfig } from 'vite';\nexport default defineConfig({ plugins: [remix()] });\n",
            "app/root.tsx": "import { Outlet, Scripts } from '@remix-run/react';\nexport default function Root() { return <html><body><Outlet /><Scripts /></body></html>; }\n",
            "app/routes/_index.tsx": "export default function Home() { return <h1>hello from remix</h1>; }\n",
            "tsconfig.json": '{ "compilerOptions": { "jsx": "react-jsx", "module": "esnext", "moduleResolution": "bundler", "noEmit": true } }',
        },
        lock=NPM,
        gone=("node_modules/vite",),
    ),
    App(
        "astro-static",
        "hello from astro",
        {
            "package.json": '{ "name": "app", "private": true, "type": "module", "scripts": { "build": "astro build" }, "dependencies": { "astro": "^5" } }',
            "src/pages/index.astro": "<html><body><h1>hello from astro</h1></body></html>\n",
        },
        lock=NPM,
    ),
    App(
        "astro-node",
        "hello from astro",
        {
            "package.json": '{ "name": "app", "private": true, "type": "module", "scripts": { "build": "astro build", "preview": "astro preview" }, "dependencies": { "astro": "^5", "@astrojs/node": "^9" }, "devDependencies": { "typescript": "~5.9.0" } }',
            "astro.config.mjs": "import { defineConfig } from 'astro/config';\nimport node from '@astrojs/node';\nexport default defineConfig({ output: 'server', adapter: node({ mode: 'standalone' }) });\n",
            "src/pages/index.astro": "---\nconst words = 'hello from astro';\n---\n<html><body><h1>{words}</h1></body></html>\n",
        },
        lock=NPM,
    ),
    App("vite-react", '<div id="root">', create="npm create --yes vite@7 . -- --template react-ts", lock=NPM),
    App("vite-vue-pnpm", '<div id="app">', create="npm create --yes vite@7 . -- --template vue-ts", lock=PNPM),
    App("nest", "Hello World!", create="npx --yes @nestjs/cli@11 new app --directory . --skip-git --skip-install --package-manager npm", lock=NPM, gone=TYPESCRIPT),
    App("angular", "<app-root", create="npx --yes @angular/cli@19 new app --directory . --skip-install --skip-git --ssr=false --defaults", lock=NPM),
    App("angular-ssr", "<app-root", create="npx --yes @angular/cli@19 new app --directory . --skip-install --skip-git --ssr --defaults", lock=NPM),
    App(
        "eleventy",
        "hello from eleventy",
        {"package.json": '{ "name": "app", "private": true, "scripts": { "build": "eleventy" }, "devDependencies": { "@11ty/eleventy": "^3" } }', "index.md": "# hello from eleventy\n"},
        lock=NPM,
    ),
    App(
        "vitepress",
        "hello from vitepress",
        {"package.json": '{ "name": "app", "private": true, "scripts": { "docs:build": "vitepress build docs" }, "devDependencies": { "vitepress": "^1" } }', "docs/index.md": "# hello from vitepress\n"},
        lock=NPM,
    ),
    App("docusaurus", "docusaurus", create="npx --yes create-docusaurus@latest site classic --typescript --skip-install && cp -a site/. . && rm -rf site", lock=NPM),
]

FLASK = "from flask import Flask\n\napp = Flask(__name__)\n\n\n@app.get('/')\ndef home():\n    return 'hello from flask'\n"
FASTAPI = "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/')\ndef home():\n    return 'hello from fastapi'\n"
PROJECT = '[project]\nname = "app"\nversion = "1.0.0"\nrequires-python = ">=3.12"\ndependencies = [{}]\n'
PY = "python:3.13-bookworm"

PYTHON = [
    App("flask-pip", "hello from flask", {"requirements.txt": "flask==3.1.0\n", "app.py": FLASK}, image=PY),
    App("fastapi-uv", "hello from fastapi", {"pyproject.toml": PROJECT.format('"fastapi[standard]"'), "main.py": FASTAPI}, lock="pip install -q uv && uv lock", image=PY),
    App(
        "uv-package",
        "hello from a package",
        {
            "pyproject.toml": PROJECT.format('"flask", "gunicorn"') + '\n[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
            "README.md": "x\n",
            "src/app/__init__.py": "",
            "src/app/main.py": FLASK.replace("from flask'", "from a package'"),
        },
        lock="pip install -q uv && uv lock",
        image=PY,
    ),
    App("flask-poetry", "hello from flask", {"pyproject.toml": '[tool.poetry]\nname = "app"\nversion = "1.0.0"\ndescription = ""\nauthors = []\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = "^3.12"\nflask = "^3"\ngunicorn = "*"\n\n[tool.poetry.group.dev.dependencies]\npytest = "*"\n', "app.py": FLASK}, lock="pip install -q poetry && poetry lock", image=PY, gone=(".venv/lib/python3.13/site-packages/pytest",)),
    App("fastapi-pdm", "hello from fastapi", {"pyproject.toml": PROJECT.format('"fastapi", "uvicorn"') + "\n[tool.pdm]\ndistribution = false\n", "main.py": FASTAPI}, lock="pip install -q pdm && pdm lock", image=PY),
    App("flask-pipenv", "hello from flask", {"Pipfile": '[[source]]\nurl = "https://pypi.org/simple"\nverify_ssl = true\nname = "pypi"\n\n[packages]\nflask = "*"\ngunicorn = "*"\n\n[requires]\npython_version = "3.13"\n', "app.py": FLASK}, lock="pip install -q pipenv && pipenv lock", image=PY),
    App("streamlit", "<title>Streamlit</title>", {"requirements.txt": "streamlit\n", "app.py": "import streamlit as st\n\nst.title('hello')\n"}, image=PY),
    App(
        "django",
        "hello from django",
        {
            "pyproject.toml": PROJECT.format('"django>=5,<6", "gunicorn", "psycopg2"'),
            "site/home.txt": "",
        },
        create="pip install -q 'django>=5,<6' && django-admin startproject mysite . && printf \"from django.http import HttpResponse\\nfrom django.urls import path\\n\\nimport psycopg2  # noqa: F401\\n\\nurlpatterns = [path('', lambda request: HttpResponse('hello from django'))]\\n\" > mysite/urls.py && sed -i \"s/ALLOWED_HOSTS = \\[\\]/ALLOWED_HOSTS = ['*']/\" mysite/settings.py && echo \"STATIC_ROOT = BASE_DIR / 'staticfiles'\" >> mysite/settings.py",
        lock="pip install -q uv && uv lock",
        image=PY,
    ),
    App("mkdocs", "hello from mkdocs", {"mkdocs.yml": "site_name: app\n", "requirements.txt": "mkdocs==1.6.1\n", "docs/index.md": "# hello from mkdocs\n"}, image=PY),
    App("sphinx", "hello from sphinx", {"docs/conf.py": "project = 'app'\nextensions = []\n", "docs/index.rst": "hello from sphinx\n=================\n", "docs/requirements.txt": "sphinx\n", "docs/Makefile": "html:\n\tsphinx-build -b html . _build/html\n"}, image=PY),
]

AXUM = 'use axum::{Router, routing::get};\n\n#[tokio::main]\nasync fn main() {\n    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".into());\n    let listener = tokio::net::TcpListener::bind(format!("0.0.0.0:{port}")).await.unwrap();\n    axum::serve(listener, Router::new().route("/", get(|| async { WORDS }))).await.unwrap();\n}\n'
RUST = "rust:1.98-bookworm"

OTHERS = [
    App("axum", "hello from axum", {"Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2024"\n\n[dependencies]\naxum = "0.8"\ntokio = { version = "1", features = ["rt-multi-thread", "macros", "net"] }\n', "src/main.rs": 'const WORDS: &str = "hello from axum";\n' + AXUM}, lock="cargo generate-lockfile", image=RUST),
    App(
        "axum-workspace",
        "words of a sibling",
        {
            "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nresolver = "3"\n',
            "crates/words/Cargo.toml": '[package]\nname = "words"\nversion = "0.1.0"\nedition = "2024"\n',
            "crates/words/src/lib.rs": 'pub const WORDS: &str = "words of a sibling";\n',
            "crates/web/Cargo.toml": '[package]\nname = "web"\nversion = "0.1.0"\nedition = "2024"\n\n[dependencies]\naxum = "0.8"\ntokio = { version = "1", features = ["rt-multi-thread", "macros", "net"] }\nwords = { path = "../words" }\n',
            "crates/web/src/main.rs": "use words::WORDS;\n" + AXUM,
        },
        lock="cargo generate-lockfile",
        image=RUST,
    ),
    App("go", "hello from go", {"go.mod": "module example.com/app\n\ngo 1.24\n", "main.go": 'package main\n\nimport (\n\t"fmt"\n\t"net/http"\n\t"os"\n)\n\nfunc main() {\n\tport := os.Getenv("PORT")\n\tif port == "" {\n\t\tport = "8080"\n\t}\n\thttp.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello from go") })\n\thttp.ListenAndServe(":"+port, nil)\n}\n'}),
    App("deno", "hello from deno", {"deno.json": '{ "tasks": { "start": "deno run -A main.ts" } }\n', "main.ts": "Deno.serve({ port: 8000 }, () => new Response('hello from deno'));\n"}),
    App("ruby-rack", "hello from rack", {"Gemfile": "source 'https://rubygems.org'\nruby '~> 3.3.0'\ngem 'rack'\ngem 'rackup'\ngem 'webrick'\n", "config.ru": "run ->(_) { [200, { 'content-type' => 'text/plain' }, ['hello from rack']] }\n"}, image="ruby:3.3-bookworm"),
    App("mdbook", "hello from mdbook", {"book.toml": "[book]\ntitle = 'app'\n", "src/SUMMARY.md": "- [One](one.md)\n", "src/one.md": "# hello from mdbook\n"}),
    App(
        "cmake",
        "hello from cmake",
        {
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.20)\nproject(app CXX)\nadd_executable(app main.cpp)\ninstall(TARGETS app)\n",
            "main.cpp": '#include <cstdlib>\n#include <netinet/in.h>\n#include <string>\n#include <sys/socket.h>\n#include <unistd.h>\n\nint main() {\n  const char* port = std::getenv("PORT");\n  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);\n  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);\n  sockaddr_in address{};\n  address.sin_family = AF_INET;\n  address.sin_port = htons(port ? std::atoi(port) : 8080);\n  bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address);\n  listen(listener, 64);\n  for (;;) {\n    int peer = accept(listener, nullptr, nullptr);\n    char head[4096];\n    read(peer, head, sizeof head);\n    std::string answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 16\\r\\nConnection: close\\r\\n\\r\\nhello from cmake";\n    write(peer, answer.data(), answer.size());\n    close(peer);\n  }\n}\n',
        },
    ),
]

ALL = NODE + FRAMEWORKS + PYTHON + OTHERS
