//! Which tool installs the dependencies, and how it installs exactly what its lockfile says.

use deploy_core::detect::Found;
use deploy_core::evidence::Fact;
use deploy_core::reason::{Reason, ReasonCode};

use super::conda;
use crate::manifest::Values;
use crate::reasons::{listed, no_lockfile};
use crate::rule::Scene;
use crate::rules::languages::parts::Around;
use crate::rules::languages::program::{APP, Program};

/// A tool that installs packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Uv,
    Poetry,
    Pdm,
    Pipenv,
    Pip,
    Conda,
    /// Nothing has to be installed.
    None,
}

/// The tool of a project.
#[derive(Debug, Clone)]
pub(super) struct Manager {
    pub(super) tool: Tool,
    /// The file that it was told by.
    pub(super) evidence: Fact,
    /// Whether a file fixes the versions.
    is_locked: bool,
    /// The requirements that pip installs.
    pub(super) requirements: Option<String>,
    /// Lockfiles of other tools beside it.
    others: Vec<&'static str>,
}

const LOCKS: [(&str, Tool); 4] = [
    ("uv.lock", Tool::Uv),
    ("poetry.lock", Tool::Poetry),
    ("pdm.lock", Tool::Pdm),
    ("Pipfile.lock", Tool::Pipenv),
];

const REQUIREMENTS: [&str; 8] = [
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/base.txt",
    "requirements/requirements.txt",
    "requirements-prod.txt",
    "requirements-production.txt",
    "requirement.txt",
];

const SETUP: [&str; 2] = ["setup.py", "setup.cfg"];

/// The versions of the tools that are installed, so that a build today and one tomorrow are the same.
const UV: &str = "uv==0.13.8";
const POETRY: [&str; 2] = ["poetry==1.8.5", "poetry==2.5.1"];
/// With what PDM itself allows too much of: newer ones of these break it.
const PDM: [&str; 2] = ["pdm==2.25.9 hishel~=0.0 unearth~=0.17.0", "pdm==2.29.3 hishel~=1.4 unearth~=0.18.3"];
const PIPENV: [&str; 2] = ["pipenv==2025.0.4", "pipenv==2026.10.3"];

impl Manager {
    /// Whether any file says what to install.
    pub(super) fn is_there(scene: &Scene<'_>) -> bool {
        let files = ["pyproject.toml", "Pipfile"];
        LOCKS
            .iter()
            .map(|(file, _)| *file)
            .chain(files)
            .chain(SETUP)
            .chain(conda::FILES)
            .any(|file| scene.has(file))
            || scene.first_of(&REQUIREMENTS).is_some()
    }

