//! Which program installs packages and runs scripts, and how it installs exactly what the lockfile says.

use deploy_core::detect::Found;
use deploy_core::evidence::Fact;
use deploy_core::reason::{Reason, ReasonCode};

use super::package::{PACKAGE, Package};
use crate::manifest::Values as _;
use crate::reasons::{line, listed, no_lockfile, with_fixes};
use crate::rule::Scene;
use crate::version::Version;

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    Npm,
    Pnpm,
    /// Yarn 1.
    YarnClassic,
    /// Yarn 2 and later.
    YarnBerry,
    Bun,
}

/// Yarn 2 and later, as a package: there in the release as well, so that a start fetches nothing.
const YARN: &str = "@yarnpkg/cli-dist";

/// Lockfiles and whose they are. In a conflict the first counts for what can be shown.
const LOCKFILES: [(&str, Manager); 6] = [
    ("pnpm-lock.yaml", Manager::Pnpm),
    ("yarn.lock", Manager::YarnClassic),
    ("bun.lock", Manager::Bun),
    ("bun.lockb", Manager::Bun),
    ("package-lock.json", Manager::Npm),
    ("npm-shrinkwrap.json", Manager::Npm),
];

impl Manager {
    /// Its name, whatever its version.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::YarnClassic | Self::YarnBerry => "yarn",
            Self::Bun => "bun",
        }
    }

    /// Puts a program of a package into an image, beside the project.
    pub(super) fn global(self, package: &str) -> String {
        match self {
            Self::Npm | Self::Pnpm | Self::YarnClassic | Self::YarnBerry => {
                format!("npm install -g {package}")
            }
            Self::Bun => format!("bun install -g {package}"),
        }
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "npm" => Some(Self::Npm),
            "pnpm" => Some(Self::Pnpm),
            "yarn" => Some(Self::YarnClassic),
            "bun" => Some(Self::Bun),
            _ => None,
        }
    }

    const fn lockfile(self) -> &'static str {
        match self {
            Self::Npm => "package-lock.json",
            Self::Pnpm => "pnpm-lock.yaml",
            Self::YarnClassic | Self::YarnBerry => "yarn.lock",
            Self::Bun => "bun.lock",
        }
    }

    /// Installs; exactly what the lockfile says, where there is one.
    const fn install(self, locked: bool) -> &'static str {
        match (self, locked) {
            (Self::Npm, true) => "npm ci",
            (Self::Npm, false) => "npm install",
            (Self::Pnpm, true) => "pnpm install --frozen-lockfile",
            (Self::Pnpm, false) => "pnpm install",
            (Self::YarnClassic, true) => "yarn install --frozen-lockfile",
            (Self::YarnBerry, true) => "yarn install --immutable",
            (Self::YarnClassic | Self::YarnBerry, false) => "yarn install",
            (Self::Bun, true) => "bun install --frozen-lockfile",
            (Self::Bun, false) => "bun install",
        }
    }

    /// Runs a script.
    pub(super) fn run(self, script: &str) -> String {
        format!("{} run {script}", self.name())
    }

    /// Runs a program that is installed with the project.
    pub(super) fn exec(self, command: &str) -> String {
        match self {
            Self::Npm => format!("npx {command}"),
            Self::Pnpm => format!("pnpm exec {command}"),
            Self::YarnClassic | Self::YarnBerry => format!("yarn {command}"),
            Self::Bun => format!("bunx {command}"),
        }
    }

    /// Where it keeps what it downloaded, in an image.
    const fn cache(self) -> &'static str {
        match self {
            Self::Npm => "/root/.npm",
            Self::Pnpm => "/root/.local/share/pnpm/store",
            Self::YarnClassic => "/usr/local/share/.cache/yarn",
            Self::YarnBerry => "/root/.yarn/berry/cache",
            Self::Bun => "/root/.bun/install/cache",
        }
    }
}

/// A member of a workspace, as commands at its root name it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    path: String,
    name: Option<String>,
    /// Whether it needs other members, which have to be built before it.
    needs_others: bool,
}

