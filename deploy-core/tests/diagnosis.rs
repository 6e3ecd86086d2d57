//! Every rule of the failed-run help reads an output that a real tool printed. A file below
//! `diagnosis/` is `<build|run>.<code>[.<what>].txt`; below `diagnosis/not/` its code is what it must not lead to.
//!
//! `DEPLOY_WRITE_DOCS=1 cargo test -p deploy-core --all-features --test diagnosis` writes the page of causes anew.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that reads its fixtures")]

use std::collections::BTreeSet;
use std::path::Path;

use deploy_core::diagnosis::{Diagnosis, Situation, codes, likely};
use deploy_core::failure::{Failure, FailureCode, TAIL_LINES};
use deploy_core::hint::CommandLine;
use deploy_core::size::Size;
use proptest::prelude::*;

const ID: &str = "dep_01890a5dac96774bbcceb302099a8057";

/// A run of a member of a repository.
fn situation() -> Situation {
    Situation {
        id: ID.parse().unwrap(),
        directory: "/srv/my shop/web".to_owned(),
        again: CommandLine::new(["deploy", "up", "/srv/my shop", "--target", "docker"]),
        memory: Size::from_mib(512),
    }
}

/// A recorded output: its file, the code that it is about, and the failure that an executor makes of it.
struct Recorded {
    name: String,
    code: String,
    failure: Failure,
}

impl Recorded {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut parts = name.split('.');
        let kind = match parts.next() {
            Some("build") => FailureCode::BuildFailed,
            Some("run") => FailureCode::ReleaseExited,
            other => panic!("{other:?} is neither build nor run"),
        };
        let code = parts.next().unwrap().to_owned();
        let output = std::fs::read_to_string(path).unwrap();
        let failure =
            Failure::new(kind, "it ended with exit code 1").with_tail(output.lines().map(str::to_owned));
        Self { name, code, failure }
    }

    fn all(directory: &str) -> Vec<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn diagnosis(&self) -> Diagnosis {
        likely(&self.failure, &situation())
            .unwrap_or_else(|| panic!("{}: nothing in {:#?}", self.name, self.failure))
    }
}

fn recorded() -> Vec<Recorded> {
    Recorded::all("tests/diagnosis")
}

#[test]
fn every_recorded_output_leads_to_its_cause_and_one_command() {
    for output in recorded() {
        let diagnosis = output.diagnosis();
        assert_eq!(diagnosis.code, output.code, "{}: {diagnosis:#?}", output.name);
        for text in [&diagnosis.cause, &diagnosis.next.label] {
            assert!(!text.contains("{}") && !text.contains("  "), "{diagnosis:#?}");
        }
        assert!(diagnosis.cause.ends_with('.') && !diagnosis.next.label.ends_with('.'), "{diagnosis:#?}");
        let command = diagnosis.next.command.unwrap();
        assert!(!command.to_string().contains('{'), "{command}");
        assert!(output.failure.tail.len() <= TAIL_LINES);
    }
}

#[test]
fn every_rule_has_a_recorded_output() {
    let rules: BTreeSet<String> = codes().map(str::to_owned).collect();
    let outputs: BTreeSet<String> = recorded().into_iter().map(|output| output.code).collect();
    assert_eq!(rules, outputs);
}

/// Words that a rule knows, in an output that ended for another reason.
#[test]
fn an_output_that_only_mentions_a_cause_does_not_lead_to_it() {
    let outputs = Recorded::all("tests/diagnosis/not");
    assert!(outputs.len() > 5);
    for output in outputs {
        let code = likely(&output.failure, &situation()).map(|diagnosis| diagnosis.code);
        assert_ne!(code.as_deref(), Some(output.code.as_str()), "{}", output.name);
    }
}

/// The page that shows, for every recorded output, its cause, the line to write and the command to run.
#[test]
fn the_page_of_causes_is_what_the_rules_say() {
    let cell = |text: &str| text.replace('|', "\\|");
    let code = |text: String| if text.is_empty() { text } else { format!("`{}`", cell(&text)) };
    let mut page = "# What most likely caused a failure, and what to run next\n\nFor the deployment that is \
                    named, of a directory, as the recorded outputs below `tests/diagnosis/` lead to it. The last \
                    column is one command.\n\n| output | cause | what to do | line of deploy.toml | command |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    for output in recorded() {
        let Diagnosis { cause, next, .. } = output.diagnosis();
        let (set, command) = (next.set.unwrap_or_default(), next.command.unwrap().to_string());
        let cells = [output.name, cell(&cause), cell(&next.label), code(set), code(command)];
        page.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/causes.md");
    if std::env::var_os("DEPLOY_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "{} is not what the rules say: DEPLOY_WRITE_DOCS=1 writes it", path.display());
}

/// What git or the engine say is about them, not about the project's program.
#[test]
fn a_failure_of_something_else_is_not_explained_by_what_programs_print() {
    let line = "./start.sh: Permission denied".to_owned();
    for code in FailureCode::ALL {
        let failure = Failure::new(*code, "it failed").with_tail([line.clone()]);
        let own =
            matches!(code.code(), "build_failed" | "build_not_started" | "release_exited" | "start_refused")
                || matches!(code.code(), "unhealthy" | "out_of_memory" | "image_unavailable");
        assert_eq!(likely(&failure, &situation()).is_some(), own, "{}", code.code());
    }
}

#[test]
fn what_no_rule_knows_is_not_guessed_at() {
    let failure = Failure::new(FailureCode::BuildFailed, "it ended with exit code 1")
        .with_tail(["all is well".to_owned(), "done".to_owned()]);
    assert_eq!(likely(&failure, &situation()), None);
}

proptest! {
    /// People run it: whatever a program prints, the words of the command are ours or the run's own.
    #[test]
    fn nothing_that_was_printed_gets_into_a_command(which in 0_usize..1000, word in "[a-z$`;|&'\"]{6,12}") {
        let outputs = recorded();
        let output = &outputs[which % outputs.len()];
        let before = output.diagnosis();
        let Some(line) = output.failure.tail.iter().find(|line| **line == before.line) else { return Ok(()) };
        for part in line.split([' ', '\'', '"', '`']).filter(|part| part.len() > 2) {
            let mut failure = output.failure.clone();
            failure.tail = vec![line.replace(part, &word)];
            if let Some(after) = likely(&failure, &situation()) {
                let command = after.next.command.map(|command| command.to_string()).unwrap_or_default();
                prop_assert!(!command.contains(&word), "{command}");
                let set = after.next.set.unwrap_or_default();
                prop_assert!(!set.contains(['$', '`', ';', '|', '&', '\'']), "{set}");
            }
        }
    }
}
