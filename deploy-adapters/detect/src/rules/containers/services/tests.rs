use deploy_core::detect::Detection;
use deploy_core::project::{Condition, Role, Service};
use deploy_core::reason::ReasonCode;
use deploy_core::spec::SecretRef;
use proptest::prelude::*;

use crate::testing::{codes, detect, detect_with};

/// A web service and a database, with more lines in the database.
fn with(lines: &str) -> String {
    format!(
        "services:\n  web:\n    build: .\n    ports: ['80:8000']\n    depends_on: [db]\n  db:\n    image: postgres:16.4\n    \
         volumes: ['data:/var/lib/postgresql/data']\n{lines}\nvolumes:\n  data:\n"
    )
}

fn of(lines: &str) -> Detection {
    detect(&[("compose.yaml", &with(lines))])
}

fn services(detection: &Detection) -> Vec<Service> {
    detection.compose.as_ref().expect("a project").value.definitions.clone()
}

#[test]
fn f05_what_would_let_a_service_out_of_its_container_is_refused_by_name() {
    for (directive, line) in [
        ("privileged", "privileged: true"),
        ("network_mode", "network_mode: host"),
        ("pid", "pid: host"),
        ("ipc", "ipc: host"),
        ("uts", "uts: host"),
        ("userns_mode", "userns_mode: host"),
        ("cap_add", "cap_add: [SYS_ADMIN]"),
        ("devices", "devices: ['/dev/sda:/dev/sda']"),
        ("security_opt", "security_opt: ['apparmor=unconfined']"),
        ("volumes_from", "volumes_from: [web]"),
        ("extra_hosts", "extra_hosts: ['a:169.254.169.254']"),
        ("cgroup_parent", "cgroup_parent: /"),
        ("sysctls", "sysctls: { a: 1 }"),
        ("env_file", "env_file: .env"),
        ("extends", "extends: { file: ../x.yaml, service: a }"),
        ("secrets", "secrets: [a]"),
        ("nonsense", "nonsense: 1"),
        ("build.ssh", "build: { context: ., ssh: [default] }"),
        ("build.additional_contexts", "build: { context: ., additional_contexts: { a: / } }"),
        ("build.context", "build: { context: ../.. }"),
        ("build.dockerfile", "build: { context: ., dockerfile: /etc/passwd }"),
        ("deploy.replicas", "deploy: { replicas: 3 }"),
    ] {
        let detection = of(&format!("    {line}"));
        let reason = detection.blocked.iter().find(|reason| reason.code == ReasonCode::ComposeDirective);
        let message = &reason.unwrap_or_else(|| panic!("{line} is let through")).message;
        for part in ["compose.yaml", "the service db", directive] {
            assert!(message.contains(part), "{line}: {message}");
        }
        assert_eq!(services(&detection), [], "{line}");
    }
}

#[test]
fn f05_no_directory_of_the_machine_is_mounted_however_it_is_written() {
    for mount in [
        "/:/host",
        "./x:/y",
        "../x:/y",
        "~/x:/y",
        "/var/run/docker.sock:/var/run/docker.sock",
        "a/b:/y",
        "data:/..",
        "data:/",
        "data:relative",
        "data:/d:exec",
        "/only",
        "${HOME}:/h",
        "-x:/y",
        "C:\\x:/y",
    ] {
        let detection = detect(&[(
            "compose.yaml",
            &format!(
                "services:\n  web:\n    build: .\n    ports: ['80:80']\n    volumes: ['{mount}']\nvolumes: {{ data: }}\n"
            ),
        )]);
        assert!(codes(&detection.blocked).contains(&ReasonCode::ComposeDirective), "{mount}");
    }
    for long in [
        "{ type: bind, source: /, target: /h }",
        "{ type: npipe, source: x, target: /h }",
        "{ type: volume, source: /etc, target: /h }",
        "{ type: volume, source: data, target: /h, volume: { subpath: x } }",
        "{ source: data, target: /h }",
    ] {
        let detection = of(&format!("    tmpfs: /run\n  more:\n    image: a/b:1\n    volumes: [{long}]"));
        assert!(codes(&detection.blocked).contains(&ReasonCode::ComposeDirective), "{long}");
    }
    for options in
        ["driver_opts: { type: none, o: bind, device: / }", "external: true", "driver: nfs", "name: x"]
    {
        let text = with("").replace("  data:\n", &format!("  data: {{ {options} }}\n"));
        let detection = detect(&[("compose.yaml", &text)]);
        assert!(codes(&detection.blocked).contains(&ReasonCode::ComposeDirective), "{options}");
    }
}

