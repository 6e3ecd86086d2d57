//! The rules, by what they are about. Order matters: what is more exact stands first, and the first that reads a
//! line wins.
//!
//! Each has a recorded output of a real tool below `tests/diagnosis/`, named after its code.

mod crash;
mod health;
mod install;
mod network;
mod program;
mod settings;
mod sources;
mod space;
mod toolchain;

use super::pattern;
use super::{Diagnosis, Situation};
use crate::failure::FailureCode;
use crate::hint::{CommandLine, Remedy};

/// Every rule, in the order in which they are tried.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    let families = [
        space::RULES,
        install::RULES,
        toolchain::RULES,
        sources::RULES,
        settings::RULES,
        network::RULES,
        health::RULES,
        program::RULES,
        crash::RULES,
    ];
    families.into_iter().flatten()
}

/// Where a rule's words can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// A build.
    Build,
    /// The release, or the check of it.
    Run,
    /// Either.
    Any,
}

/// What a build says of itself when it fails.
const BUILDING: [FailureCode; 2] = [FailureCode::BuildFailed, FailureCode::BuildNotStarted];
/// What a release says of itself, or is found to be. Nothing else is explained by what a program printed.
const RUNNING: [FailureCode; 5] = [
    FailureCode::ReleaseExited,
    FailureCode::StartRefused,
    FailureCode::Unhealthy,
    FailureCode::OutOfMemory,
    FailureCode::ImageUnavailable,
];

/// The command that shows the log of the run.
const LOG: &[&str] = &["deploy", "logs", "{id}"];

/// A rule: what a line says, and what that means. A `{}` of `says` takes text from the line over into the `{}` of
/// `cause` and `next`, the first of them into every `{}` of `set`.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) code: &'static str,
    from: From,
    says: &'static [&'static str],
    /// What another line must say too; nothing when empty.
    beside: &'static [&'static str],
    cause: &'static str,
    next: &'static str,
    /// The line of `deploy.toml` that helps; `{memory}` is twice what the release may use now.
    set: Option<&'static str>,
    /// The words of the next command; `{directory}` and `{id}` are the run's own. Without any, it is the command that
    /// deploys again, once a person has done what `next` says.
    run: &'static [&'static str],
}

/// A rule whose next command deploys again.
const fn rule(
    code: &'static str,
    from: From,
    says: &'static [&'static str],
    cause: &'static str,
    next: &'static str,
) -> Rule {
    Rule { code, from, says, beside: &[], cause, next, set: None, run: &[] }
}

impl Rule {
    const fn run(self, run: &'static [&'static str]) -> Self {
        Self { run, ..self }
    }

    const fn set(self, line: &'static str) -> Self {
        Self { set: Some(line), ..self }
    }

    const fn beside(self, beside: &'static [&'static str]) -> Self {
        Self { beside, ..self }
    }

    /// Whether the failure is one that this rule can explain.
    pub(super) fn concerns(&self, code: FailureCode) -> bool {
        let (build, run) = (BUILDING.contains(&code), RUNNING.contains(&code));
        match self.from {
            From::Build => build,
            From::Run => run,
            From::Any => build || run,
        }
    }

    /// Whether the lines together can be what this rule is about.
    pub(super) fn fits(&self, lines: &[String]) -> bool {
        let said = |what: &&str| lines.iter().any(|line| line.contains(what));
        self.beside.is_empty() || self.beside.iter().any(said)
    }

    /// What the line tells this rule.
    pub(super) fn reads(&self, line: &str) -> Option<Vec<String>> {
        self.says.iter().find_map(|pattern| pattern::find(pattern, line))
    }

    pub(super) fn diagnosis(&self, line: &str, taken: &[String], of: &Situation) -> Diagnosis {
        let text = |text| pattern::fill(text, taken);
        let first = taken.first().map_or("", String::as_str);
        let set = self.set.filter(|set| !set.contains("{}") || is_plain(first));
        let memory = of.memory.doubled().to_string();
        Diagnosis {
            code: self.code.to_owned(),
            cause: text(self.cause),
            line: line.to_owned(),
            next: Remedy {
                label: text(self.next),
                set: set.map(|set| set.replace("{}", first).replace("{memory}", &memory)),
                command: Some(self.command(of)),
            },
        }
    }

    /// Nothing that was printed gets into a command: people run it.
    fn command(&self, of: &Situation) -> CommandLine {
        if self.run.is_empty() {
            return of.again.clone();
        }
        let word = |word: &&str| match *word {
            "{id}" => of.id.to_string(),
            word => word.replace("{directory}", &of.directory),
        };
        CommandLine::new(self.run.iter().map(word))
    }
}

/// Whether a text that was printed means the same in `deploy.toml`: a name or a number.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
