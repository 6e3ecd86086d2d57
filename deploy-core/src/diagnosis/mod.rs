//! From what a failed run said to its likely cause and one next step: rules over the lines a tool
//! printed, first match wins. Pure; an embedder adds its own through [`crate::port::Explainer`].
//!
//! ```
//! use deploy_core::diagnosis::{Situation, likely};
//! use deploy_core::failure::{Failure, FailureCode};
//! use deploy_core::hint::CommandLine;
//! use deploy_core::size::Size;
//!
//! let failure = Failure::new(FailureCode::ReleaseExited, "the process ended with exit code 1")
//!     .with_tail(["ModuleNotFoundError: No module named 'flask'".to_owned()]);
//! let id = "dep_01890a5dac96774bbcceb302099a8057".parse()?;
//! let again = CommandLine::new(["deploy", "up", "/srv/web"]);
//! let of = Situation { id, directory: "/srv/web".to_owned(), again, memory: Size::from_mib(512) };
//! let diagnosis = likely(&failure, &of).ok_or("no rule knows it")?;
//! assert_eq!(diagnosis.cause, "The module flask is not installed.");
//! assert_eq!(diagnosis.next.command, Some(of.again));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod pattern;
mod rules;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::hint::{CommandLine, Remedy};
use crate::id::DeploymentId;
use crate::size::Size;

/// The most characters that a cause takes over from a line.
const TAKEN_OVER: usize = 80;

/// The evidence that is a line of output: the one that tells the cause, from above the last lines.
pub(crate) const OUTPUT: &str = "output";

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
    /// What to do about it: an instruction, a line of `deploy.toml` where one helps, and one command.
    pub next: Remedy,
}

/// What of a run the commands against its failure name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// The deployment.
    pub id: DeploymentId,
    /// Where the project's own tools work, as a path.
    pub directory: String,
    /// The command that deploys the same again.
    pub again: CommandLine,
    /// What the release may use.
    pub memory: Size,
}

/// The codes of all rules, in the order in which they are tried.
pub fn codes() -> impl Iterator<Item = &'static str> {
    rules::all().map(|rule| rule.code)
}

/// The likely cause of a failure, if a rule knows it, with one command to run next.
#[must_use]
pub fn likely(failure: &Failure, of: &Situation) -> Option<Diagnosis> {
    let facts = failure.evidence.iter().map(|fact| match fact.file.as_str() {
        OUTPUT => fact.fact.clone(),
        file => format!("{file}: {}", fact.fact),
    });
    let lines: Vec<String> =
        facts.chain(failure.tail.iter().cloned()).chain([failure.message.clone()]).collect();
    let mut concerned = rules::all().filter(|rule| rule.concerns(failure.code) && rule.fits(&lines));
    concerned.find_map(|rule| {
        let (line, taken) = lines.iter().find_map(|line| Some((line, rule.reads(line)?)))?;
        Some(rule.diagnosis(line, &taken, of))
    })
}

/// The first line that a rule knows something about: worth keeping when the rest is cut.
pub(crate) fn telling(lines: &[String]) -> Option<&String> {
    let mut rules = rules::all().filter(|rule| rule.fits(lines));
    rules.find_map(|rule| lines.iter().find(|line| rule.reads(line).is_some()))
}
