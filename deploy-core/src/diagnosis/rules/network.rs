//! Ports that a release listens on, and others that it needs.

use super::From::Run;
use super::{Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "port_not_allowed",
        Run,
        &["listen EACCES: permission denied {}"],
        "The process may not listen on {}: ports below 1024 need privileges.",
        "listen on the port in PORT, or one above 1023",
    ),
    rule(
        "port_in_use",
        Run,
        &["listen EADDRINUSE: address already in use {}"],
        "The process itself listens twice on {}.",
        "start one server on that port only",
    ),
    rule(
        "port_in_use",
        Run,
        &["Address already in use"],
        "The process listens twice on one port.",
        "start one server on the port only",
    ),
    rule(
        "bound_to_loopback",
        Run,
        &["it listens on {} (only from inside the container)"],
        "The process listens on 127.0.0.1:{} only, where nobody outside reaches it.",
        "listen on 0.0.0.0",
    ),
    rule(
        "port_not_bound",
        Run,
        &["it listens on no port"],
        "The process runs, but listens on no port.",
        "listen on the port in PORT, or deploy it as a worker",
    ),
    rule(
        "other_port",
        Run,
        &["it listens on {}, not on {}"],
        "The process listens on {}, and was asked on another port.",
        "say which port it listens on",
    )
    .set("network.internal_port = {}"),
    rule(
        "database_unreachable",
        Run,
        &[
            "Error: connect ECONNREFUSED {}:5432",
            "Error: connect ECONNREFUSED {}:3306",
            "Can't reach database server at `{}`",
        ],
        "No database answers at {}.",
        "start it, or give the address that it has from where the release runs",
    )
    .set("secrets.DATABASE_URL = { env = \"DATABASE_URL\" }"),
    rule(
        "database_unreachable",
        Run,
        &["connection to server at \"{}\", port {} failed: Connection refused"],
        "No database answers at {}, port {}.",
        "start it, or give the address that it has from where the release runs",
    )
    .set("secrets.DATABASE_URL = { env = \"DATABASE_URL\" }"),
    rule(
        "dependency_unreachable",
        Run,
        &["Error: connect ECONNREFUSED {}"],
        "Nothing answers at {}, which the process needs.",
        "start what it needs, or correct its address under [env] or [secrets]",
    ),
    rule(
        "name_unresolved",
        Run,
        &["getaddrinfo ENOTFOUND {}", "getaddrinfo EAI_AGAIN {}"],
        "The name {} can't be resolved from where the release runs.",
        "correct the address under [env] or [secrets] of deploy.toml",
    ),
];
