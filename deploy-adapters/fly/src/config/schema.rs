//! Every key of `fly.toml`, and what may stand there. A table, and nothing else.

/// What may stand behind a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// `true` or `false`.
    Switch,
    /// A whole number between two, inclusive.
    Number(i64, i64),
    /// A number, whole or not.
    Share,
    /// A length of time between two, in milliseconds: `"10s"`, `"1m30s"`, or seconds as a whole number.
    Time(u64, u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words, or `true` or `false`.
    OneOfOrSwitch(&'static [&'static str]),
    /// A text or a whole number.
    TextOrNumber,
    /// An absolute path of a URL.
    UrlPath,
    /// A list of texts, or one text.
    Texts,
    /// Texts, numbers and switches by names of any kind.
    Variables,
    /// Anything: what it means is for fly to say.
    Anything,
    /// A table with these keys.
    Table(Fields),
    /// A list of tables with these keys, or one.
    Tables(Fields),
    /// Tables with these keys by names of any kind.
    Named(Fields),
}

/// The keys of a table.
pub(super) type Fields = &'static [(&'static str, Kind)];

use Kind::{
    Anything, Named, Number, OneOf, OneOfOrSwitch, Share, Switch, Table, Tables, Text, TextOrNumber, Texts,
    Time, UrlPath, Variables,
};

const DAY: u64 = 86_400_000;
const MINUTE: u64 = 60_000;
const PORT: Kind = Number(1, 65_535);

const AUTO_STOP: Kind = OneOfOrSwitch(&["off", "stop", "suspend"]);
const METHOD: Kind =
    OneOf(&["GET", "HEAD", "POST", "PUT", "OPTIONS", "get", "head", "post", "put", "options"]);

