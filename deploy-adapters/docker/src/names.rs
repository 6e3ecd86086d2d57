//! What our things are called, and how they are known again. Pure.
//!
//! Every name follows from the deployment alone, so an attempt that was cut off is found again. A name
//! never decides what may be touched: only [`LABEL_OWNER`] on it does, or for an image the repository that
//! belongs to this installation alone.

use std::collections::HashMap;

use bollard::models::ContainerInspectResponse;
use deploy_core::id::{DeploymentId, Name, ResourceKey, Version};

/// The installation that made it.
pub(crate) const LABEL_OWNER: &str = "deploy.owner";
/// The resource.
pub(crate) const LABEL_RESOURCE: &str = "deploy.resource";
/// The environment.
pub(crate) const LABEL_ENVIRONMENT: &str = "deploy.environment";
/// The number of the release.
pub(crate) const LABEL_VERSION: &str = "deploy.version";
/// The deployment that made it.
pub(crate) const LABEL_DEPLOYMENT: &str = "deploy.deployment";
/// What a container was created as, without its place: a container of another configuration is no substitute.
pub(crate) const LABEL_CONFIG: &str = "deploy.config";
/// The service of a Compose project that a container is, unless it is the one that people reach.
pub(crate) const LABEL_SERVICE: &str = "deploy.service";
/// What carries it runs across releases.
pub(crate) const LABEL_STAYS: &str = "deploy.stays";
/// What carries it is the network of one release.
pub(crate) const LABEL_RELEASE_NETWORK: &str = "deploy.release-network";
/// Followed by the name of a service: the image of it that belongs to the release, by digest.
pub(crate) const LABEL_USES: &str = "deploy.uses.";
/// The image a container was started from, by digest.
pub(crate) const LABEL_DIGEST: &str = "deploy.digest";

/// What an image was made from, see [`crate::reuse`].
pub(crate) const LABEL_INPUTS: &str = "deploy.inputs";

/// The names and labels of what one deployment makes.
#[derive(Debug, Clone)]
pub(crate) struct Names<'a> {
    pub(crate) owner: &'a Name,
    pub(crate) resource: &'a ResourceKey,
    pub(crate) version: Version,
    pub(crate) deployment: DeploymentId,
}

impl Names<'_> {
    /// The container: `web-production-v7-0a1b2c3d4e5f`.
    pub(crate) fn container(&self) -> String {
        let ResourceKey { resource, environment } = self.resource;
        format!("{resource}-{environment}-{}", self.tag())
    }

    /// The image: `deploy.local/<owner>/web/production:v7-0a1b2c3d4e5f`.
    pub(crate) fn image(&self) -> String {
        format!("{}:{}", repository(self.owner, self.resource), self.tag())
    }

    /// The container of a service beside the web one: `web-production.worker-v7-0a1b2c3d4e5f`.
    pub(crate) fn service(&self, service: &str) -> String {
        let ResourceKey { resource, environment } = self.resource;
        format!("{resource}-{environment}.{service}-{}", self.tag())
    }

    /// The container of a service that all releases share: `deploy.<owner>.web.production.db`.
    pub(crate) fn staying(&self, service: &str) -> String {
        format!("{}.{service}", network(self.owner, self.resource))
    }

    /// The image of a service: `deploy.local/<owner>/web/production/worker:v7-0a1b2c3d4e5f`.
    pub(crate) fn service_image(&self, service: &str) -> String {
        format!("{}/{service}:{}", repository(self.owner, self.resource), self.tag())
    }

    /// The network in which the services of one release find each other.
    pub(crate) fn network(&self) -> String {
        format!("{}.{}", network(self.owner, self.resource), self.tag())
    }

    fn tag(&self) -> String {
        format!("{}-{}", self.version, suffix(self.deployment))
    }

    /// What containers, images and networks carry.
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        let mut labels = resource_labels(self.owner, self.resource);
        labels.insert(LABEL_VERSION.to_owned(), self.version.to_string());
        labels.insert(LABEL_DEPLOYMENT.to_owned(), self.deployment.to_string());
        labels
    }
}

