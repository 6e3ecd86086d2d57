//! Languages that are compiled to one file with a build of their own: Crystal, Zig, OCaml, C and C++, COBOL.

pub(super) mod cobol;
pub(super) mod cpp;
pub(super) mod crystal;
pub(super) mod elm;
pub(super) mod make;
pub(super) mod ocaml;
pub(super) mod scheme;
pub(super) mod zig;

use deploy_core::detect::ProjectKind;

use super::listen;
use super::parts::assets;
use super::program::Program;
use super::release::Releases;
use crate::rule::Scene;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detect, value};

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
