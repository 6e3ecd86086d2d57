//! What a release answers to the health check.

use super::From::Run;
use super::{LOG, Rule, rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "health_path_wrong",
        Run,
        &["answer: status 404"],
        "The release answers, but the health path is not there.",
        "name a path that answers",
    )
    .set("health.path = \"/…\""),
    rule(
        "health_path_protected",
        Run,
        &["answer: status 401", "answer: status 403"],
        "The release answers, but the health path needs a login.",
        "name a path that answers without one",
    )
    .set("health.path = \"/…\""),
    rule(
        "health_path_redirected",
        Run,
        &["answer: status 301", "answer: status 302", "answer: status 307", "answer: status 308"],
        "The release answers, but the health path leads to another address, which is not followed.",
        "name a path that answers itself",
    )
    .set("health.path = \"/…\""),
    rule(
        "request_refused",
        Run,
        &["answer: status 400"],
        "The release refuses the request of the health check, often because it does not know the host it is asked by.",
        "let it answer for every host (in Django: ALLOWED_HOSTS), or name a path where it does",
    )
    .set("health.path = \"/…\""),
    rule(
        "server_error",
        Run,
        &["answer: status 500"],
        "The release answers with an error of its own.",
        "read what it says of the request that failed",
    )
    .run(LOG),
];
