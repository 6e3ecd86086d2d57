//! What can be compiled before the source is there: the crates of others.
//!
//! Cargo reads every manifest of a workspace and looks for the files of its targets before it compiles anything, so
//! each of them is stood in for by an empty program. What is compiled of the stubs must never be taken for the real
//! thing, and Cargo compares times, which a copied file keeps: so all of it is removed, by Cargo or, where that or the
//! build failed, with the whole directory.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{MANIFEST, package};
use crate::manifest::Values;
use crate::rule::Scene;
use crate::rules::languages::program::Program;

/// How many packages are stood in for.
const MOST: usize = 64;

/// Writes an empty program to every file it is given.
const STAND_IN: &str =
    "for file; do mkdir -p \"$(dirname \"$file\")\" && echo 'fn main() {}' > \"$file\" || exit; done";

/// Compiles with the command it is given, and keeps what is not of the packages that are named behind it.
const COMPILE: &str = "/bin/sh -c \"$0\" && cargo clean --release \"$@\" || rm -rf target";

/// Notes it where every manifest that Cargo will ask for is inside the source.
pub(super) fn note(scene: &Scene<'_>, manifest: &Value, program: &mut Program) {
    let Some(build) = program.detection.build.as_ref().map(|build| build.value.clone()) else { return };
    let Some(packages) = packages(scene, manifest) else { return };
    let files: Vec<String> = packages.iter().flat_map(|package| package.files.iter().cloned()).collect();
    let names = packages.iter().flat_map(|package| ["--package".to_owned(), package.name.clone()]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    program.detection.ahead = vec![
        words(&["/bin/sh", "-c", STAND_IN, "stand-in"]).into_iter().chain(files.clone()).collect(),
        words(&["/bin/sh", "-c", COMPILE, &build]).into_iter().chain(names).collect(),
        words(&["rm", "-f"]).into_iter().chain(files).collect(),
    ];
    program.manifests(
        scene,
        &[
            MANIFEST,
            "Cargo.lock",
            "rust-toolchain.toml",
            "rust-toolchain",
            ".cargo/config.toml",
            ".cargo/config",
        ],
    );
    let members = packages.into_iter().map(|package| package.manifest);
    program.detection.manifests.extend(members.filter(|file| file != MANIFEST));
}

/// A package that is stood in for.
struct StandIn {
    name: String,
    /// Where its manifest lies.
    manifest: String,
    /// The files of its targets.
    files: BTreeSet<String>,
}

/// The package of the source and the members of its workspace; `None` if one needs a package that is not among them.
fn packages(scene: &Scene<'_>, manifest: &Value) -> Option<Vec<StandIn>> {
    let excluded = manifest.texts_at(&["workspace", "exclude"]);
    let patterns = manifest.texts_at(&["workspace", "members"]);
    let mut directories: BTreeSet<String> =
        patterns.into_iter().flat_map(|pattern| package::matching(scene, pattern)).collect();
    directories.retain(|directory| !excluded.contains(&directory.as_str()));
    directories.insert(String::new());
    if directories.len() > MOST {
        return None;
    }
    let mut found = Vec::new();
    for directory in &directories {
        let below = if directory.is_empty() { scene.clone() } else { scene.below(directory) };
        let manifest = below.toml(MANIFEST)?;
        if !locals(&manifest).all(|path| inside(directory, path).is_some_and(|at| directories.contains(&at)))
        {
            return None;
        }
        let Some(name) = manifest.text_at(&["package", "name"]) else { continue };
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let files = targets(&below, &manifest).into_iter().map(|file| format!("{prefix}{file}")).collect();
        found.push(StandIn { name: name.to_owned(), manifest: format!("{prefix}{MANIFEST}"), files });
    }
    Some(found)
}

/// Where the packages lie that are not fetched.
fn locals(manifest: &Value) -> impl Iterator<Item = &str> {
    let tables = [
        manifest.at(&["dependencies"]),
        manifest.at(&["dev-dependencies"]),
        manifest.at(&["build-dependencies"]),
        manifest.at(&["workspace", "dependencies"]),
        manifest.at(&["patch", "crates-io"]),
    ];
    let entries = tables.into_iter().filter_map(Value::as_object).flat_map(|table| table.values());
    entries.filter_map(|entry| entry.text_at(&["path"]))
}

/// A path of a manifest in `directory`, from the root of the source; `None` where it leads out of it.
fn inside(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!path.starts_with('/')).then(|| parts.join("/"))
}

/// The files of a package's targets that are there.
fn targets(scene: &Scene<'_>, manifest: &Value) -> BTreeSet<String> {
    let text = |keys: &[&str], usual: &str| manifest.text_at(keys).unwrap_or(usual).to_owned();
    let mut files = vec![text(&["package", "build"], "build.rs"), text(&["lib", "path"], "src/lib.rs")];
    files.extend(package::bins(scene, manifest, "").into_iter().map(|bin| bin.path));
    for (kind, directory) in [("example", "examples"), ("test", "tests"), ("bench", "benches")] {
        for target in manifest.at(&[kind]).as_array().into_iter().flatten() {
            let name = target.text_at(&["name"]).unwrap_or_default();
            files.push(target.text_at(&["path"]).map_or(format!("{directory}/{name}.rs"), str::to_owned));
        }
    }
    let files = files.into_iter().filter_map(|file| inside("", &file));
    files.filter(|file| scene.has(file)).collect()
}
