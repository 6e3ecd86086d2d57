//! What a service's container is created as. Pure.

use bollard::models::{ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, Mount, MountType};
use deploy_core::id::{Digest, Name, ResourceKey};
use deploy_core::plan::Outline;
use deploy_core::project::{ExpandError, Service, expand};
use deploy_core::spec::LimitsProfile;

use crate::container::{Caps, Environment};
use crate::names::volume;
use crate::secrets::Secrets;

/// What a service may use: what the file says, at most what the profile says.
pub(crate) fn caps(outline: &Outline, service: &Service) -> Caps {
    let limits = &outline.profile.limits;
    let least = |wanted: Option<u32>, most: Option<u32>| wanted.into_iter().chain(most).min();
    Caps {
        memory: service.memory.into_iter().chain(limits.memory).min().unwrap_or(LimitsProfile::MEMORY),
        cpu_millis: least(service.cpu_millis, limits.cpu_millis),
        pids: least(service.pids, limits.pids).unwrap_or(1024),
        read_only: service.read_only.or(outline.profile.runtime.read_only).unwrap_or(false),
        own_image: false,
    }
}

/// The variables of a service, with what the profile says of those that it refers to.
pub(crate) fn environment(
    outline: &Outline,
    service: &Service,
    secrets: &Secrets,
) -> Result<Environment, ExpandError> {
    let known = |name: &str| outline.profile.env.get(name).or_else(|| secrets.get(name)).cloned();
    let pairs = service.environment.iter();
    let pairs: Result<_, _> = pairs.map(|(name, value)| Ok((name.clone(), expand(value, &known)?))).collect();
    pairs.map(Environment)
}

/// Puts what the file says about a service into the body of its container.
pub(crate) fn shape(body: &mut ContainerCreateBody, service: &Service, owner: &Name, resource: &ResourceKey) {
    body.cmd.clone_from(&service.command);
    body.entrypoint.clone_from(&service.entrypoint);
    body.user.clone_from(&service.user);
    body.working_dir.clone_from(&service.working_dir);
    body.stop_signal.clone_from(&service.stop_signal);
    let host = body.host_config.get_or_insert_with(HostConfig::default);
    host.init = service.init.then_some(true);
    let mounts = service.volumes.iter().map(|mount| Mount {
        typ: Some(MountType::VOLUME),
        source: Some(volume(owner, resource, &mount.name)),
        target: Some(mount.path.clone()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    });
    host.mounts = Some(mounts.collect());
    let memory = host.tmpfs.get_or_insert_default();
    for path in &service.tmpfs {
        memory.insert(path.clone(), "rw,nosuid,nodev,mode=1777".to_owned());
    }
}

/// Lets the engine ask a service whether it is well.
pub(crate) fn ask(body: &mut ContainerCreateBody, service: &Service) {
    let nanos = |span: deploy_core::time::Span| {
        i64::try_from(span.as_millis().saturating_mul(1_000_000)).unwrap_or(i64::MAX)
    };
    body.healthcheck = service.health.as_ref().map(|health| HealthConfig {
        test: Some(health.test.clone()),
        interval: health.interval.map(nanos),
        timeout: health.timeout.map(nanos),
        retries: health.retries.map(i64::from),
        start_period: health.start_period.map(nanos),
        ..HealthConfig::default()
    });
}

/// The name by which the others of a network find a service.
pub(crate) fn found_as(name: &str) -> EndpointSettings {
    EndpointSettings { aliases: Some(vec![name.to_owned()]), ..EndpointSettings::default() }
}

/// What tells a service that stays from one that is defined otherwise. A secret's value is no part of it: a database
/// takes its password when it is first started, and never again.
pub(crate) fn definition(outline: &Outline, service: &Service) -> String {
    let known =
        |name: &str| outline.profile.env.get(name).cloned().or_else(|| Some(format!("the secret {name}")));
    let mut plain = service.clone();
    // What it waits for is over once it runs.
    plain.depends_on.clear();
    for value in plain.environment.values_mut() {
        if let Ok(expanded) = expand(value, &known) {
            *value = expanded;
        }
    }
    let caps = caps(outline, service);
    (plain.memory, plain.cpu_millis, plain.pids) = (Some(caps.memory), caps.cpu_millis, Some(caps.pids));
    let text = serde_json::to_string(&plain).unwrap_or_default();
    Digest::of(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use deploy_core::project::{Role, ServiceVolume};

    #[test]
    fn f05_a_service_gets_named_volumes_and_nothing_else_of_the_machine() {
        let owner = "a1".parse().expect("a name");
        let resource = "web".parse().expect("a resource");
        let data = ServiceVolume { name: "data".into(), path: "/d".into(), read_only: false };
        let service = Service { volumes: vec![data], ..Service::named("db", Role::Stays) };
        let mut body = ContainerCreateBody::default();
        shape(&mut body, &service, &owner, &resource);
        let host = body.host_config.expect("settings");
        assert_eq!((host.binds, host.devices, host.volumes_from), (None, None, None));
        let mounts = host.mounts.expect("mounts");
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].typ, Some(MountType::VOLUME));
        assert_eq!(mounts[0].source.as_deref(), Some("deploy.a1.web.production.data"));
        assert_eq!(mounts[0].volume_options, None);
    }
}
