//! Scheme: scripts for Guile, and sites of Haunt.

use deploy_core::detect::{Detection, ProjectKind};

use super::{SLIM, kind, known};
use crate::rule::{Rule, Scene};
use crate::rules::languages::program::Program;

pub(in crate::rules::languages) const RULE: Rule = detect;

fn detect(scene: &Scene<'_>) -> Option<Detection> {
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
