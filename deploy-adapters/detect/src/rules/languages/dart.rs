//! Dart: programs compiled ahead of time, and Flutter for the web.

use deploy_core::detect::{Detection, ProjectKind};

use super::asked;
use super::parts::assets;
use super::program::{Program, start_unknown};
use super::release::Releases;
use crate::manifest::Values;
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

const RELEASES: Releases =
    Releases { language: "Dart", all: &["2.19", "3.5", "3.6", "3.7", "3.8", "3.9"], usual: "3.9" };
const FILE: &str = "pubspec.yaml";

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let manifest = scene.yaml(FILE)?;
    let mut program = Program::new("dart", scene.fact(FILE, "belongs to a Dart program"));
    program.detection.package_manager = Some("pub".to_owned());
    program.manifests(scene, &[FILE, "pubspec.lock"]);
    if !scene.has("pubspec.lock") && !manifest.at(&["dependencies"]).is_null() {
        program.detection.warnings.push(no_lockfile("pub", "pubspec.lock", "dart pub get"));
    }
    if !manifest.at(&["dependencies", "flutter"]).is_null() {
        return Some(flutter(scene, program));
    }
    let asked = manifest.text_at(&["environment", "sdk"]).and_then(|range| asked::asks(scene, FILE, range));
    let release = RELEASES.choose(asked);
    let build = format!("dart:{}", release.version);
    program.images(release, build, Some("debian:bookworm-slim".to_owned()));
    program.packages(&[], &["ca-certificates"]);
    program.caches(&["/root/.pub-cache"]);
    program.detection.install = Some(scene.found("dart pub get".to_owned(), FILE, "names the packages"));
    program.detection.kind = ProjectKind::Worker;
    let servers = ["dart_frog", "serverpod", "shelf", "alfred", "angel3_framework", "conduit", "aqueduct"];
    let server = servers.into_iter().find(|name| !manifest.at(&["dependencies", name]).is_null());
    if let Some(name) = server {
        program.framework(name, scene.fact(FILE, format!("depends on {name}")));
        program.detection.kind = ProjectKind::Server;
        program.usual_port = Some((8080, "is where such programs listen"));
    }
    if server == Some("dart_frog") {
        let build = "dart pub global activate dart_frog_cli && dart pub global run dart_frog_cli:dart_frog build && \
                     dart compile exe build/bin/server.dart -o bin/server";
        program.detection.build = Some(scene.found(build.to_owned(), FILE, "is a project of Dart Frog"));
        program.detection.start =
            Some(scene.found("./bin/server".to_owned(), FILE, "is a project of Dart Frog"));
        return Some(program.plan(scene));
    }
    let name = manifest.text_at(&["name"]).unwrap_or("main");
    let names = ["bin/server.dart".to_owned(), format!("bin/{name}.dart"), "bin/main.dart".to_owned()];
    let only =
        scene.files("bin").into_iter().find(|file| file.ends_with(".dart")).map(|file| format!("bin/{file}"));
    match names.into_iter().find(|file| scene.has(file)).or(only) {
        Some(file) => {
            let output = file.replace(".dart", ".exe");
            let fact = "is where the program begins";
            program.detection.build = Some(scene.found(format!("dart compile exe {file}"), &file, fact));
            program.detection.start = Some(scene.found(format!("./{output}"), &file, fact));
            program.detection.runtime_files = [output].into_iter().chain(assets(scene)).collect();
            program.sources.push(file);
        }
        None => {
            let message = "this Dart package has no program below bin".to_owned();
            let evidence = scene.fact(FILE, "belongs to a package");
            program.detection.blocked.push(start_unknown(evidence, message, "./bin/server.exe"));
        }
    }
    Some(program.plan(scene))
}

/// An application for phones and browsers: what can be deployed is its site.
fn flutter(scene: &Scene<'_>, mut program: Program) -> Detection {
    program.framework("flutter", scene.fact(FILE, "depends on flutter"));
    program.images(
        Releases { language: "Flutter", all: &["3.24.0"], usual: "3.24.0" }.choose(None),
        "ghcr.io/cirruslabs/flutter:3.24.0".to_owned(),
        None,
    );
    program.detection.kind = ProjectKind::Static;
    program.detection.install = Some(scene.found("flutter pub get".to_owned(), FILE, "names the packages"));
    program.detection.build =
        Some(scene.found("flutter build web --release".to_owned(), FILE, "depends on flutter"));
    program.detection.publish_directory =
        Some(scene.found("build/web".to_owned(), FILE, "is where Flutter writes the site"));
    program.detection
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detect, value};

    #[test]
    fn programs_are_compiled_and_flutter_makes_a_site() {
        let detection = detect(&[
            ("pubspec.yaml", "name: x\nenvironment:\n  sdk: '>=2.16.1 <3.0.0'\n"),
            ("bin/x.dart", ""),
        ]);
        assert_eq!(
            (value(&detection.build), value(&detection.start)),
            ("dart compile exe bin/x.dart", "./bin/x.exe")
        );
        assert_eq!(value(&detection.build_image), "dart:2.19");
        let detection = detect(&[("pubspec.yaml", "dependencies:\n  flutter:\n    sdk: flutter\n")]);
        assert_eq!((detection.kind, value(&detection.publish_directory)), (ProjectKind::Static, "build/web"));
        assert_eq!(detect(&[("pubspec.yaml", "name: x\n")]).blocked.len(), 1);
    }
}
