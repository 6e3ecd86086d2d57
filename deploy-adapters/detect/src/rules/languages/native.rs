//! Languages that are compiled to one file with a build of their own: Crystal, Zig, OCaml, C and C++, COBOL.

use deploy_core::detect::{Detection, ProjectKind};

use super::listen;
use super::parts::assets;
use super::program::{Program, start_unknown};
use super::release::Releases;
use crate::manifest::Values;
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};

pub(super) const CRYSTAL: Rule = crystal;
pub(super) const ZIG: Rule = zig;
pub(super) const OCAML: Rule = ocaml;
pub(super) const CPP: Rule = cpp;
pub(super) const COBOL: Rule = cobol;
pub(super) const SCHEME: Rule = scheme;
pub(super) const ELM: Rule = elm;

const DEBIAN: &str = "debian:bookworm";
const SLIM: &str = "debian:bookworm-slim";

fn known(language: &'static str, version: &'static [&'static str]) -> Releases {
    Releases { language, all: version, usual: version.last().copied().unwrap_or_default() }
}

/// Build and start, with what the release needs of them.
fn commands(scene: &Scene<'_>, program: &mut Program, file: &str, build: &str, start: &str) {
    program.detection.build = Some(scene.found(build.to_owned(), file, "describes the build"));
    program.detection.start = Some(scene.found(start.to_owned(), file, "makes the program"));
    let own = start.trim_start_matches("./").to_owned();
    program.detection.runtime_files = [own].into_iter().chain(assets(scene)).collect();
}

/// A server if it is told so by a framework, or its own source listens.
fn kind(scene: &Scene<'_>, program: &mut Program) {
    let words = [
        "sys/socket.h",
        "HTTP::Server",
        "std.net",
        "std.http.Server",
        "listen(",
        "Crow",
        "crow.h",
        "httplib.h",
        "drogon",
    ];
    let texts = program.sources.iter().filter_map(|file| scene.text(file));
    let listens = |text: &str| words.iter().any(|word| text.contains(word)) && listen::port(text).is_some();
    let is_server = program.detection.framework.is_some() || texts.into_iter().any(listens);
    program.detection.kind = if is_server { ProjectKind::Server } else { ProjectKind::Worker };
}

fn crystal(scene: &Scene<'_>) -> Option<Detection> {
    const FILE: &str = "shard.yml";
    let manifest = scene.yaml(FILE)?;
    let mut program = Program::new("crystal", scene.fact(FILE, "belongs to a Crystal program"));
    program.detection.package_manager = Some("shards".to_owned());
    // It links to libraries of its image, so it runs there.
    program.images(known("Crystal", &["1.16.3"]).choose(None), "crystallang/crystal:1.16.3".to_owned(), None);
    program.manifests(scene, &[FILE, "shard.lock"]);
    if !scene.has("shard.lock") && !manifest.at(&["dependencies"]).is_null() {
        program.detection.warnings.push(no_lockfile("shards", "shard.lock", "shards lock"));
    }
    program.detection.install =
        Some(scene.found("shards install --production".to_owned(), FILE, "names the packages"));
    let frameworks = [
        ("kemal", 3000),
        ("lucky", 3000),
        ("amber", 3000),
        ("athena", 3000),
        ("grip", 4004),
        ("marten", 8000),
    ];
    let framework = frameworks.into_iter().find(|(name, _)| !manifest.at(&["dependencies", name]).is_null());
    if let Some((name, port)) = framework {
        program.framework(name, scene.fact(FILE, format!("depends on {name}")));
        program.usual_port = Some((port, "is where such programs listen"));
    }
    let name = manifest.text_at(&["name"]).unwrap_or_default();
    let targets = manifest.keys_at(&["targets"]);
    let target = targets.iter().copied().find(|target| *target == name).or_else(|| targets.first().copied());
    match target {
        Some(target) => {
            let main = manifest.text_at(&["targets", target, "main"]).unwrap_or_default();
            program.sources.push(main.to_owned());
            commands(
                scene,
                &mut program,
                FILE,
                "shards build --production --release",
                &format!("./bin/{target}"),
            );
        }
        None => {
            let message = "shard.yml names no target, so no program is built of it".to_owned();
            program.detection.blocked.push(start_unknown(
                scene.fact(FILE, "has no targets"),
                message,
                "./bin/app",
            ));
        }
    }
    kind(scene, &mut program);
    Some(program.plan(scene))
}

fn zig(scene: &Scene<'_>) -> Option<Detection> {
    const FILE: &str = "build.zig";
    let text = scene.text(FILE)?;
    let mut program = Program::new("zig", scene.fact(FILE, "belongs to a Zig program"));
    program.detection.package_manager = Some("zig".to_owned());
    let asked =
        super::asked::in_file(scene, ".zigversion").or_else(|| super::asked::of_tool(scene, &["zig"]));
    let releases =
        Releases { language: "Zig", all: &["0.11.0", "0.12.1", "0.13.0", "0.14.1"], usual: "0.14.1" };
    let release = releases.choose(asked);
    // Zig has no image of its own; its package for Python carries the whole compiler.
    let install = format!(
        "pip install ziglang=={} && ln -sf \"$(python -c 'import ziglang, os; print(os.path.dirname(ziglang.__file__))')/zig\" /usr/local/bin/zig",
        release.version
    );
    program.images(release, "python:3.13-bookworm".to_owned(), Some(SLIM.to_owned()));
    program.packages(&[], &["ca-certificates"]);
    program.detection.install = Some(scene.found(install, FILE, "is built by Zig"));
    let (_, after) = text.split_once("addExecutable(").unwrap_or_default();
    let name = after.split_once(".name").and_then(|(_, after)| after.split('"').nth(1));
    program.sources.push("src/main.zig".to_owned());
    match name {
        Some(name) => commands(
            scene,
            &mut program,
            FILE,
            "zig build -Doptimize=ReleaseSafe",
            &format!("./zig-out/bin/{name}"),
        ),
        None => {
            let message = "build.zig adds no executable with a plain name".to_owned();
            program.detection.blocked.push(start_unknown(
                scene.fact(FILE, "adds no executable"),
                message,
                "./zig-out/bin/app",
            ));
        }
    }
    let zon = scene.text("build.zig.zon").unwrap_or_default();
    if let Some(name) =
        ["zap", "httpz", "jetzig", "tokamak"].into_iter().find(|name| zon.contains(&format!(".{name} ")))
    {
        program.framework(name, scene.fact("build.zig.zon", format!("depends on {name}")));
    }
    kind(scene, &mut program);
    Some(program.plan(scene))
}

fn ocaml(scene: &Scene<'_>) -> Option<Detection> {
    const FILE: &str = "dune-project";
    let text = scene.text(FILE)?;
    let mut program = Program::new("ocaml", scene.fact(FILE, "belongs to an OCaml program"));
    program.detection.package_manager = Some("dune".to_owned());
    program.images(
        known("OCaml", &["5.2"]).choose(None),
        "ocaml/opam:debian-12-ocaml-5.2".to_owned(),
        Some(SLIM.to_owned()),
    );
    program.packages(&[], &["ca-certificates", "libev4", "libgmp10", "libssl3"]);
    let opam = scene.files("").into_iter().filter(|file| file.ends_with(".opam")).collect::<Vec<_>>();
    let install = "opam install . --deps-only --yes && opam install dune --yes";
    program.detection.install = Some(scene.found(install.to_owned(), FILE, "names the packages"));
    if !opam.iter().any(|file| scene.has(&format!("{file}.locked"))) {
        program.detection.warnings.push(no_lockfile("opam", "lockfile (.opam.locked)", "opam lock ."));
    }
    let all = opam.iter().filter_map(|file| scene.text(file)).chain([text]).collect::<Vec<_>>().join("\n");
    if let Some((name, port)) =
        [("dream", 8080), ("opium", 3000), ("cohttp", 8080)].into_iter().find(|(name, _)| all.contains(name))
    {
        program.framework(name, scene.fact(FILE, format!("depends on {name}")));
        program.usual_port = Some((port, "is where such programs listen"));
    }
    let program_of = |directory: &str| {
        let file = if directory.is_empty() { "dune".to_owned() } else { format!("{directory}/dune") };
        let (_, after) = scene.text(&file)?.split_once("(executable")?;
        let name = after.split_once("(name")?.1.split([')', ' ', '\n']).find(|word| !word.is_empty())?;
        let path = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
        Some(path)
    };
    let directories = ["bin", "src", "", "app", "server"];
    match directories.into_iter().find_map(program_of) {
        Some(path) => {
            program.sources.push(format!("{path}.ml"));
            let build = format!("opam exec -- dune build --profile release ./{path}.exe");
            commands(scene, &mut program, FILE, &build, &format!("./_build/default/{path}.exe"));
        }
        None => {
            let message = "no dune file of this project describes an executable".to_owned();
            let evidence = scene.fact(FILE, "belongs to a project of dune");
            program.detection.blocked.push(start_unknown(evidence, message, "./_build/default/bin/main.exe"));
        }
    }
    kind(scene, &mut program);
    Some(program.plan(scene))
}

fn cpp(scene: &Scene<'_>) -> Option<Detection> {
    let file = scene.first_of(&["CMakeLists.txt", "meson.build"])?;
    let text = scene.text(file)?;
    let is_cmake = file == "CMakeLists.txt";
    let is_c = text.contains("LANGUAGES C)")
        || text.contains(" C)")
        || text.contains("'c'") && !text.contains("'cpp'");
    let mut program = Program::new(
        if is_c { "c" } else { "cpp" },
        scene.fact(file, "describes the build of a C or C++ program"),
    );
    program.detection.package_manager = Some(if is_cmake { "cmake" } else { "meson" }.to_owned());
    program.images(known("Debian", &["12"]).choose(None), DEBIAN.to_owned(), Some(SLIM.to_owned()));
    program.detection.runtime_version = None;
    let tools: &[&str] = if is_cmake { &["cmake"] } else { &["meson"] };
    program.packages(tools, &["ca-certificates", "libstdc++6"]);
    program.packages(&["build-essential", "git", "ninja-build", "pkg-config"], &[]);
    if text.contains("OpenSSL") || text.contains("openssl") {
        program.packages(&["libssl-dev"], &["libssl3"]);
    }
    let usual = [
        "main.cpp",
        "main.cc",
        "main.c",
        "src/main.cpp",
        "src/main.cc",
        "src/main.c",
        "server.cpp",
        "server.c",
    ];
    program.sources = usual.into_iter().filter(|file| scene.has(file)).map(str::to_owned).collect();
    let name = if is_cmake {
        cmake_executable(text)
    } else {
        text.split_once("executable(").and_then(|(_, after)| after.split('\'').nth(1)).map(str::to_owned)
    };
    let build = match is_cmake {
        true => "cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release && cmake --build build",
        false => "meson setup build --buildtype=release && meson compile -C build",
    };
    match name {
        Some(name) => commands(scene, &mut program, file, build, &format!("./build/{name}")),
        None => {
            let message = format!("{file} describes no executable with a plain name");
            program.detection.blocked.push(start_unknown(
                scene.fact(file, "has no executable"),
                message,
                "./build/app",
            ));
        }
    }
    kind(scene, &mut program);
    Some(program.plan(scene))
}

/// The executable of `add_executable(name …)`, with the name of the project put in.
fn cmake_executable(text: &str) -> Option<String> {
    let argument = |call: &str| {
        let (_, after) = text.split_once(&format!("{call}("))?;
        after.split([' ', ')', '\n', '\t']).find(|word| !word.is_empty()).map(|word| word.trim_matches('"'))
    };
    let project = argument("project").unwrap_or_default();
    let name = argument("add_executable")?
        .replace("${PROJECT_NAME}", project)
        .replace("${CMAKE_PROJECT_NAME}", project);
    let name = match name.strip_prefix("${").and_then(|name| name.strip_suffix('}')) {
        Some(variable) => {
            let (_, after) = text.split_once(&format!("set({variable} "))?;
            after.split([' ', ')']).next()?.trim_matches('"').to_owned()
        }
        None => name,
    };
    (!name.contains('$')).then_some(name)
}

fn cobol(scene: &Scene<'_>) -> Option<Detection> {
    let is_source = |name: &&str| name.ends_with(".cbl") || name.ends_with(".cob");
    let in_directory = |directory: &str| {
        let files: Vec<&str> = scene.files(directory).into_iter().filter(is_source).collect();
        let named = files.iter().find(|name| name.starts_with("index.") || name.starts_with("main."));
        let name = named.or(files.first())?;
        Some(if directory.is_empty() { (*name).to_owned() } else { format!("{directory}/{name}") })
    };
    let file = in_directory("").or_else(|| in_directory("src"))?;
    let mut program = Program::new("cobol", scene.fact(&file, "is a COBOL program"));
    program.images(known("Debian", &["12"]).choose(None), DEBIAN.to_owned(), None);
    program.detection.runtime_version = None;
    program.packages(&["gnucobol4"], &["gnucobol4"]);
    let name = file.rsplit('/').next()?.rsplit_once('.')?.0.to_owned();
    commands(scene, &mut program, &file, &format!("cobc -x -o {name} {file}"), &format!("./{name}"));
    program.detection.kind = ProjectKind::Worker;
    Some(program.plan(scene))
}

fn scheme(scene: &Scene<'_>) -> Option<Detection> {
    let file = scene.first_of(&["haunt.scm", "init.scm", "main.scm", "app.scm", "server.scm"])?;
    let mut program = Program::new("scheme", scene.fact(file, "is a program for Guile"));
    program.images(known("Debian", &["12"]).choose(None), SLIM.to_owned(), None);
    program.detection.runtime_version = None;
    program.packages(&["guile-3.0", "haunt"], &["guile-3.0"]);
    if file == "haunt.scm" {
        program.framework("haunt", scene.fact(file, "configures Haunt"));
        program.detection.build = Some(scene.found("haunt build".to_owned(), file, "configures Haunt"));
    }
    let script = scene.first_of(&["init.scm", "main.scm", "app.scm", "server.scm"]);
    match script {
        Some(script) => {
            let start = format!("guile --no-auto-compile {script}");
            program.detection.start = Some(scene.found(start, script, "is where the program begins"));
            program.sources.push(script.to_owned());
            kind(scene, &mut program);
            Some(program.plan(scene))
        }
        None => {
            program.detection.kind = ProjectKind::Static;
            program.detection.publish_directory =
                Some(scene.found("site".to_owned(), file, "is where Haunt writes the site"));
            Some(program.detection)
        }
    }
}

/// A site that runs in the browser.
fn elm(scene: &Scene<'_>) -> Option<Detection> {
    const MAIN: &str = "src/Main.elm";
    if !scene.has("elm.json") || !scene.has(MAIN) || scene.has("package.json") {
        return None;
    }
    let mut program = Program::new("elm", scene.fact("elm.json", "belongs to an Elm program"));
    program.images(known("Node", &["24"]).choose(None), super::parts::NODE.to_owned(), None);
    program.detection.kind = ProjectKind::Static;
    program.detection.support_tier = deploy_core::detect::SupportTier::Partial;
    let build = "npx --yes elm@0.19.1-6 make src/Main.elm --optimize --output=dist/index.html";
    program.detection.build = Some(scene.found(build.to_owned(), MAIN, "is where the program begins"));
    program.detection.publish_directory = Some(scene.found("dist".to_owned(), MAIN, "is built there"));
    Some(program.detection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::languages::testing::{detect, value};

    #[test]
    fn every_build_makes_the_program_that_its_manifest_names() {
        for (files, language, start) in [
            (
                &[("shard.yml", "name: x\ntargets:\n  web:\n    main: src/web.cr\n")][..],
                "crystal",
                "./bin/web",
            ),
            (&[("build.zig", "b.addExecutable(.{ .name = \"app\", })")], "zig", "./zig-out/bin/app"),
            (
                &[("dune-project", "(lang dune 3.0)"), ("bin/dune", "(executable\n (name main))")],
                "ocaml",
                "./_build/default/bin/main.exe",
            ),
            (
                &[("CMakeLists.txt", "project(shop CXX)\nadd_executable(${PROJECT_NAME} main.cpp)")],
                "cpp",
                "./build/shop",
            ),
            (
                &[("meson.build", "project('x', ['cpp'])\nexecutable('srv', ['main.cc'])")],
                "cpp",
                "./build/srv",
            ),
            (&[("index.cbl", "")], "cobol", "./index"),
            (&[("main.scm", "")], "scheme", "guile --no-auto-compile main.scm"),
        ] {
            let detection = detect(files);
            assert_eq!((detection.language.as_deref(), value(&detection.start)), (Some(language), start));
            assert_eq!((detection.kind, detection.blocked.len()), (ProjectKind::Worker, 0));
        }
        for file in ["shard.yml", "build.zig", "dune-project", "CMakeLists.txt", "meson.build"] {
            assert_eq!(detect(&[(file, "x: 1")]).blocked.len(), 1, "{file}");
        }
    }

    #[test]
    fn what_listens_is_a_server() {
        let main = "#include <sys/socket.h>\n addr.sin_port = htons(8081); listen(fd, 5);";
        let detection = detect(&[("CMakeLists.txt", "add_executable(a main.c)"), ("main.c", main)]);
        assert_eq!(
            (detection.kind, detection.internal_port.map(|port| port.value)),
            (ProjectKind::Server, Some(8081))
        );
        let detection = detect(&[(
            "shard.yml",
            "targets:\n  a:\n    main: a.cr\ndependencies:\n  kemal:\n    github: x\n",
        )]);
        assert_eq!(detection.internal_port.unwrap().value, 3000);
    }
}
