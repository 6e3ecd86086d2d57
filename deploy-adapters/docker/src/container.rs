//! What a container is created as. Pure.

use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigLogConfig,
    NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};
use deploy_core::id::Digest;
use deploy_core::plan::{ArtifactKind, Outline};
use deploy_core::size::Size;
use deploy_core::spec::LimitsProfile;

use crate::recipe::USER;

/// What official images need to prepare their files and give up root by themselves. Images that run as a plain
/// user from the start get nothing.
const ENTRYPOINT_CAPABILITIES: [&str; 7] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];
/// The directories a read-only container may write to, in memory.
const WRITABLE: [&str; 3] = ["/tmp", "/run", "/var/tmp"];

/// What a running release may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caps {
    pub(crate) memory: Size,
    pub(crate) cpu_millis: Option<u32>,
    pub(crate) pids: u32,
    pub(crate) read_only: bool,
    /// Whether the image is ours to know: it needs no capability at all.
    pub(crate) own_image: bool,
}

impl Caps {
    pub(crate) fn of(outline: &Outline) -> Self {
        let limits = &outline.profile.limits;
        let kind = outline.artifact.as_ref().map(|artifact| artifact.kind);
        let own_image = matches!(kind, Some(ArtifactKind::GeneratedImage | ArtifactKind::StaticSite));
        let writes = outline.detection.writes.is_some();
        Self {
            memory: limits.memory.unwrap_or(LimitsProfile::MEMORY),
            cpu_millis: limits.cpu_millis,
            pids: limits.pids.unwrap_or(1024),
            read_only: outline.profile.runtime.read_only.unwrap_or(own_image && !writes),
            own_image,
        }
    }
}

/// The environment of a container, by name. Secrets are in it, so it is never shown.
#[derive(Clone, Default)]
pub(crate) struct Environment(pub(crate) Vec<(String, String)>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Where a container is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) network: &'a str,
    /// Fixed, so that it is the same after the engine restarts, and nobody else's meanwhile.
    pub(crate) address: Ipv4Addr,
}

/// The body of the request that creates the container.
pub(crate) fn body(
    caps: &Caps,
    image: &Digest,
    labels: HashMap<String, String>,
    place: Place<'_>,
    environment: Environment,
) -> ContainerCreateBody {
    let endpoint = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(place.address.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    };
    ContainerCreateBody {
        image: Some(image.as_str().to_owned()),
        labels: Some(labels),
        env: Some(environment.0.into_iter().map(|(name, value)| format!("{name}={value}")).collect()),
        host_config: Some(host_config(caps, place.network)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(place.network.to_owned(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// How a directory in memory is mounted. Where the directory exists, as it does from the second start on, the runtime
/// gives it the mode it has in the image; whose it is stays, so in our own images it is the user's.
fn writable(caps: &Caps) -> String {
    let owner = USER.split_once(':').filter(|_| caps.own_image);
    let owner = owner.map_or(String::new(), |(user, group)| format!(",uid={user},gid={group}"));
    format!("rw,nosuid,nodev,mode=1777{owner}")
}

fn host_config(caps: &Caps, network: &str) -> HostConfig {
    let memory = i64::try_from(caps.memory.bytes()).unwrap_or(i64::MAX);
    let text = |text: &str| text.to_owned();
    let tmpfs = WRITABLE.map(|path| (text(path), writable(caps)));
    HostConfig {
        memory: Some(memory),
        // The same as memory: no swap.
        memory_swap: Some(memory),
        nano_cpus: caps.cpu_millis.map(|millis| i64::from(millis) * 1_000_000),
        pids_limit: Some(i64::from(caps.pids)),
        network_mode: Some(text(network)),
        restart_policy: Some(RestartPolicy {
            // A candidate that ends has failed. Only what gets the traffic is started again when it ends.
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some(text("json-file")),
            config: Some(HashMap::from([(text("max-size"), text("10m")), (text("max-file"), text("3"))])),
        }),
        security_opt: Some(vec![text("no-new-privileges:true")]),
        cap_drop: Some(vec![text("ALL")]),
        cap_add: (!caps.own_image).then(|| ENTRYPOINT_CAPABILITIES.map(text).to_vec()),
        readonly_rootfs: Some(caps.read_only),
        tmpfs: caps.read_only.then(|| HashMap::from(tmpfs)),
        privileged: Some(false),
        ..HostConfig::default()
    }
}
