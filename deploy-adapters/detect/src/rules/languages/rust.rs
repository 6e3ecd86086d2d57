//! Rust: which binary of which package is the program.

mod ahead;
mod package;

use deploy_core::detect::{Detection, Found, ProjectKind};
use serde_json::Value;

use self::package::{Bin, Package};
use super::asked;
use super::parts::assets;
use super::program::{Program, several_starts, start_unknown};
use super::release::{Release, Releases};
use crate::apps;
use crate::manifest::Values;
use crate::reasons::no_lockfile;
use crate::rule::{Rule, Scene};

pub(super) const RULE: Rule = detect;

const MANIFEST: &str = "Cargo.toml";

const RELEASES: Releases = Releases {
    language: "Rust",
    all: &[
        "1.56", "1.57", "1.58", "1.59", "1.60", "1.61", "1.62", "1.63", "1.64", "1.65", "1.66", "1.67",
        "1.68", "1.69", "1.70", "1.71", "1.72", "1.73", "1.74", "1.75", "1.76", "1.77", "1.78", "1.79",
        "1.80", "1.81", "1.82", "1.83", "1.84", "1.85", "1.86", "1.87", "1.88", "1.89", "1.90", "1.91",
        "1.92", "1.93", "1.94", "1.95", "1.96", "1.97", "1.98",
    ],
    usual: "1.98",
};

/// Crates of frameworks, each with the framework's name and the port it listens on.
const FRAMEWORKS: &[(&str, &str, Option<u16>)] = &[
    ("loco-rs", "loco", Some(5150)),
    ("leptos_axum", "leptos", Some(3000)),
    ("leptos_actix", "leptos", Some(3000)),
    ("rocket", "rocket", Some(8000)),
    ("axum", "axum", None),
    ("actix-web", "actix-web", None),
    ("poem", "poem", None),
    ("salvo", "salvo", None),
    ("warp", "warp", None),
    ("tide", "tide", None),
    ("ntex", "ntex", None),
    ("gotham", "gotham", None),
    ("rouille", "rouille", None),
    ("dropshot", "dropshot", None),
    ("viz", "viz", None),
    ("tonic", "tonic", None),
];

/// Crates that answer requests without being a framework.
const SERVERS: [&str; 6] =
    ["hyper", "tiny_http", "async-graphql", "juniper", "tungstenite", "tokio-tungstenite"];

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let manifest = scene.toml(MANIFEST)?;
    if let Some(detection) = trunk(scene, &manifest) {
        return Some(detection);
    }
    let root = Package::of(scene, &manifest);
    match (root.filter(|package| !package.bins.is_empty()), members(scene, &manifest)) {
        (Some(package), _) => Some(program(scene, &manifest, &package)),
        (None, members) => Some(workspace(scene, &manifest, &members)),
    }
}

/// The members of a workspace that are programs, by directory.
fn members(scene: &Scene<'_>, manifest: &Value) -> Vec<(String, Package)> {
    const MOST: usize = 64;
    let excluded = manifest.texts_at(&["workspace", "exclude"]);
    let patterns = manifest.texts_at(&["workspace", "members"]);
    let directories = patterns.into_iter().flat_map(|pattern| package::matching(scene, pattern));
    let directories = directories.filter(|directory| !excluded.contains(&directory.as_str())).take(MOST);
    let package = |directory: String| {
        let below = scene.below(&directory);
        let package = Package::of(&below, &below.toml(MANIFEST)?)?;
        (!package.bins.is_empty()).then_some((directory, package))
    };
    directories.filter_map(package).collect()
}

