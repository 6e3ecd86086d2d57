//! Go: which package is the program, and how it is built into one file.

mod packages;

use deploy_core::detect::{Detection, Found, ProjectKind};

use self::packages::{Main, join_plain, main_file, main_package, used_modules};
use super::asked;
use super::listen;
use super::parts::{Around, assets};
use super::program::{APP, Program, several_starts, start_unknown};
use super::release::Releases;
use crate::apps;
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};
use crate::rules::procfile::main_process;

pub(super) const RULE: Rule = detect;

const RELEASES: Releases = Releases {
    language: "Go",
    all: &[
        "1.13", "1.14", "1.15", "1.16", "1.17", "1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24",
        "1.25", "1.26", "1.27",
    ],
    usual: "1.26",
};

/// Modules of frameworks, each with the framework's name.
const FRAMEWORKS: &[(&str, &str)] = &[
    ("github.com/gin-gonic/gin", "gin"),
    ("github.com/labstack/echo", "echo"),
    ("github.com/gofiber/fiber", "fiber"),
    ("github.com/go-chi/chi", "chi"),
    ("github.com/gorilla/mux", "gorilla"),
    ("github.com/beego/beego", "beego"),
    ("github.com/astaxie/beego", "beego"),
    ("github.com/kataras/iris", "iris"),
    ("github.com/gobuffalo/buffalo", "buffalo"),
    ("github.com/pocketbase/pocketbase", "pocketbase"),
    ("github.com/zeromicro/go-zero", "go-zero"),
    ("github.com/cloudwego/hertz", "hertz"),
    ("github.com/go-kratos/kratos", "kratos"),
    ("github.com/danielgtaylor/huma", "huma"),
    ("github.com/julienschmidt/httprouter", "httprouter"),
    ("github.com/valyala/fasthttp", "fasthttp"),
    ("github.com/revel/revel", "revel"),
    ("gofr.dev", "gofr"),
];

/// Modules that compile C.
const CGO: [&str; 5] = [
    "github.com/mattn/go-sqlite3",
    "github.com/confluentinc/confluent-kafka-go",
    "github.com/h2non/bimg",
    "github.com/marcboeker/go-duckdb",
    "gorm.io/driver/sqlite",
];

/// What servers are called among the programs of one module, most telling first.
const SERVERS: [&str; 9] = ["server", "web", "api", "app", "http", "httpd", "serve", "main", "service"];

/// Where the output of the build is.
const BINARY: &str = "./bin/app";

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let file = scene.first_of(&["go.mod", "go.work"]).or_else(|| main_file(scene, ""))?;
    let mut program = Program::new("go", scene.fact(file, "belongs to a Go program"));
    program.detection.package_manager = Some("go".to_owned());
    let manifest = scene.text("go.mod").unwrap_or_default();
    images(scene, manifest, &mut program);
    if let Some((module, name)) = framework(manifest) {
        program.framework(name, scene.fact("go.mod", format!("requires {module}")));
    }
    install(scene, manifest, &mut program);
    match main_package(scene, manifest) {
        Main::One(directory) => build(scene, &directory, &mut program),
        Main::Several(names) => {
            let choices: Vec<_> = names.iter().map(|name| (name.clone(), format!("./bin/{name}"))).collect();
            program.detection.build =
                Some(scene.found("go build -o bin/ ./cmd/...".to_owned(), "cmd", "holds several programs"));
            program.detection.blocked.push(several_starts("cmd", "programs below cmd", &choices));
            program.detection.kind = kind(program.detection.framework.is_some());
        }
        Main::Modules(directories) => {
            let several = apps::several(scene, &directories);
            let detection =
                Detection { blocked: several.blocked, planner: several.planner, ..program.detection };
            return Some(detection);
        }
        Main::None => {
            let message = "this is a Go module, but none of its packages is a program".to_owned();
            program.detection.blocked.push(start_unknown(
                scene.fact(file, "has no package main"),
                message,
                BINARY,
            ));
        }
    }
    Some(program.plan(scene))
}

const fn kind(is_server: bool) -> ProjectKind {
    if is_server { ProjectKind::Server } else { ProjectKind::Worker }
}

fn images(scene: &Scene<'_>, manifest: &str, program: &mut Program) {
    let line = |name: &str| manifest.lines().find_map(|line| line.strip_prefix(name));
    let of_module = || {
        let version = line("toolchain go").or_else(|| line("go "))?;
        asked::asks(scene, "go.mod", version.split_whitespace().next()?)
    };
    let asked = asked::in_file(scene, ".go-version")
        .or_else(|| asked::of_tool(scene, &["golang", "go"]))
        .or_else(of_module);
    let release = RELEASES.choose(asked);
    // The newest Debian that each release was ever published on.
    let debian = match release.version {
        "1.13" | "1.14" | "1.15" => "buster",
        "1.16" | "1.17" | "1.18" => "bullseye",
        _ => "bookworm",
    };
    let build = format!("golang:{}-{debian}", release.version);
    program.images(release, build, Some("debian:bookworm-slim".to_owned()));
    program.packages(&[], &["ca-certificates", "tzdata"]);
    program.caches(&["/go/pkg/mod", "/root/.cache/go-build"]);
    let uses_c = CGO.iter().any(|module| manifest.contains(module));
    program.variable("CGO_ENABLED", if uses_c { "1" } else { "0" });
}