/// The package manager of a project, and what its lockfile makes of it.
#[derive(Debug, Clone)]
pub(super) struct Toolchain<'a> {
    pub(super) manager: Manager,
    /// The version that is asked for, where it is an exact one.
    pub(super) version: Option<String>,
    pub(super) evidence: Option<Fact>,
    pub(super) install: Option<Found<String>>,
    pub(super) cache: &'static str,
    /// The directory that the lockfile is in: the root of the workspace, or the project itself.
    pub(super) root: Scene<'a>,
    /// The `package.json` there.
    pub(super) root_package: Package,
    pub(super) lockfile: Option<&'static str>,
    /// The member that is built and started from the root of its workspace.
    pub(super) member: Option<Member>,
    pub(super) blocked: Vec<Reason>,
    pub(super) warnings: Vec<Reason>,
}

impl<'a> Toolchain<'a> {
    /// The toolchain of the project in `scene`.
    pub(super) fn of(scene: &Scene<'a>, package: &Package) -> Self {
        let (root, root_package) = root(scene, package);
        let locks: Vec<(&'static str, Manager)> =
            LOCKFILES.into_iter().filter(|(file, _)| root.has(file)).collect();
        let named = [package, &root_package].into_iter().find_map(|package| {
            let (name, version) = package.package_manager()?;
            Some((Manager::named(name)?, version))
        });
        let mut blocked = Vec::new();
        let (manager, evidence) = match (named, locks.first()) {
            (Some((manager, _)), _) => (
                manager,
                Some(root.fact(PACKAGE, format!("names {} as the package manager", manager.name()))),
            ),
            (None, Some((file, manager))) => {
                blocked.extend(conflict(&root, &locks));
                (*manager, Some(root.fact(file, format!("belongs to {}", manager.name()))))
            }
            (None, None) => guess(&root, package),
        };
        let version = named.and_then(|(_, version)| version).map(str::to_owned);
        let manager = refined(manager, version.as_deref(), &root);
        let lockfile = locks.iter().find(|(_, whose)| whose.name() == manager.name()).map(|(file, _)| *file);
        let mut toolchain = Self {
            manager,
            version: version.filter(|version| is_exact(version)),
            evidence,
            install: None,
            cache: manager.cache(),
            root,
            root_package,
            lockfile,
            member: None,
            blocked,
            warnings: Vec::new(),
        };
        toolchain.installs(package);
        toolchain
    }

    /// The same for a member of the workspace, from whose root it is built and started.
    pub(super) fn member(&self, path: &str, package: &Package) -> Self {
        let member = Member {
            path: path.to_owned(),
            name: package.name().map(str::to_owned),
            needs_others: package
                .dependency_versions()
                .iter()
                .any(|version| version.starts_with("workspace:")),
        };
        Self { member: Some(member), ..self.clone() }
    }

    /// Runs a script of the package.
    pub(super) fn run(&self, script: &str) -> String {
        let Some(member) = &self.member else { return self.manager.run(script) };
        let Member { path, name, .. } = member;
        match (self.manager, name) {
            (Manager::Npm, _) => format!("npm run {script} --workspace={path}"),
            (Manager::Pnpm, Some(name)) => format!("pnpm --filter {name} run {script}"),
            (Manager::Pnpm, None) => format!("pnpm --filter ./{path} run {script}"),
            (Manager::YarnClassic | Manager::YarnBerry, Some(name)) => {
                format!("yarn workspace {name} run {script}")
            }
            (Manager::YarnClassic | Manager::YarnBerry, None) => format!("yarn --cwd {path} run {script}"),
            (Manager::Bun, _) => format!("bun run --cwd {path} {script}"),
        }
    }

    /// Runs a build script of the package, after those of the members it needs: as the root of the workspace does it
    /// where that has such a script, else in the order that Turborepo or pnpm knows.
    pub(super) fn build(&self, script: &str) -> String {
        match &self.member {
            Some(_) if self.root_package.script(script).is_some() => self.manager.run(script),
            Some(Member { name: Some(name), .. }) if self.root.has("turbo.json") => {
                self.manager.exec(&format!("turbo run {script} --filter={name}"))
            }
            Some(Member { name: Some(name), needs_others: true, .. }) if self.manager == Manager::Pnpm => {
                format!("pnpm --filter {name}... run {script}")
            }
            Some(_) | None => self.run(script),
        }
    }

    /// Where the package in `scene` lies below the root of its workspace; nothing if it is that root.
    pub(super) fn place<'s>(&'s self, scene: &'s Scene<'_>) -> &'s str {
        match &self.member {
            Some(member) => &member.path,
            None => scene.at().strip_prefix(self.root.at()).unwrap_or_default().trim_start_matches('/'),
        }
    }

    /// Runs a program that is installed with the package, in its directory.
    pub(super) fn exec(&self, command: &str) -> String {
        self.here(&self.manager.exec(command))
    }

    /// Runs a command in the directory of the package.
    pub(super) fn here(&self, command: &str) -> String {
        match &self.member {
            Some(member) => format!("cd {} && {command}", member.path),
            None => command.to_owned(),
        }
    }

    /// A start command, run in the directory of the package; a script is run by the package manager.
    pub(super) fn placed(&self, found: Found<String>) -> Found<String> {
        let script = found.value.strip_prefix(&self.manager.run("")).map(str::to_owned);
        let value = match script {
            Some(script) => self.run(&script),
            None => self.here(&found.value),
        };
        Found { value, ..found }
    }

    fn installs(&mut self, package: &Package) {
        let command = self.manager.install(self.lockfile.is_some());
        self.install = Some(match self.lockfile {
            Some(file) => self.root.found(command.to_owned(), file, "fixes every version that is installed"),
            None => self.root.found(command.to_owned(), PACKAGE, "no lockfile fixes the versions"),
        });
        if self.lockfile.is_none() && (package.has_dependencies() || self.root_package.has_dependencies()) {
            let (name, lockfile) = (self.manager.name(), self.manager.lockfile());
            self.warnings.push(no_lockfile(name, lockfile, [name, "install"]));
        }
    }

    /// What has to be done in a fresh image of Node before anything else.
    pub(super) fn image_setup(&self) -> Option<String> {
        let version = |default: &'static str| self.version.clone().unwrap_or_else(|| default.to_owned());
        match self.manager {
            Manager::Npm | Manager::Bun => None,
            // The images have it.
            Manager::YarnClassic => None,
            Manager::Pnpm => Some(format!("npm install -g pnpm@{}", version(self.pnpm_of_lockfile()))),
            // The project brings the one that runs; the one of the images calls it.
            Manager::YarnBerry if self.yarn_setting("yarnPath").is_some() => None,
            Manager::YarnBerry => {
                let version = version(self.yarn_of_lockfile());
                let minor = version.rsplit_once('.').map_or(&*version, |(minor, _)| minor);
                // A few versions were never published as a package: then the newest of the same minor.
                Some(format!(
                    "npm install -g --force {YARN}@{version} || npm install -g --force {YARN}@{minor}"
                ))
            }
        }
    }

    /// Variables without which the manager leaves behind what the release needs.
    pub(super) fn environment(&self) -> &'static [(&'static str, &'static str)] {
        match self.manager {
            Manager::Npm | Manager::Bun | Manager::YarnClassic | Manager::Pnpm => &[],
            Manager::YarnBerry if self.links() => &[],
            // Plug'n'Play runs packages out of the cache: it must be a part of the project.
            Manager::YarnBerry => &[("YARN_ENABLE_GLOBAL_CACHE", "false")],
        }
    }

    /// Whether Yarn lays packages out in `node_modules`, as every other manager does.
    pub(super) fn links(&self) -> bool {
        self.yarn_setting("nodeLinker").is_some_and(|linker| linker != "pnp")
    }

    /// A value of `.yarnrc.yml`.
    fn yarn_setting(&self, name: &str) -> Option<String> {
        self.root.yaml(".yarnrc.yml")?.text_at(&[name]).map(str::to_owned)
    }

    /// The version of Yarn that wrote the lockfile reads it best.
    fn yarn_of_lockfile(&self) -> &'static str {
        let head = self.root.head("yarn.lock").unwrap_or_default();
        let written = head.lines().find_map(|line| line.trim().strip_prefix("version:")).unwrap_or_default();
        match written.trim() {
            "4" | "5" => "2.4.2",
            "6" | "7" => "3.8.7",
            _ => "4.18.1",
        }
    }

    /// The version of pnpm that wrote the lockfile reads it best.
    fn pnpm_of_lockfile(&self) -> &'static str {
        let head = self.root.head("pnpm-lock.yaml").unwrap_or_default();
        let version = head.lines().find_map(|line| line.strip_prefix("lockfileVersion:")).unwrap_or_default();
        match version.trim().trim_matches(['\'', '"']) {
            "5.3" => "6",
            "5.4" => "7",
            "6.0" | "6.1" => "8",
            "7.0" => "9",
            _ => "10",
        }
    }
}

