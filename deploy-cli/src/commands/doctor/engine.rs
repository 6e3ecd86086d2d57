//! The container engine: whether it answers, and whether anything needs it.

use deploy_core::engine::SystemClock;
use deploy_core::failure::Failure;
use deploy_core::port::Clock as _;
use deploy_core::time::Timestamp;
use deploy_docker::EngineFacts;
use deploy_store_sqlite::Standing;

use super::Check;
use crate::commands::Context;
use crate::wiring::docker_facts;

/// What the engine said, and between which two moments.
pub(super) struct Looked {
    pub(super) facts: Result<EngineFacts, Failure>,
    pub(super) asked: Timestamp,
    pub(super) answered: Timestamp,
}

/// Asks the engine, once for all who want to know.
pub(super) async fn look(cx: &Context) -> Looked {
    let asked = SystemClock.now();
    Looked { facts: docker_facts(&cx.state).await, asked, answered: SystemClock.now() }
}

pub(super) fn engine(looked: &Looked, records: Option<&Standing>) -> Check {
    let name = "engine";
    let served = records.map_or(0, |records| {
        records.live.iter().filter(|release| release.outline.target.as_str() == "docker").count()
    });
    match &looked.facts {
        Ok(facts) => {
            Check::well(name, format!("version {}, API {}, at {}", facts.version, facts.api, facts.host))
        }
        Err(failure) if served == 0 => {
            Check::well(name, format!("not reachable, and nothing needs it: {}", failure.message))
        }
        Err(failure) => Check::bad(name, format!("{served} live releases need it: {}", failure.message))
            .hint("start Docker, and let this user reach its socket, or say where it is with DOCKER_HOST"),
    }
}
