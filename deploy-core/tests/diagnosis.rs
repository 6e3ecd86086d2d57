//! Every rule of the failed-run help reads an output that a real tool printed. A file below
//! `diagnosis/` is `<build|run>.<code>[.<what>].txt`.

#![expect(clippy::unwrap_used, reason = "a test that reads its fixtures")]

use std::collections::BTreeSet;
use std::path::Path;

use deploy_core::diagnosis::{codes, likely};
use deploy_core::failure::{Failure, FailureCode, TAIL_LINES};

/// The code each recorded output is about, with the failure that an executor makes of it.
fn recorded() -> Vec<(String, Failure)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnosis");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let one = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut parts = name.split('.');
        let code = match parts.next() {
            Some("build") => FailureCode::BuildFailed,
            Some("run") => FailureCode::ReleaseExited,
            other => panic!("{other:?} is neither build nor run"),
        };
        let output = std::fs::read_to_string(&path).unwrap();
        let failure =
            Failure::new(code, "it ended with exit code 1").with_tail(output.lines().map(str::to_owned));
        (parts.next().unwrap().to_owned(), failure)
    };
    files.map(one).collect()
}

#[test]
fn every_recorded_output_leads_to_its_cause() {
    for (code, failure) in recorded() {
        let diagnosis = likely(&failure).unwrap_or_else(|| panic!("{code}: nothing in {failure:#?}"));
        assert_eq!(diagnosis.code, code, "{diagnosis:#?}");
        assert!(!diagnosis.cause.contains("{}") && !diagnosis.cause.contains("  "), "{diagnosis:#?}");
        assert!(diagnosis.cause.ends_with('.') && !diagnosis.next.label.ends_with('.'), "{diagnosis:#?}");
        assert!(failure.tail.len() <= TAIL_LINES);
    }
}

#[test]
fn every_rule_has_a_recorded_output() {
    let rules: BTreeSet<String> = codes().map(str::to_owned).collect();
    let outputs: BTreeSet<String> = recorded().into_iter().map(|(code, _)| code).collect();
    assert_eq!(rules, outputs);
}

/// What git or the engine say is about them, not about the project's program.
#[test]
fn a_failure_of_something_else_is_not_explained_by_what_programs_print() {
    let line = "./start.sh: Permission denied".to_owned();
    for code in FailureCode::ALL {
        let explained = likely(&Failure::new(*code, "it failed").with_tail([line.clone()])).is_some();
        let own =
            matches!(code.code(), "build_failed" | "build_not_started" | "release_exited" | "start_refused")
                || matches!(code.code(), "unhealthy" | "out_of_memory" | "image_unavailable");
        assert_eq!(explained, own, "{}", code.code());
    }
}

#[test]
fn what_no_rule_knows_is_not_guessed_at() {
    let failure = Failure::new(FailureCode::BuildFailed, "it ended with exit code 1")
        .with_tail(["all is well".to_owned(), "done".to_owned()]);
    assert_eq!(likely(&failure), None);
}
