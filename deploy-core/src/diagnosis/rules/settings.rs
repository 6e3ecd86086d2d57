//! Settings and variables that have no value, or a wrong one.

use super::From::Run;
use super::{Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "variable_missing",
        Run,
        &["KeyError: '{}'"],
        "The variable {} is not set.",
        "set it; under env instead, if everybody may see it",
    )
    // Any mapping can miss a key: only that of the environment is meant.
    .beside(&["<frozen os>", "/os.py\"", "os.environ["])
    .set("secrets.{} = { env = \"{}\" }"),
    rule(
        "variable_missing",
        Run,
        &["ImproperlyConfigured: The {} setting must not be empty"],
        "The setting {} is empty.",
        "set the variable that it is read from",
    )
    .set("secrets.{} = { env = \"{}\" }"),
    rule(
        "variable_missing",
        Run,
        &["the return value of \"java.lang.System.getenv(String)\" is null"],
        "An environment variable is not set.",
        "set it under [env] or [secrets] of deploy.toml",
    ),
    rule(
        "variable_missing",
        Run,
        &[" validation error for {}", " validation errors for {}"],
        "{} reads its values from variables, and one that it needs is not set.",
        "set what the lines below it name under [env] or [secrets] of deploy.toml",
    )
    .beside(&["pydantic_settings", "BaseSettings"]),
    rule(
        "host_not_allowed",
        Run,
        &["Invalid HTTP_HOST header: '{}'"],
        "Django refuses to answer for the host {}.",
        "add it to ALLOWED_HOSTS",
    ),
    rule(
        "migration_missing",
        Run,
        &["no such table: {}", "UndefinedTable: relation \"{}\" does not exist"],
        "The database has no table {}: its migrations have not run.",
        "let runtime.start run the migrations before the program",
    ),
];
