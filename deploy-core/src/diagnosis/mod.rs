//! From what a failed run said to its likely cause and one next step: rules over the lines a tool
//! printed, first match wins. Pure; an embedder adds its own through [`crate::port::Explainer`].
//!
//! ```
//! use deploy_core::diagnosis::likely;
//! use deploy_core::failure::{Failure, FailureCode};
//!
//! let failure = Failure::new(FailureCode::ReleaseExited, "the process ended with exit code 1")
//!     .with_tail(["ModuleNotFoundError: No module named 'flask'".to_owned()]);
//! let diagnosis = likely(&failure).ok_or("no rule knows it")?;
//! assert_eq!(diagnosis.cause, "The module flask is not installed.");
//! # Ok::<(), &str>(())
//! ```

mod pattern;
mod rules;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::hint::Remedy;

/// The most characters that a cause takes over from a line.
const TAKEN_OVER: usize = 80;

/// What most likely caused a failure. It is a guess, and says what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Diagnosis {
    /// The rule's stable code.
    pub code: String,
    /// What is wrong, one sentence.
    pub cause: String,
    /// The line that says so, as it was printed.
    pub line: String,
    /// What to do about it.
    pub next: Remedy,
}

/// The codes of all rules, in the order in which they are tried.
pub fn codes() -> impl Iterator<Item = &'static str> {
    rules::RULES.iter().map(|rule| rule.code)
}

/// The likely cause of a failure, if a rule knows it.
#[must_use]
pub fn likely(failure: &Failure) -> Option<Diagnosis> {
    let facts = failure.evidence.iter().map(|fact| format!("{}: {}", fact.file, fact.fact));
    let lines: Vec<String> =
        facts.chain(failure.tail.iter().cloned()).chain([failure.message.clone()]).collect();
    rules::RULES.iter().find_map(|rule| {
        rule.concerns(failure.code).then_some(())?;
        let (line, taken) = lines.iter().find_map(|line| Some((line, rule.reads(line)?)))?;
        Some(rule.diagnosis(line, &taken))
    })
}

/// The first line that a rule knows something about: worth keeping when the rest is cut.
pub(crate) fn telling(lines: &[String]) -> Option<&String> {
    rules::RULES.iter().find_map(|rule| lines.iter().find(|line| rule.reads(line).is_some()))
}