#[test]
fn who_stays_across_releases_and_who_is_replaced() {
    let text = "services:\n  web: { build: ., ports: ['80:80'], depends_on: { migrate: { condition: service_completed_successfully }, db: { condition: service_healthy } } }\n  \
        migrate: { build: ., command: ./migrate up, depends_on: [db] }\n  worker: { build: ., volumes: ['files:/f'] }\n  \
        db: { image: 'acme/own:1', volumes: ['data:/d'], healthcheck: { test: [CMD, 'true'], interval: 1m30s } }\n  cache: { image: 'redis:7.2' }\n  \
        mail: { image: 'acme/mail:1' }\nvolumes: { data: {}, files: }\n";
    let detection = detect(&[("compose.yaml", text)]);
    assert_eq!(codes(&detection.blocked), []);
    let services = services(&detection);
    let role = |name: &str| services.iter().find(|service| service.name == name).expect(name).role;
    let roles = ["web", "migrate", "worker", "db", "cache", "mail"].map(role);
    let expected = [Role::Web, Role::Job, Role::Replaced, Role::Stays, Role::Stays, Role::Replaced];
    assert_eq!(roles, expected);
    assert!(codes(&detection.warnings).contains(&ReasonCode::SingleWriterVolume), "files has two writers");
    let migrate = services.iter().find(|service| service.name == "migrate").expect("a job");
    assert_eq!(migrate.command.as_deref(), Some(&["./migrate".to_owned(), "up".to_owned()][..]));
    let web = services.iter().find(|service| service.role == Role::Web).expect("a web service");
    assert_eq!(web.depends_on["db"], Condition::Healthy);
}

#[test]
fn variables_are_those_of_the_profile_and_secrets_stand_in_environments_only() {
    let lines = "    environment: { POSTGRES_PASSWORD: '${DB_PASSWORD}', MODE: '${MODE:-fast}', HOME: }";
    let detection = of(lines);
    let expected = [ReasonCode::ComposeVariable, ReasonCode::ComposeVariable];
    assert_eq!(codes(&detection.blocked), expected, "not even HOME is taken from our environment");
    let known = |text: &str| {
        detect_with(&[("compose.yaml", text)], |profile| {
            profile.env.insert("HOME".to_owned(), "/srv".to_owned());
            let secret = SecretRef { env: "OURS".to_owned(), build: false, file: false };
            profile.secrets.insert("DB_PASSWORD".to_owned(), secret);
        })
    };
    let services = services(&known(&with(lines)));
    let db = services.iter().find(|service| service.name == "db").expect("a database");
    assert_eq!(db.environment["POSTGRES_PASSWORD"], "${DB_PASSWORD}", "a plan holds no value of a secret");
    let argv = known(&with("    command: ['--password', '${DB_PASSWORD}']"));
    assert_eq!(codes(&argv.blocked), [ReasonCode::ComposeDirective]);
    assert!(argv.blocked[0].message.contains("only an environment"), "{}", argv.blocked[0].message);
}

#[test]
fn what_waits_for_each_other_or_for_nobody_is_refused() {
    for (lines, word) in [
        ("    depends_on: [web]", "depends on web"),
        ("    depends_on: [nobody]", "nobody"),
        ("    depends_on: { web: { condition: odd } }", "odd"),
    ] {
        let detection = of(lines);
        let message: Vec<&str> = detection.blocked.iter().map(|reason| reason.message.as_str()).collect();
        assert!(message.iter().any(|message| message.contains(word)), "{lines}: {message:?}");
    }
}

proptest! {
    /// The list is one of what is allowed: a directive that nobody has thought of is refused.
    #[test]
    fn f05_what_is_not_on_the_list_is_refused(directive in "[a-z_]{3,20}", value in "true|\\[a\\]|\\{ a: b \\}|x") {
        let known = [
            "image", "build", "command", "entrypoint", "environment", "volumes", "tmpfs", "depends_on", "healthcheck",
            "restart", "ports", "networks", "deploy", "mem_limit", "cpus", "pids_limit", "user", "working_dir",
            "stop_signal", "stop_grace_period", "shm_size", "read_only", "init",
        ];
        let dropped = super::refusals::DROPPED.iter().any(|(name, _)| *name == directive);
        let silent = super::refusals::SILENT.contains(&directive.as_str());
        prop_assume!(!known.contains(&directive.as_str()) && !dropped && !silent);
        let detection = of(&format!("    {directive}: {value}"));
        prop_assert!(codes(&detection.blocked).contains(&ReasonCode::ComposeDirective), "{directive}");
    }
}
