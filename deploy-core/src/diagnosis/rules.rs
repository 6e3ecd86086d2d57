//! The rules. Order matters: what is more exact stands first, and the first that reads a line wins.
//!
//! Each has a recorded output of a real tool below `tests/diagnosis/`, named after its code.

use super::Diagnosis;
use super::pattern;
use crate::failure::FailureCode;
use crate::hint::Remedy;

/// Where a rule's words can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
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

/// A rule: what a line says, and what that means. A `{}` of `says` takes text from the line over into
/// the `{}` of `cause` and `next`.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) code: &'static str,
    from: From,
    says: &'static [&'static str],
    cause: &'static str,
    next: &'static str,
    command: Option<&'static str>,
}

impl Rule {
    const fn command(self, command: &'static str) -> Self {
        Self { command: Some(command), ..self }
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

    /// What the line tells this rule.
    pub(super) fn reads(&self, line: &str) -> Option<Vec<String>> {
        self.says.iter().find_map(|pattern| pattern::find(pattern, line))
    }

    pub(super) fn diagnosis(&self, line: &str, taken: &[String]) -> Diagnosis {
        let text = |text| pattern::fill(text, taken);
        // Nothing that was printed gets into a command: people run it.
        let command = self.command.map(str::to_owned);
        Diagnosis {
            code: self.code.to_owned(),
            cause: text(self.cause),
            line: line.to_owned(),
            next: Remedy { label: text(self.next), command },
        }
    }
}

const fn rule(
    code: &'static str,
    from: From,
    says: &'static [&'static str],
    cause: &'static str,
    next: &'static str,
) -> Rule {
    Rule { code, from, says, cause, next, command: None }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "out_of_memory",
        From::Any,
        &[
            "JavaScript heap out of memory",
            "java.lang.OutOfMemoryError",
            "Cannot allocate memory",
            "MemoryError",
        ],
        "It needs more memory than it may use.",
        "raise limits.memory in deploy.toml, or make it need less",
    ),
    rule(
        "disk_full",
        From::Any,
        &["ENOSPC", "No space left on device"],
        "There is no space left on the disk.",
        "free disk space, then deploy again",
    )
    .command("deploy doctor"),
    rule(
        "npm_lock_outdated",
        From::Build,
        &["`npm ci` can only install packages when your package.json and package-lock.json"],
        "package-lock.json is older than package.json.",
        "bring the lockfile up to date and commit it",
    )
    .command("npm install --package-lock-only"),
    rule(
        "pnpm_lock_outdated",
        From::Build,
        &["ERR_PNPM_OUTDATED_LOCKFILE"],
        "pnpm-lock.yaml is older than package.json.",
        "bring the lockfile up to date and commit it",
    )
    .command("pnpm install --lockfile-only"),
    rule(
        "yarn_lock_outdated",
        From::Build,
        &["Your lockfile needs to be updated"],
        "yarn.lock is older than package.json.",
        "bring the lockfile up to date and commit it",
    )
    .command("yarn install"),
    rule(
        "private_repository",
        From::Build,
        &["Permission denied (publickey"],
        "The build may not read a private repository.",
        "name the dependency over https with a token of [secrets], or publish it to a registry",
    ),
    rule(
        "private_package",
        From::Build,
        &["The requested resource '{}' could not be found or you do not have permission"],
        "The package {} does not exist, or needs a token of its registry.",
        "check its name; if it is private, give the build a token through [secrets] of deploy.toml",
    ),
    rule(
        "registry_token",
        From::Build,
        &["code E401", "code E403", "401 Unauthorized"],
        "A package registry refused the token, or got none.",
        "give the build a valid token through [secrets] of deploy.toml",
    ),
    rule(
        "package_unavailable",
        From::Build,
        &["No matching distribution found for {}"],
        "No version of {} fits this runtime.",
        "correct its version, or the runtime's",
    ),
    rule(
        "runtime_too_old",
        From::Any,
        &["npm error engine Not compatible with your version of node/npm: {}"],
        "{} needs another version of Node.js.",
        "set engines.node in package.json to what it needs",
    ),
    rule(
        "runtime_too_old",
        From::Any,
        &["UnsupportedClassVersionError: {} has been compiled by a more recent"],
        "{} was compiled for a newer Java than the one that runs it.",
        "build and run with the same version of Java",
    ),
    rule(
        "runtime_too_old",
        From::Build,
        &["error: rustc {} is not supported"],
        "The project needs a newer Rust than {}.",
        "set the version it needs in rust-toolchain.toml",
    ),
    rule(
        "script_missing",
        From::Any,
        &["Missing script: \"{}\""],
        "package.json has no script {}.",
        "add the script {}, or set runtime.build or runtime.start in deploy.toml",
    ),
    rule(
        "module_missing",
        From::Any,
        &["Cannot find module '{}'"],
        "The module {} is not installed.",
        "add {} to the dependencies (not only the development ones), or correct the path",
    ),
    rule(
        "module_missing",
        From::Any,
        &["Cannot find package '{}' imported from"],
        "The package {} is not installed.",
        "add {} to the dependencies, not only the development ones",
    ),
    rule(
        "module_missing",
        From::Any,
        &["ModuleNotFoundError: No module named '{}'"],
        "The module {} is not installed.",
        "add {} to the project's dependencies, or correct the name in the start command",
    ),
    rule(
        "variable_missing",
        From::Run,
        &["KeyError: '{}'"],
        "The variable {} is not set.",
        "set {} under [env] or [secrets] of deploy.toml",
    ),
    rule(
        "variable_missing",
        From::Run,
        &["ImproperlyConfigured: The {} setting must not be empty"],
        "The setting {} is empty.",
        "set it through a variable under [secrets] of deploy.toml",
    ),
    rule(
        "variable_missing",
        From::Run,
        &["the return value of \"java.lang.System.getenv(String)\" is null"],
        "An environment variable is not set.",
        "set it under [env] or [secrets] of deploy.toml",
    ),
    rule(
        "port_not_allowed",
        From::Run,
        &["listen EACCES: permission denied {}"],
        "The process may not listen on {}: ports below 1024 need privileges.",
        "listen on the port in PORT, or one above 1023",
    ),
    rule(
        "port_in_use",
        From::Run,
        &["listen EADDRINUSE: address already in use {}"],
        "The process itself listens twice on {}.",
        "start one server on that port only",
    ),
    rule(
        "port_in_use",
        From::Run,
        &["Address already in use"],
        "The process listens twice on one port.",
        "start one server on the port only",
    ),
    rule(
        "bound_to_loopback",
        From::Run,
        &["it listens on {} (only from inside the container)"],
        "The process listens on 127.0.0.1:{} only, where nobody outside reaches it.",
        "listen on 0.0.0.0",
    ),
    rule(
        "port_not_bound",
        From::Run,
        &["it listens on no port"],
        "The process runs, but listens on no port.",
        "listen on the port in PORT, or deploy it as a worker",
    ),
    rule(
        "other_port",
        From::Run,
        &["it listens on {}, not on {}"],
        "The process listens on {}, and was asked on another port.",
        "set network.internal_port in deploy.toml to the port it listens on",
    ),
    rule(
        "health_path_wrong",
        From::Run,
        &["answer: status 404"],
        "The release answers, but the health path is not there.",
        "set health.path in deploy.toml to a path that answers",
    ),
    rule(
        "health_path_protected",
        From::Run,
        &["answer: status 401", "answer: status 403"],
        "The release answers, but the health path needs a login.",
        "set health.path in deploy.toml to a path that answers without one",
    ),
    rule(
        "server_error",
        From::Run,
        &["answer: status 500"],
        "The release answers with an error of its own.",
        "read its log: the cause stands where the request failed",
    ),
    rule(
        "dependency_unreachable",
        From::Run,
        &["connect ECONNREFUSED {}"],
        "Nothing answers at {}, which the process needs.",
        "start what it needs, or correct its address under [env] or [secrets]",
    ),
    rule(
        "name_unresolved",
        From::Run,
        &["getaddrinfo ENOTFOUND {}"],
        "The name {} can't be resolved from where the release runs.",
        "correct the address under [env] or [secrets] of deploy.toml",
    ),
    rule(
        "program_missing",
        From::Any,
        &["exec: \"{}\": executable file not found"],
        "The program {} is not in the image.",
        "correct the start command, or install the program in the image",
    ),
    rule(
        "program_missing",
        From::Any,
        &["env: ‘{}’: No such file or directory"],
        "The program {} is not installed.",
        "install it, or correct the script's first line",
    ),
    rule(
        "image_not_found",
        From::Any,
        &["pull access denied for {}"],
        "The image {} does not exist, or needs a login.",
        "correct the image's name, or give the registry's credentials",
    ),
    rule(
        "image_not_found",
        From::Any,
        &["manifest for {} not found"],
        "The registry has no image {}.",
        "correct the image's name or tag",
    ),
    rule(
        "syntax_error",
        From::Any,
        &["SyntaxError: {}"],
        "The code is not valid: {}.",
        "correct the line above it in the log",
    ),
    rule(
        "not_executable",
        From::Any,
        &["{}: Permission denied"],
        "{} may not be executed.",
        "make it executable in the repository and commit that",
    ),
    rule(
        "permission_denied",
        From::Any,
        &["EACCES: permission denied, {}"],
        "The process may not write there: {}.",
        "write below /tmp or a volume: the image belongs to another user",
    ),
    rule(
        "file_missing",
        From::Run,
        &["ENOENT: no such file or directory, {}"],
        "A file that the process needs is not there: {}.",
        "add it to the source, or correct its path",
    ),
    rule(
        "file_missing",
        From::Run,
        &["Unable to access jarfile {}"],
        "The start command names {}, which the build did not make.",
        "correct runtime.start in deploy.toml",
    ),
    rule(
        "program_missing",
        From::Any,
        &[": {}: not found"],
        "The program {} is not installed.",
        "add it to the dependencies that are installed for the build, or correct the command",
    ),
    rule(
        "crashed",
        From::Run,
        &[
            "Traceback (most recent call last)",
            "' panicked at ",
            ") panicked at ",
            "TypeError: ",
            "ReferenceError: ",
            "RangeError: ",
            "Exception in thread \"",
            "goroutine 1 [running]",
        ],
        "The program ended by an error that nothing in it caught; its stack trace is in the log.",
        "look at the first line of the stack trace that is in your own code",
    ),
];