const CONCURRENCY: Fields = &[
    ("type", OneOf(&["connections", "requests"])),
    ("soft_limit", Number(0, i64::MAX)),
    ("hard_limit", Number(0, i64::MAX)),
];
const TLS: Fields = &[("alpn", Texts), ("versions", Texts), ("default_self_signed", Switch)];
const HTTP_OPTIONS: Fields = &[
    ("compress", Switch),
    ("idle_timeout", TextOrNumber),
    ("h2_backend", Switch),
    ("response", Table(&[("headers", Anything), ("pristine", Switch)])),
    ("headers", Anything),
    ("replay_cache", Anything),
];
const HTTP_CHECK: Fields = &[
    ("interval", Time(1, DAY)),
    ("timeout", Time(1, DAY)),
    ("grace_period", Time(0, DAY)),
    ("method", METHOD),
    ("path", UrlPath),
    ("protocol", OneOf(&["http", "https"])),
    ("restart_limit", Number(0, i64::MAX)),
    ("tls_skip_verify", Switch),
    ("tls_server_name", Text),
    ("headers", Anything),
];
const TCP_CHECK: Fields = &[
    ("interval", Time(1, DAY)),
    ("timeout", Time(1, DAY)),
    ("grace_period", Time(0, DAY)),
    ("restart_limit", Number(0, i64::MAX)),
];
const MACHINE_CHECK: Fields = &[
    ("command", Texts),
    ("image", Text),
    ("entrypoint", Texts),
    ("kill_signal", Text),
    ("kill_timeout", Time(0, 5 * MINUTE)),
];
const HTTP_SERVICE: Fields = &[
    ("internal_port", PORT),
    ("force_https", Switch),
    ("auto_stop_machines", AUTO_STOP),
    ("auto_start_machines", Switch),
    ("min_machines_running", Number(0, 10_000)),
    ("processes", Texts),
    ("concurrency", Table(CONCURRENCY)),
    ("tls_options", Table(TLS)),
    ("http_options", Table(HTTP_OPTIONS)),
    ("checks", Tables(HTTP_CHECK)),
    ("machine_checks", Tables(MACHINE_CHECK)),
];
const SERVICE_PORT: Fields = &[
    ("port", PORT),
    ("start_port", PORT),
    ("end_port", PORT),
    ("handlers", Texts),
    ("force_https", Switch),
    ("tls_options", Table(TLS)),
    ("http_options", Table(HTTP_OPTIONS)),
    ("proxy_proto_options", Anything),
];
const SERVICE: Fields = &[
    ("protocol", OneOf(&["tcp", "udp"])),
    ("internal_port", PORT),
    ("auto_stop_machines", AUTO_STOP),
    ("auto_start_machines", Switch),
    ("min_machines_running", Number(0, 10_000)),
    ("ports", Tables(SERVICE_PORT)),
    ("concurrency", Table(CONCURRENCY)),
    ("tcp_checks", Tables(TCP_CHECK)),
    ("http_checks", Tables(HTTP_CHECK)),
    ("machine_checks", Tables(MACHINE_CHECK)),
    ("script_checks", Anything),
    ("processes", Texts),
];
const TOP_CHECK: Fields = &[
    ("port", PORT),
    ("type", OneOf(&["http", "tcp"])),
    ("interval", Time(2_000, DAY)),
    ("timeout", Time(1, MINUTE)),
    ("grace_period", Time(0, DAY)),
    ("method", METHOD),
    ("path", UrlPath),
    ("protocol", OneOf(&["http", "https"])),
    ("tls_skip_verify", Switch),
    ("tls_server_name", Text),
    ("headers", Anything),
    ("processes", Texts),
];
const VM: Fields = &[
    ("size", Text),
    ("memory", TextOrNumber),
    ("cpus", Number(1, 1_024)),
    ("cpu_kind", Text),
    ("memory_mb", Number(1, i64::MAX)),
    ("gpus", Number(0, 64)),
    ("gpu_kind", Text),
    ("kernel_args", Texts),
    ("host_dedication_id", Text),
    ("persist_rootfs", Text),
    ("processes", Texts),
];
const BUILD: Fields = &[
    ("builder", Text),
    ("args", Variables),
    ("buildpacks", Texts),
    ("image", Text),
    ("settings", Anything),
    ("builtin", Text),
    ("dockerfile", Text),
    ("ignorefile", Text),
    ("build-target", Text),
    ("compose", Table(&[("file", Text)])),
    ("compression", OneOf(&["gzip", "zstd"])),
    ("compression_level", Number(0, 22)),
];
const DEPLOY: Fields = &[
    ("strategy", OneOf(&["rolling", "immediate", "canary", "bluegreen"])),
    ("max_unavailable", Share),
    ("wait_timeout", Time(1, DAY)),
    ("release_command", Text),
    ("release_command_timeout", Time(1, DAY)),
    ("release_command_vm", Table(VM)),
    ("seed_command", Text),
];
const MOUNT: Fields = &[
    ("source", Text),
    ("destination", Text),
    ("initial_size", TextOrNumber),
    ("snapshot_retention", Number(1, 60)),
    ("scheduled_snapshots", Switch),
    ("auto_extend_size_threshold", Number(50, 99)),
    ("auto_extend_size_increment", TextOrNumber),
    ("auto_extend_size_limit", TextOrNumber),
    ("processes", Texts),
];
const EXPERIMENTAL: Fields = &[
    ("cmd", Texts),
    ("entrypoint", Texts),
    ("exec", Texts),
    ("auto_rollback", Switch),
    ("enable_consul", Switch),
    ("enable_etcd", Switch),
    ("lazy_load_images", Switch),
    ("attached", Anything),
    ("machine_config", Text),
    ("uses_gpu", Switch),
    ("kill_timeout", Time(0, 5 * MINUTE)),
    ("allowed_public_ports", Anything),
    ("private_network", Switch),
];

/// The keys of the file.
pub(super) const FILE: Fields = &[
    ("app", Text),
    ("primary_region", Text),
    ("kill_signal", Text),
    ("kill_timeout", Time(0, 5 * MINUTE)),
    ("swap_size_mb", Number(0, i64::MAX)),
    ("console_command", Text),
    ("host_dedication_id", Text),
    ("machine_config", Text),
    ("container", Text),
    ("experimental", Table(EXPERIMENTAL)),
    ("build", Table(BUILD)),
    ("deploy", Table(DEPLOY)),
    ("env", Variables),
    ("processes", Variables),
    ("mounts", Tables(MOUNT)),
    ("http_service", Table(HTTP_SERVICE)),
    ("services", Tables(SERVICE)),
    ("checks", Named(TOP_CHECK)),
    (
        "files",
        Tables(&[
            ("guest_path", Text),
            ("local_path", Text),
            ("secret_name", Text),
            ("raw_value", Text),
            ("processes", Texts),
        ]),
    ),
    ("machine_checks", Tables(MACHINE_CHECK)),
    (
        "restart",
        Tables(&[
            ("policy", OneOf(&["always", "never", "on-failure"])),
            ("retries", Number(0, i64::MAX)),
            ("processes", Texts),
        ]),
    ),
    ("vm", Tables(VM)),
    (
        "statics",
        Tables(&[
            ("guest_path", Text),
            ("url_prefix", UrlPath),
            ("tigris_bucket", Text),
            ("index_document", Text),
        ]),
    ),
    ("metrics", Tables(&[("port", PORT), ("path", UrlPath), ("https", Switch), ("processes", Texts)])),
];
