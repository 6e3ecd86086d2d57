//! The pure part stays pure: no runtime, no clock, no randomness, no environment, no files, no
//! processes outside `engine/`, and nothing heavy in the dependencies without features.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, not the pure part")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Words that only impure code needs, and why each is here.
const FORBIDDEN: &[&str] = &[
    ".await",
    "tokio",
    "tracing::",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "now_utc",
    "now_v7",
    "new_v4",
    "::now()",
    "rand::",
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            // The engine is the impure part; the testkit and tests may do what they like.
            if !matches!(name, "engine" | "testkit") {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") && !name.ends_with("_test.rs") {
            found.push(path);
        }
    }
}

/// Code without comments: a comment may name what the code must not use.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_lifecycle_cannot_reach_a_clock_a_random_source_the_environment_a_file_or_a_process() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 30, "the pure part was not found");
    for file in files {
        let text = code(&std::fs::read_to_string(&file).unwrap());
        let found: Vec<&&str> = FORBIDDEN.iter().filter(|word| text.contains(**word)).collect();
        assert!(found.is_empty(), "{} uses {found:?}", file.display());
    }
}

#[test]
fn front_ends_do_not_match_on_phases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for crate_source in ["deploy-cli/src", "deploy-http/src", "deploy-adapters/static/src"] {
        sources(&root.join(crate_source), &mut files);
    }
    assert!(files.len() > 20, "the front ends were not found");
    for file in files {
        let text = code(&std::fs::read_to_string(&file).unwrap());
        assert!(!text.contains("Phase::"), "{} decides by a phase", file.display());
    }
}

#[test]
fn without_features_the_core_depends_on_no_runtime_no_tls_and_no_sql() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args([
            "tree",
            "-p",
            "deploy-core",
            "--no-default-features",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    for heavy in
        ["tokio", "rustls", "openssl", "native-tls", "sqlite", "sqlx", "hyper", "axum", "tracing", "reqwest"]
    {
        let found = tree.lines().find(|line| line.starts_with(heavy) || line.contains(&format!("{heavy} v")));
        assert_eq!(found, None, "deploy-core depends on {heavy}");
    }
    assert!(tree.lines().count() > 3, "the tree was not read");
}
