//! Containers: a `Dockerfile` or a Compose file, and nothing that says what is inside.

use deploy_core::detect::{Detection, Found, ProjectKind};
use deploy_core::evidence::Fact;

use super::unplanned::Unplanned;
use crate::rule::{Rule, Scene};

/// The rule.
pub(super) const RULE: Rule = detect;

const COMPOSE: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
const DOCKERFILES: [&str; 2] = ["Dockerfile", "Containerfile"];

/// The Dockerfile at the usual place.
pub(crate) fn dockerfile(scene: &Scene<'_>) -> Option<Found<String>> {
    let file = DOCKERFILES.iter().find(|file| scene.has(file))?;
    Some(Found { value: (*file).to_owned(), evidence: Fact::new(*file, "describes a container image") })
}

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    if scene.is_static_by_choice() {
        return None;
    }
    let compose = COMPOSE.iter().find(|file| scene.has(file));
    let image = dockerfile(scene).map(|found| found.evidence);
    let (planner, what) = match (&compose, &image) {
        (Some(_), _) => ("compose", "a project for Docker Compose"),
        (None, Some(_)) => ("dockerfile", "a project for a container image"),
        (None, None) => return None,
    };
    let services = compose.map(|file| Fact::new(*file, "describes services"));
    let unplanned = Unplanned {
        planner,
        what: what.to_owned(),
        kind: ProjectKind::Server,
        evidence: services.into_iter().chain(image).collect(),
        ..Unplanned::default()
    };
    Some(unplanned.into_detection(scene))
}
