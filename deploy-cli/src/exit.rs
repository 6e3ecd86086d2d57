//! Exit codes: part of the contract. 130, interrupted before anything started, is what the shell
//! sees of a process that Ctrl-C ended, so nothing here gives it.

use std::process::ExitCode;

use deploy_core::hint::{CommandLine, Remedy};
use deploy_core::lifecycle::PhaseName;

/// The exit codes of contract.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Live; or the plan is ready; or the dry run or check passed.
    Done,
    /// It was deployed or checked, and the health check failed.
    Unhealthy,
    /// A bad flag or configuration, an unsupported target, a missing tool.
    Usage,
    /// Detect or plan says no.
    Blocked,
    /// Waiting timed out; the run goes on.
    StillRunning,
    /// Refused for now.
    Refused,
    /// Something went wrong inside.
    Internal,
    /// What the deployment's own status says: see `Ended::exit_code` in the core.
    Deployment(u8),
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unhealthy => 1,
            Self::Usage => 2,
            Self::Blocked => 4,
            Self::StillRunning => 8,
            Self::Refused => 9,
            Self::Internal => 10,
            Self::Deployment(code) => code,
        }
    }
}

impl Exit {
    /// Whether what it means goes by while somebody waits.
    const fn passes(self) -> bool {
        match self {
            Self::StillRunning | Self::Refused => true,
            Self::Done
            | Self::Unhealthy
            | Self::Usage
            | Self::Blocked
            | Self::Internal
            | Self::Deployment(_) => false,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended without its result.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    /// The stable code.
    pub(crate) code: String,
    pub(crate) message: String,
    /// The phase it concerns.
    pub(crate) phase: Option<PhaseName>,
    /// Whether the same command can succeed later.
    pub(crate) retryable: bool,
    pub(crate) next: Vec<Remedy>,
}

impl Failed {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { exit, code, message, phase: None, retryable: exit.passes(), next: Vec::new() }
    }

    pub(crate) fn usage(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    pub(crate) fn internal(what: &str, error: impl std::fmt::Display) -> Self {
        Self::new(Exit::Internal, "internal", format!("could not {what}: {error}"))
    }

    #[must_use]
    pub(crate) fn hint(mut self, label: impl Into<String>) -> Self {
        self.next.push(Remedy::by_hand(label));
        self
    }

    #[must_use]
    pub(crate) fn command(mut self, label: impl Into<String>, command: impl Into<CommandLine>) -> Self {
        self.next.push(Remedy::command(label, command));
        self
    }
}