    pub(super) fn of(scene: &Scene<'_>) -> Self {
        let project = scene.toml("pyproject.toml").unwrap_or_default();
        let requirements = scene.first_of(&REQUIREMENTS);
        let locks: Vec<_> = LOCKS.iter().filter(|(file, _)| scene.has(file)).collect();
        let configures = |tool: Tool| match tool {
            Tool::Uv => project.at(&["tool", "uv"]).is_object(),
            Tool::Poetry => {
                project.at(&["tool", "poetry"]).is_object()
                    || project
                        .text_at(&["build-system", "build-backend"])
                        .is_some_and(|b| b.contains("poetry"))
            }
            Tool::Pdm => project.at(&["tool", "pdm"]).is_object(),
            Tool::Pipenv => scene.has("Pipfile"),
            Tool::Pip | Tool::Conda | Tool::None => false,
        };
        let locked = locks.iter().find(|(_, tool)| configures(*tool)).or_else(|| locks.first());
        let others = locks.iter().map(|(file, _)| *file);
        if locks.is_empty() && around(scene).is_some() {
            return Self::new(scene, Tool::Uv, "pyproject.toml", true, Vec::new());
        }
        if let Some((file, tool)) = locked {
            let others = others.filter(|other| other != file).collect();
            return Self::new(scene, *tool, file, true, others);
        }
        if let Some(file) = requirements {
            let is_locked = is_pinned(scene.text(file).unwrap_or_default());
            let requirements = Some(file.to_owned());
            return Self { requirements, ..Self::new(scene, Tool::Pip, file, is_locked, Vec::new()) };
        }
        let tools = [Tool::Pipenv, Tool::Poetry, Tool::Pdm, Tool::Uv];
        if let Some(tool) = tools.into_iter().find(|tool| configures(*tool)) {
            let file = if tool == Tool::Pipenv { "Pipfile" } else { "pyproject.toml" };
            return Self::new(scene, tool, file, false, Vec::new());
        }
        if let Some(file) = scene.first_of(&conda::FILES) {
            return Self::new(scene, Tool::Conda, file, conda::is_pinned(scene), Vec::new());
        }
        let installs = project.at(&["build-system"]).is_object()
            || !project.texts_at(&["project", "dependencies"]).is_empty()
            || project.is_null();
        let package = scene.first_of(&["setup.py", "setup.cfg"]);
        let package = package.or_else(|| scene.first_of(&["pyproject.toml"]).filter(|_| installs));
        if let Some(file) = package {
            return Self::new(scene, Tool::Pip, file, false, Vec::new());
        }
        let project = scene.first_of(&["pyproject.toml", "manage.py"]);
        let file = project.or_else(|| super::app::entry(scene)).unwrap_or("main.py");
        Self::new(scene, Tool::None, file, true, Vec::new())
    }

    fn new(scene: &Scene<'_>, tool: Tool, file: &str, is_locked: bool, others: Vec<&'static str>) -> Self {
        let fact = match tool.name() {
            Some(name) => format!("belongs to {name}"),
            None => "is a Python program".to_owned(),
        };
        Self { tool, evidence: scene.fact(file, fact), is_locked, requirements: None, others }
    }

    /// Adds the install command with everything it needs.
    pub(super) fn install(
        &self,
        scene: &Scene<'_>,
        program: &mut Program,
        extra: Option<&str>,
        is_old: bool,
    ) {
        let detection = &mut program.detection;
        detection.package_manager = self.tool.name().map(str::to_owned);
        let command = self.command(scene, extra, is_old);
        detection.install = command.map(|value| Found { value, evidence: self.evidence.clone() });
        let packaged = scene.toml("pyproject.toml").is_some_and(|project| {
            project.at(&["build-system"]).is_object()
                && project.at(&["tool", "poetry", "package-mode"]) != false
        });
        let itself = match self.tool {
            Tool::Uv if packaged => Some(format!("uv sync {}", self.uv_flags())),
            Tool::Uv if is_workspace(scene) => Some(format!("uv sync {}", self.uv_flags())),
            Tool::Poetry if packaged => Some("poetry install --only main --no-interaction".to_owned()),
            Tool::Pdm if packaged => Some("pdm install --prod --no-editable".to_owned()),
            Tool::Uv | Tool::Poetry | Tool::Pdm | Tool::Pipenv | Tool::Pip | Tool::Conda | Tool::None => None,
        };
        let fact = || scene.fact("pyproject.toml", "is a package itself");
        detection.build = itself.map(|value| Found { value, evidence: fact() });
        self.warn(program, extra);
        self.files(scene, program);
        if let Some(around) = around(scene).filter(|_| self.tool == Tool::Uv) {
            around.note(program, "uv.lock");
        }
        if self.tool == Tool::None {
            return;
        }
        program.variable(
            "PATH",
            format!("{APP}/.venv/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"),
        );
        let (variables, cache): (&[(&str, &str)], &str) = match self.tool {
            Tool::Uv => (&[("UV_LINK_MODE", "copy"), ("UV_PYTHON_DOWNLOADS", "never")], "/root/.cache/uv"),
            Tool::Poetry => (&[("POETRY_VIRTUALENVS_IN_PROJECT", "true")], "/root/.cache/pypoetry"),
            Tool::Pdm => (&[("PDM_CHECK_UPDATE", "false"), ("PDM_USE_VENV", "true")], "/root/.cache/pdm"),
            Tool::Pipenv => (&[("PIPENV_VENV_IN_PROJECT", "1")], "/root/.cache/pipenv"),
            Tool::Conda => (&[], "/opt/conda/pkgs"),
            Tool::Pip | Tool::None => (&[], "/root/.cache/pip"),
        };
        variables.iter().for_each(|(name, value)| program.variable(name, *value));
        program.caches(&["/root/.cache/pip"]);
        if cache != "/root/.cache/pip" {
            program.caches(&[cache]);
        }
    }

