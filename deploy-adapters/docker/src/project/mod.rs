//! A Compose project: the services around the one that people reach.
//!
//! The artifact is the image of the web service, made anew for every deployment with labels that name the images of all
//! other services by digest: whoever has that one digest has the whole release.
//!
//! | service | lives | network |
//! |---|---|---|
//! | web, replaced | as long as its release: beside the one of the live release, then instead of it | the resource's, and one of the release's own in which the services find each other by name |
//! | job | while the release is started; never for a rollback | the same |
//! | stays | across releases, under a name of its own; it is never stopped for a deployment | the resource's, where every release finds it by name |
//!
//! Volumes belong to the resource. Nothing here ever removes one, and a rollback does not restore what is in them. What
//! stays is never replaced either: that would stop it for the live release. A deployment that defines it otherwise is
//! refused before a job has run or anything was started, and says which container to remove. A rollback takes what
//! stays as it is.

pub(crate) mod images;
pub(crate) mod shape;

mod conditions;
mod run;
mod volumes;

use deploy_core::plan::{ArtifactKind, Outline};
use deploy_core::project::{Role, Service, in_order};

pub(crate) use self::run::{alive, ends, join, keep_running, start, undo};

/// The services of an outline, each after those it depends on.
pub(crate) struct Project<'a> {
    pub(crate) services: Vec<&'a Service>,
    pub(crate) web: &'a Service,
}

impl<'a> Project<'a> {
    /// `None` where it is no Compose project, or one that can't be carried out.
    pub(crate) fn of(outline: &'a Outline) -> Option<Self> {
        let artifact = outline.artifact.as_ref()?;
        if artifact.kind != ArtifactKind::ComposeProject {
            return None;
        }
        let services = in_order(&outline.detection.compose.as_ref()?.value.definitions)?;
        let web = services.iter().copied().find(|service| service.role == Role::Web)?;
        (artifact.service.as_ref() == Some(&web.name)).then_some(Self { services, web })
    }

    /// All but the one that people reach.
    pub(crate) fn others(&self) -> impl Iterator<Item = &'a Service> + '_ {
        self.services.iter().copied().filter(|service| service.role != Role::Web)
    }

    /// The names of those of a role.
    pub(crate) fn names(&self, role: Role) -> Vec<&'a str> {
        let of_role = self.services.iter().filter(|service| service.role == role);
        of_role.map(|service| service.name.as_str()).collect()
    }

    /// Whether a release has services that only it may find.
    pub(crate) fn has_network(&self) -> bool {
        self.services.iter().any(|service| matches!(service.role, Role::Replaced | Role::Job))
    }
}
