//! `fly.toml`: what is read, refused, merged and generated.

use std::collections::BTreeMap;

use deploy_core::spec::Rollout;
use deploy_fly::config::{FlyToml, Image, Wanted};
use proptest::prelude::*;

fn wanted() -> Wanted {
    Wanted {
        app: "web".to_owned(),
        primary_region: Some("ams".to_owned()),
        image: Image::Dockerfile("Dockerfile".to_owned()),
        port: Some((3000, false)),
        check_path: "/healthz".to_owned(),
        strategy: None,
        env: BTreeMap::new(),
    }
}

#[test]
fn a_generated_file_has_every_field_that_is_promised() {
    let expected = r#"app = "web"
primary_region = "ams"

[build]
dockerfile = "Dockerfile"

[http_service]
internal_port = 3000
force_https = true
auto_stop_machines = "stop"
auto_start_machines = true
min_machines_running = 0
processes = ["app"]

[[http_service.checks]]
grace_period = "10s"
interval = "30s"
method = "GET"
timeout = "5s"
path = "/healthz"
"#;
    assert_eq!(FlyToml::effective(None, &wanted()).to_string(), expected);
}

#[test]
fn an_image_a_strategy_and_variables_are_written_too() {
    let wanted = Wanted {
        image: Image::Reference("ghcr.io/a/b:1".to_owned()),
        strategy: Some(Rollout::Bluegreen),
        env: BTreeMap::from([("LOG".to_owned(), "info \"x\"".to_owned())]),
        primary_region: None,
        port: None,
        ..wanted()
    };
    let text = FlyToml::effective(None, &wanted).to_string();
    for line in [
        "image = \"ghcr.io/a/b:1\"",
        "strategy = \"bluegreen\"",
        "LOG = 'info \"x\"'",
        "internal_port = 8080",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("primary_region") && !text.contains("dockerfile"));
}

const OWN: &str = r#"# our app
app = "old" # the name
primary_region = 'fra'

[build]
  dockerfile = "docker/Dockerfile"  # ours

[http_service] # the door
  internal_port = 8081
  [[http_service.checks]]
    path = "/own"

[deploy]
  release_command = "bin/migrate"

[unheard_of]
  key = 1 # stays
"#;

#[test]
fn comments_and_what_is_not_known_stay_and_the_file_wins_over_detection() {
    let existing = FlyToml::parse(OWN).unwrap();
    let wanted = Wanted { image: Image::AsTheFileSays, primary_region: None, ..wanted() };
    let text = FlyToml::effective(Some(&existing), &wanted).to_string();
    assert_eq!(text, OWN.replace("app = \"old\" # the name", "app = \"web\" # the name"));
    assert_eq!(existing.doubts().len(), 1, "{:?}", existing.doubts());
}

