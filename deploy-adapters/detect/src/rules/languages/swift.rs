//! Swift: programs of the package manager, Vapor first.

use deploy_core::detect::{Detection, ProjectKind};

use super::asked;
use super::parts::assets;
use super::program::{Program, start_unknown};
use super::release::Releases;
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

const RELEASES: Releases = Releases {
    language: "Swift",
    all: &["5.7", "5.8", "5.9", "5.10", "6.0", "6.1", "6.2", "6.3"],
    usual: "6.1",
};
const FILE: &str = "Package.swift";

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let text = scene.text(FILE)?;
    let mut program = Program::new("swift", scene.fact(FILE, "belongs to a Swift package"));
    program.detection.package_manager = Some("swiftpm".to_owned());
    let release = RELEASES
        .choose(asked::in_file(scene, ".swift-version").or_else(|| asked::of_tool(scene, &["swift"])));
    let version = release.version;
    program.images(release, format!("swift:{version}-jammy"), Some(format!("swift:{version}-jammy-slim")));
    program.manifests(scene, &[FILE, "Package.resolved"]);
    if text.contains(".package(") && !scene.has("Package.resolved") {
        program.detection.warnings.push(no_lockfile("swift", "Package.resolved", "swift package resolve"));
    }
    program.detection.install =
        Some(scene.found("swift package resolve".to_owned(), FILE, "names the packages"));
    program.detection.build = Some(scene.found(
        "swift build -c release --static-swift-stdlib".to_owned(),
        FILE,
        "describes the build",
    ));
    program.detection.kind = ProjectKind::Worker;
    let frameworks = [
        ("vapor/vapor", "vapor"),
        ("hummingbird", "hummingbird"),
        ("Kitura", "kitura"),
        ("grpc-swift", "grpc"),
    ];
    let framework = frameworks.into_iter().find(|(marker, _)| text.contains(marker));
    if let Some((marker, name)) = framework {
        program.framework(name, scene.fact(FILE, format!("depends on {marker}")));
        program.detection.kind = ProjectKind::Server;
        program.usual_port = Some((8080, "is where such programs listen"));
    }
    let Some(name) = executable(scene, text) else {
        let message = "this Swift package has no executable".to_owned();
        let evidence = scene.fact(FILE, "has no executable target");
        program.detection.blocked.push(start_unknown(evidence, message, "./.build/release/App"));
        return Some(program.plan(scene));
    };
    let arguments = match framework {
        Some((_, "vapor")) => " serve --env production --hostname 0.0.0.0 --port ${PORT:-8080}",
        Some((_, "hummingbird")) => " --hostname 0.0.0.0 --port ${PORT:-8080}",
        Some(_) | None => "",
    };
    let start = format!("./.build/release/{name}{arguments}");
    program.detection.start = Some(scene.found(start, FILE, format!("has the program {name}")));
    let own = [format!(".build/release/{name}"), "Public/".to_owned(), "Resources/".to_owned()];
    let there = own
        .into_iter()
        .filter(|path| path.starts_with('.') || scene.has_directory(path.trim_end_matches('/')));
    program.detection.runtime_files = there.chain(assets(scene)).collect();
    program.sources = ["main.swift", "configure.swift", "entrypoint.swift", "App.swift"]
        .map(|file| format!("Sources/{name}/{file}"))
        .to_vec();
    Some(program.plan(scene))
}

/// The product or target that is a program.
fn executable<'t>(scene: &Scene<'_>, text: &'t str) -> Option<&'t str> {
    let name = |marker: &str| {
        let (_, after) = text.split_once(marker)?;
        after.split_once("name:")?.1.split('"').nth(1)
    };
    let old = || {
        let targets = text.split(".target(").skip(1).filter_map(|target| target.split('"').nth(1));
        let mut targets = targets.filter(|name| scene.has(&format!("Sources/{name}/main.swift")));
        targets.next()
    };
    name(".executableTarget(").or_else(|| name(".executable(")).or_else(old)
}

#[cfg(test)]
mod tests {
    use crate::testing::{detect, value};

    #[test]
    fn vapor_is_served_for_production() {
        let package =
            ".package(url: \"https://github.com/vapor/vapor.git\")\n.executableTarget(\n  name: \"App\")";
        let detection = detect(&[("Package.swift", package), ("Package.resolved", "")]);
        assert_eq!(
            value(&detection.start),
            "./.build/release/App serve --env production --hostname 0.0.0.0 --port ${PORT:-8080}"
        );
        assert_eq!(
            (detection.framework.as_deref(), detection.internal_port.unwrap().value),
            (Some("vapor"), 8080)
        );
        assert_eq!(detect(&[("Package.swift", ".target(name: \"A\")")]).blocked.len(), 1);
    }
}
