//! The generated Dockerfile. Pure: the same outline gives the same text to the byte.
//!
//! Two stages. The first installs and builds: what the install command reads is copied before the source, so a
//! change of the source alone does not install again. Where nothing is installed because the build itself fetches and
//! compiles what others wrote (Cargo, Maven, Gradle), that is done ahead from the manifests, with what detection says. The second holds what the release needs and nothing else,
//! and runs as a user without rights. Every command stands in it exactly as it was written, as one JSON text:
//! nothing in a command can become an instruction of the Dockerfile.

mod images;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use deploy_core::detect::BuildTool;
use deploy_core::plan::{CommandKind, Origin, Outline};

pub(crate) use self::text::is_literal;

/// The user and group a generated image runs as: numbers that no base image gives to anybody.
pub(crate) const USER: &str = "10001:10001";

/// What a generated Dockerfile is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// The image that installs and builds.
    pub(crate) build_image: String,
    /// The image that runs.
    pub(crate) runtime_image: String,
    /// What install, or what is done ahead, reads: files, and directories with a `/` at the end.
    pub(crate) manifests: Vec<String>,
    /// What is done with the manifests alone, each as words, where nothing is installed.
    pub(crate) ahead: Vec<Vec<String>>,
    /// What the release needs of the build's directory; all of it when empty.
    pub(crate) runtime_files: Vec<String>,
    /// Directories that builds keep.
    pub(crate) caches: Vec<String>,
    /// Plain variables for both stages.
    pub(crate) environment: BTreeMap<String, String>,
    /// The names of plain variables of the profile that the build sees.
    pub(crate) arguments: Vec<String>,
    /// The names of secrets that the build may read.
    pub(crate) secrets: Vec<String>,
    /// What the build stage gets from other images.
    pub(crate) tools: Vec<BuildTool>,
    /// Commands that prepare both stages before anything of the app is in them: package managers that run scripts.
    pub(crate) setup: Vec<String>,
    /// Debian packages of the build stage.
    pub(crate) build_packages: BTreeSet<String>,
    /// Debian packages of the release.
    pub(crate) runtime_packages: BTreeSet<String>,
    /// The directory that commands run in, relative to the build's: an app that is a member of a workspace.
    pub(crate) directory: Option<String>,
    /// Whether install may have put things anywhere: then the release is all of the first stage.
    pub(crate) whole: bool,
    /// The install command.
    pub(crate) install: Option<String>,
    /// The build command.
    pub(crate) build: Option<String>,
    /// What is done once it is built, each as words.
    pub(crate) finish: Vec<Vec<String>>,
    /// The start command.
    pub(crate) start: Option<String>,
    /// The port the app listens on.
    pub(crate) port: Option<u16>,
}

/// Whether the builder knows mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mounts {
    /// BuildKit: caches are kept between builds, secrets are files that no layer holds.
    Yes,
    /// The classic builder.
    No,
}

impl Recipe {
    /// The recipe of an outline; `None` when no base image is known.
    pub(crate) fn of(outline: &Outline) -> Option<Self> {
        let detection = &outline.detection;
        let command = |kind| {
            let found = outline.commands.iter().find(|command| command.kind == kind);
            found.map(|command| command.command.clone())
        };
        let (build_image, runtime_image) = images::of(detection)?;
        let install = outline.commands.iter().find(|command| command.kind == CommandKind::Install);
        // What has no image to run in runs where it was built: its install command changed that image.
        let runs_where_built = detection.build_image.is_some() && detection.runtime_image.is_none();
        let by_hand = install.is_some_and(|install| install.origin == Origin::Explicit);
        let whole = build_image == runtime_image && (by_hand || runs_where_built);
        // A command of one's own may read anything; the one that was found reads what was found with it.
        let reads_manifests = install.is_none_or(|install| {
            detection.install.as_ref().is_some_and(|found| found.value == install.command)
        });
        let manifests = if reads_manifests { detection.manifests.clone() } else { Vec::new() };
        let ahead = if install.is_none() { detection.ahead.clone() } else { Vec::new() };
        // Other commands than those that were found may need anything that was installed.
        let as_found = [
            (CommandKind::Install, &detection.install),
            (CommandKind::Build, &detection.build),
            (CommandKind::Start, &detection.start),
        ];
        let as_found = as_found
            .into_iter()
            .all(|(kind, found)| command(kind).as_ref() == found.as_ref().map(|found| &found.value));
        let finish = if as_found { detection.finish.clone() } else { Vec::new() };
        let secrets = outline.profile.secrets.iter().filter(|(_, secret)| secret.build);
        Some(Self {
            build_image,
            runtime_image,
            manifests,
            ahead,
            runtime_files: detection.runtime_files.clone(),
            caches: detection.caches.clone(),
            environment: detection.environment.clone(),
            arguments: outline.profile.env.keys().cloned().collect(),
            secrets: secrets.map(|(name, _)| name.clone()).collect(),
            tools: detection.build_tools.clone(),
            setup: detection.image_setup.clone(),
            build_packages: detection.build_packages.clone(),
            runtime_packages: detection.runtime_packages.clone(),
            directory: inside_workspace(outline),
            whole,
            install: command(CommandKind::Install),
            build: command(CommandKind::Build),
            finish,
            start: command(CommandKind::Start),
            port: outline.network.internal_port,
        })
    }

    /// How many directories above the app the build's directory is.
    pub(crate) fn levels_up(&self) -> usize {
        self.directory.as_ref().map_or(0, |directory| directory.split('/').count())
    }

    /// The first stage, `build`, alone.
    pub(crate) fn build_stage(&self, mounts: Mounts) -> String {
        text::build_stage(self, mounts)
    }

    /// Where a path relative to the app lies in the first stage.
    pub(crate) fn built(&self, path: &str) -> String {
        let directory = self.directory.as_ref().map_or(String::new(), |directory| format!("/{directory}"));
        format!("{}{directory}/{path}", text::HOME)
    }

    /// The Dockerfile.
    pub(crate) fn dockerfile(&self, mounts: Mounts) -> String {
        text::dockerfile(self, mounts)
    }
}

/// Where the app lies below the root of its workspace.
fn inside_workspace(outline: &Outline) -> Option<String> {
    let workspace = outline.detection.workspace.as_ref()?.value.trim_matches('/');
    let base = outline.source.base_directory.as_deref()?.trim_matches('/');
    let below = match workspace {
        "" | "." => base,
        workspace => base.strip_prefix(workspace)?.strip_prefix('/')?,
    };
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    (is_literal(below) && below.split('/').all(plain)).then(|| below.to_owned())
}