#[test]
fn what_is_fixed_explicitly_wins_over_the_file() {
    let existing = FlyToml::parse(OWN).unwrap();
    let wanted = Wanted { port: Some((9000, true)), strategy: Some(Rollout::Immediate), ..wanted() };
    let text = FlyToml::effective(Some(&existing), &wanted).to_string();
    for line in [
        "internal_port = 9000",
        "primary_region = \"ams\"",
        "strategy = \"immediate\"",
        "# ours",
        "bin/migrate",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let image = Wanted { image: Image::Reference("a@sha256:b".to_owned()), ..wanted };
    let text = FlyToml::effective(Some(&existing), &image).to_string();
    assert!(text.contains("image = \"a@sha256:b\"") && !text.contains("docker/Dockerfile"), "{text}");
}

#[test]
fn every_mistake_is_named_by_its_line_and_key() {
    for (text, line, key, says) in [
        ("app = ", 1, "", ""),
        ("app = \"Web\"", 1, "app", "can't be the name"),
        ("app = 7", 1, "app", "must be a text"),
        ("\n\n[http_service]\ninternal_prot = 1", 4, "http_service.internal_prot", "is it internal_port?"),
        ("[http_service]\ninternal_port = 70000", 2, "http_service.internal_port", "not between 1 and 65535"),
        (
            "[http_service]\nauto_stop_machines = \"maybe\"",
            2,
            "http_service.auto_stop_machines",
            "none of off, stop, suspend",
        ),
        ("[[http_service.checks]]\npath = \"x\"", 2, "http_service.checks.path", "does not begin with /"),
        ("[[services]]\nprotocol = \"http\"", 2, "services.protocol", "none of tcp, udp"),
        ("[checks.up]\ntype = \"http\"\ninterval = \"1s\"", 3, "checks.up.interval", "not between 2 s"),
        ("kill_timeout = 301", 1, "kill_timeout", "not between"),
        ("[deploy]\nstrategy = \"yolo\"", 2, "deploy.strategy", "none of rolling"),
        (
            "[deploy]\nstrategy = \"canary\"\n[mounts]\nsource = \"a\"\ndestination = \"/a\"",
            3,
            "mounts",
            "canary",
        ),
        ("[mounts]\nsource = \"a\"", 1, "mounts", "needs destination"),
        ("[deploy]\nstrategy = \"bluegreen\"", 2, "deploy.strategy", "at least one health check"),
        ("[env]\nA = [1]", 2, "env.A", "a text, a number or a switch"),
        ("build = 1", 1, "build", "must be a table"),
        (
            "[[mounts]]\nsource = \"a\"\ndestination = \"/a\"\nauto_extend_size_threshold = 100",
            4,
            "mounts.auto_extend_size_threshold",
            "not between 50 and 99",
        ),
    ] {
        let mistakes = FlyToml::parse(text).expect_err(text);
        let found = mistakes.iter().find(|m| m.line == line && m.key == key && m.message.contains(says));
        assert!(found.is_some(), "{text:?}: {mistakes:?}");
    }
    let both = FlyToml::parse("[http_service]\ninternal_port = 0\nforce_https = 1").unwrap_err();
    assert_eq!(both.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [2, 3]);
}

/// Every section and key of the reference, at once.
const FULL: &str = r#"
app = "web"
primary_region = "ams"
kill_signal = "SIGTERM"
kill_timeout = "30s"
swap_size_mb = 512
console_command = "bin/console"
host_dedication_id = "x"
[experimental]
cmd = ["a"]
entrypoint = "b"
exec = ["c"]
auto_rollback = true
enable_consul = true
[build]
builder = "paketobuildpacks/builder:base"
buildpacks = ["a"]
build-target = "release"
compression = "zstd"
compression_level = 3
[build.args]
A = "1"
[deploy]
strategy = "rolling"
max_unavailable = 0.5
wait_timeout = "10m"
release_command = "migrate"
release_command_timeout = 300
[deploy.release_command_vm]
size = "shared-cpu-2x"
[env]
A = "x"
B = 1
C = true
[processes]
app = "run"
[[mounts]]
source = "data"
destination = "/data"
initial_size = "1GB"
snapshot_retention = 14
auto_extend_size_threshold = 80
[http_service]
internal_port = 8080
force_https = true
auto_stop_machines = true
auto_start_machines = false
min_machines_running = 1
processes = ["app"]
[http_service.concurrency]
type = "requests"
soft_limit = 20
hard_limit = 25
[http_service.http_options]
compress = true
[http_service.http_options.response.headers]
X = "y"
[[http_service.checks]]
interval = "15s"
timeout = "2s"
grace_period = "1m30s"
method = "get"
path = "/up"
headers = { a = "b" }
[[services]]
protocol = "tcp"
internal_port = 5432
[[services.ports]]
port = 5432
handlers = ["pg_tls"]
[[services.tcp_checks]]
interval = "10s"
[checks.alive]
type = "tcp"
port = 8080
interval = "10s"
timeout = "2s"
[[files]]
guest_path = "/x"
raw_value = "aGk="
[[restart]]
policy = "on-failure"
retries = 10
[[vm]]
size = "shared-cpu-1x"
memory = "1gb"
cpus = 1
[[statics]]
guest_path = "/public"
url_prefix = "/static"
[[metrics]]
port = 9091
path = "/metrics"
"#;

#[test]
fn the_whole_schema_is_known() {
    let full = FlyToml::parse(FULL).unwrap();
    assert_eq!(full.doubts(), [], "{:?}", full.doubts());
    assert!(full.builds());
    assert_eq!(full.to_string(), FULL);
}

proptest! {
    #[test]
    fn reading_never_panics(text in any::<String>(), lines in proptest::collection::vec("[a-z_.\\[\\]]{0,18} ?=? ?[\"a-z0-9{}\\[\\],.]{0,9}", 0..8)) {
        let _ = FlyToml::parse(&text);
        let _ = FlyToml::parse(&lines.join("\n"));
    }

    #[test]
    fn what_is_made_of_a_valid_file_is_valid_and_the_same_again(
        port in proptest::option::of((1_u16.., any::<bool>())), region: bool, kind in 0_u8..3,
        value in "[^\\x00]{0,12}", own in 0_u8..3,
    ) {
        let image = match kind {
            0 => Image::AsTheFileSays,
            1 => Image::Dockerfile("a/Dockerfile".to_owned()),
            _ => Image::Reference("r/i:t".to_owned()),
        };
        let env = BTreeMap::from([("KEY".to_owned(), value)]);
        let wanted = Wanted { image, port, env, primary_region: region.then(|| "ams".to_owned()), ..wanted() };
        let existing = [None, Some(OWN), Some(FULL)][own as usize].map(|text| FlyToml::parse(text).unwrap());
        let made = FlyToml::effective(existing.as_ref(), &wanted);
        let again = FlyToml::parse(&made.to_string());
        prop_assert!(again.is_ok(), "{:?}\n{}", again.err(), made);
        let twice = FlyToml::effective(again.ok().as_ref(), &wanted);
        prop_assert_eq!(twice.to_string(), made.to_string());
    }
}
