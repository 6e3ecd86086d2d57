//! The version of the language that the project needs.

use super::From::{Any, Build};
use super::{Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "runtime_too_old",
        Any,
        &["npm error engine Not compatible with your version of node/npm: {}"],
        "{} needs another version of Node.js.",
        "set engines.node in package.json to what it needs",
    ),
    rule(
        "runtime_too_old",
        Any,
        &["UnsupportedClassVersionError: {} has been compiled by a more recent"],
        "{} was compiled for a newer Java than the one that runs it.",
        "build and run with the same version of Java",
    ),
    rule(
        "runtime_too_old",
        Build,
        &["error: rustc {} is not supported"],
        "The project needs a newer Rust than {}.",
        "set the version it needs in rust-toolchain.toml",
    ),
    rule(
        "runtime_too_old",
        Build,
        &["this version of Cargo is older than the `{}` edition"],
        "The edition {} of Cargo.toml needs a newer Rust.",
        "set a newer version in rust-toolchain.toml, or an older edition in Cargo.toml",
    ),
    rule(
        "runtime_too_old",
        Build,
        &["go.mod requires go >= {} (running go {};", "note: module requires Go {}"],
        "go.mod asks for Go {}, and the build has an older one.",
        "lower it in go.mod, or build with a newer Go",
    ),
    rule(
        "runtime_too_old",
        Build,
        &["package {} is not in GOROOT", "package {} is not in std"],
        "This version of Go has no package {} of its own.",
        "correct the import, or set the version that has it as go in go.mod",
    ),
    rule(
        "runtime_too_old",
        Build,
        &["requires a different Python: {} not in '{}'"],
        "A package needs another Python than {}.",
        "set the version it needs in .python-version, or as requires-python in pyproject.toml",
    ),
];