fn workspace(scene: &Scene<'_>, manifest: &Value, members: &[(String, Package)]) -> Detection {
    let is_tool =
        |name: &str| ["xtask", "example", "bench", "fuzz", "test"].iter().any(|word| name.contains(word));
    let apps: Vec<_> = members.iter().filter(|(directory, _)| !is_tool(directory)).collect();
    let apps = if apps.is_empty() { members.iter().collect() } else { apps };
    let default = manifest.texts_at(&["workspace", "default-members"]);
    let is_default = |directory: &str| default.iter().any(|member| member.trim_end_matches('/') == directory);
    let defaults: Vec<_> = apps.iter().copied().filter(|(directory, _)| is_default(directory)).collect();
    let servers: Vec<_> = apps.iter().copied().filter(|(_, package)| framework(package).is_some()).collect();
    let only = match (&apps[..], &defaults[..], &servers[..]) {
        ([only], _, _) | (_, [only], _) | (_, _, [only]) => Some(*only),
        (_, _, _) => None,
    };
    if let Some((directory, package)) = only {
        return member(scene, manifest, directory, package);
    }
    let mut program = Program::new("rust", scene.fact(MANIFEST, "belongs to a Rust project"));
    program.detection.package_manager = Some("cargo".to_owned());
    if apps.is_empty() {
        let message = "this is a Rust library: no package of it has a program".to_owned();
        let evidence = scene.fact(MANIFEST, "has no binary");
        program.detection.blocked.push(start_unknown(evidence, message, "./target/release/app"));
        return program.plan(scene);
    }
    let directories: Vec<String> = apps.iter().map(|(directory, _)| directory.clone()).collect();
    let several = apps::several(scene, &directories);
    Detection { blocked: several.blocked, planner: several.planner, ..program.detection }
}

/// The one member that is a program, built from the root of the workspace.
fn member(scene: &Scene<'_>, manifest: &Value, directory: &str, package: &Package) -> Detection {
    let mut program = start(scene, manifest, package);
    let Some(bin) = choose(&package.bins, package) else {
        several(scene, package, &mut program);
        return program.plan(scene);
    };
    let evidence = scene.fact(&format!("{directory}/{MANIFEST}"), "is the only program of the workspace");
    let which = if bin.name == package.name { String::new() } else { format!(" --bin {}", bin.name) };
    let build = format!("cargo build --release{} --package {}{which}", locked(scene), package.name);
    run(scene, &mut program, bin, build, "target/release", evidence, &format!("{directory}/"));
    ahead::note(scene, manifest, &mut program);
    program.plan(scene)
}

fn program(scene: &Scene<'_>, manifest: &Value, package: &Package) -> Detection {
    let mut program = start(scene, manifest, package);
    let Some(bin) = choose(&package.bins, package) else {
        several(scene, package, &mut program);
        return program.plan(scene);
    };
    let evidence = scene.fact(MANIFEST, format!("has the program {}", bin.name));
    // A member finds the lockfile and the output at the root of its workspace.
    let above = root_above(scene, manifest);
    let output = match &above {
        Some((levels, _)) => format!("{}target/release", "../".repeat(*levels)),
        None => "target/release".to_owned(),
    };
    let is_locked =
        above.as_ref().map_or_else(|| scene.has("Cargo.lock"), |(_, root)| root.has("Cargo.lock"));
    let locked = if is_locked { " --locked" } else { "" };
    run(scene, &mut program, bin, format!("cargo build --release{locked}"), &output, evidence, "");
    if let Some((_, root)) = above {
        program.detection.workspace = Some(Found {
            value: root.at().to_owned(),
            evidence: root.fact(MANIFEST, "is the workspace that it belongs to"),
        });
        program.detection.runtime_files.clear();
    } else {
        ahead::note(scene, manifest, &mut program);
    }
    program.plan(scene)
}

/// The root of the workspace that a package belongs to, and how many levels above it is.
fn root_above<'s>(scene: &Scene<'s>, manifest: &Value) -> Option<(usize, Scene<'s>)> {
    if manifest.at(&["workspace"]).is_object() {
        return None;
    }
    let above = std::iter::successors(scene.above(), Scene::above).take(4).enumerate();
    let mut roots = above.filter(|(_, scene)| {
        scene.toml(MANIFEST).is_some_and(|manifest| manifest.at(&["workspace"]).is_object())
    });
    roots.next().map(|(level, scene)| (level + 1, scene))
}

fn locked(scene: &Scene<'_>) -> &'static str {
    if scene.has("Cargo.lock") { " --locked" } else { "" }
}

/// The binary that is deployed: the one that is named so, the only one, or the one that is called as a server.
fn choose<'p>(bins: &'p [Bin], package: &Package) -> Option<&'p Bin> {
    let named = |name: &str| bins.iter().find(|bin| bin.name == name);
    let default = package.default_run.as_deref().and_then(named);
    let only = || bins.first().filter(|_| bins.len() == 1);
    let usual = || [package.name.as_str(), "server", "web", "api", "app", "main"].into_iter().find_map(named);
    default.or_else(only).or_else(usual)
}

