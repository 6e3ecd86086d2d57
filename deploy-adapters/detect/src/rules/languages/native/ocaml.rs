//! OCaml: dune describes the program.

use deploy_core::detect::Detection;

use super::{SLIM, commands, kind, known};
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};
use crate::rules::languages::program::{Program, start_unknown};

pub(in crate::rules::languages) const RULE: Rule = detect;

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    const FILE: &str = "dune-project";
    let text = scene.text(FILE)?;
    let mut program = Program::new("ocaml", scene.fact(FILE, "belongs to an OCaml program"));
    program.detection.package_manager = Some("dune".to_owned());
    program.images(
        known("OCaml", &["5.2"]).choose(None),
        "ocaml/opam:debian-12-ocaml-5.2".to_owned(),
        Some(SLIM.to_owned()),
    );
    // The image has its compiler in the home of another user, and asks before it installs what packages need of Debian.
    program.variable("OPAMROOT", "/home/opam/.opam");
    program.variable("OPAMROOTISOK", "1");
    program.variable("OPAMCONFIRMLEVEL", "unsafe-yes");
    program.packages(&[], &["ca-certificates", "libev4", "libgmp10", "libssl3"]);
    let opam = scene.files("").into_iter().filter(|file| file.ends_with(".opam")).collect::<Vec<_>>();
    if !opam.is_empty() {
        program.manifests(scene, &[FILE]);
        let locked = opam.iter().map(|file| format!("{file}.locked")).filter(|file| scene.has(file));
        program.detection.manifests.extend(locked.chain(opam.iter().map(|file| (*file).to_owned())));
    }
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
