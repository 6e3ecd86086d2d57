//! Directives of a service that are never carried out, and those that make no difference. Everything that is in
//! neither list and not read is refused as well.

/// What would let a service out of its container, and what it would get.
pub(super) const DANGEROUS: [(&str, &str); 27] = [
    ("privileged", "would give it the whole machine"),
    ("cap_add", "would give it rights over the machine"),
    ("devices", "would give it devices of the machine"),
    ("device_cgroup_rules", "would give it devices of the machine"),
    ("gpus", "would give it devices of the machine"),
    ("network_mode", "would put it into a network that is not its own"),
    ("pid", "would show it processes that are not its own"),
    ("ipc", "would share memory with what is not its own"),
    ("uts", "would share the machine's name"),
    ("userns_mode", "would make its root that of the machine"),
    ("cgroup", "would show it groups of processes that are not its own"),
    ("cgroup_parent", "would let it out of its limits"),
    ("security_opt", "would lift what keeps it in its container"),
    ("sysctls", "would change the kernel's settings"),
    ("ulimits", "would lift its limits"),
    ("oom_kill_disable", "would lift its limits"),
    ("oom_score_adj", "would let the kernel end others instead of it"),
    ("runtime", "would run it by another program"),
    ("isolation", "would run it by another program"),
    ("volumes_from", "would give it files that are not its own"),
    ("external_links", "would connect it to containers that are not of the project"),
    ("use_api_socket", "would give it the container engine, and with it the machine"),
    ("group_add", "would give it rights of groups of the machine"),
    ("extra_hosts", "would send what it asks to another address than its name says"),
    ("dns", "would send what it asks to another address than its name says"),
    ("credential_spec", "would give it an account of the machine"),
    ("storage_opt", "would lift its limits"),
];

/// What is not carried out, although a project may rely on it, with what is done instead.
pub(super) const INSTEAD: [(&str, &str); 7] = [
    ("env_file", "write its lines under [env], or under [secrets] if nobody may see them"),
    ("extends", "write the service out"),
    ("secrets", "name them under [secrets], and hand them to the service under its environment"),
    ("configs", "copy the file into the image"),
    ("links", "remove it: services reach each other by name"),
    ("platform", "remove it: images are those of this machine's kind"),
    ("scale", "remove it: one of each service runs"),
];

/// What makes no difference here.
pub(super) const DROPPED: [(&str, &str); 13] = [
    ("container_name", "containers are named after the release"),
    ("hostname", "a service is reached by its name in the file"),
    ("domainname", "a service is reached by its name in the file"),
    ("labels", "containers carry the labels of the installation only"),
    ("annotations", "containers carry the labels of the installation only"),
    ("logging", "the last 30 MiB of what a service writes are kept"),
    ("pull_policy", "an image that is here is used"),
    ("mem_reservation", "only the most it may use counts"),
    ("memswap_limit", "no service may swap"),
    ("mem_swappiness", "no service may swap"),
    ("cpu_shares", "only the most it may use counts"),
    ("tty", "nobody looks at its terminal"),
    ("stdin_open", "nobody types"),
];

/// What is nobody's business here, or what is done anyway.
pub(super) const SILENT: [&str; 5] = ["cap_drop", "develop", "attach", "expose", "profiles"];

/// What a table says of a directive.
pub(super) fn said(table: &[(&str, &'static str)], directive: &str) -> Option<&'static str> {
    table.iter().find(|(name, _)| *name == directive).map(|(_, said)| *said)
}