/// The framework that the module requires itself.
fn framework(manifest: &str) -> Option<(&'static str, &'static str)> {
    let mut lines = manifest.lines().filter(|line| !line.contains("// indirect"));
    let required: Vec<&str> = lines.by_ref().map(str::trim).collect();
    let is_required = |module: &str| {
        required.iter().any(|line| {
            let line = line.strip_prefix("require ").unwrap_or(line);
            line.strip_prefix(module).is_some_and(|rest| rest.starts_with([' ', '/']))
        })
    };
    FRAMEWORKS.iter().copied().find(|(module, _)| is_required(module))
}

fn install(scene: &Scene<'_>, manifest: &str, program: &mut Program) {
    program.manifests(scene, &["go.mod", "go.sum", "go.work", "go.work.sum"]);
    let modules = used_modules(scene);
    let of_modules =
        modules.iter().flat_map(|module| [format!("{module}/go.mod"), format!("{module}/go.sum")]);
    program.detection.manifests.extend(of_modules.filter(|file| scene.has(file)));
    // A module that it takes from beside it has to be there.
    let replaced = manifest.lines().filter_map(|line| line.split_once("=> ./"));
    program
        .detection
        .manifests
        .extend(replaced.map(|(_, path)| format!("{}/", path.trim().trim_end_matches('/'))));
    let is_vendored = scene.has("vendor/modules.txt");
    if !is_vendored && (scene.has("go.mod") || scene.has("go.work")) {
        let found = scene.found("go mod download".to_owned(), "go.mod", "names the modules");
        program.detection.install = Some(found);
    }
    if manifest.contains("require") && !scene.has("go.sum") && !is_vendored {
        program.detection.warnings.push(no_lockfile("go", "go.sum", "go mod tidy"));
    }
}

fn build(scene: &Scene<'_>, directory: &str, program: &mut Program) {
    let plain = directory.trim_start_matches("./").trim_matches('.').to_owned();
    let name = main_file(scene, &plain).unwrap_or("main.go");
    let file = join_plain(&plain, name);
    let shown = if directory == "." { "." } else { directory };
    // Without a module, the compiler takes files.
    let target = if scene.has("go.mod") || scene.has("go.work") { shown.to_owned() } else { file.clone() };
    let command = format!("go build -trimpath -ldflags=\"-s -w\" -o bin/{} {target}", output(scene, program));
    let fact = "is where the program begins";
    program.detection.build = Some(scene.found(command, &file, fact));
    program.detection.start = Some(Found { value: BINARY.to_owned(), evidence: scene.fact(&file, fact) });
    program.detection.runtime_files = ["bin/app".to_owned()].into_iter().chain(assets(scene)).collect();
    above(scene, program);
    program.sources = sources(scene, &plain, name);
    let serves = |file: &String| scene.text(file).is_some_and(listens);
    let is_server = program.detection.framework.is_some() || program.sources.iter().any(serves);
    program.detection.kind = kind(is_server);
}

/// The name of the program: the one that the Procfile starts, as it would be installed.
fn output(scene: &Scene<'_>, program: &mut Program) -> String {
    let command = main_process(scene).map(|found| found.value.command).unwrap_or_default();
    let word = command.split_whitespace().next().unwrap_or_default();
    let name = word.trim_start_matches("./").trim_start_matches("bin/");
    let is_plain =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !is_plain || matches!(name, "go" | "sh" | "bash" | "make" | "air") {
        return "app".to_owned();
    }
    program.variable(
        "PATH",
        format!(
            "{APP}/bin:/usr/local/go/bin:/go/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
        ),
    );
    name.to_owned()
}

/// The workspace that a module is used by has to be around it.
fn above(scene: &Scene<'_>, program: &mut Program) {
    let around = Around::of(scene, |root, _| root.has("go.work"));
    if let Some(around) = around.filter(|_| !scene.has("go.work")) {
        around.note(program, "go.work");
    }
}

fn listens(text: &str) -> bool {
    let words = ["ListenAndServe", "http.Serve", "net.Listen(", "grpc.NewServer", ".Listen(", "http.Server{"];
    words.iter().any(|word| text.contains(word)) || text.contains("net/http") && listen::port(text).is_some()
}

