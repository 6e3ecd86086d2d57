//! Every example runs, and the README shows the one it says it shows.

#![expect(clippy::disallowed_methods, reason = "a test that runs programs")]

use std::process::Command;

#[test]
fn quick_start_puts_a_site_live() {
    let site = concat!(env!("CARGO_MANIFEST_DIR"), "/hello-site");
    let temporary = format!("/tmp/dq-{}", std::process::id());
    std::fs::create_dir_all(&temporary).unwrap();
    let ran =
        Command::new(env!("CARGO_BIN_EXE_quick_start")).arg(site).env("TMPDIR", &temporary).output().unwrap();
    std::fs::remove_dir_all(&temporary).unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}{err}");
    assert!(out.contains("Ready: 4 steps, 0 reasons"), "{out}");
    assert!(out.contains("succeeded") && out.contains("http://web.localhost:"), "{out}");
}

#[test]
fn the_readme_shows_the_quick_start_as_it_is() {
    let program = include_str!("../src/bin/quick_start.rs");
    let shown = program.split_once("\n\n").map(|(_, code)| code).unwrap_or_default();
    let readme = include_str!("../../README.md");
    assert!(readme.contains(shown.trim()), "the README's program is not examples/src/bin/quick_start.rs");
}
