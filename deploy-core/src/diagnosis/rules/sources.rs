//! What is wrong with the project's own files, as a build or a start says it.

use super::From::{Any, Build, Run};
use super::{LOG, Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "script_missing",
        Any,
        &["Missing script: \"{}\""],
        "package.json has no script {}.",
        "add the script {}, or set runtime.build or runtime.start in deploy.toml",
    ),
    rule(
        "manifest_invalid",
        Build,
        &["npm error JSON.parse Invalid package.json"],
        "package.json is not valid JSON.",
        "mend it",
    ),
    rule(
        "type_error",
        Build,
        &["error TS{}:"],
        "TypeScript refuses the code (TS{}).",
        "correct what the line names",
    ),
    rule(
        "import_unresolved",
        Build,
        &["failed to resolve import \"{}\" from"],
        "Nothing is installed that the import {} can mean.",
        "add {} to the dependencies, or correct the import",
    ),
    rule(
        "compile_error",
        Build,
        &["error: could not compile `{}`"],
        "The compiler refuses the code of {}.",
        "correct what the log names first",
    )
    .run(LOG),
    rule(
        "module_missing",
        Any,
        &["Cannot find module '{}'"],
        "The module {} is not installed.",
        "add {} to the dependencies (not only the development ones), or correct the path",
    ),
    rule(
        "module_missing",
        Any,
        &["Cannot find package '{}' imported from"],
        "The package {} is not installed.",
        "add {} to the dependencies, not only the development ones",
    ),
    rule(
        "module_missing",
        Any,
        &["ModuleNotFoundError: No module named '{}'"],
        "The module {} is not installed.",
        "add {} to the project's dependencies, or correct the name in the start command",
    ),
    rule(
        "module_kind",
        Any,
        &["Cannot use import statement outside a module"],
        "A file uses import, and package.json does not say that its files are modules.",
        "say so, commit that, then deploy again",
    )
    .run(&["npm", "pkg", "set", "type=module", "--prefix", "{directory}"]),
    rule(
        "module_kind",
        Any,
        &["require is not defined in ES module scope"],
        "A file uses require, and package.json says that its files are modules.",
        "use import there, or let the file's name end with .cjs",
    ),
    rule(
        "file_missing",
        Run,
        &["Unable to access jarfile {}"],
        "The start command names {}, which the build did not make.",
        "correct runtime.start in deploy.toml",
    ),
];
