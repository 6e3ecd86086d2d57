//! Manifests with bytes changed, cut out or repeated: every parser reads or refuses them, and detection ends.
//!
//! A corpus with a fixed seed, on the stable toolchain, for every format that a rule reads. A long campaign:
//! `PROPTEST_CASES=1000000 cargo test --release -p deploy-detect --test mutated`.

use std::collections::BTreeSet;

use deploy_core::detect::Detected;
use deploy_core::evidence::{Ask, Evidence};
use deploy_core::port::Detector;
use deploy_core::spec::Profile;
use deploy_detect::Catalogue;
use deploy_detect::tree::Tree;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What one detection may take, in units that don't depend on the machine.
const ROUNDS: usize = 20;
const ASKS: usize = 4_000;
/// How long the answer may be, for a source of a few kilobytes.
const ANSWER: usize = 256 << 10;

/// A small project of every ecosystem, with the manifests that its rule reads.
const PROJECTS: &[&[(&str, &str)]] = &[
    &[
        (
            "package.json",
            r#"{ "name": "web", "packageManager": "pnpm@9.1.0", "scripts": { "build": "vite build", "start": "node dist/server.js" }, "dependencies": { "express": "^5" }, "devDependencies": { "vite": "5" }, "engines": { "node": ">=20 <23" }, "workspaces": ["apps/*"] }"#,
        ),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
        ("pnpm-workspace.yaml", "packages:\n  - 'apps/*'\n  - '!apps/x'\n"),
        ("turbo.json", r#"{ "tasks": { "build": {} } }"#),
        ("vite.config.ts", "export default defineConfig({ build: { outDir: 'web/out' } }) // x\n"),
        ("tsconfig.json", "{ // comment\n \"compilerOptions\": { \"outDir\": \"dist\", }, }"),
        (
            "apps/a/package.json",
            r#"{ "name": "a", "scripts": { "start": "next start" }, "dependencies": { "next": "15" } }"#,
        ),
        ("apps/a/next.config.mjs", "export default { output: 'export', distDir: 'out' }"),
    ],
    &[
        (
            "package.json",
            r#"{ "dependencies": { "@angular/core": "18" }, "scripts": { "build": "ng build" } }"#,
        ),
        (
            "angular.json",
            r#"{ "defaultProject": "shop", "projects": { "shop": { "architect": { "build": { "builder": "@angular/build:application", "options": { "outputPath": { "base": "dist/shop", "browser": "" } } } } } } }"#,
        ),
        ("nx.json", r#"{ "defaultProject": "shop", "targetDefaults": {} }"#),
        ("yarn.lock", "__metadata:\n  version: 8\n"),
    ],
    &[
        ("deno.json", "{ \"tasks\": { \"start\": \"deno run -A main.ts\" }, // x\n \"imports\": {}, }"),
        ("main.ts", "Deno.serve({ port: 8000 }, f)"),
    ],
    &[
        (
            "pyproject.toml",
            "[project]\nname = \"x\"\nrequires-python = \">=3.11,<3.14\"\ndependencies = [\"fastapi[standard]>=0.1\", \"psycopg2\"]\n[project.scripts]\nx = \"x:main\"\n[tool.uv.workspace]\nmembers = [\"libs/*\"]\n",
        ),
        ("uv.lock", "version = 1\n"),
        ("main.py", "from fastapi import FastAPI\napp: FastAPI = FastAPI()\n"),
        ("libs/a/pyproject.toml", "[project]\nname = \"a\"\n"),
    ],
    &[
        ("requirements.txt", "-r base.txt\nDjango==5.0 # x\n"),
        ("base.txt", "gunicorn==22\n"),
        ("manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'a.settings')\nimport django"),
        ("a/settings.py", "STATIC_ROOT = 1\n"),
        ("a/wsgi.py", ""),
        ("runtime.txt", "python-3.12.1\n"),
    ],
    &[
        (
            "environment.yml",
            "dependencies:\n  - python=3.11\n  - conda-forge::flask=3\n  - pip:\n    - gunicorn\n",
        ),
        ("app.py", "app = Flask(__name__)"),
    ],
    &[
        (
            "Pipfile",
            "[packages]\nflask = { version = \"*\", extras = [\"async\"] }\n[requires]\npython_version = \"3.12\"\n",
        ),
        ("Pipfile.lock", "{}"),
        ("app.py", "app = Flask(__name__)"),
    ],
    &[
        (
            "go.mod",
            "module example.com/x/v2\n\ngo 1.23.1\ntoolchain go1.24.0\nrequire (\n\tgithub.com/gin-gonic/gin v1.10.0\n)\nreplace a => ./b\n",
        ),
        ("cmd/web/main.go", "package main\nfunc main() { http.ListenAndServe(\":8080\", nil) }"),
    ],
    &[
        ("go.work", "go 1.22\nuse (\n\t./api // x\n\t./lib\n)\n"),
        ("api/go.mod", "module api\n"),
        ("api/main.go", "package main\n"),
        ("lib/go.mod", "module lib\n"),
    ],
    &[
        ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\ndefault-members = [\"crates/web\"]\n"),
        ("Cargo.lock", ""),
        (
            "crates/web/Cargo.toml",
            "[package]\nname = \"web\"\nrust-version = \"1.80\"\n[[bin]]\nname = \"server\"\npath = \"src/main.rs\"\n[dependencies]\naxum = { version = \"0.8\" }\n",
        ),
        ("crates/web/src/main.rs", "TcpListener::bind(\"0.0.0.0:3000\")"),
        ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.85\"\n"),
    ],
    &[
        ("Gemfile", "source 'https://rubygems.org'\nruby '3.3.0'\ngem 'rails', '~> 7.1'\ngem 'puma'\n"),
        ("Gemfile.lock", "GEM\n  specs:\n    rails (7.1.0)\nRUBY VERSION\n   ruby 3.3.0p0\n"),
        ("config/application.rb", ""),
        ("config.ru", "run App"),
        ("config/database.yml", "production:\n  adapter: sqlite3\n"),
    ],
    &[
        ("composer.json", r#"{ "require": { "php": "^8.2", "laravel/framework": "^11", "ext-gd": "*" } }"#),
        ("composer.lock", r#"{ "packages": [] }"#),
        ("artisan", ""),
        ("public/index.php", "<?php"),
    ],
    &[
        (
            "pom.xml",
            "<project><parent><artifactId>spring-boot-starter-parent</artifactId><version>3</version></parent><artifactId>shop</artifactId><version>1</version><properties><java.version>21</java.version></properties><modules><module>api</module></modules><build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build></project>",
        ),
        ("api/pom.xml", "<project><packaging>war</packaging><artifactId>a</artifactId></project>"),
        ("src/main/resources/application.yml", "server:\n  port: ${PORT:8081}\n"),
    ],
    &[
        (
            "build.gradle.kts",
            "plugins {\n  id(\"io.ktor.plugin\")\n  application\n}\njava { toolchain { languageVersion = JavaLanguageVersion.of(21) } }\n",
        ),
        ("settings.gradle.kts", "rootProject.name = \"shop\"\ninclude(\":app\",\n  \":lib\")\n"),
        ("app/build.gradle", "apply plugin: 'war'\n"),
        ("gradle/libs.versions.toml", "[versions]\nktor = \"3\"\n"),
    ],
    &[
        ("build.sbt", "name := \"shop\"\nscalaVersion := \"3.3.1\"\nenablePlugins(PlayScala)\n"),
        ("project/plugins.sbt", "addSbtPlugin(\"x\" % \"sbt-native-packager\" % \"1\")\n"),
        ("project/build.properties", "sbt.version=1.9.0\n"),
    ],
    &[(
        "project.clj",
        "(defproject shop \"0.1.0\" :dependencies [[ring \"1\"]] :main shop.core :uberjar-name \"shop.jar\")\n",
    )],
    &[
        ("App.sln", ""),
        (
            "src/Web/Web.csproj",
            "<Project Sdk=\"Microsoft.NET.Sdk.Web\"><PropertyGroup><TargetFramework>net9.0</TargetFramework><AssemblyName>a b</AssemblyName></PropertyGroup></Project>",
        ),
        ("global.json", "{ \"sdk\": { \"version\": \"9.0.100\" } }"),
    ],
    &[
        (
            "mix.exs",
            "defmodule A.MixProject do\n  def project, do: [app: :a, version: \"0.1.0\", elixir: \"~> 1.15\"]\n  defp deps, do: [{:phoenix, \"~> 1.7\"}]\nend\n",
        ),
        (".tool-versions", "elixir 1.17.2-otp-27\nerlang 27.0\n"),
        ("config/runtime.exs", "port = System.get_env(\"PORT\") || \"4000\""),
    ],
    &[("rebar.config", "{deps, [cowboy]}.\n{relx, [{release, {shop, \"1\"}, [shop]}]}.\n")],
    &[("gleam.toml", "name = \"shop\"\n[dependencies]\nwisp = \"1\"\n")],
    &[
        ("stack.yaml", "resolver: lts-22\n"),
        (
            "package.yaml",
            "name: shop\nexecutables:\n  shop-exe:\n    main: Main.hs\ndependencies: [scotty]\n",
        ),
        ("shop.cabal", "name: shop\nexecutable shop\n  build-depends: base, servant\n"),
    ],
    &[(
        "Package.swift",
        "// swift-tools-version:6.0\nlet package = Package(name: \"shop\", targets: [.executableTarget(name: \"App\", dependencies: [.product(name: \"Vapor\")])])\n",
    )],
    &[
        ("pubspec.yaml", "name: shop\nenvironment:\n  sdk: ^3.5.0\ndependencies:\n  shelf: ^1.4.0\n"),
        ("bin/server.dart", "serve(h, 'x', 8080)"),
    ],
    &[(
        "shard.yml",
        "name: web\ntargets:\n  web:\n    main: src/web.cr\ndependencies:\n  kemal:\n    github: x\n",
    )],
    &[
        ("build.zig", "b.addExecutable(.{ .name = \"app\", })"),
        ("build.zig.zon", ".{ .dependencies = .{ .zap = .{} } }"),
    ],
    &[
        ("dune-project", "(lang dune 3.0)"),
        ("bin/dune", "(executable\n (name main) (libraries dream))"),
        ("shop.opam", "depends: [\"dream\"]"),
    ],
    &[
        ("CMakeLists.txt", "project(shop CXX)\nset(EXE shop)\nadd_executable(${EXE} main.cpp)\n"),
        ("main.cpp", "int main() {}"),
    ],
    &[("meson.build", "project('x', ['cpp'])\nexecutable('srv', ['main.cc'])")],
    &[
        (
            "Makefile",
            "TARGET ?= $(NAME)\nNAME = web # x\nall: $(TARGET)\n$(TARGET): main.o\n%.o: %.c\n\tcc -c $<\n",
        ),
        ("main.c", "listen(fd, 5); // sys/socket.h 8080"),
    ],
    &[
        ("hugo.toml", "baseURL = \"/\"\npublishDir = \"web\"\n"),
        ("mkdocs.yml", "site_name: x\nsite_dir: out\n"),
        ("book.toml", "[build]\nbuild-dir = \"b\"\n"),
        ("_config.yml", "destination: d\n"),
    ],
    &[(
        "Dockerfile",
        "# syntax=docker/dockerfile:1\nARG V=22\nFROM node:${V} AS build\nWORKDIR /app\nFROM build\nENV PORT=3000\nEXPOSE $PORT 9090/udp\nHEALTHCHECK --interval=5s CMD curl -f http://localhost:3000/up || exit 1\nVOLUME [\"/d\"]\nCMD [\"node\", \\\n \"a.js\"]\n",
    )],
    &[(
        "compose.yaml",
        "x-a: &a\n  restart: always\nservices:\n  web:\n    <<: *a\n    build: { context: ., target: run }\n    ports: ['${PORT:-3000}:3000', { target: 80 }]\n    healthcheck: { test: [CMD, curl, 'http://localhost/up'] }\n    volumes: ['data:/d']\n  db: { image: 'postgres:16' }\n",
    )],
    &[
        ("Procfile", "release: ./m\nweb: gunicorn app:app --bind :$PORT\n"),
        ("Staticfile", "root: public\npushstate: enabled\n"),
        ("public/index.html", "<!doctype html><script src=\"/a.js\"></script>"),
    ],
    &[
        (
            "index.html",
            "<!doctype html><link rel=stylesheet href=a.css><script type=module src=/src/main.tsx></script>",
        ),
        ("src/main.tsx", ""),
    ],
];

/// What becomes of a manifest: bytes set, then a part cut out or repeated.
type Damage = (Vec<(Index, u8)>, Option<(Index, Index, u8)>);

fn damaged(text: &str, (set, part): &Damage) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.is_empty() {
        return String::new();
    }
    for (at, byte) in set {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    if let Some((a, b, times)) = part {
        let (a, b) = (a.index(bytes.len()), b.index(bytes.len()));
        let (from, to) = (a.min(b), a.max(b));
        let cut = bytes[from..to].repeat(usize::from(*times));
        bytes.splice(from..to, cut);
    }
    // A source that is no UTF-8 is refused before a rule sees it.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Detects, and gives how long the answer is and how often it asked.
fn effort(tree: &Tree) -> (usize, usize, usize) {
    let (mut evidence, mut asked, profile) =
        (Evidence::default(), BTreeSet::<Ask>::new(), Profile::default());
    for round in 1..=ROUNDS {
        match Catalogue::new().detect(&evidence, &profile) {
            Detected::Done(detection) => {
                return (serde_json::to_vec(&detection).expect("it is JSON").len(), asked.len(), round);
            }
            Detected::Needs(asks) => {
                asks.iter().for_each(|ask| tree.answer(ask, &mut evidence));
                asked.extend(asks);
            }
        }
    }
    panic!("it asks for ever: {asked:?}")
}

#[test]
fn threat_f21_any_damaged_manifest_is_read_or_refused_in_bounded_work() {
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(&b"\"'{}[]()<>:=,#\\/.*$ \n\t-&!|"[..]),];
    let set = proptest::collection::vec((any::<Index>(), byte), 0..5);
    let part = proptest::option::weighted(0.4, (any::<Index>(), any::<Index>(), 0..4_u8));
    let cases = (0..PROJECTS.len(), proptest::collection::vec((set, part), 8));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut runner = TestRunner::new_with_rng(
        Config { failure_persistence: None, cases: Config::default().cases.max(1_000), ..Config::default() },
        rng,
    );
    let ran = runner.run(&cases, |(project, damages)| {
        let files = PROJECTS[project].iter().zip(&damages);
        let files: Vec<(&str, String)> =
            files.map(|((path, text), damage)| (*path, damaged(text, damage))).collect();
        let (bytes, asks, _) = effort(&Tree::new(&files));
        prop_assert!(bytes <= ANSWER && asks <= ASKS, "{} bytes, {} asks: {:?}", bytes, asks, files);
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn every_project_of_the_corpus_is_recognised_as_it_stands() {
    for files in PROJECTS {
        let (detection, _) = Tree::new(files).judge(&Catalogue::new(), &Profile::default()).unwrap();
        assert!(!detection.evidence.is_empty(), "{files:?}: {detection:#?}");
    }
}
