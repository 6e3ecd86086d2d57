//! Gleam.

use deploy_core::detect::{Detection, ProjectKind};

use super::program::Program;
use super::release::Releases;
use crate::manifest::Values;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

const RELEASES: Releases = Releases { language: "Gleam", all: &["1.13.0"], usual: "1.13.0" };
const FILE: &str = "gleam.toml";

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let manifest = scene.toml(FILE)?;
    let mut program = Program::new("gleam", scene.fact(FILE, "belongs to a Gleam program"));
    program.detection.package_manager = Some("gleam".to_owned());
    // A shipment runs on the Erlang that it was compiled with.
    program.images(RELEASES.choose(None), "ghcr.io/gleam-lang/gleam:v1.13.0-erlang-alpine".to_owned(), None);
    program.manifests(scene, &[FILE, "manifest.toml"]);
    program.detection.install =
        Some(scene.found("gleam deps download".to_owned(), FILE, "names the packages"));
    program.detection.build =
        Some(scene.found("gleam export erlang-shipment".to_owned(), FILE, "describes the build"));
    let start = "./build/erlang-shipment/entrypoint.sh run";
    program.detection.start = Some(scene.found(start.to_owned(), FILE, "is exported with what it needs"));
    program.detection.kind = ProjectKind::Worker;
    let servers = ["wisp", "mist", "ewe", "glen"];
    let server = servers.into_iter().find(|name| !manifest.at(&["dependencies", name]).is_null());
    if let Some(name) = server {
        program.framework(name, scene.fact(FILE, format!("depends on {name}")));
        program.detection.kind = ProjectKind::Server;
        program.usual_port = Some((8000, "is where such programs listen"));
    }
    let name = manifest.text_at(&["name"]).unwrap_or_default();
    program.sources = vec![format!("src/{name}.gleam")];
    Some(program.plan(scene))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detect, value};

    #[test]
    fn shipments_are_exported() {
        let detection = detect(&[
            ("gleam.toml", "name = \"x\"\n[dependencies]\nmist = \"1\""),
            ("src/x.gleam", "mist.port(3000)"),
        ]);
        assert_eq!(value(&detection.build), "gleam export erlang-shipment");
        assert_eq!((detection.kind, detection.internal_port.unwrap().value), (ProjectKind::Server, 3000));
    }
}
