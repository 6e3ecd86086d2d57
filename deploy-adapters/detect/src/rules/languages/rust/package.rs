//! One package: its binaries and what it depends on.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::manifest::Values;
use crate::rule::Scene;

/// How many packages beside it are looked at for what they depend on.
const LOCAL: usize = 16;

/// A program of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bin {
    pub(super) name: String,
    /// Its main file, relative to the package.
    pub(super) path: String,
}

/// A package.
#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    pub(super) name: String,
    /// Its manifest, relative to the source.
    pub(super) file: String,
    pub(super) default_run: Option<String>,
    pub(super) rust_version: Option<String>,
    pub(super) bins: Vec<Bin>,
    dependencies: BTreeSet<String>,
}

impl Package {
    /// The package of a manifest; `None` if it has none.
    pub(super) fn of(scene: &Scene<'_>, manifest: &Value) -> Option<Self> {
        let name = manifest.text_at(&["package", "name"])?;
        let text = |key: &str| manifest.text_at(&["package", key]).map(str::to_owned);
        let dependencies = manifest.keys_at(&["dependencies"]).into_iter();
        // `web = { package = "actix-web" }`.
        let real = |key: &str| manifest.text_at(&["dependencies", key, "package"]).unwrap_or(key).to_owned();
        let paths = manifest.keys_at(&["dependencies"]).into_iter();
        let paths = paths.filter_map(|key| manifest.text_at(&["dependencies", key, "path"])).take(LOCAL);
        let of_locals = paths.filter_map(|path| scene.toml(&format!("{path}/Cargo.toml")));
        let of_locals = of_locals.flat_map(|manifest| {
            manifest.keys_at(&["dependencies"]).into_iter().map(str::to_owned).collect::<Vec<_>>()
        });
        Some(Self {
            name: name.to_owned(),
            file: scene.path("Cargo.toml").unwrap_or_default(),
            default_run: text("default-run"),
            rust_version: text("rust-version"),
            bins: bins(scene, manifest, name),
            dependencies: dependencies.map(real).chain(of_locals).collect(),
        })
    }

    pub(super) fn depends_on(&self, name: &str) -> bool {
        self.dependencies.contains(name)
    }
}

/// The programs of a package, by its manifest and by where Cargo looks for them.
pub(super) fn bins(scene: &Scene<'_>, manifest: &Value, package: &str) -> Vec<Bin> {
    let mut bins: Vec<Bin> = Vec::new();
    for bin in manifest.at(&["bin"]).as_array().into_iter().flatten() {
        let Some(name) = bin.text_at(&["name"]) else { continue };
        let usual = || {
            let own = format!("src/bin/{name}.rs");
            if scene.has(&own) { own } else { "src/main.rs".to_owned() }
        };
        let path = bin.text_at(&["path"]).map_or_else(usual, |path| path.trim_start_matches("./").to_owned());
        bins.push(Bin { name: name.to_owned(), path });
    }
    if manifest.at(&["package", "autobins"]) == false {
        return bins;
    }
    let mut add = |name: &str, path: String| {
        if !bins.iter().any(|bin| bin.path == path || bin.name == name) {
            bins.push(Bin { name: name.to_owned(), path });
        }
    };
    if scene.has("src/main.rs") {
        add(package, "src/main.rs".to_owned());
    }
    for file in scene.files("src/bin") {
        if let Some(name) = file.strip_suffix(".rs") {
            add(name, format!("src/bin/{file}"));
        }
    }
    for directory in scene.directories("src/bin") {
        let path = format!("src/bin/{directory}/main.rs");
        if scene.has(&path) {
            add(directory, path);
        }
    }
    bins
}

/// The directories that a pattern of members means: `crates/*`, `tools/cli`.
pub(super) fn matching(scene: &Scene<'_>, pattern: &str) -> Vec<String> {
    let parts = pattern.trim_start_matches("./").split('/').filter(|part| !part.is_empty());
    let mut found = vec![String::new()];
    for part in parts {
        let join = |parent: &str, name: &str| {
            if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
        };
        found = match part {
            "." => found,
            "*" | "**" => {
                let below = |parent: &String| {
                    scene.directories(parent).into_iter().map(|name| join(parent, name)).collect::<Vec<_>>()
                };
                found.iter().flat_map(below).collect()
            }
            part if part.contains('*') => {
                let (start, end) = part.split_once('*').unwrap_or((part, ""));
                let fits = |name: &&str| name.starts_with(start) && name.ends_with(end);
                let below = |parent: &String| {
                    let names = scene.directories(parent).into_iter().filter(fits);
                    names.map(|name| join(parent, name)).collect::<Vec<_>>()
                };
                found.iter().flat_map(below).collect()
            }
            part => found.iter().map(|parent| join(parent, part)).collect(),
        };
    }
    found.retain(|directory| scene.has(&format!("{directory}/Cargo.toml")));
    found
}