/// The sources of the program that may say where it listens: its own package, and packages that are called as servers.
fn sources(scene: &Scene<'_>, directory: &str, main: &str) -> Vec<String> {
    const PACKAGES: [&str; 9] =
        ["server", "http", "api", "web", "router", "routes", "app", "httpserver", "transport"];
    let own = [join_plain(directory, main)];
    let go = |directory: &str| -> Vec<String> {
        let files = scene
            .files(directory)
            .into_iter()
            .filter(|name| name.ends_with(".go") && !name.ends_with("_test.go"));
        files.take(4).map(|name| join_plain(directory, name)).collect()
    };
    let parents = ["internal/", "pkg/", ""];
    let others = parents.iter().flat_map(|parent| PACKAGES.iter().map(move |name| format!("{parent}{name}")));
    let mut files: Vec<String> = own.into_iter().chain(go(directory)).collect();
    for package in others
        .filter(|package| scene.has_directory(package))
        .chain(["internal/config".to_owned(), "config".to_owned()])
    {
        files.extend(go(&package));
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    files.truncate(16);
    files
}

#[cfg(test)]
mod tests {
    use deploy_core::detect::{Detection, ProjectKind};
    use deploy_core::reason::ReasonCode;

    use crate::testing::{detect, lines, value};

    const SERVER: &str =
        "package main\nimport \"net/http\"\nfunc main() { http.ListenAndServe(\":9090\", nil) }";
    const TOOL: &str = "package main\nfunc main() { println(1) }";

    #[test]
    fn the_main_package_is_found_wherever_it_is() {
        for (files, target) in [
            (&[("main.go", SERVER)][..], "."),
            (&[("web.go", SERVER)], "."),
            (&[("cmd/server/main.go", SERVER), ("cmd/migrate/main.go", TOOL)], "./cmd/server"),
            (&[("cmd/x/main.go", SERVER), ("cmd/migrate/main.go", TOOL)], "./cmd/x"),
            (&[("cmd/main.go", SERVER)], "./cmd"),
            (&[("cmd/anything/run.go", SERVER)], "./cmd/anything"),
            (&[("server/main.go", SERVER), ("tools/main.go", TOOL)], "./server"),
        ] {
            let module = [("go.mod", "module example.com/x/v2\n\ngo 1.23.1\n")];
            let files: Vec<_> = module.iter().chain(files).copied().collect();
            let detection = detect(&files);
            let build = value(&detection.build);
            assert!(build.ends_with(&format!(" -o bin/app {target}")), "{build}");
            assert_eq!(
                (value(&detection.start), detection.kind),
                ("./bin/app", ProjectKind::Server),
                "{target}"
            );
            assert_eq!(detection.internal_port.unwrap().value, 9090);
            assert_eq!(value(&detection.build_image), "golang:1.23-bookworm");
        }
    }

    #[test]
    fn several_programs_are_named_with_the_line_that_chooses() {
        let detection = detect(&[("go.mod", "module x"), ("cmd/a/main.go", TOOL), ("cmd/b/main.go", TOOL)]);
        assert_eq!(detection.blocked[0].code, ReasonCode::StartUnknown);
        assert!(lines(&detection.blocked[0]).contains(&"runtime.start = \"./bin/b\""));
        assert_eq!(value(&detection.build), "go build -o bin/ ./cmd/...");
    }

    #[test]
    fn a_workspace_has_the_app_that_has_a_program() {
        let work = ("go.work", "go 1.22\n\nuse (\n\t./api\n\t./lib // shared\n)\n");
        let files = [
            work,
            ("api/go.mod", "module api"),
            ("api/main.go", SERVER),
            ("lib/go.mod", "module lib"),
            ("lib/a.go", "package lib"),
        ];
        let detection = detect(&files);
        assert!(value(&detection.build).ends_with("./api"), "{:?}", detection.build);
        let more = [files.as_slice(), &[("lib/main.go", TOOL)]].concat();
        let detection: Detection = detect(&more);
        assert_eq!(detection.blocked[0].code, ReasonCode::SeveralApps);
        assert!(lines(&detection.blocked[0]).contains(&"source.base_directory = \"api\""));
    }

    #[test]
    fn frameworks_are_direct_requirements() {
        let module = "module x\ngo 1.24\nrequire (\n\tgithub.com/gin-gonic/gin v1.10.0\n\tgithub.com/labstack/echo/v4 v4.1.0 // indirect\n)";
        let detection = detect(&[
            ("go.mod", module),
            ("go.sum", ""),
            ("main.go", "package main\nfunc main() { r.Run() }"),
        ]);
        assert_eq!(detection.framework.as_deref(), Some("gin"));
        assert_eq!(detection.warnings[0].code, ReasonCode::PortGuessed);
        let detection = detect(&[("go.mod", &module.replace("gin-gonic/gin", "x/y")), ("main.go", TOOL)]);
        assert_eq!((detection.framework, detection.kind), (None, ProjectKind::Worker));
        assert_eq!(detection.warnings[0].code, ReasonCode::NoLockfile);
    }

    #[test]
    fn old_releases_are_built_on_the_debian_that_has_them() {
        for (asked, image) in [
            ("1.14", "golang:1.14-buster"),
            ("1.17", "golang:1.17-bullseye"),
            ("1.19", "golang:1.19-bookworm"),
        ] {
            let detection = detect(&[("go.mod", &format!("module x\ngo {asked}\n")), ("main.go", TOOL)]);
            assert_eq!(value(&detection.build_image), image);
        }
    }

    #[test]
    fn a_library_is_no_program() {
        let detection = detect(&[("go.mod", "module x"), ("x.go", "package x")]);
        assert_eq!(detection.blocked[0].code, ReasonCode::StartUnknown);
    }
}
