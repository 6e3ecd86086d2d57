//! `package.json`: what it says about dependencies, scripts and versions.

use serde_json::Value;

use crate::manifest::Values;
use crate::rule::Scene;

/// The name of the file.
pub(super) const PACKAGE: &str = "package.json";

/// A `package.json` that was read; empty where it is broken.
#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    content: Value,
}

impl Package {
    /// The one of a directory. A broken one is reported, and answers as if it were empty.
    pub(super) fn of(scene: &Scene<'_>) -> Option<Self> {
        // pnpm reads the other two as well.
        let content = scene
            .json(PACKAGE)
            .or_else(|| scene.json5("package.json5"))
            .or_else(|| scene.yaml("package.yaml"));
        Some(Self { content: content? })
    }

    /// Whether nothing can be said because it is not valid.
    pub(super) fn is_broken(&self) -> bool {
        !self.content.is_object()
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.content.text_at(&["name"])
    }

    /// A script's command.
    pub(super) fn script(&self, name: &str) -> Option<&str> {
        self.content.text_at(&["scripts", name])
    }

    /// What a script comes to: where it only runs another script, that one's command.
    pub(super) fn resolved(&self, name: &str) -> Option<&str> {
        const HOPS: usize = 4;
        let mut command = self.script(name)?;
        for _ in 0..HOPS {
            let words: Vec<&str> = command.split_whitespace().collect();
            let next = match words.as_slice() {
                ["npm" | "pnpm" | "yarn" | "bun", "run" | "run-script", next] => next,
                ["pnpm" | "yarn", next] => next,
                _ => return Some(command),
            };
            match self.script(next) {
                Some(next) => command = next,
                None => return Some(command),
            }
        }
        Some(command)
    }

    /// The names of the scripts.
    pub(super) fn scripts(&self) -> Vec<&str> {
        self.content.keys_at(&["scripts"])
    }

    /// The version range of a package it depends on, for running or for building.
    pub(super) fn version_of(&self, package: &str) -> Option<&str> {
        let groups = ["dependencies", "devDependencies", "optionalDependencies"];
        groups.iter().find_map(|group| self.content.at(&[group, package]).as_str())
    }

    pub(super) fn depends_on(&self, package: &str) -> bool {
        self.version_of(package).is_some()
    }

    /// Whether it needs a package to run, not only to be built.
    pub(super) fn runs_with(&self, package: &str) -> bool {
        self.content.at(&["dependencies", package]).is_string()
    }

    /// The packages that it needs to be built and tested, not to run.
    pub(super) fn for_development(&self) -> Vec<&str> {
        let names = self.content.keys_at(&["devDependencies"]);
        names.into_iter().filter(|name| self.is_for_development(name)).collect()
    }

    /// Whether it needs a package only to be built or tested.
    pub(super) fn is_for_development(&self, package: &str) -> bool {
        let is_in = |group: &str| self.content.at(&[group, package]).is_string();
        is_in("devDependencies") && !is_in("dependencies") && !is_in("optionalDependencies")
    }

    /// Whether it depends on anything at all.
    pub(super) fn has_dependencies(&self) -> bool {
        ["dependencies", "devDependencies"].iter().any(|group| !self.content.keys_at(&[group]).is_empty())
    }

    /// Every version range it gives for a dependency.
    pub(super) fn dependency_versions(&self) -> Vec<&str> {
        let groups = ["dependencies", "devDependencies", "optionalDependencies"].iter();
        let of = |group: &&str| self.content.at(&[group]).as_object().into_iter().flatten();
        groups.flat_map(of).filter_map(|(_, version)| version.as_str()).collect()
    }

    /// `main`.
    pub(super) fn main(&self) -> Option<&str> {
        self.content.text_at(&["main"])
    }

    /// Whether it says that it is never published to the registry.
    pub(super) fn is_private(&self) -> bool {
        self.content.at(&["private"]).as_bool() == Some(true)
    }

    /// Whether it offers something to import: what a library does.
    pub(super) fn has_exports(&self) -> bool {
        ["exports", "module", "types", "typings"].iter().any(|key| !self.content.at(&[key]).is_null())
    }

    /// The range of a tool in `engines`.
    pub(super) fn engine(&self, tool: &str) -> Option<&str> {
        self.content.text_at(&["engines", tool])
    }

    /// The version that Volta pins for a tool.
    pub(super) fn volta(&self, tool: &str) -> Option<&str> {
        self.content.text_at(&["volta", tool])
    }

    /// `packageManager` or `devEngines.packageManager`, as name and version.
    pub(super) fn package_manager(&self) -> Option<(&str, Option<&str>)> {
        if let Some(text) = self.content.text_at(&["packageManager"]) {
            let (name, version) =
                text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
            // A hash may follow the version: `pnpm@9.1.0+sha512.…`.
            return Some((name, version.map(|version| version.split('+').next().unwrap_or(version))));
        }
        let name = self.content.text_at(&["devEngines", "packageManager", "name"])?;
        Some((name, self.content.text_at(&["devEngines", "packageManager", "version"])))
    }

    /// The version that `devEngines.runtime` gives for a runtime.
    pub(super) fn runtime(&self, name: &str) -> Option<&str> {
        let is_named = self.content.text_at(&["devEngines", "runtime", "name"]) == Some(name);
        is_named.then(|| self.content.text_at(&["devEngines", "runtime", "version"]))?
    }

    /// The patterns of `workspaces`; `None` if it is no workspace.
    pub(super) fn workspaces(&self) -> Option<Vec<&str>> {
        let key: &[&str] = match self.content.at(&["workspaces"]) {
            Value::Array(_) => &["workspaces"],
            Value::Object(_) => &["workspaces", "packages"],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
        Some(self.content.texts_at(key))
    }
}