/// The end of a container's name, which all containers of one deployment share.
pub(crate) fn end(name: &str) -> &str {
    name.rsplit_once('-').map_or("", |(_, end)| end)
}

/// Whether a container of this name works for a deployment: the one that made it, until another one takes it over.
pub(crate) fn works_for(name: &str, deployment: DeploymentId) -> bool {
    end(name) == suffix(deployment)
}

/// The name that a container was made under, if that was by another deployment.
pub(crate) fn made_as(container: &ContainerInspectResponse, now: DeploymentId) -> Option<String> {
    let label = |name| container.config.as_ref()?.labels.as_ref()?.get(name);
    let maker: DeploymentId = label(LABEL_DEPLOYMENT)?.parse().ok()?;
    let (resource, environment) = (label(LABEL_RESOURCE)?, label(LABEL_ENVIRONMENT)?);
    let version = label(LABEL_VERSION)?;
    (maker != now).then(|| format!("{resource}-{environment}-{version}-{}", suffix(maker)))
}

/// The labels that everything of a resource carries.
pub(crate) fn resource_labels(owner: &Name, resource: &ResourceKey) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_OWNER.to_owned(), owner.to_string()),
        (LABEL_RESOURCE.to_owned(), resource.resource.to_string()),
        (LABEL_ENVIRONMENT.to_owned(), resource.environment.to_string()),
    ])
}

/// The part of an id that is random: ids made in the same moment differ only there.
pub(crate) fn suffix(deployment: DeploymentId) -> String {
    let text = deployment.to_string();
    text[text.len() - 12..].to_owned()
}

/// Where our images of every resource are.
pub(crate) fn repositories(owner: &Name) -> String {
    format!("deploy.local/{owner}/")
}

/// Where our images of one resource are: nobody else's are under this name.
pub(crate) fn repository(owner: &Name, resource: &ResourceKey) -> String {
    format!("{}{}/{}", repositories(owner), resource.resource, resource.environment)
}

/// The network that the containers of a resource share with nobody. A dot is in no [`Name`], so no two
/// resources have the same.
pub(crate) fn network(owner: &Name, resource: &ResourceKey) -> String {
    format!("deploy.{owner}.{}.{}", resource.resource, resource.environment)
}

/// A volume of a resource, which outlives every release.
pub(crate) fn volume(owner: &Name, resource: &ResourceKey, name: &str) -> String {
    format!("{}.{name}", network(owner, resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(owner: &'a Name, resource: &'a ResourceKey, id: &str) -> Names<'a> {
        Names { owner, resource, version: Version(7), deployment: id.parse().expect("an id") }
    }

    #[test]
    fn inv_25_names_follow_from_the_deployment_alone() {
        let (owner, web) = ("a1".parse().expect("a name"), "web".parse().expect("a resource"));
        let one = names(&owner, &web, "dep_01890a5d96e07b3c9b7c0a1b2c3d4e5f");
        assert_eq!(one.container(), "web-production-v7-0a1b2c3d4e5f");
        assert_eq!(one.image(), "deploy.local/a1/web/production:v7-0a1b2c3d4e5f");
        assert_eq!(network(&owner, &web), "deploy.a1.web.production");
        assert_eq!(one.service("worker"), "web-production.worker-v7-0a1b2c3d4e5f");
        assert!(works_for(&one.service("worker"), one.deployment));
        assert_eq!(one.staying("db"), "deploy.a1.web.production.db");
        assert_eq!(one.service_image("worker"), "deploy.local/a1/web/production/worker:v7-0a1b2c3d4e5f");
    }

    #[test]
    fn no_two_resources_share_an_image_repository_or_a_network() {
        let owner = "a1".parse().expect("a name");
        let (one, other) =
            ("a-b@c".parse().expect("a resource"), "a@b-c".parse::<ResourceKey>().expect("a resource"));
        assert_ne!(repository(&owner, &one), repository(&owner, &other));
        assert_ne!(network(&owner, &one), network(&owner, &other));
    }
}