/// The directory that is installed: where the lockfile is, or the root of the workspace that this is a member of.
fn root<'a>(scene: &Scene<'a>, package: &Package) -> (Scene<'a>, Package) {
    let is_locked = |scene: &Scene<'_>| LOCKFILES.iter().any(|(file, _)| scene.has(file));
    if is_locked(scene) || package.workspaces().is_some() || scene.has("pnpm-workspace.yaml") {
        return (scene.clone(), package.clone());
    }
    let mut above = scene.above();
    while let Some(directory) = above {
        let is_workspace =
            |found: &Package| found.workspaces().is_some() || directory.has("pnpm-workspace.yaml");
        if let Some(found) = Package::of(&directory).filter(is_workspace) {
            return (directory, found);
        }
        above = directory.above();
    }
    (scene.clone(), package.clone())
}

/// What else tells of a package manager.
fn guess(root: &Scene<'_>, package: &Package) -> (Manager, Option<Fact>) {
    const FILES: [(&str, Manager); 5] = [
        ("pnpm-workspace.yaml", Manager::Pnpm),
        (".pnpmfile.cjs", Manager::Pnpm),
        (".yarnrc.yml", Manager::YarnBerry),
        (".yarnrc", Manager::YarnClassic),
        ("bunfig.toml", Manager::Bun),
    ];
    for name in ["pnpm", "yarn", "bun"] {
        if let (Some(_), Some(manager)) = (package.engine(name).or(package.volta(name)), Manager::named(name))
        {
            return (manager, Some(root.fact(PACKAGE, format!("asks for a version of {name}"))));
        }
    }
    match FILES.iter().find(|(file, _)| root.has(file)) {
        Some((file, manager)) => (*manager, Some(root.fact(file, format!("belongs to {}", manager.name())))),
        None => (Manager::Npm, None),
    }
}

