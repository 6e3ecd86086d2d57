//! Every reason that a source and its configuration alone can give, through the program: a blocked preview exits with
//! 4, any other with 0, and its JSON is whole.

use serde_json::Value;

use crate::common::{Place, has_keys};

const PAGE: &str = "<!doctype html><title>hello</title>";
const EXPRESS: &str =
    r#"{ "dependencies": { "express": "5.0.0" }, "scripts": { "start": "node server.js" } }"#;
const VITE: &str = r#"{ "devDependencies": { "vite": "7" }, "scripts": { "build": "vite build" } }"#;
const TWO: &str =
    "services:\n  a:\n    build: a\n    ports: ['3000:3000']\n  b:\n    build: b\n    ports: ['4000:4000']\n";

/// A code, and the files of a source that shows it.
const SHOWN: &[(&str, &[(&str, &str)])] = &[
    ("path_outside_source", &[("deploy.toml", "[runtime]\npublish_directory = \"../x\"\n")]),
    ("base_directory_missing", &[("deploy.toml", "[source]\nbase_directory = \"nope\"\n")]),
    ("publish_directory_missing", &[("deploy.toml", "[runtime]\npublish_directory = \"dist\"\n")]),
    ("publish_directory_unknown", &[("deploy.toml", "[runtime]\nbuild = \"make\"\n")]),
    ("unsupported_project", &[("index.html", "---\nlayout: home\n---\n")]),
    ("nothing_recognised", &[("notes.pl", "print 1;")]),
    ("several_apps", &[("a/package.json", EXPRESS), ("b/package.json", EXPRESS)]),
    ("manifest_invalid", &[("package.json", "{,}")]),
    ("conflicting_lockfiles", &[("package.json", EXPRESS), ("yarn.lock", ""), ("package-lock.json", "{}")]),
    ("start_unknown", &[("go.mod", "module x"), ("x.go", "package x")]),
    ("output_unknown", &[("package.json", VITE), ("vite.config.ts", "build: { outDir: dir() }")]),
    ("port_unknown", &[("Dockerfile", "FROM debian:12\nCMD [\"/app\"]\n")]),
    ("service_unknown", &[("compose.yaml", TWO)]),
    (
        "compose_directive",
        &[("compose.yaml", "services:\n  a: { build: ., ports: [80], privileged: true }\n")],
    ),
    (
        "compose_dropped",
        &[("compose.yaml", "services:\n  a: { build: ., ports: [80], container_name: x }\n")],
    ),
    (
        "compose_variable",
        &[("compose.yaml", "services:\n  a: { build: ., ports: [80], environment: [TOKEN] }\n")],
    ),
    (
        "stage_unknown",
        &[
            ("Dockerfile", "FROM debian:12 AS one\nEXPOSE 80\n"),
            ("deploy.toml", "[runtime]\nstage = \"two\"\n"),
        ],
    ),
    ("dockerfile_missing", &[("deploy.toml", "[runtime]\ndockerfile = \"Dockerfile.web\"\n")]),
    ("image_invalid", &[("deploy.toml", "[runtime]\nimage = \"not an image\"\n")]),
    ("floating_image", &[("deploy.toml", "[runtime]\nimage = \"nginx\"\n")]),
    ("no_lockfile", &[("package.json", VITE)]),
    ("dev_server_as_start", &[("Procfile", "web: flask run"), ("requirements.txt", "flask==3.0")]),
    ("floating_base_image", &[("Dockerfile", "FROM node\nEXPOSE 80\n")]),
    ("port_guessed", &[("package.json", EXPRESS), ("server.js", "app.listen(port)")]),
    ("no_health_path", &[("Dockerfile", "FROM debian:12\nEXPOSE 80\n")]),
    ("single_writer_volume", &[("Dockerfile", "FROM debian:12\nEXPOSE 80\nVOLUME /data\n")]),
    ("version_unavailable", &[("package.json", VITE), (".nvmrc", "lts/nothing")]),
    ("host_invalid", &[("index.html", PAGE), ("deploy.toml", "[access]\nhost = \"-bad-\"\n")]),
    ("health_path_invalid", &[("index.html", PAGE), ("deploy.toml", "[health]\npath = \"x\"\n")]),
    ("unsupported_strategy", &[("package.json", EXPRESS), ("server.js", "app.listen(80)")]),
];

#[test]
fn inv_28_every_reason_is_shown_with_the_exit_code_that_it_means() {
    let place = Place::new();
    for (code, files) in SHOWN {
        files.iter().for_each(|(file, text)| place.write(&format!("{code}/{file}"), text));
        let run = place.run(&["plan", code, "--json"]);
        let plan: Value =
            serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{code}: {error}: {run:?}"));
        has_keys(
            &plan,
            &["fingerprint", "source", "detection", "steps", "warnings", "blockedReasons", "nextActions"],
        );
        let of = |key: &str| plan[key].as_array().cloned().unwrap_or_default();
        let (blocked, warnings) = (of("blockedReasons"), of("warnings"));
        run.exits(if blocked.is_empty() { 0 } else { 4 });
        let shown = blocked.iter().chain(&warnings).any(|reason| reason["code"] == *code);
        assert!(shown, "{code}: {plan:#}");
    }
}
