//! The `deploy` program as people and scripts see it: exit code, stdout, stderr, what is served, and
//! what is left behind. Nothing here looks inside; every test has a state directory of its own.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests start the program they test")]

mod common;
mod http;

mod backup;
mod bad_input;
mod browser;
mod control;
mod curl;
mod disk;
mod docker;
mod failing;
mod flood;
mod fly;
mod history;
mod hostile;
mod metrics;
mod monstrous;
mod next;
#[cfg(feature = "otlp")]
mod otlp;
mod plan;
mod policy;
mod problems;
mod processes;
mod reasons;
mod served;
mod sources;
mod streams;
mod terminal;
mod tls;
mod up;
