//! Freeing what neither a kept release nor an unfinished deployment needs. Only what carries our label or our
//! name is looked at, and what a route leads to is never touched, whatever the records say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use bollard::models::{ImageSummary, Network};
use bollard::query_parameters::{ListImagesOptionsBuilder, ListNetworksOptionsBuilder};
use deploy_core::failure::Failure;
use deploy_core::id::Name;
use deploy_core::port::Keep;
use deploy_edge::Route;

use crate::compile::STOP_GRACE;
use crate::containers::{self, Ours};
use crate::engine::{Engine, EngineError};
use crate::front::{Front, upstream};
use crate::image;
use crate::names::{
    LABEL_DEPLOYMENT, LABEL_ENVIRONMENT, LABEL_OWNER, LABEL_RELEASE_NETWORK, LABEL_RESOURCE, end,
    repositories, suffix,
};
use crate::project::images::named;

/// What is done with a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It stays as it is.
    Stays,
    /// It stays, but not running.
    Stops,
    /// It goes.
    Goes,
}

/// What there is of ours. It is looked at before anybody is asked what is needed: what is made after that is none of
/// a clean-up's business.
pub(crate) struct Seen {
    containers: Vec<Ours>,
    images: Vec<ImageSummary>,
    networks: Vec<Network>,
    routes: Vec<Route>,
}

