//! Zig: `build.zig` adds the program.

use deploy_core::detect::Detection;

use super::{SLIM, commands, kind};
use crate::rule::{Rule, Scene};
use crate::rules::languages::program::{Program, start_unknown};
use crate::rules::languages::release::Releases;

pub(in crate::rules::languages) const RULE: Rule = detect;

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    const FILE: &str = "build.zig";
    let text = scene.text(FILE)?;
    let mut program = Program::new("zig", scene.fact(FILE, "belongs to a Zig program"));
    program.detection.package_manager = Some("zig".to_owned());
    let asked = crate::rules::languages::asked::in_file(scene, ".zigversion")
        .or_else(|| crate::rules::languages::asked::of_tool(scene, &["zig"]));
    let releases =
        Releases { language: "Zig", all: &["0.11.0", "0.12.1", "0.13.0", "0.14.1"], usual: "0.14.1" };
    let release = releases.choose(asked);
    // Zig has no image of its own; its package for Python carries the whole compiler.
    let install = format!(
        "pip install ziglang=={} && ln -sf \"$(python -c 'import ziglang, os; print(os.path.dirname(ziglang.__file__))')/zig\" /usr/local/bin/zig",
        release.version
    );
    program.images(release, "python:3.13-bookworm".to_owned(), Some(SLIM.to_owned()));
    program.packages(&[], &["ca-certificates"]);
    program.detection.install = Some(scene.found(install, FILE, "is built by Zig"));
    let (_, after) = text.split_once("addExecutable(").unwrap_or_default();
    let name = after.split_once(".name").and_then(|(_, after)| after.split('"').nth(1));
    program.sources.push("src/main.zig".to_owned());
    match name {
        Some(name) => commands(
            scene,
            &mut program,
            FILE,
            "zig build -Doptimize=ReleaseSafe",
            &format!("./zig-out/bin/{name}"),
        ),
        None => {
            let message = "build.zig adds no executable with a plain name".to_owned();
            program.detection.blocked.push(start_unknown(
                scene.fact(FILE, "adds no executable"),
                message,
                "./zig-out/bin/app",
            ));
        }
    }
    let zon = scene.text("build.zig.zon").unwrap_or_default();
    if let Some(name) =
        ["zap", "httpz", "jetzig", "tokamak"].into_iter().find(|name| zon.contains(&format!(".{name} ")))
    {
        program.framework(name, scene.fact("build.zig.zon", format!("depends on {name}")));
    }
    kind(scene, &mut program);
    Some(program.plan(scene))
}