/// Whether a text is a version and nothing else: it becomes a part of a command.
fn is_exact(version: &str) -> bool {
    version.starts_with(|c: char| c.is_ascii_digit())
        && version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

/// Which of the two Yarns it is.
fn refined(manager: Manager, version: Option<&str>, root: &Scene<'_>) -> Manager {
    if manager.name() != "yarn" {
        return manager;
    }
    if let Some(version) = version.and_then(Version::parse) {
        return if version.major >= 2 { Manager::YarnBerry } else { Manager::YarnClassic };
    }
    let berry = root.has(".yarnrc.yml")
        || root.head("yarn.lock").is_some_and(|head| head.contains("__metadata:"))
        || manager == Manager::YarnBerry;
    if berry { Manager::YarnBerry } else { Manager::YarnClassic }
}

/// Lockfiles of several package managers, and nothing that says which one counts.
fn conflict(root: &Scene<'_>, locks: &[(&'static str, Manager)]) -> Option<Reason> {
    let mut managers: Vec<&str> = locks.iter().map(|(_, manager)| manager.name()).collect();
    managers.dedup();
    if managers.len() < 2 {
        return None;
    }
    let files: Vec<&str> = locks.iter().map(|(file, _)| *file).collect();
    let message = format!("there are lockfiles of {}: {}", listed(&managers), listed(&files));
    let mut reason = Reason::new(ReasonCode::ConflictingLockfiles, message);
    for (file, manager) in locks {
        let fact = root.fact(file, format!("belongs to {}", manager.name()));
        reason = reason.because(fact.file, fact.fact);
    }
    let fixes = locks.iter().map(|(_, manager)| {
        (format!("install with {}", manager.name()), line("runtime.install", manager.install(true)))
    });
    let mut fixes: Vec<(String, String)> = fixes.collect();
    fixes.dedup();
    Some(with_fixes(reason, fixes))
}