fn several(scene: &Scene<'_>, package: &Package, program: &mut Program) {
    let choices: Vec<(String, String)> =
        package.bins.iter().map(|bin| (bin.name.clone(), format!("./target/release/{}", bin.name))).collect();
    let build = format!("cargo build --release{}", locked(scene));
    program.detection.build = Some(scene.found(build, MANIFEST, "has several programs"));
    program.detection.blocked.push(several_starts(MANIFEST, "programs", &choices));
}

fn framework(package: &Package) -> Option<(&'static str, &'static str, Option<u16>)> {
    FRAMEWORKS.iter().copied().find(|(name, _, _)| package.depends_on(name))
}

/// The program as far as the manifests say.
fn start(scene: &Scene<'_>, manifest: &Value, package: &Package) -> Program {
    let mut program = Program::new("rust", scene.fact(MANIFEST, "belongs to a Rust program"));
    program.detection.package_manager = Some("cargo".to_owned());
    images(scene, manifest, package, &mut program);
    let answers = SERVERS.iter().any(|name| package.depends_on(name));
    program.detection.kind = if answers { ProjectKind::Server } else { ProjectKind::Worker };
    if let Some((name, framework, port)) = framework(package) {
        program.detection.kind = ProjectKind::Server;
        program.framework(framework, scene.fact(&package.file, format!("depends on {name}")));
        program.usual_port = port.map(|port| (port, "listens there unless it is told otherwise"));
    }
    let lock =
        std::iter::successors(Some(scene.clone()), Scene::above).find_map(|scene| scene.text("Cargo.lock"));
    match lock {
        None => {
            program.detection.warnings.push(no_lockfile("cargo", "Cargo.lock", "cargo generate-lockfile"));
        }
        Some(lock) => system_packages(lock, &mut program),
    }
    program
}

fn images(scene: &Scene<'_>, manifest: &Value, package: &Package, program: &mut Program) {
    const FILES: [&str; 2] = ["rust-toolchain.toml", "rust-toolchain"];
    let toolchain = || {
        let file = scene.first_of(&FILES)?;
        let text = scene.text(file)?;
        let channel = match text.contains("[toolchain]") {
            true => crate::manifest::toml(text).ok()?.text_at(&["toolchain", "channel"])?.to_owned(),
            false => text.trim().to_owned(),
        };
        let is_release = channel.starts_with(|c: char| c.is_ascii_digit());
        is_release.then(|| asked::asks(scene, file, &channel))?
    };
    // What a package needs at least says nothing against a newer compiler.
    let least = || {
        let version = package
            .rust_version
            .clone()
            .or_else(|| manifest.text_at(&["workspace", "package", "rust-version"]).map(str::to_owned))?;
        asked::asks(scene, MANIFEST, &format!(">={version}"))
    };
    let asked = toolchain().or_else(|| asked::of_tool(scene, &["rust"])).or_else(least);
    let release: Release = RELEASES.choose(asked);
    let minor: u32 = release.version.trim_start_matches("1.").parse().unwrap_or(0);
    let debian = if minor < 70 { "bullseye" } else { "bookworm" };
    let runtime = format!("debian:{debian}-slim");
    let build = format!("rust:{}-{debian}", release.version);
    program.images(release, build, Some(runtime));
    program.packages(&[], &["ca-certificates"]);
    program.caches(&["/usr/local/cargo/registry", "/usr/local/cargo/git"]);
}

/// Libraries of the system that crates link to.
fn system_packages(lock: &str, program: &mut Program) {
    const NEEDS: &[(&str, &[&str], &[&str])] = &[
        ("openssl-sys", &["libssl-dev", "pkg-config"], &["libssl3"]),
        ("pq-sys", &["libpq-dev"], &["libpq5"]),
        ("mysqlclient-sys", &["default-libmysqlclient-dev"], &["libmariadb3"]),
        ("libsqlite3-sys", &["libsqlite3-dev"], &["libsqlite3-0"]),
        ("prost-build", &["protobuf-compiler"], &[]),
        ("rdkafka-sys", &["cmake", "libsasl2-dev"], &["libsasl2-2"]),
        ("bindgen", &["libclang-dev"], &[]),
        ("cmake", &["cmake"], &[]),
    ];
    for (name, build, runtime) in NEEDS {
        if lock.contains(&format!("name = \"{name}\"\n")) || lock.contains(&format!("name = \"{name}\"\r")) {
            program.packages(build, runtime);
        }
    }
}