/// Looks. The routes come last: what a container has got meanwhile is seen.
pub(crate) async fn look(engine: &Engine, owner: &Name, front: &Front) -> Result<Seen, Failure> {
    let containers = containers::list(engine, owner, None).await?;
    let options = ListImagesOptionsBuilder::default().build();
    let images = engine.read(|docker| async move { docker.list_images(Some(options)).await }).await?;
    let filters = HashMap::from([("label", vec![format!("{LABEL_OWNER}={owner}")])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let networks = engine.read(|docker| async move { docker.list_networks(Some(options)).await }).await?;
    Ok(Seen { containers, images, networks, routes: front.all_routes().await? })
}

/// Frees containers, then images, then networks: each may need what comes after it.
pub(crate) async fn reclaim(engine: &Engine, owner: &Name, seen: Seen, keep: &Keep) -> Result<(), Failure> {
    let Seen { containers, images: seen_images, networks: seen_networks, routes } = seen;
    let mut left = Vec::new();
    let used = used_by(&seen_images, &needed_images(&seen_images, &[], keep, &routes));
    for (container, fate) in fates(containers, &used, keep, &routes) {
        match fate {
            Fate::Stays => {}
            Fate::Stops => {
                containers::keep_running(engine, &container.id, false).await?;
                containers::stop(engine, &container.id, STOP_GRACE).await?;
            }
            Fate::Goes => {
                if container.stays {
                    containers::remove_leaving_volumes(engine, &container.id).await?;
                } else {
                    containers::remove(engine, &container.id).await?;
                }
                continue;
            }
        }
        left.push(container);
    }
    images(engine, owner, seen_images, keep, &left, &routes).await?;
    networks(engine, seen_networks, keep, &left).await
}

/// What is to be done with each container. Pure.
///
/// What stays across releases stays for as long as a release does that has it beside it: one of `used`, or one whose
/// container is left.
fn fates(
    containers: Vec<Ours>,
    used: &BTreeSet<Service>,
    keep: &Keep,
    routes: &[Route],
) -> Vec<(Ours, Fate)> {
    let key = |c: &Ours| (c.resource.clone(), c.environment.clone());
    let unfinished = |c: &Ours| keep.deployments.iter().any(|id| c.works_for(*id));
    // While a deployment runs, the release before it may be draining, or be needed again.
    let busy: BTreeSet<_> = containers.iter().filter(|c| unfinished(c)).map(key).collect();
    let mut newest: BTreeMap<_, (i64, String)> = BTreeMap::new();
    for container in containers.iter().filter(|c| !c.stays) {
        let entry =
            newest.entry((key(container), container.digest.clone(), container.service.clone())).or_default();
        *entry = entry.clone().max((container.created, container.id.clone()));
    }
    let reached = |c: &Ours| {
        let at = c.address.map(IpAddr::from);
        at.is_some() && routes.iter().any(|route| upstream(route).map(|u| u.ip()) == at)
    };
    // What is beside what a route leads to works for it.
    let serving: BTreeSet<String> =
        containers.iter().filter(|c| reached(c)).map(|c| end(&c.name).to_owned()).collect();
    let fate = |c: &Ours| {
        let routed = reached(c) || (c.service.is_some() && serving.contains(end(&c.name)));
        let kept = c.digest.as_ref().is_some_and(|digest| keep.digests.contains(digest));
        let newest =
            newest.get(&(key(c), c.digest.clone(), c.service.clone())).is_some_and(|(_, id)| *id == c.id);
        if routed || busy.contains(&key(c)) {
            Fate::Stays
        } else if kept && newest {
            // What stands still does so on purpose.
            if c.running && !c.paused { Fate::Stops } else { Fate::Stays }
        } else {
            Fate::Goes
        }
    };
    let fates: Vec<Fate> = containers.iter().map(fate).collect();
    let mut used = used.clone();
    for (container, _) in containers.iter().zip(&fates).filter(|(c, fate)| !c.stays && **fate != Fate::Goes) {
        used.extend(container.uses.iter().map(|name| (key(container), name.clone())));
    }
    let shared = |c: &Ours, fate: Fate| match &c.service {
        Some(name) if c.stays => {
            let needed = busy.contains(&key(c)) || used.contains(&(key(c), name.clone()));
            if needed { Fate::Stays } else { Fate::Goes }
        }
        Some(_) | None => fate,
    };
    let fates: Vec<Fate> = containers.iter().zip(fates).map(|(c, fate)| shared(c, fate)).collect();
    containers.into_iter().zip(fates).collect()
}

/// A service of a resource in its environment.
type Service = ((String, String), String);

/// The images that something needs: a kept release, a route, a container that is there, or a release whose image names
/// them.
fn needed_images(
    images: &[ImageSummary],
    containers: &[Ours],
    keep: &Keep,
    routes: &[Route],
) -> BTreeSet<String> {
    let mut needed: BTreeSet<String> = keep.digests.iter().map(|digest| digest.as_str().to_owned()).collect();
    needed.extend(routes.iter().map(|route| route.digest.to_string()));
    // What stays across releases was made for one of them, and needs it no longer.
    let of_releases = containers.iter().filter(|c| !c.stays).filter_map(|c| c.digest.as_ref());
    needed.extend(of_releases.map(|digest| digest.as_str().to_owned()));
    let releases = images.iter().filter(|image| needed.contains(&image.id));
    let named: Vec<String> = releases
        .flat_map(|image| named(image.labels.iter()).into_values())
        .map(|digest| digest.to_string())
        .collect();
    needed.extend(named);
    needed
}

/// The services that releases have beside them whose images are needed.
fn used_by(images: &[ImageSummary], needed: &BTreeSet<String>) -> BTreeSet<Service> {
    let mut used = BTreeSet::new();
    for image in images.iter().filter(|image| needed.contains(&image.id)) {
        let label = |name: &str| image.labels.get(name).cloned().unwrap_or_default();
        let key = (label(LABEL_RESOURCE), label(LABEL_ENVIRONMENT));
        used.extend(named(image.labels.iter()).into_keys().map(|service| (key.clone(), service)));
    }
    used
}

async fn images(
    engine: &Engine,
    owner: &Name,
    images: Vec<ImageSummary>,
    keep: &Keep,
    containers: &[Ours],
    routes: &[Route],
) -> Result<(), Failure> {
    let ours = repositories(owner);
    let needed = needed_images(&images, containers, keep, routes);
    let unfinished: BTreeSet<String> = keep.deployments.iter().map(|id| suffix(*id)).collect();
    for image in images {
        let needed = needed.contains(&image.id);
        for tag in image.repo_tags.iter().filter(|tag| tag.starts_with(&ours) && !needed) {
            let of = tag.rsplit_once('-').map_or("", |(_, suffix)| suffix);
            if !unfinished.contains(of) {
                image::untag(engine, tag).await?;
            }
        }
    }
    Ok(())
}

async fn networks(
    engine: &Engine,
    networks: Vec<Network>,
    keep: &Keep,
    containers: &[Ours],
) -> Result<(), Failure> {
    // Any deployment that is under way may be about to put its container into one of them.
    if !keep.deployments.is_empty() {
        return Ok(());
    }
    for network in networks {
        let labels = network.labels.unwrap_or_default();
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        let of_release =
            labels.contains_key(LABEL_RELEASE_NETWORK).then(|| label(LABEL_DEPLOYMENT).parse().ok());
        let used = |container: &Ours| match of_release {
            Some(deployment) => deployment.is_some_and(|deployment| container.works_for(deployment)),
            None => {
                container.resource == label(LABEL_RESOURCE)
                    && container.environment == label(LABEL_ENVIRONMENT)
            }
        };
        if containers.iter().any(used) {
            continue;
        }
        let id = network.id.unwrap_or_default();
        match engine.change(|docker| async move { docker.remove_network(&id).await }).await {
            // Somebody has put a container of their own into it: it stays theirs.
            Ok(())
            | Err(EngineError::NotFound(_) | EngineError::Conflict(_) | EngineError::Refused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use deploy_core::id::{DeploymentId, Digest};
    use deploy_edge::Upstream;
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> DeploymentId {
        format!("dep_{n:032x}").parse().expect("an id")
    }

    fn digest(n: u8) -> Digest {
        Digest::of(&[n])
    }

    prop_compose! {
        fn container()(
            n in 0u8..40, resource in 0u8..3, deployment in 0u8..6, image in 0u8..5, created in 0i64..5,
            running: bool, paused: bool, service in proptest::option::of(0u8..3), stays: bool, uses in 0u8..3
        ) -> Ours {
            Ours {
                id: format!("c{n}"),
                name: format!("r{resource}-production-v1-{}", suffix(id(deployment))),
                resource: format!("r{resource}"),
                environment: "production".to_owned(),
                maker: Some(id(deployment)),
                digest: Some(digest(image)),
                config: None,
                address: Some([10, 180, resource, n].into()),
                created,
                running,
                paused: running && paused,
                stays: stays && service.is_some(),
                service: service.map(|service| format!("s{service}")),
                uses: (0..uses).map(|service| format!("s{service}")).collect(),
            }
        }
    }

    prop_compose! {
        fn world()(
            containers in proptest::collection::btree_map(0u8..40, container(), 0..12),
            kept in proptest::collection::vec(0u8..5, 0..4),
            unfinished in proptest::collection::vec(0u8..6, 0..2),
            routed in proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
        ) -> (Vec<Ours>, Keep, Vec<Route>) {
            let mut containers: Vec<Ours> = containers.into_values().collect();
            containers.dedup_by(|a, b| a.id == b.id);
            let keep = Keep {
                digests: kept.into_iter().map(digest).collect(),
                deployments: unfinished.into_iter().map(id).collect(),
            };
            let routes = routed.iter().filter(|_| !containers.is_empty()).map(|index| {
                let container = index.get(&containers);
                Route {
                    host: "web.localhost".to_owned(),
                    target: "web@production".to_owned(),
                    digest: container.digest.as_ref().expect("a digest").as_str().parse().expect("a digest"),
                    epoch: 1,
                    fallback: None,
                    port: None,
                    upstream: container.address.map(|ip| Upstream::at((ip, 80).into())),
                    paused: None,
                }
            }).collect();
            (containers, keep, routes)
        }
    }

    proptest! {
        #[test]
        fn inv_34_what_serves_or_may_serve_again_stays((containers, keep, routes) in world()) {
            for (container, fate) in fates(containers, &BTreeSet::new(), &keep, &routes) {
                let routed = routes.iter().any(|r| upstream(r).map(|u| u.ip()) == container.address.map(Into::into));
                let unfinished = keep.deployments.iter().any(|id| container.works_for(*id));
                if !container.stays && (routed || unfinished) {
                    prop_assert_eq!(fate, Fate::Stays);
                }
            }
        }

        #[test]
        fn inv_34_every_kept_release_keeps_one_container((containers, keep, routes) in world()) {
            let fates = fates(containers, &BTreeSet::new(), &keep, &routes);
            for (container, _) in &fates {
                let kept = keep.digests.contains(container.digest.as_ref().expect("a digest"));
                let same = |(other, _): &&(Ours, Fate)| {
                    other.resource == container.resource
                        && other.digest == container.digest
                        && other.service == container.service
                        && !other.stays
                };
                let left = fates.iter().filter(same).filter(|(_, fate)| *fate != Fate::Goes).count();
                prop_assert!(!kept || container.stays || left >= 1);
            }
        }

        #[test]
        fn inv_27_what_nobody_needs_goes((containers, keep, routes) in world()) {
            let busy: BTreeSet<String> = containers.iter()
                .filter(|c| keep.deployments.iter().any(|id| c.works_for(*id)))
                .map(|c| c.resource.clone()).collect();
            for (container, fate) in fates(containers, &BTreeSet::new(), &keep, &routes) {
                let routed = routes.iter().any(|r| upstream(r).map(|u| u.ip()) == container.address.map(Into::into));
                let kept = keep.digests.contains(container.digest.as_ref().expect("a digest"));
                let serves = routed || container.stays || container.service.is_some();
                if !serves && !kept && !busy.contains(&container.resource) {
                    prop_assert_eq!(fate, Fate::Goes);
                }
            }
        }

        #[test]
        fn inv_27_inv_34_what_stays_does_as_long_as_a_release_has_it_beside_it((containers, keep, routes) in world()) {
            let fates = fates(containers, &BTreeSet::new(), &keep, &routes);
            let busy = |c: &Ours| fates.iter().any(|(other, _)| {
                other.resource == c.resource && keep.deployments.iter().any(|id| other.works_for(*id))
            });
            for (container, fate) in fates.iter().filter(|(container, _)| container.stays) {
                let needs = |(other, fate): &(Ours, Fate)| {
                    !other.stays && *fate != Fate::Goes && other.resource == container.resource
                        && container.service.as_ref().is_some_and(|name| other.uses.contains(name))
                };
                let needed = busy(container) || fates.iter().any(needs);
                prop_assert_eq!(*fate, if needed { Fate::Stays } else { Fate::Goes }, "{:?}", container);
            }
        }
    }
}
