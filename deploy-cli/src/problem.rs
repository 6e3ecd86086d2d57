//! Why a command ended without its result, for programs: where JSON was asked for, one line of it on stdout.

use deploy_core::hint::Remedy;
use deploy_core::lifecycle::PhaseName;
use serde::Serialize;

use crate::exit::Failed;
use crate::output::{escaped, result};

/// One line, so that it can end a stream of lines, too: there it is one more envelope.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    kind: &'static str,
    code: &'a str,
    title: &'a str,
    phase: Option<PhaseName>,
    retryable: bool,
    hint: &'a str,
    next: &'a [Remedy],
    exit_code: u8,
}

/// Prints it.
pub(crate) fn print(failed: &Failed) {
    let Failed { exit, code, message, phase, retryable, next } = failed;
    let problem = Problem {
        kind: "error",
        code,
        title: message,
        phase: *phase,
        retryable: *retryable,
        hint: next.first().map_or("", |remedy| remedy.label.as_str()),
        next,
        exit_code: exit.code(),
    };
    let text = serde_json::to_string(&problem).expect("every key is a string");
    result(&escaped(&text));
}
