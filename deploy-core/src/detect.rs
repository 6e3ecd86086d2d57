//! What detection says about a source. The rules live in adapters; the words live here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::evidence::{Ask, Evidence, Fact};
use crate::id::Digest;
use crate::port::Detector;
use crate::project::Service;
use crate::reason::{Reason, ReasonCode};
use crate::source::ImageReference;
use crate::spec::Profile;

/// What kind of program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProjectKind {
    /// Answers requests with a process of its own.
    Server,
    /// Files that a static server answers with.
    Static,
    /// A process without a port.
    Worker,
    /// Not known.
    #[default]
    Unknown,
}

/// How well a kind of project is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SupportTier {
    /// Planned end to end from what was found.
    Full,
    /// Planned, with values that should be confirmed.
    Partial,
    /// Needs explicit commands.
    Custom,
    /// Not supported.
    #[default]
    None,
}

/// A value with what it was learned from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// What shows it.
    pub evidence: Fact,
}

/// The services of a Compose file, and the one that people reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ComposeProject {
    /// The file, relative to the base directory.
    pub file: String,
    /// The service that answers requests; absent while that is not certain.
    pub web: Option<String>,
    /// Every service, in order.
    pub services: Vec<String>,
    /// What is carried out of them, without those that are started only when they are asked for. Empty while something
    /// stands in the way, which is said then.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub definitions: Vec<Service>,
}

/// Something that a build needs beside its image, copied out of another one: `uv`, `composer`, Node for the assets of a
/// Rails application.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BuildTool {
    /// The image it is in, with a tag that exists.
    pub image: String,
    /// The absolute path in that image; a directory ends with `/`.
    pub from: String,
    /// The absolute path in the build image.
    pub to: String,
}

/// What a round of detection comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detected {
    /// This is what it is.
    Done(Box<Detection>),
    /// It can't be said before these are known; never empty, and never what is known already.
    Needs(BTreeSet<Ask>),
}

/// Recognises nothing and refuses nothing: for a target that looks at the source itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyProject;

impl Detector for AnyProject {
    fn detect(&self, _: &Evidence, _: &Profile) -> Detected {
        Detected::Done(Box::default())
    }
}

/// What detection says: a proposal that the profile's explicit values overrule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Detection {
    /// The planner that recognised it, for example `static-html`; empty when none did.
    pub planner: String,
    /// The language.
    pub language: Option<String>,
    /// The version of the language's runtime.
    pub runtime_version: Option<String>,
    /// The framework.
    pub framework: Option<String>,
    /// The package manager.
    pub package_manager: Option<String>,
    /// What kind of program it is.
    pub kind: ProjectKind,
    /// How well it is supported.
    pub support_tier: SupportTier,
    /// Everything that led here.
    pub evidence: Vec<Fact>,
    /// The directory of the source that holds the one app there is, where that is not the base directory that was
    /// asked for. Every other path is relative to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_directory: Option<Found<String>>,
    /// The install command.
    pub install: Option<Found<String>>,
    /// The build command.
    pub build: Option<Found<String>>,
    /// The start command.
    pub start: Option<Found<String>>,
    /// The directory of the finished site, relative to the base directory; `.` is the base itself.
    pub publish_directory: Option<Found<String>>,
    /// The file for single-page fallback.
    pub fallback: Option<Found<String>>,
    /// The Dockerfile, relative to the base directory.
    pub dockerfile: Option<Found<String>>,
    /// The stage of the Dockerfile that is the release; the last one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile_stage: Option<Found<String>>,
    /// The Compose file and its services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compose: Option<Found<ComposeProject>>,
    /// An image that exists already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Found<String>>,
    /// The directory that install, build and start need around them, relative to the source, where that is not the
    /// base directory: the root of the workspace that the app is a member of. All of it belongs in the build's copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Found<String>>,
    /// The image a generated Dockerfile builds in: an official one, with a tag that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_image: Option<Found<String>>,
    /// The image a generated Dockerfile runs in, or serves a static site from; a program runs where it was built when
    /// it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_image: Option<Found<String>>,
    /// What the install command reads, relative to the workspace (the base directory if there is none): files, and
    /// directories with a `/` at the end. A generated Dockerfile copies them before everything else. Empty when the
    /// install command may need all of the source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<String>,
    /// What a generated image does with the manifests alone, before the source comes in, where no install command does
    /// it: fetches, and compiles where it can, what others wrote. Each is one command as words; none is run anywhere
    /// else. It only saves time: the build does without it, so that its failure is not the build's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<Vec<String>>,
    /// What a generated image does once the build is done: puts what the build left elsewhere where the release looks
    /// for it, removes what only install and build needed. Each is one command as words; none is run anywhere else, nor
    /// where the profile has another install, build or start command than the one that was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finish: Vec<Vec<String>>,
    /// What the running release needs of the build's directory, relative to the workspace (the base directory if there
    /// is none); everything when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runtime_files: Vec<String>,
    /// Why the running release has to write among its own files; where nothing says so, they are read-only to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes: Option<Fact>,
    /// Commands that prepare a generated image before anything is copied into it; never run anywhere else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_setup: Vec<String>,
    /// Directories that install and build commands keep between two builds, as absolute paths in the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<String>,
    /// Plain variables for the running release: `NODE_ENV`, `PORT`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// What the build image gets from other images, before anything runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub build_tools: Vec<BuildTool>,
    /// Debian packages that the build needs.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub build_packages: BTreeSet<String>,
    /// Debian packages that the running release needs.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub runtime_packages: BTreeSet<String>,
    /// The port the program listens on.
    pub internal_port: Option<Found<u16>>,
    /// The path that tells health.
    pub health_path: Option<Found<String>>,
    /// Why it can't be planned as it is.
    pub blocked: Vec<Reason>,
    /// What is doubtful about it.
    pub warnings: Vec<Reason>,
    /// The commit the source is at, where known.
    pub commit: Option<String>,
    /// The content of the archive that the source is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<Digest>,
}

impl Detection {
    /// What there is to say of an image without pulling it.
    #[must_use]
    pub fn of_image(reference: &ImageReference) -> Self {
        let fact = |fact: String| Fact::new("image", fact);
        let mut evidence = vec![fact(format!("{} of {}", reference.repository(), reference.registry()))];
        evidence.extend(reference.tag().map(|tag| fact(format!("tag {tag}"))));
        evidence.extend(reference.digest().map(|digest| fact(format!("digest {digest}"))));
        let floating = reference.is_floating().then(|| {
            let message = format!("{reference} may name another image tomorrow");
            Reason::new(ReasonCode::FloatingImage, message)
                .set("name it by its digest", format!("runtime.image = \"{}@sha256:…\"", reference))
        });
        Self {
            planner: "image".to_owned(),
            support_tier: SupportTier::Full,
            image: Some(Found {
                value: reference.to_string(),
                evidence: fact("named as the source".to_owned()),
            }),
            evidence,
            warnings: floating.into_iter().collect(),
            ..Self::default()
        }
    }
}
