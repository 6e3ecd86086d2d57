//! Trees that want to be too much: `deploy plan --json` gives a whole answer, in bounded time and memory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Place, Running, has_keys, tool};

/// What the program may take for itself, in bytes: many times what a plan needs, a fraction of what these trees hold.
const MEMORY: u64 = 256 << 20;
/// How long a plan may take on a machine that does much else.
const TIME: Duration = Duration::from_secs(30);

/// The preview of a tree: ready or blocked, and complete.
fn plan(place: &Place, source: &str) -> Value {
    let mut command = match tool(&["prlimit", "--version"]) {
        true => {
            let mut bounded = Command::new("prlimit");
            bounded.arg(format!("--data={MEMORY}")).arg("--").arg(env!("CARGO_BIN_EXE_deploy"));
            bounded
        }
        false => Command::new(env!("CARGO_BIN_EXE_deploy")),
    };
    command.args(["plan", source, "--json", "--state-dir"]).arg(place.state());
    place.furnish(&mut command);
    let run = Running::start(command).end_within(TIME).unwrap_or_else(|| panic!("{source}: not in time"));
    let plan: Value =
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{source}: {error}: {run:?}"));
    let exit = if plan["readiness"]["status"] == "blocked" { 4 } else { 0 };
    run.exits(exit);
    has_keys(&plan, &["fingerprint", "source", "detection", "warnings", "blockedReasons", "nextActions"]);
    plan
}

/// Manifests of every ecosystem, so that every parser meets what is written.
const MANIFESTS: &[&str] = &[
    "package.json",
    "package-lock.json",
    "pnpm-workspace.yaml",
    "pnpm-lock.yaml",
    "turbo.json",
    "nx.json",
    "angular.json",
    "tsconfig.json",
    "deno.json",
    "vercel.json",
    "netlify.toml",
    "vite.config.js",
    "pyproject.toml",
    "Pipfile",
    "uv.lock",
    "requirements.txt",
    "Cargo.toml",
    "go.mod",
    "go.work",
    "Gemfile",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "mix.exs",
    "gleam.toml",
    "pubspec.yaml",
    "shard.yml",
    "mkdocs.yml",
    "hugo.toml",
    "book.toml",
    "_config.yml",
    "docker-compose.yml",
    "compose.yaml",
    "Dockerfile",
    "Procfile",
    "Staticfile",
    "global.json",
    "app.csproj",
    "stack.yaml",
    "Package.swift",
    "build.zig.zon",
    "deno.lock",
    ".tool-versions",
    "mise.toml",
    "fly.toml",
];

/// A tree in which every manifest holds the same.
fn everywhere(place: &Place, below: &str, content: &str) {
    MANIFESTS.iter().for_each(|name| place.write(&format!("{below}/{name}"), content));
}

#[test]
fn threat_f21_manifests_that_are_deep_or_unfold_are_answered() {
    let place = Place::for_much();
    let deep = 200_000;
    let bomb = (1..12).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
        let refs = vec![format!("*a{}", level - 1); 9].join(",");
        format!("{text}a{level}: &a{level} [{refs}]\n")
    });
    for (name, content) in [
        ("json", format!("{{\"a\":{}{}}}", "[".repeat(deep), "]".repeat(deep))),
        ("objects", "{\"a\":".repeat(deep)),
        ("yaml", format!("services: {}{}", "[".repeat(deep), "]".repeat(deep))),
        ("blocks", (0..5_000).map(|level| format!("{}a:\n", " ".repeat(level % 200))).collect()),
        ("toml", format!("a = {}{}", "[".repeat(deep), "]".repeat(deep))),
        ("tables", format!("[{}a]", "a.".repeat(deep))),
        ("bomb", bomb),
        ("billion", format!("{{\"scripts\": {{{}}}}}", vec!["\"a\": \"b\""; 50_000].join(","))),
        ("line", "a".repeat(900_000)),
        ("nul", "\0".repeat(10_000)),
        ("xml", format!("<project>{}", "<a>".repeat(deep))),
        ("parens", "(".repeat(deep)),
        ("empty", String::new()),
        ("bom", "\u{feff}{\"name\": \"x\"}".to_owned()),
    ] {
        everywhere(&place, name, &content);
        plan(&place, name);
        // One manifest alone is not drowned by the others.
        for manifest in ["package.json", "compose.yaml", "pyproject.toml", "Cargo.toml", "pom.xml"] {
            let alone = format!("{name}-{manifest}");
            place.write(&format!("{alone}/{manifest}"), &content);
            plan(&place, &alone);
        }
    }
}

#[test]
fn threat_f21_manifests_that_are_huge_or_no_files_are_answered() {
    let place = Place::for_much();
    for name in MANIFESTS {
        place.write(&format!("huge/{name}"), "");
        fs::File::options()
            .write(true)
            .open(place.path(&format!("huge/{name}")))
            .unwrap()
            .set_len(1 << 30)
            .unwrap();
        fs::create_dir_all(place.path(&format!("directories/{name}"))).unwrap();
        fs::create_dir_all(place.path("loops")).unwrap();
        symlink(name, place.path(&format!("loops/{name}"))).unwrap();
        fs::create_dir_all(place.path("outside")).unwrap();
        symlink("/dev/zero", place.path(&format!("outside/{name}"))).unwrap();
        fs::create_dir_all(place.path("pipes")).unwrap();
        let pipe = place.path(&format!("pipes/{name}"));
        assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    }
    for source in ["huge", "directories", "loops", "outside", "pipes"] {
        let plan = plan(&place, source);
        assert_eq!(plan["readiness"]["status"], "blocked", "{source}: {plan:#}");
    }
}

#[test]
fn threat_f21_trees_of_loops_odd_names_and_depth_are_answered() {
    let place = Place::for_much();
    place.write("tree/index.html", "page");
    let at = |below: &str| place.path(&format!("tree/{below}"));
    for (link, target) in
        [("a", "b"), ("b", "a"), ("self", "self"), ("up", ".."), ("out", "/"), ("etc", "/etc/passwd")]
    {
        symlink(target, at(link)).unwrap();
    }
    fs::write(at("x").with_file_name(OsStr::from_bytes(b"caf\xe9\x1b[2J")), "").unwrap();
    fs::write(at(&"n".repeat(255)), "").unwrap();
    let text = plan(&place, "tree").to_string();
    assert!(!text.contains('\u{1b}'), "{text}");

    let deep = format!("deep/{}", vec!["d"; 500].join("/"));
    place.write("deep/index.html", "page");
    fs::create_dir_all(place.path(&deep)).unwrap();
    plan(&place, "deep");
}

fn entries(count: usize) {
    let place = Place::for_much();
    place.write("site/index.html", "page");
    place.write("original", "");
    for number in 0..count {
        let directory = place.path(&format!("site/{}", number / 40_000));
        if number % 40_000 == 0 {
            fs::create_dir(&directory).unwrap();
        }
        // Names of one file: a directory full of them costs no more than their names.
        fs::hard_link(place.path("original"), directory.join(number.to_string())).unwrap();
    }
    let whole = plan(&place, "site");
    assert!(["blocked", "ready", "warning"].iter().any(|status| whole["readiness"]["status"] == *status));
}

#[test]
fn threat_f21_a_tree_of_many_entries_is_answered() {
    entries(120_000);
}

/// `cargo test -p deploy-cli --test cli -- --ignored million`: half a minute, and some memory.
#[test]
#[ignore = "takes long and much memory; run by hand"]
fn threat_f21_a_tree_of_a_million_entries_is_answered() {
    entries(1_000_000);
}
