//! The pages below `docs/` are made from the tables, and are what the tables say now.
//!
//! `DEPLOY_WRITE_DOCS=1 cargo test -p deploy-core --all-features --test reference` writes them anew.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that reads the sources it is about"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use deploy_core::failure::{FailureClass, FailureCode};
use deploy_core::hint::direction;
use deploy_core::lifecycle::{ANYWHERE, EDGES, PhaseName};
use deploy_core::reason::ReasonCode;
use deploy_core::schema::DOCUMENTS;

const PHASES: [PhaseName; 5] =
    [PhaseName::Detect, PhaseName::Plan, PhaseName::Execute, PhaseName::Verify, PhaseName::Rollback];

fn codes_page() -> String {
    let mut page = String::from(
        "# Reasons and failures\n\n\
         Every reason why a preview says no, and every way a run can fail. The codes are stable: programs may\n\
         hold on to them. A *reason* is part of a plan, and a plan carries all of its reasons at once; a\n\
         *failure* is why a run ended. Both carry what was found (`evidence`) and what to do (`fix`, `next`).\n\n\
         ## Where to start\n\n| failed in | |\n|---|---|\n",
    );
    for phase in PHASES {
        let _ = writeln!(page, "| {phase} | {} |", direction(phase));
    }
    page.push_str(
        "\n## Reasons\n\n| code | phase | meaning | what to do | profile field | can a retry help |\n|---|---|---|---|---|---|\n",
    );
    for code in ReasonCode::ALL {
        let field = code.profile_field().map_or(String::new(), |field| format!("`{field}`"));
        let retry = if code.retryable() { "yes" } else { "no" };
        let (phase, meaning, fix) = (code.phase(), code.meaning(), code.fix());
        let _ = writeln!(page, "| `{}` | {phase} | {meaning} | {fix} | {field} | {retry} |", code.code());
    }
    page.push_str(
        "\n## Failures\n\n\
         The engine itself tries a *transient* failure again, within the bounds the plan shows, and reads the\n\
         world back where the outcome is *in doubt*. The last column says whether a person's retry can help\n\
         although nothing was changed.\n\n\
         | code | phases | meaning | what to do | profile field | class | can a retry help |\n|---|---|---|---|---|---|---|\n",
    );
    for code in FailureCode::ALL {
        let phases: Vec<String> = code.phases().iter().map(ToString::to_string).collect();
        let field = code.profile_field().map_or(String::new(), |field| format!("`{field}`"));
        let class = match code.class() {
            FailureClass::Transient => "transient",
            FailureClass::Permanent => "permanent",
            FailureClass::InDoubt => "in doubt",
        };
        let retry = if code.retryable() { "yes" } else { "no" };
        let (phases, meaning, remedy) = (phases.join(", "), code.meaning(), code.remedy());
        let code = code.code();
        let _ =
            writeln!(page, "| `{code}` | {phases} | {meaning} | {remedy} | {field} | {class} | {retry} |");
    }
    page
}

/// One arrow for all the events that lead from one phase to another; what stays in a phase is in the table.
fn lifecycle_page() -> String {
    let mut arrows: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (from, event, to) in EDGES {
        arrows.entry((from.name(), to.name())).or_default().push(event.name());
    }
    let mut page = String::from("# The lifecycle\n\n```mermaid\nstateDiagram-v2\n    [*] --> Queued\n");
    for ((from, to), events) in arrows.iter().filter(|((from, to), _)| from != to) {
        let _ = writeln!(page, "    {from} --> {to}: {}", events.join(", "));
    }
    page.push_str("    Ended --> [*]\n```\n\n| in phase | event | leads to |\n|---|---|---|\n");
    for ((from, to), events) in &arrows {
        let _ = writeln!(page, "| {from} | {} | {to} |", events.join(", "));
    }
    let anywhere: Vec<&str> = ANYWHERE.iter().map(|event| event.name()).collect();
    let _ = writeln!(page, "\nIn every phase but the last: {}. They keep the phase.", anywhere.join(", "));
    page
}

