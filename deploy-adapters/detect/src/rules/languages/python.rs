//! Python: which tool installs it, where its application object is, and which server runs that in production.

mod app;
mod conda;
mod dependencies;
mod django;
mod manager;
mod server;
mod system;
mod workspace;

use deploy_core::detect::{Detection, Found};

use self::dependencies::Dependencies;
use self::manager::Manager;
use super::asked;
use super::parts::is_node_app;
use super::program::Program;
use super::release::Releases;
use crate::manifest::Values;
use crate::rule::{Rule, Scene};

/// Django, which keeps the sources of its styles beside it.
pub(super) const DJANGO: Rule = django::detect;

/// Everything else in Python.
pub(super) const RULE: Rule = detect;

const RELEASES: Releases = Releases {
    language: "Python",
    all: &["2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"],
    usual: "3.13",
};

/// What an environment that brings everything along runs in.
const DEBIAN: &str = "debian:bookworm-slim";

/// What every Python program has: its manager, its dependencies, its images.
struct Python<'s> {
    scene: &'s Scene<'s>,
    manager: Manager,
    dependencies: Dependencies,
}

impl<'s> Python<'s> {
    fn of(scene: &'s Scene<'s>) -> Self {
        let manager = Manager::of(scene);
        let dependencies = Dependencies::of(scene, &manager);
        Self { scene, manager, dependencies }
    }

    /// The program as far as its manifests say, without a start command. `extra` names what has to be installed beside
    /// the dependencies.
    fn program(&self, extra: Option<&str>) -> Program {
        let mut program = Program::new("python", self.manager.evidence.clone());
        let release = RELEASES.choose(version(self.scene));
        let debian = match release.version {
            "2.7" => "buster",
            "3.6" => "bullseye",
            _ => "bookworm",
        };
        let build = format!("python:{}-{debian}", release.version);
        let runtime = format!("python:{}-slim-{debian}", release.version);
        let is_old = matches!(release.version, "2.7" | "3.6" | "3.7" | "3.8" | "3.9");
        match self.manager.tool {
            // The environment brings its own Python, and everything that its packages are linked to.
            manager::Tool::Conda => {
                program.images(release, conda::IMAGE.to_owned(), Some(DEBIAN.to_owned()));
            }
            manager::Tool::Uv
            | manager::Tool::Poetry
            | manager::Tool::Pdm
            | manager::Tool::Pipenv
            | manager::Tool::Pip
            | manager::Tool::None => {
                program.images(release, build, Some(runtime));
                system::packages(&self.dependencies, &mut program);
            }
        }
        self.manager.install(self.scene, &mut program, extra, is_old);
        program.variable("PYTHONUNBUFFERED", "1");
        program
    }
}

/// The version of Python that the source asks for.
fn version(scene: &Scene<'_>) -> Option<Found<String>> {
    asked::in_file(scene, ".python-version")
        .or_else(|| asked::in_file(scene, "runtime.txt"))
        .or_else(|| asked::of_tool(scene, &["python"]))
        .or_else(|| {
            let pipfile = scene.toml("Pipfile")?;
            let version = ["python_full_version", "python_version"];
            let version = version.iter().find_map(|key| pipfile.text_at(&["requires", key]))?;
            asked::asks(scene, "Pipfile", version)
        })
        .or_else(|| {
            let project = scene.toml("pyproject.toml")?;
            let poetry = ["tool", "poetry", "dependencies", "python"];
            let version =
                project.text_at(&["project", "requires-python"]).or_else(|| project.text_at(&poetry))?;
            asked::asks(scene, "pyproject.toml", version)
        })
        .or_else(|| conda::python(scene))
}

fn detect(scene: &Scene<'_>) -> Option<Detection> {
    let has_manifest = Manager::is_there(scene);
    // A script beside a Node project is a tool of it.
    if !has_manifest && (scene.has("package.json") || !app::has_entry(scene)) || is_node_app(scene) {
        return None;
    }
    let python = Python::of(scene);
    let found = app::find(scene, &python.dependencies);
    if found.is_none()
        && let Some(detection) = workspace::members(scene)
    {
        return Some(detection);
    }
    let mut program = server::run(&python, found);
    program.sources.dedup();
    Some(program.plan(scene))
}

#[cfg(test)]
mod tests;
