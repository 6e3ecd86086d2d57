//! Elm: a site that runs in the browser.

use deploy_core::detect::{Detection, ProjectKind};

use super::known;
use crate::rule::{Rule, Scene};
use crate::rules::languages::program::Program;

pub(in crate::rules::languages) const RULE: Rule = detect;

/// A site that runs in the browser.
fn detect(scene: &Scene<'_>) -> Option<Detection> {
    const MAIN: &str = "src/Main.elm";
    if !scene.has("elm.json") || !scene.has(MAIN) || scene.has("package.json") {
        return None;
    }
    let mut program = Program::new("elm", scene.fact("elm.json", "belongs to an Elm program"));
    program.images(
        known("Node", &["24"]).choose(None),
        crate::rules::languages::parts::NODE.to_owned(),
        None,
    );
    program.detection.kind = ProjectKind::Static;
    program.detection.support_tier = deploy_core::detect::SupportTier::Partial;
    let build = "npx --yes elm@0.19.1-6 make src/Main.elm --optimize --output=dist/index.html";
    program.detection.build = Some(scene.found(build.to_owned(), MAIN, "is where the program begins"));
    program.detection.publish_directory = Some(scene.found("dist".to_owned(), MAIN, "is built there"));
    Some(program.detection)
}