fn current(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("DEPLOY_WRITE_DOCS").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "{} is not what the tables say: DEPLOY_WRITE_DOCS=1 writes it", path.display());
}

#[test]
fn the_page_of_codes_is_what_the_tables_say() {
    current("codes.md", &codes_page());
}

#[test]
fn the_diagram_is_what_the_edges_say() {
    current("lifecycle.md", &lifecycle_page());
}

#[test]
fn inv_08_every_code_has_a_meaning_and_something_to_do() {
    let sentence = |text: &str| text.ends_with('.') && text.chars().next().is_some_and(char::is_uppercase);
    let instruction = |text: &str| !text.is_empty() && (!text.ends_with('.') || text.ends_with(" .."));
    for code in ReasonCode::ALL {
        assert!(sentence(code.meaning()) && instruction(code.fix()), "{}", code.code());
    }
    for code in FailureCode::ALL {
        assert!(sentence(code.meaning()) && instruction(code.remedy()), "{}", code.code());
        assert!(!code.phases().is_empty(), "{}", code.code());
    }
    let reasons: BTreeSet<&str> = ReasonCode::ALL.iter().map(|code| code.code()).collect();
    let failures: BTreeSet<&str> = FailureCode::ALL.iter().map(|code| code.code()).collect();
    assert_eq!((reasons.len(), failures.len()), (ReasonCode::ALL.len(), FailureCode::ALL.len()));
}

/// A code that nothing in the workspace makes can never be seen.
#[test]
fn inv_08_every_code_is_made_by_something() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = String::new();
    for file in rust_files(&top) {
        let in_a_table = file.ends_with("deploy-core/src/reason.rs") || file.ends_with("failure/place.rs");
        let path = file.to_string_lossy();
        let is_test = path.contains("/tests") || path.contains("testkit") || path.contains("_test");
        if !in_a_table && !is_test && !path.contains("/benches/") {
            sources.push_str(&std::fs::read_to_string(&file).unwrap());
        }
    }
    let made = |kind: &str, variant: String| sources.contains(&format!("{kind}::{variant}"));
    let reasons = ReasonCode::ALL.iter().filter(|code| !made("ReasonCode", format!("{code:?}")));
    assert_eq!(reasons.collect::<Vec<_>>(), Vec::<&ReasonCode>::new(), "made by nothing");
    let failures = FailureCode::ALL.iter().filter(|code| !made("FailureCode", format!("{code:?}")));
    assert_eq!(failures.collect::<Vec<_>>(), Vec::<&FailureCode>::new(), "made by nothing");
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}

/// The names of the types that a derive above them serialises.
fn serialised_types(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut serialised = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[derive(") {
            serialised = line.contains("Serialize");
        } else if let Some(name) = line.strip_prefix("pub struct ").or(line.strip_prefix("pub enum ")) {
            let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
            // A macro's `$name` has no letters here; its types are ids, which every document holds.
            found.extend((serialised && end > 0).then(|| name[..end].to_owned()));
            serialised = false;
        }
    }
    found
}

#[test]
fn every_type_that_others_read_is_in_a_schema() {
    let mut known = BTreeSet::new();
    for document in DOCUMENTS {
        let schema = document.schema();
        known.extend(schema.get("title").and_then(|title| title.as_str()).map(str::to_owned));
        let parts = schema.get("$defs").and_then(|parts| parts.as_object());
        known.extend(parts.into_iter().flat_map(|parts| parts.keys().cloned()));
    }
    let mut missing = Vec::new();
    for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let types = serialised_types(&std::fs::read_to_string(&file).unwrap());
        missing.extend(types.into_iter().filter(|name| !known.contains(name)));
    }
    assert_eq!(missing, Vec::<String>::new(), "serialised, and in no document of schema::DOCUMENTS");
}
