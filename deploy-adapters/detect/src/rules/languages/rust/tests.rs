use deploy_core::detect::ProjectKind;
use deploy_core::reason::ReasonCode;
use deploy_core::spec::Profile;

use crate::Catalogue;
use crate::testing::{detect, lines, value};
use crate::tree::Tree;

const LOCK: (&str, &str) = ("Cargo.lock", "name = \"openssl-sys\"\n");

#[test]
fn the_binary_is_the_one_that_is_meant() {
    for (manifest, files, build, start) in [
        (
            "[package]\nname = \"x\"",
            &["src/main.rs"][..],
            "cargo build --release --locked",
            "./target/release/x",
        ),
        (
            "[package]\nname = \"x\"\ndefault-run = \"b\"",
            &["src/bin/a.rs", "src/bin/b.rs", "src/main.rs"],
            "cargo build --release --locked",
            "./target/release/b",
        ),
        (
            "[package]\nname = \"x\"\n[[bin]]\nname = \"y\"\npath = \"src/main.rs\"",
            &["src/main.rs"],
            "cargo build --release --locked",
            "./target/release/y",
        ),
        (
            "[package]\nname = \"x\"",
            &["src/bin/one/main.rs"],
            "cargo build --release --locked",
            "./target/release/one",
        ),
    ] {
        let files: Vec<_> = files.iter().map(|file| (*file, "fn main() {}")).collect();
        let files = [&[("Cargo.toml", manifest), LOCK][..], &files].concat();
        let detection = detect(&files);
        assert_eq!((value(&detection.build), value(&detection.start)), (build, start));
        assert!(detection.runtime_packages.contains("libssl3"));
        assert_eq!(detection.kind, ProjectKind::Worker);
    }
    let files = [("Cargo.toml", "[package]\nname = \"x\""), ("src/bin/a.rs", ""), ("src/bin/b.rs", "")];
    let detection = detect(&files);
    assert_eq!(detection.blocked[0].code, ReasonCode::StartUnknown);
    assert!(lines(&detection.blocked[0]).contains(&"runtime.start = \"./target/release/a\""));
    assert_eq!(detection.warnings[0].code, ReasonCode::NoLockfile);
}

const WORKSPACE: [(&str, &str); 5] = [
    ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n[workspace.package]\nrust-version = \"1.80\""),
    ("crates/api/Cargo.toml", "[package]\nname = \"shop-api\"\n[dependencies]\naxum.workspace = true"),
    ("crates/api/src/main.rs", "TcpListener::bind(\"0.0.0.0:4000\")"),
    ("crates/core/Cargo.toml", "[package]\nname = \"core\""),
    ("crates/core/src/lib.rs", ""),
];

#[test]
fn a_workspace_is_planned_if_one_member_is_a_program() {
    let detection = detect(&WORKSPACE);
    assert_eq!(value(&detection.build), "cargo build --release --package shop-api");
    assert_eq!(value(&detection.start), "./target/release/shop-api");
    assert_eq!(detection.internal_port.map(|port| port.value), Some(4000));
    assert_eq!(value(&detection.build_image), "rust:1.98-bookworm");

    let more = [
        ("crates/job/Cargo.toml", "[package]\nname = \"job\"\n[dependencies]\nrocket = \"0.5\""),
        ("crates/job/src/main.rs", ""),
    ];
    let detection = detect(&[&WORKSPACE[..], &more].concat());
    assert_eq!(detection.blocked[0].code, ReasonCode::SeveralApps);
    assert!(lines(&detection.blocked[0]).contains(&"source.base_directory = \"crates/job\""));
}

#[test]
fn a_member_is_built_with_its_workspace_around_it() {
    let mut profile = Profile::default();
    profile.source.base_directory = Some("crates/api".to_owned());
    let (detection, _) = Tree::new(&WORKSPACE).judge(&Catalogue::new(), &profile).unwrap();
    assert_eq!(value(&detection.workspace), "");
    assert!(detection.workspace.is_some());
    assert_eq!(value(&detection.start), "../../target/release/shop-api");
}

#[test]
fn rocket_is_told_where_to_listen() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nrocket = \"0.5\"";
    let detection = detect(&[
        ("Cargo.toml", manifest),
        LOCK,
        ("src/main.rs", ""),
        ("Rocket.toml", "[default]\nport = 9000"),
    ]);
    assert_eq!(detection.framework.as_deref(), Some("rocket"));
    assert_eq!(detection.environment["ROCKET_PORT"], "9000");
    assert_eq!(detection.internal_port.map(|port| port.value), Some(9000));
}

#[test]
fn trunk_makes_a_site() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nyew = \"0.21\"";
    let page = "<link data-trunk rel=\"rust\">";
    let detection = detect(&[("Cargo.toml", manifest), ("src/main.rs", ""), ("index.html", page)]);
    assert_eq!((detection.kind, value(&detection.publish_directory)), (ProjectKind::Static, "dist"));
    assert_eq!(detection.framework.as_deref(), Some("yew"));
}

#[test]
fn a_library_is_no_program() {
    let detection = detect(&[("Cargo.toml", "[package]\nname = \"x\""), ("src/lib.rs", "")]);
    assert_eq!(detection.blocked[0].code, ReasonCode::StartUnknown);
}
