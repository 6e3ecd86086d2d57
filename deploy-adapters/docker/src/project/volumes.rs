//! Volumes: made when they are first needed, and never removed.

use std::collections::BTreeSet;

use bollard::models::VolumeCreateRequest;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::Name;

use super::Project;
use crate::engine::{Engine, EngineError};
use crate::names::{LABEL_OWNER, Names, resource_labels, volume};

/// Makes the volumes of a project that are not there. One of the name that is not ours is never used.
pub(super) async fn ensure(
    engine: &Engine,
    owner: &Name,
    names: &Names<'_>,
    project: &Project<'_>,
) -> Result<(), Failure> {
    let mounts = project.services.iter().flat_map(|service| &service.volumes);
    let wanted: BTreeSet<String> = mounts.map(|mount| volume(owner, names.resource, &mount.name)).collect();
    for name in wanted {
        let found = engine.read(|docker| {
            let name = name.clone();
            async move { docker.inspect_volume(&name).await }
        });
        match found.await {
            Ok(found) if found.labels.get(LABEL_OWNER).map(String::as_str) == Some(owner.as_str()) => {}
            Ok(_) => {
                return Err(Failure::new(FailureCode::NameTaken, format!("the volume {name} is not ours")));
            }
            Err(EngineError::NotFound(_)) => {
                let request = VolumeCreateRequest {
                    name: Some(name),
                    labels: Some(resource_labels(owner, names.resource)),
                    ..VolumeCreateRequest::default()
                };
                engine.change(|docker| async move { docker.create_volume(request).await }).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
