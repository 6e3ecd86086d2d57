//! Programs and files: those that are missing, that may not be run, or that may not be written.

use super::From::{Any, Run};
use super::{Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "wrong_architecture",
        Any,
        &["exec format error", "Exec format error"],
        "The program was built for another processor than the one that runs it, or its first line names no interpreter.",
        "build it for the machine that it is deployed to",
    ),
    rule(
        "program_missing",
        Any,
        &["exec: \"{}\": executable file not found"],
        "The program {} is not in the image.",
        "correct the start command, or install the program in the image",
    ),
    rule(
        "program_missing",
        Any,
        &["env: ‘{}’: No such file or directory"],
        "The program {} is not installed.",
        "install it, or correct the script's first line",
    ),
    rule(
        "syntax_error",
        Any,
        &["SyntaxError: {}"],
        "The code is not valid: {}.",
        "correct the line above it in the log",
    ),
    rule(
        "not_executable",
        Any,
        &["sh: 1: {}: Permission denied", "sh: {}: Permission denied", "{}: Permission denied"],
        "{} may not be executed.",
        "make it executable in the repository and commit that",
    ),
    rule(
        "read_only",
        Run,
        &["EROFS: read-only file system, {} '{}'"],
        "The process writes where its container may only read: {} {}.",
        "write below /tmp or a volume, or let it write everywhere",
    )
    .set("runtime.read_only = false"),
    rule(
        "read_only",
        Run,
        &["[Errno 30] Read-only file system: '{}'"],
        "The process writes where its container may only read: {}.",
        "write below /tmp or a volume, or let it write everywhere",
    )
    .set("runtime.read_only = false"),
    rule(
        "permission_denied",
        Any,
        &["EACCES: permission denied, {} '{}'"],
        "The process may not write there: {} {}.",
        "write below /tmp or a volume: the image belongs to another user",
    ),
    rule(
        "permission_denied",
        Any,
        &["PermissionError: [Errno 13] Permission denied: '{}'"],
        "The process may not write there: {}.",
        "write below /tmp or a volume: the image belongs to another user",
    ),
    rule(
        "file_missing",
        Run,
        &["ENOENT: no such file or directory, {} '{}'"],
        "A file that the process needs is not there: {} {}.",
        "add it to the source, or correct its path",
    ),
    rule(
        "program_missing",
        Any,
        &["sh: 1: {}: not found", "sh: {}: not found"],
        "The program {} is not installed.",
        "add it to the dependencies that are installed for the build, or correct the command",
    ),
];
