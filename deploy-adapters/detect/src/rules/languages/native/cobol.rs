//! COBOL: one source is one program.

use deploy_core::detect::{Detection, ProjectKind};

use super::{DEBIAN, commands, known};
use crate::rule::{Rule, Scene};
use crate::rules::languages::program::Program;

pub(in crate::rules::languages) const RULE: Rule = detect;

fn detect(scene: &Scene<'_>) -> Option<Detection> {
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