fn run(
    scene: &Scene<'_>,
    program: &mut Program,
    bin: &Bin,
    build: String,
    output: &str,
    evidence: deploy_core::evidence::Fact,
    below: &str,
) {
    let argument = if program.detection.framework.as_deref() == Some("loco") { " start" } else { "" };
    let prefix = if output.starts_with("..") { "" } else { "./" };
    let start = format!("{prefix}{output}/{}{argument}", bin.name);
    program.detection.build = Some(Found { value: build, evidence: evidence.clone() });
    program.detection.start = Some(Found { value: start, evidence });
    let own = format!("{output}/{}", bin.name);
    program.detection.runtime_files = [own].into_iter().chain(assets(scene)).collect();
    program.sources = [
        bin.path.as_str(),
        "src/lib.rs",
        "src/server.rs",
        "src/app.rs",
        "src/config.rs",
        "src/startup.rs",
        "src/http/mod.rs",
        "src/http.rs",
        "src/api/mod.rs",
        "src/routes/mod.rs",
    ]
    .iter()
    .map(|file| format!("{below}{file}"))
    .filter(|file| scene.has(file))
    .collect();
    let text = scene.text(&format!("{below}{}", bin.path)).unwrap_or_default();
    if text.contains("TcpListener") || text.contains("UdpSocket") {
        program.detection.kind = ProjectKind::Server;
    }
    if program.detection.framework.as_deref() == Some("rocket") {
        rocket(scene, program, below);
    }
}

/// Rocket reads its address and port from `Rocket.toml` and the environment, and listens on the loopback otherwise.
fn rocket(scene: &Scene<'_>, program: &mut Program, below: &str) {
    program.variable("ROCKET_ADDRESS", "0.0.0.0");
    let file = format!("{below}Rocket.toml");
    let configured = scene.toml(&file).and_then(|config| {
        let port = ["release", "default", "global"]
            .iter()
            .find_map(|profile| config.at(&[profile, "port"]).as_u64())?;
        u16::try_from(port).ok()
    });
    let explicit = scene.profile().network.internal_port;
    let port = explicit.or(configured).unwrap_or(8000);
    program.variable("ROCKET_PORT", port.to_string());
    program.sources.clear();
    program.usual_port =
        Some((configured.unwrap_or(8000), "Rocket listens there unless it is told otherwise"));
}

/// A site that runs in the browser, built by Trunk.
fn trunk(scene: &Scene<'_>, manifest: &Value) -> Option<Detection> {
    let page = || scene.text_at_all("index.html").is_some_and(|page| page.contains("data-trunk"));
    let file = if scene.has("Trunk.toml") { "Trunk.toml" } else { page().then_some("index.html")? };
    let mut program = Program::new("rust", scene.fact(file, "is built by Trunk"));
    let uses = ["leptos", "yew", "dioxus", "sycamore"].into_iter().find(|name| {
        ["dependencies", "workspace"].iter().any(|group| {
            !manifest.at(&[group, name]).is_null() || !manifest.at(&[group, "dependencies", name]).is_null()
        })
    });
    program.framework(uses.unwrap_or("trunk"), scene.fact(MANIFEST, "is a program for the browser"));
    "trunk".clone_into(&mut program.detection.planner);
    program.detection.package_manager = Some("cargo".to_owned());
    let package = Package::of(scene, manifest).unwrap_or_default();
    images(scene, manifest, &package, &mut program);
    program.detection.runtime_image = None;
    program.detection.runtime_packages.clear();
    program.detection.kind = ProjectKind::Static;
    let output =
        scene.toml("Trunk.toml").and_then(|config| config.text_at(&["build", "dist"]).map(str::to_owned));
    let install = "rustup target add wasm32-unknown-unknown && cargo install --locked trunk";
    program.detection.install = Some(scene.found(install.to_owned(), file, "is built by Trunk"));
    program.detection.build =
        Some(scene.found("trunk build --release".to_owned(), file, "is built by Trunk"));
    let output = output.unwrap_or_else(|| "dist".to_owned());
    let output = deploy_core::path::Inside::parse(&output).ok()?.shown().to_owned();
    program.detection.publish_directory = Some(scene.found(output, file, "is where Trunk writes the site"));
    Some(program.detection)
}

#[cfg(test)]
mod tests;
