//! Applications as detection plans them, built by a real engine. Nothing is fetched: what they depend on lies beside
//! them. Every other family is in `tests/families`, which takes longer and needs the registries of packages.

use deploy_core::detect::Detection;
use deploy_core::evidence::Fact;
use deploy_core::spec::Profile;
use deploy_detect::Catalogue;
use deploy_detect::tree::Tree;

use crate::harness::{World, base_images, cannot, command, world};

/// Says what it was compiled with, who it is, and whether the compiler is there; once it has written beside itself.
const SERVER: &str = "const { existsSync, writeFileSync } = require('node:fs');\nconst words = require('words');\n\
     writeFileSync('written.txt', words);\n\
     const answer = () => `${words} ${process.getuid()} ${existsSync('node_modules/compiler')}`;\n\
     require('node:http').createServer((_, response) => response.end(answer())).listen(process.env.PORT ?? 3000);\n";

/// An application that runs with `words` and is built with `compiler`.
const NODE: [(&str, &str); 7] = [
    (
        "package.json",
        r#"{ "name": "app", "private": true, "scripts": { "build": "compile", "start": "node dist/server.js" },
          "dependencies": { "words": "file:vendor/words" }, "devDependencies": { "compiler": "file:vendor/compiler" },
          "engines": { "node": "22" } }"#,
    ),
    (
        "package-lock.json",
        r#"{ "name": "app", "lockfileVersion": 3, "requires": true, "packages": {
          "": { "name": "app", "dependencies": { "words": "file:vendor/words" },
            "devDependencies": { "compiler": "file:vendor/compiler" }, "engines": { "node": "22" } },
          "node_modules/compiler": { "resolved": "vendor/compiler", "link": true },
          "node_modules/words": { "resolved": "vendor/words", "link": true },
          "vendor/compiler": { "version": "1.0.0", "dev": true, "bin": { "compile": "compile.js" } },
          "vendor/words": { "version": "1.0.0" } } }"#,
    ),
    ("src/server.js", SERVER),
    ("vendor/words/package.json", r#"{ "name": "words", "version": "1.0.0" }"#),
    ("vendor/words/index.js", "module.exports = 'hello';\n"),
    (
        "vendor/compiler/package.json",
        r#"{ "name": "compiler", "version": "1.0.0", "bin": { "compile": "compile.js" } }"#,
    ),
    (
        "vendor/compiler/compile.js",
        "#!/usr/bin/env node\nrequire('fs').cpSync('src', 'dist', { recursive: true });\n",
    ),
];

/// What detection says about these files, which are written as the source.
fn laid_out(world: &World, files: &[(&str, &str)], profile: &Profile) -> Detection {
    files.iter().for_each(|(path, text)| world.write(path, text));
    Tree::new(files).judge(&Catalogue::new(), profile).expect("it asks for ever").0
}

/// Whether the image of Node has an npm that runs: of some machines' only a part can be copied.
fn has_npm(world: &World) -> bool {
    let words = ["run", "--rm", "--network", "none", "node:22-slim", "npm", "--version"];
    command("docker", &words).env("DOCKER_HOST", &world.host).output().is_ok_and(|ran| ran.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_build_of_a_node_application_needs_is_not_in_its_release() {
    let Some(world) = world().await else { return };
    if let Err(why) = base_images(&world.host, &["node"]) {
        cannot(&format!("the image of Node could not be made: {why}"));
        return;
    }
    if !has_npm(&world) {
        cannot("the npm of this machine does not run in an image");
        return;
    }
    let mut profile = Profile::default();
    let mut detection = laid_out(&world, &NODE, &profile);
    detection.writes = Some(Fact::new("src/server.js", "writes beside itself"));
    let (plan, source) = world.try_plan_of(profile.clone(), &detection, None).expect("a plan");
    let mut run = world.run_of(plan, source);
    world.deploy(&mut run).await.expect("a release");
    assert_eq!(world.get().await, (200, "hello 10001 false".to_owned()));

    // Whoever starts it in another way may need anything that was installed.
    profile.runtime.start = Some("exec node dist/server.js".to_owned());
    let (plan, source) = world.try_plan_of(profile, &detection, None).expect("a plan");
    let mut run = world.run_of(plan, source);
    world.deploy(&mut run).await.expect("a release");
    assert_eq!(world.get().await, (200, "hello 10001 true".to_owned()));
    world.close().await;
}
