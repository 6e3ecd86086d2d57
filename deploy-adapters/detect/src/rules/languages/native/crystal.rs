//! Crystal: `shard.yml` names the programs.

use deploy_core::detect::Detection;

use super::{commands, kind, known};
use crate::manifest::Values;
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};
use crate::rules::languages::program::{Program, start_unknown};

pub(in crate::rules::languages) const RULE: Rule = detect;

fn detect(scene: &Scene<'_>) -> Option<Detection> {
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
