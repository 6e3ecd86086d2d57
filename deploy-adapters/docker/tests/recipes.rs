//! The generated Dockerfile of a small project of every family, to the byte: a change of one is seen.
//!
//! `DEPLOY_WRITE_GOLDEN=1 cargo test -p deploy-docker --test recipes` writes them anew; then read the difference.

#![expect(clippy::unwrap_used, reason = "a test that reads its golden files")]
#![expect(clippy::disallowed_methods, reason = "a test that runs what a Dockerfile runs")]

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use deploy_core::plan::{CommandKind, Draft, DraftRequest, Outline, draft};
use deploy_core::spec::{Actor, Spec};
use deploy_detect::Catalogue;
use deploy_detect::tree::Tree;

type Files = &'static [(&'static str, &'static str)];

/// What Cargo writes for the workspace below.
const RUST_LOCK: &str = "version = 4\n\n[[package]]\nname = \"web\"\nversion = \"0.1.0\"\ndependencies = [\n \"words\",\n]\n\n[[package]]\nname = \"words\"\nversion = \"0.1.0\"\n";

/// A family's name, and a project of it.
const FAMILIES: &[(&str, Files)] = &[
    (
        "node-npm",
        &[
            (
                "package.json",
                r#"{ "scripts": { "build": "tsc", "start": "node dist/server.js" }, "dependencies": { "express": "5" }, "devDependencies": { "typescript": "5" }, "engines": { "node": "22" } }"#,
            ),
            ("package-lock.json", r#"{ "lockfileVersion": 3, "packages": {} }"#),
        ],
    ),
    (
        "next-pnpm",
        &[
            (
                "package.json",
                r#"{ "packageManager": "pnpm@9.1.0", "scripts": { "build": "next build", "start": "next start" }, "dependencies": { "next": "15", "react": "19" } }"#,
            ),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
        ],
    ),
    (
        "node-yarn-berry",
        &[
            (
                "package.json",
                r#"{ "packageManager": "yarn@4.5.0", "scripts": { "start": "node server.js" }, "dependencies": { "fastify": "5" } }"#,
            ),
            ("yarn.lock", "__metadata:\n  version: 8\n"),
            ("server.js", "require('fastify')().listen({ port: 3000, host: '0.0.0.0' })"),
        ],
    ),
    (
        "bun",
        &[
            (
                "package.json",
                r#"{ "scripts": { "start": "bun run index.ts" }, "dependencies": { "hono": "4" } }"#,
            ),
            ("bun.lock", "{ \"lockfileVersion\": 1 }"),
            ("index.ts", "export default { port: 3000, fetch: () => new Response('hi') }"),
        ],
    ),
    (
        "deno",
        &[
            ("deno.json", r#"{ "tasks": { "start": "deno run -A main.ts" } }"#),
            ("main.ts", "Deno.serve({ port: 8000 }, f)"),
        ],
    ),
    (
        "python-pip",
        &[
            ("requirements.txt", "flask==3.0.3\ngunicorn==22.0.0\n"),
            ("app.py", "from flask import Flask\napp = Flask(__name__)\n"),
        ],
    ),
    (
        "python-uv",
        &[
            (
                "pyproject.toml",
                "[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \">=3.12\"\ndependencies = [\"fastapi\", \"uvicorn\"]\n",
            ),
            ("uv.lock", "version = 1\n"),
            ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
        ],
    ),
    (
        "python-poetry-django",
        &[
            (
                "pyproject.toml",
                "[tool.poetry]\nname = \"x\"\n[tool.poetry.dependencies]\npython = \"^3.12\"\ndjango = \"^5\"\ngunicorn = \"*\"\n",
            ),
            ("poetry.lock", "[metadata]\nlock-version = \"2.0\"\n"),
            (
                "manage.py",
                "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\nimport django\n",
            ),
            ("site/settings.py", "WSGI_APPLICATION = 'site.wsgi.application'\n"),
            ("site/wsgi.py", "application = get_wsgi_application()\n"),
        ],
    ),
    (
        "go",
        &[
            ("go.mod", "module example.com/x\n\ngo 1.23\n"),
            ("go.sum", ""),
            ("main.go", "package main\n\nfunc main() { http.ListenAndServe(\":8080\", nil) }\n"),
        ],
    ),
    (
        "rust",
        &[
            (
                "Cargo.toml",
                "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\naxum = \"0.8\"\n",
            ),
            ("Cargo.lock", "version = 4\n"),
            ("src/main.rs", "fn main() {}\n"),
        ],
    ),
    (
        "rust-workspace",
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"2\"\n"),
            ("Cargo.lock", RUST_LOCK),
            (
                "crates/words/Cargo.toml",
                "[package]\nname = \"words\"\nversion = \"0.1.0\"\nedition = \"2021\"\nbuild = \"make.rs\"\n\n[[bench]]\nname = \"quick\"\n",
            ),
            ("crates/words/make.rs", "fn main() { println!(\"cargo:rustc-env=MADE=real\"); }\n"),
            ("crates/words/benches/quick.rs", "fn main() {}\n"),
            ("crates/words/src/lib.rs", "pub const WORDS: &str = env!(\"MADE\");\n"),
            (
                "crates/web/Cargo.toml",
                "[package]\nname = \"web\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\nwords = { path = \"../words\" }\n",
            ),
            (
                "crates/web/src/main.rs",
                "use std::net::TcpListener as _;\n\nfn main() { println!(\"{}\", words::WORDS); }\n",
            ),
        ],
    ),
    (
        "ocaml",
        &[
            ("dune-project", "(lang dune 3.0)\n(package (name x) (depends dream))\n"),
            ("x.opam", "depends: [ \"dream\" ]\n"),
            ("bin/dune", "(executable (name main) (libraries dream))\n"),
            ("bin/main.ml", "let () = Dream.run ~interface:\"0.0.0.0\" (fun _ -> Dream.html \"hi\")\n"),
        ],
    ),
    (
        "zola",
        &[
            ("config.toml", "base_url = \"https://example.com\"\n"),
            ("content/_index.md", "hi\n"),
            ("templates/index.html", "<h1>hi</h1>\n"),
        ],
    ),
    (
        "ruby-rails",
        &[
            ("Gemfile", "source 'https://rubygems.org'\nruby '3.3.0'\ngem 'rails'\ngem 'puma'\n"),
            ("Gemfile.lock", "GEM\n  specs:\n    rails (7.1.0)\n    puma (6.4.0)\n"),
            ("config.ru", "run Rails.application\n"),
            ("config/application.rb", "module X; class Application < Rails::Application; end; end\n"),
            ("bin/rails", "#!/usr/bin/env ruby\n"),
        ],
    ),
    (
        "php-laravel",
        &[
            ("composer.json", r#"{ "require": { "php": "^8.3", "laravel/framework": "^11" } }"#),
            ("composer.lock", r#"{ "packages": [] }"#),
            ("artisan", "#!/usr/bin/env php\n"),
            ("public/index.php", "<?php\n"),
        ],
    ),
    (
        "java-spring-maven",
        &[
            (
                "pom.xml",
                "<project><modelVersion>4.0.0</modelVersion><artifactId>x</artifactId><version>1</version><parent><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId><version>3.3.0</version></parent><properties><java.version>21</java.version></properties><dependencies><dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-web</artifactId></dependency></dependencies><build><plugins><plugin><groupId>org.springframework.boot</groupId><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build></project>",
            ),
            ("src/main/java/X.java", "@SpringBootApplication class X {}\n"),
        ],
    ),
    (
        "java-gradle",
        &[
            (
                "build.gradle.kts",
                "plugins { id(\"org.springframework.boot\") version \"3.3.0\"\n  java }\njava { toolchain { languageVersion = JavaLanguageVersion.of(21) } }\ndependencies { implementation(\"org.springframework.boot:spring-boot-starter-web\") }\n",
            ),
            ("settings.gradle.kts", "rootProject.name = \"x\"\n"),
            ("src/main/java/X.java", "@SpringBootApplication class X {}\n"),
        ],
    ),
    (
        "dotnet",
        &[
            (
                "web.csproj",
                "<Project Sdk=\"Microsoft.NET.Sdk.Web\"><PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup></Project>",
            ),
            ("Program.cs", "var app = WebApplication.Create(args); app.Run();\n"),
        ],
    ),
    (
        "elixir-phoenix",
        &[
            (
                "mix.exs",
                "defmodule X.MixProject do\n  def project, do: [app: :x, elixir: \"~> 1.17\", deps: deps()]\n  defp deps, do: [{:phoenix, \"~> 1.7\"}]\nend\n",
            ),
            ("mix.lock", "%{}\n"),
            ("config/runtime.exs", "import Config\n"),
        ],
    ),
];

fn spec() -> Spec {
    Spec::directory("app".parse().unwrap(), "docker".parse().unwrap(), "/srv/app", Actor("anna".into()))
}

fn outline(files: Files) -> Outline {
    outline_of(files, &spec())
}

fn outline_of(files: Files, spec: &Spec) -> Outline {
    let detection = Tree::new(files).judge(&Catalogue::new(), &spec.profile).expect("it asks for ever").0;
    let request = DraftRequest { spec, detection: &detection, survey: None, executor: None, installed: &[] };
    match draft(&request) {
        Draft::Ready(plan) => plan.outline().clone(),
        Draft::Blocked(plan) => plan.outline().clone(),
    }
}

#[test]
fn every_family_builds_from_the_dockerfile_that_was_reviewed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recipes");
    let mut changed = Vec::new();
    for (family, files) in FAMILIES {
        let outline = outline(files);
        let text = deploy_docker::dockerfile(&outline)
            .unwrap_or_else(|| panic!("{family}: no Dockerfile for {:#?}", outline.detection));
        let path = directory.join(format!("{family}.Dockerfile"));
        if std::env::var_os("DEPLOY_WRITE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != text {
            changed.push(format!("{family}:\n{text}"));
        }
    }
    assert!(changed.is_empty(), "not the reviewed ones: {}", changed.join("\n"));
}

/// What holds for every one of them, whatever the family.
#[test]
fn every_family_installs_before_the_source_and_runs_without_rights() {
    for (family, files) in FAMILIES {
        let outline = outline(files);
        let text = deploy_docker::dockerfile(&outline).unwrap();
        let source = text.find("\nCOPY . .\n").unwrap_or_else(|| panic!("{family}: {text}"));
        for words in &outline.detection.ahead {
            let written = serde_json::to_string(words).unwrap();
            assert!(text.find(&written).is_some_and(|at| at < source), "{family}: {text}");
        }
        for command in outline.commands.iter().filter(|command| command.kind == CommandKind::Install) {
            let written = serde_json::to_string(&command.command).unwrap();
            assert!(text.find(&written).is_some_and(|at| at < source), "{family}: {text}");
        }
        assert!(
            text.matches("FROM ").count() >= 2 && text.contains("\nUSER 10001:10001\n"),
            "{family}: {text}"
        );
    }
}

/// What was compiled of stand-ins is never taken for the program, though the source that comes in is older than it.
#[test]
fn a_stand_in_never_gets_into_a_release_of_rust() {
    let (_, files) = FAMILIES.iter().find(|(family, _)| family == &"rust-workspace").unwrap();
    let outline = outline(files);
    let place = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(place.path()).env_remove("CARGO_TARGET_DIR");
        let output = command.env("CARGO_NET_OFFLINE", "true").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    };
    let write = |(path, text): &(&str, &str)| {
        let path = place.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    };
    let is_early = |path: &str| outline.detection.manifests.iter().any(|manifest| manifest == path);
    files.iter().filter(|(path, _)| is_early(path)).for_each(write);
    let mut ahead = outline.detection.ahead.iter().map(|words| words.iter().map(String::as_str).collect());
    let said: Vec<String> = ahead.by_ref().map(|words: Vec<&str>| run(&words).1).collect();
    assert!(said.concat().contains("Compiling web"), "nothing was compiled ahead: {said:?}");

    files.iter().for_each(write);
    run(&["/bin/sh", "-c", &command(&outline, CommandKind::Build)]);
    let (told, _) = run(&["/bin/sh", "-c", &command(&outline, CommandKind::Start)]);
    assert_eq!(told, "real\n");
}

