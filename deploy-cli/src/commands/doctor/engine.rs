//! The container engine: whether it answers, and whether anything needs it.

use deploy_core::engine::SystemClock;
use deploy_core::failure::Failure;
use deploy_core::port::Clock as _;
use deploy_core::time::Timestamp;
use deploy_docker::{EngineFacts, ImageUse};
use deploy_store_sqlite::Standing;

use super::Check;
use crate::commands::Context;
use crate::wiring::{docker_disk_use, docker_facts};

/// How many images are named.
const SHOWN: usize = 20;

/// What the engine said, and between which two moments.
pub(super) struct Looked {
    pub(super) facts: Result<EngineFacts, Failure>,
    /// What the images of our releases take.
    images: Vec<ImageUse>,
    pub(super) asked: Timestamp,
    pub(super) answered: Timestamp,
}

/// Asks the engine, once for all who want to know.
pub(super) async fn look(cx: &Context) -> Looked {
    let asked = SystemClock.now();
    let facts = docker_facts(&cx.state).await;
    let answered = SystemClock.now();
    let images = if facts.is_ok() { docker_disk_use(&cx.state).await } else { Ok(Vec::new()) };
    Looked { facts, images: images.unwrap_or_default(), asked, answered }
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

/// What the releases that are kept take on the engine's disk, each and all together.
pub(super) fn releases(looked: &Looked) -> Check {
    let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
    let of = |image: &ImageUse| format!("{} {}", image.releases.join(" and "), mib(image.bytes));
    let shown: Vec<String> = looked.images.iter().take(SHOWN).map(of).collect();
    let more = looked.images.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    let sum = |bytes: fn(&ImageUse) -> u64| mib(looked.images.iter().map(bytes).sum());
    let all = match looked.images.iter().all(|image| image.shared.is_some()) {
        true => format!(
            "{} that nothing else has, {} with what they share",
            sum(|image| image.bytes.saturating_sub(image.shared.unwrap_or_default())),
            sum(|image| image.bytes)
        ),
        false => format!("{} at most, as this engine doesn't say what they share", sum(|image| image.bytes)),
    };
    let detail = match looked.images.len() {
        0 => "no image of a release is kept".to_owned(),
        1 => shown.join(", "),
        count => format!("{count} images take {all}: {}{more}", shown.join(", ")),
    };
    Check::well("release images", detail)
}
