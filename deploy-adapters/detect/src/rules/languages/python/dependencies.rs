//! What a Python project depends on, whatever file says so.

use std::collections::BTreeMap;

use deploy_core::evidence::Fact;

use super::manager::Manager;
use crate::manifest::Values;
use crate::rule::Scene;

/// Packages by normal name, each with the file that names it.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    packages: BTreeMap<String, String>,
}

impl Dependencies {
    pub(super) fn of(scene: &Scene<'_>, manager: &Manager) -> Self {
        let mut found = Self::default();
        found.of_project(scene);
        found.of_pipfile(scene);
        let file = manager
            .requirements
            .clone()
            .or_else(|| scene.has("requirements.txt").then(|| "requirements.txt".into()));
        if let Some(file) = file {
            found.of_requirements(scene, &file);
            included(scene, &file).iter().for_each(|file| found.of_requirements(scene, file));
        }
        found.of_setup(scene);
        for requirement in super::conda::requirements(scene) {
            let file = scene.first_of(&super::conda::FILES).unwrap_or_default();
            found.add(scene, file, &requirement);
        }
        found
    }

    /// The fact that a package is depended on.
    pub(super) fn fact(&self, package: &str) -> Option<Fact> {
        Some(Fact::new(self.packages.get(package)?, format!("depends on {package}")))
    }

    pub(super) fn has(&self, package: &str) -> bool {
        self.packages.contains_key(package)
    }

    pub(super) fn has_any(&self, packages: &[&str]) -> bool {
        packages.iter().any(|package| self.has(package))
    }

    fn add(&mut self, scene: &Scene<'_>, file: &str, requirement: &str) {
        let Some(name) = name(requirement) else { return };
        let file = scene.path(file).unwrap_or_else(|| file.to_owned());
        // What extras bring along.
        let extras =
            requirement.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(extras, _)| extras);
        let brings: &[&str] = match (name.as_str(), extras) {
            ("fastapi", Some(extras)) if extras.contains("standard") || extras.contains("all") => {
                &["uvicorn"]
            }
            ("python-fasthtml", _) => &["uvicorn", "starlette"],
            ("channels", Some(extras)) if extras.contains("daphne") => &["daphne"],
            ("litestar", Some(extras)) if extras.contains("standard") => &["uvicorn"],
            ("psycopg", Some(extras)) if extras.contains("binary") => &["psycopg-binary"],
            _ => &[],
        };
        for name in brings.iter().map(|name| (*name).to_owned()).chain([name]) {
            self.packages.entry(name).or_insert_with(|| file.clone());
        }
    }

    fn of_project(&mut self, scene: &Scene<'_>) {
        const FILE: &str = "pyproject.toml";
        let Some(project) = scene.toml(FILE) else { return };
        for requirement in project.texts_at(&["project", "dependencies"]) {
            self.add(scene, FILE, requirement);
        }
        for key in project.keys_at(&["tool", "poetry", "dependencies"]) {
            let extras = project.texts_at(&["tool", "poetry", "dependencies", key, "extras"]);
            self.add(scene, FILE, &format!("{key}[{}]", extras.join(",")));
        }
    }

    fn of_pipfile(&mut self, scene: &Scene<'_>) {
        let Some(pipfile) = scene.toml("Pipfile") else { return };
        for key in pipfile.keys_at(&["packages"]) {
            let extras = pipfile.texts_at(&["packages", key, "extras"]);
            self.add(scene, "Pipfile", &format!("{key}[{}]", extras.join(",")));
        }
    }

    fn of_requirements(&mut self, scene: &Scene<'_>, file: &str) {
        let lines = scene.text(file).unwrap_or_default().lines();
        for line in lines.filter(|line| !line.trim_start().starts_with(['#', '-'])) {
            self.add(scene, file, line);
        }
    }

    /// `install_requires` of `setup.py` and `setup.cfg`: every quoted or listed name in it.
    fn of_setup(&mut self, scene: &Scene<'_>) {
        for (file, end) in [("setup.py", "]"), ("setup.cfg", "\n\n")] {
            let Some((_, after)) = scene.text(file).and_then(|text| text.split_once("install_requires"))
            else {
                continue;
            };
            let list = after.split(end).next().unwrap_or_default();
            for requirement in list.split(['"', '\'', '\n', ',', '[', '=']) {
                self.add(scene, file, requirement);
            }
        }
    }
}

/// The requirements that a file includes: `-r base.txt`.
pub(super) fn included(scene: &Scene<'_>, file: &str) -> Vec<String> {
    let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
    let lines = scene.text(file).unwrap_or_default().lines();
    let names = lines.filter_map(|line| {
        let line = line.trim();
        line.strip_prefix("-r").or_else(|| line.strip_prefix("--requirement")).map(str::trim)
    });
    let path =
        |name: &str| if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    names.map(|name| path(name.trim_start_matches("./"))).filter(|path| scene.has(path)).collect()
}

/// The normal name of a requirement: `Flask_Login>=1` is `flask-login`.
fn name(requirement: &str) -> Option<String> {
    let requirement = requirement.trim();
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let name = &requirement[..end.unwrap_or(requirement.len())];
    let normal = name.to_ascii_lowercase().replace(['_', '.'], "-");
    (!normal.is_empty() && normal.len() < 100).then_some(normal)
}