    const fn uv_flags(&self) -> &'static str {
        if self.is_locked { "--locked --no-dev" } else { "--no-dev" }
    }

    fn command(&self, scene: &Scene<'_>, extra: Option<&str>, is_old: bool) -> Option<String> {
        let pick = |versions: [&'static str; 2]| versions[usize::from(!is_old)];
        let beside =
            |command: &str| extra.map(|package| format!(" && {command} {package}")).unwrap_or_default();
        let into_venv = "pip --python .venv install";
        let command = match self.tool {
            Tool::Uv => {
                let itself =
                    if is_workspace(scene) { "--no-install-workspace" } else { "--no-install-project" };
                let flags = self.uv_flags();
                format!("pip install {UV} && uv sync {flags} {itself}{}", beside("uv pip install"))
            }
            Tool::Poetry => format!(
                "pip install {} && poetry install --only main --no-root --no-interaction{}",
                pick(POETRY),
                beside(into_venv)
            ),
            Tool::Pdm => {
                let check = if self.is_locked { " --check" } else { "" };
                format!(
                    "pip install {} && pdm install{check} --prod --no-self --no-editable{}",
                    pick(PDM),
                    beside(into_venv)
                )
            }
            Tool::Pipenv => {
                let deploy = if self.is_locked { " --deploy --ignore-pipfile" } else { " --skip-lock" };
                format!("pip install {} && pipenv install{deploy}{}", pick(PIPENV), beside(into_venv))
            }
            Tool::Pip => {
                let what = self.requirements.as_ref().map_or(".".to_owned(), |file| format!("-r {file}"));
                let extra = extra.map(|package| format!(" {package}")).unwrap_or_default();
                let venv = if is_python_2(scene) {
                    "pip install virtualenv && virtualenv"
                } else {
                    "python -m venv"
                };
                format!("{venv} .venv && .venv/bin/pip install {what}{extra}")
            }
            Tool::Conda => format!(
                "/opt/conda/bin/conda env create --prefix .venv --file {}{}",
                scene.first_of(&conda::FILES).unwrap_or(conda::FILES[0]),
                beside(".venv/bin/pip install")
            ),
            Tool::None => return None,
        };
        Some(command)
    }

    fn warn(&self, program: &mut Program, extra: Option<&str>) {
        let warnings = &mut program.detection.warnings;
        if let Some(reason) = self.unlocked(extra) {
            warnings.push(reason);
        }
        if !self.others.is_empty() {
            let message =
                format!("{} stands beside {}: it is not read", listed(&self.others), self.evidence.file);
            let reason = Reason::new(ReasonCode::ConflictingLockfiles, message);
            let others = self.others.iter();
            warnings
                .push(others.fold(reason, |reason, file| reason.because(*file, "belongs to another tool")));
        }
    }

    /// What is installed in versions that nobody fixed: one reason for all of it.
    fn unlocked(&self, extra: Option<&str>) -> Option<Reason> {
        let (name, file, command) = match self.tool {
            Tool::Uv => ("uv", "uv.lock", "uv lock"),
            Tool::Poetry => ("poetry", "poetry.lock", "poetry lock"),
            Tool::Pdm => ("pdm", "pdm.lock", "pdm lock"),
            Tool::Pipenv => ("pipenv", "Pipfile.lock", "pipenv lock"),
            Tool::Conda => ("conda", "conda-lock.yml", "conda-lock --file environment.yml"),
            Tool::Pip | Tool::None => {
                ("pip", "requirements.txt with fixed versions", "sh -c 'pip freeze > requirements.txt'")
            }
        };
        let unlocked = (!self.is_locked).then(|| no_lockfile(name, file, command));
        let Some(package) = extra else { return unlocked };
        let newest = || {
            let message = format!(
                "{package} is not among the dependencies: the newest one is installed at every build"
            );
            Reason::new(ReasonCode::NoLockfile, message)
        };
        let fact = format!("does not name {package}, whose newest version is installed");
        Some(unlocked.unwrap_or_else(newest).because(&self.evidence.file, fact))
    }

    fn files(&self, scene: &Scene<'_>, program: &mut Program) {
        match self.tool {
            Tool::Uv | Tool::Poetry | Tool::Pdm => {
                program.manifests(
                    scene,
                    &["pyproject.toml", "uv.lock", "poetry.lock", "poetry.toml", "pdm.lock"],
                );
                program.manifests(scene, &[".python-version"]);
                program.detection.manifests.extend(members(scene));
            }
            Tool::Pipenv => program.manifests(scene, &["Pipfile", "Pipfile.lock"]),
            Tool::Pip => match self.requirements.as_deref() {
                Some(file) if file.starts_with("requirements/") => {
                    program.manifests(scene, &["requirements/"]);
                }
                Some(file) => {
                    program.manifests(scene, &[file]);
                    let included = super::dependencies::included(scene, file);
                    program.detection.manifests.extend(included);
                }
                // The package itself is installed, so all of it is needed.
                None => {}
            },
            Tool::Conda => program.manifests(scene, &conda::FILES),
            Tool::None => {}
        }
    }
}