fn command(outline: &Outline, kind: CommandKind) -> String {
    outline.commands.iter().find(|command| command.kind == kind).unwrap().command.clone()
}

/// A command of one's own may read any file: all of the source is there before it.
#[test]
fn an_install_command_of_ones_own_sees_all_of_the_source() {
    let (_, files) = FAMILIES.iter().find(|(family, _)| family == &"node-npm").unwrap();
    let mut spec = spec();
    spec.profile.runtime.install = Some("sh tools/install.sh".to_owned());
    let text = deploy_docker::dockerfile(&outline_of(files, &spec)).unwrap();
    let source = text.find("\nCOPY . .\n").unwrap();
    assert!(text.find("tools/install.sh").is_some_and(|at| source < at), "{text}");
    assert!(!text.contains("COPY [\"package.json\""), "{text}");
}

/// Packages for development go after the build, which needs them, and stay for a start command of one's own; one that
/// only says again what was found changes nothing, so a written profile does not either.
#[test]
fn what_only_the_build_needs_is_removed_once_it_is_built() {
    let (_, files) = FAMILIES.iter().find(|(family, _)| family == &"node-npm").unwrap();
    let prune = "\"npm prune --omit=dev --ignore-scripts\"";
    let with_start = |start: Option<&str>| {
        let mut spec = spec();
        spec.profile.runtime.start = start.map(str::to_owned);
        deploy_docker::dockerfile(&outline_of(files, &spec)).unwrap()
    };
    let text = with_start(None);
    assert!(
        text.find("npm run build") < text.find(prune) && text.find(prune) < text.rfind("\nFROM "),
        "{text}"
    );
    assert_eq!(with_start(Some("npm run start")), text);
    assert!(!with_start(Some("npx tsx src/server.ts")).contains(prune));
}

/// Without this, Rails ends at once, and Laravel answers nothing: their files are read-only to every other release.
#[test]
fn what_keeps_files_of_its_own_says_why() {
    let writers: Vec<&str> = FAMILIES
        .iter()
        .filter(|(_, files)| outline(files).detection.writes.is_some())
        .map(|(family, _)| *family)
        .collect();
    assert_eq!(writers, ["next-pnpm", "ruby-rails", "php-laravel"]);
}
