//! Every example runs, and the README shows the one it says it shows.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test that runs programs")]

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

/// Runs a program of this package and returns what it prints.
fn output_of(program: &str, argument: &str) -> String {
    let top = env!("CARGO_MANIFEST_DIR");
    let ran = Command::new(program).arg(format!("{top}/{argument}")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn custom_executor_keeps_the_good_slide_when_an_empty_one_fails() {
    let out = output_of(env!("CARGO_BIN_EXE_custom_executor"), "");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[2..4], ["\"\": failed in verify: no text", "  the screen shows Some(\"Welcome.\")"]);
    assert_eq!(lines[4..], ["\"Closed.\": succeeded", "  the screen shows Some(\"Closed.\")"]);
}

#[test]
fn custom_store_goes_on_when_the_auditor_is_back() {
    let out = output_of(env!("CARGO_BIN_EXE_custom_store"), "slides");
    let numbers: Vec<&str> = out.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    let expected: Vec<String> = (1..=13).map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected);
    assert!(out.ends_with("succeeded\n"), "{out}");
}

#[test]
fn blocked_plan_is_mended_with_what_its_reasons_say() {
    let out = output_of(env!("CARGO_BIN_EXE_blocked_plan"), "hello-site");
    assert!(out.starts_with("Blocked [\"base_directory_missing\", \"unsupported_target\"]"), "{out}");
    assert!(out.contains("Ready [], 3 steps"), "{out}");
}

#[test]
fn inv_41_follow_events_sees_every_event_once() {
    let out = output_of(env!("CARGO_BIN_EXE_follow_events"), "slides");
    assert_eq!(out.lines().count(), 13, "{out}");
    assert_eq!(out.lines().last(), Some("13 Succeeded (verify)"));
}

#[test]
fn approve_runs_only_the_plan_that_was_seen() {
    let out = output_of(env!("CARGO_BIN_EXE_approve"), "slides");
    assert!(out.contains("refused (other_plan)") && out.ends_with("succeeded\n"), "{out}");
}

/// An example is read at one sitting: less than 80 lines that say something.
#[test]
fn every_example_is_short() {
    let top = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for directory in [top.to_owned(), format!("{top}/bin")] {
        for file in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(file.path()).unwrap();
            let says = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
            assert!(text.lines().filter(says).count() < 80, "{:?} is long", file.path());
        }
    }
}

#[test]
fn the_readme_shows_the_quick_start_as_it_is() {
    let program = include_str!("../src/bin/quick_start.rs");
    let shown = program.split_once("\n\n").map(|(_, code)| code).unwrap_or_default();
    let readme = include_str!("../../README.md");
    assert!(readme.contains(shown.trim()), "the README's program is not examples/src/bin/quick_start.rs");
}