impl Tool {
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Uv => Some("uv"),
            Self::Poetry => Some("poetry"),
            Self::Pdm => Some("pdm"),
            Self::Pipenv => Some("pipenv"),
            Self::Pip => Some("pip"),
            Self::Conda => Some("conda"),
            Self::None => None,
        }
    }
}

fn is_python_2(scene: &Scene<'_>) -> bool {
    super::version(scene).is_some_and(|version| version.value.starts_with('2'))
}

fn is_workspace(scene: &Scene<'_>) -> bool {
    scene.toml("pyproject.toml").is_some_and(|project| project.at(&["tool", "uv", "workspace"]).is_object())
}

/// The manifests of a uv workspace's members.
fn members(scene: &Scene<'_>) -> Vec<String> {
    member_directories(scene).into_iter().map(|directory| format!("{directory}/pyproject.toml")).collect()
}

/// The directories of a uv workspace's members.
pub(super) fn member_directories(scene: &Scene<'_>) -> Vec<String> {
    let project = scene.toml("pyproject.toml").unwrap_or_default();
    let members = project.texts_at(&["tool", "uv", "workspace", "members"]);
    let directories = members.into_iter().flat_map(|member| match member.strip_suffix("/*") {
        Some(parent) => {
            scene.directories(parent).into_iter().map(|name| format!("{parent}/{name}")).collect()
        }
        None => vec![member.trim_end_matches('/').to_owned()],
    });
    directories.filter(|directory| scene.has(&format!("{directory}/pyproject.toml"))).collect()
}

/// The root of the workspace that holds the lockfile of a member.
fn around<'s>(scene: &Scene<'s>) -> Option<Around<'s>> {
    let owns = |root: &Scene<'_>, member: &str| {
        root.has("uv.lock") && member_directories(root).iter().any(|directory| directory == member)
    };
    Around::of(scene, owns).filter(|_| !scene.has("uv.lock") && scene.has("pyproject.toml"))
}

/// Whether every requirement names one version.
fn is_pinned(text: &str) -> bool {
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or(line).trim());
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '-']));
    lines.all(|line| line.contains("==") || line.contains(" @ ") || line.contains("://"))
}
