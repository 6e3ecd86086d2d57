//! C and C++: CMake, Meson or a Makefile describe the build.

use deploy_core::detect::Detection;

use super::{DEBIAN, SLIM, commands, kind, known};
use crate::rule::{Rule, Scene};
use crate::rules::languages::program::{Program, start_unknown};

pub(in crate::rules::languages) const RULE: Rule = detect;

fn detect(scene: &Scene<'_>) -> Option<Detection> {
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
