//! Building an image: from the user's Dockerfile or a generated one.

pub(crate) mod context;
pub(crate) mod ignore;

mod buildkit;
pub(crate) mod cache;
mod classic;
mod proto;
mod session;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use deploy_core::failure::{Failure, FailureCode};
use deploy_core::log::{LogLevel, LogSource};
use deploy_core::plan::{ArtifactKind, Outline, Output};
use deploy_core::port::{Layout, Sources, StepContext};
use deploy_core::redact::CleanLine;
use deploy_core::step_log::StepLog;

use self::context::Context;
use self::ignore::Ignore;
use self::session::Answers;
use crate::engine::Engine;
use crate::image;
use crate::names::{LABEL_INPUTS, Names};
use crate::paths::{Paths, disk, remove_all};
use crate::project::{Project, images};
use crate::recipe::{Mounts, Recipe};
use crate::reuse;
use crate::secrets::{Registry, Secrets};
use crate::site::{self, Server};

/// Where a generated Dockerfile lies in the context.
const GENERATED: &str = ".deploy.Dockerfile";
/// Where a finished site is published in the workspace.
const PUBLISHED: &str = "published";
/// The largest ignore file that is read.
const IGNORE_BYTES: u64 = 1024 * 1024;

/// What a builder is told.
pub(crate) struct Order {
    /// The files.
    pub(crate) context: Context,
    /// The Dockerfile among them.
    pub(crate) dockerfile: String,
    /// The stage that is the release; the last one when absent.
    pub(crate) stage: Option<String>,
    /// The name the image gets when all else is done.
    pub(crate) tag: String,
    /// What the image carries.
    pub(crate) labels: HashMap<String, String>,
    /// Plain arguments.
    pub(crate) arguments: HashMap<String, String>,
    /// How long it may take.
    pub(crate) within: std::time::Duration,
}

/// What builds, and for whom.
pub(crate) struct Builder<'a> {
    pub(crate) engine: &'a Engine,
    /// Whether the engine has BuildKit.
    modern: bool,
    /// The secrets that builds may read.
    secrets: BTreeMap<String, String>,
    /// Who fetches images that a registry does not give to everyone.
    pub(crate) registry: Option<Registry>,
    pub(crate) cx: &'a StepContext,
    pub(crate) log: &'a StepLog,
}

impl Builder<'_> {
    /// Builds one image.
    pub(crate) async fn run(&self, order: Order) -> Result<(), Failure> {
        if self.modern {
            let answers = Answers { secrets: self.secrets.clone(), registry: self.registry.clone() };
            return buildkit::run(self.engine, order, answers, self.cx, self.log).await;
        }
        if !self.secrets.is_empty() {
            let message =
                "the engine has no BuildKit, and without it a secret of the build would stay in the image";
            return Err(Failure::new(FailureCode::BuildNotStarted, message));
        }
        self.log.system(LogLevel::Warn, "the engine has no BuildKit: nothing is kept between builds");
        classic::run(self.engine, order, self.registry.as_ref(), self.cx, self.log).await
    }

    fn mounts(&self) -> Mounts {
        if self.modern { Mounts::Yes } else { Mounts::No }
    }
}

/// Lays out the source and builds its image.
pub(crate) async fn build(
    engine: &Engine,
    paths: &Paths,
    sources: &dyn Sources,
    names: &Names<'_>,
    cx: &StepContext,
    secrets: &Secrets,
    log: &StepLog,
) -> Result<Output, Failure> {
    if let Some(output) = reuse::take(engine, names, cx, log).await? {
        return Ok(output);
    }
    let workspace = paths.workspace(cx.deployment);
    remove_all(&workspace).map_err(|error| disk(&error, "remove the workspace of an earlier attempt"))?;
    std::fs::create_dir_all(&workspace).map_err(|error| disk(&error, "make a workspace"))?;
    let outline = cx.plan.outline();
    // What is published as it is need not be copied first.
    let as_it_is = site::is_site(outline) && !site::is_built(outline);
    let layout = if as_it_is { Layout::ReadOnly } else { Layout::Workspace };
    let base = sources.checkout(&cx.source, &outline.profile, layout, &workspace, &cx.cancel).await?;
    let registry = secrets.asking();
    let wanted = |name: &String| outline.profile.secrets.get(name).is_some_and(|secret| secret.build);
    let secrets: BTreeMap<String, String> = secrets
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let laid = Laid { base, workspace };
    laid.out(sources, outline).await?;
    let modern = buildkit::is_there(engine).await?;
    let builder = Builder { engine, modern, secrets, registry, cx, log };
    match Project::of(outline) {
        Some(project) => images::make(&builder, names, &project, &laid.base, &laid.workspace).await?,
        None => builder.run(order(&laid, outline, names, builder.mounts())?).await?,
    }
    let built = image::find(engine, &names.image()).await?;
    let built = built.ok_or_else(|| {
        Failure::new(FailureCode::BuildFailed, "the build ended without an image").with_tail(log.tail())
    })?;
    if built.config.as_ref().and_then(|config| config.user.as_deref()).is_none_or(is_root) {
        log.system(LogLevel::Warn, "the image runs as root: add a USER to its Dockerfile");
    }
    log.system(LogLevel::Info, &format!("the image has {} MiB", built.size.unwrap_or_default() >> 20));
    image::output(&built)
}

/// One line of a build, unless there is nothing in it.
fn say(log: &StepLog, line: CleanLine) {
    if !line.trim().is_empty() {
        log.write(LogSource::Build, LogLevel::Info, line);
    }
}

fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    matches!(name, "" | "root" | "0")
}

/// The source as it is laid out for a build.
struct Laid {
    /// The app.
    base: PathBuf,
    /// The directory that is removed in the end.
    workspace: PathBuf,
}

impl Laid {
    /// Where a site that nothing has to be built for is published to.
    fn published(&self) -> PathBuf {
        self.workspace.join(PUBLISHED)
    }

    /// Publishes a site that is there already.
    async fn out(&self, sources: &dyn Sources, outline: &Outline) -> Result<(), Failure> {
        let Some(artifact) = outline.artifact.as_ref().filter(|_| site::is_site(outline)) else {
            return Ok(());
        };
        if site::is_built(outline) {
            return Ok(());
        }
        let from = self.base.join(site::directory(artifact));
        let left_out = sources.left_out(&self.base, &from);
        let to = self.published().join(site::RELEASES);
        let publishing = tokio::task::spawn_blocking(move || site::publish(&from, &to, "image", &*left_out));
        let internal = |error| Failure::new(FailureCode::Internal, format!("publishing the site: {error}"));
        publishing.await.map_err(internal)?
    }
}

fn order(laid: &Laid, outline: &Outline, names: &Names<'_>, mounts: Mounts) -> Result<Order, Failure> {
    let profile = &outline.profile;
    let artifact = outline.artifact.as_ref();
    let kind = artifact.map_or(ArtifactKind::DockerfileImage, |artifact| artifact.kind);
    let (context, dockerfile, arguments) = match kind {
        ArtifactKind::GeneratedImage => {
            let recipe = Recipe::of(outline).ok_or_else(nothing_generated)?;
            let context = generated_context(&laid.base, &recipe, recipe.dockerfile(mounts))?;
            (context, GENERATED.to_owned(), &profile.env)
        }
        ArtifactKind::StaticSite => {
            (site_context(laid, outline, mounts)?, GENERATED.to_owned(), &profile.env)
        }
        ArtifactKind::DockerfileImage | ArtifactKind::PrebuiltImage | ArtifactKind::ComposeProject => {
            let file = artifact.and_then(|artifact| artifact.dockerfile.clone());
            let file = file.unwrap_or_else(|| "Dockerfile".to_owned());
            (own_context(&laid.base, &file)?, file, &profile.runtime.build_args)
        }
    };
    let mut labels = names.labels();
    labels.extend(reuse::inputs(outline).map(|inputs| (LABEL_INPUTS.to_owned(), inputs.hex().to_owned())));
    Ok(Order {
        context,
        dockerfile,
        stage: artifact.and_then(|artifact| artifact.stage.clone()),
        tag: names.image(),
        labels,
        arguments: arguments.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        within: outline.policy.build_timeout.as_duration(),
    })
}

fn nothing_generated() -> Failure {
    Failure::new(FailureCode::Internal, "no Dockerfile can be generated")
}

/// The server beside the published site, or beside the source that makes one.
fn site_context(laid: &Laid, outline: &Outline, mounts: Mounts) -> Result<Context, Failure> {
    let server = Server::of_this_process().map_err(|error| disk(&error, "read which program this is"))?;
    let dockerfile = server.dockerfile(outline, mounts).ok_or_else(nothing_generated)?;
    let context = if site::is_built(outline) {
        generated_context(&laid.base, &Recipe::of(outline).ok_or_else(nothing_generated)?, dockerfile)?
    } else {
        Context {
            root: laid.published(),
            ignore: Ignore::default(),
            always: Vec::new(),
            added: BTreeMap::from([(GENERATED.to_owned(), dockerfile)]),
            beside: BTreeMap::new(),
        }
    };
    Ok(Context { beside: server.files(), ..context })
}

fn generated_context(base: &Path, recipe: &Recipe, dockerfile: String) -> Result<Context, Failure> {
    // The root of the workspace that the app is a member of.
    let root = base.ancestors().nth(recipe.levels_up()).unwrap_or(base);
    let text = read(root, ".dockerignore")?.unwrap_or_default();
    Ok(Context {
        root: root.to_owned(),
        ignore: Ignore::for_generated(&text).map_err(|why| bad_ignore(".dockerignore", &why))?,
        always: Vec::new(),
        added: BTreeMap::from([(GENERATED.to_owned(), dockerfile)]),
        beside: BTreeMap::new(),
    })
}

pub(crate) fn own_context(base: &Path, dockerfile: &str) -> Result<Context, Failure> {
    if read(base, dockerfile)?.is_none() {
        let message = format!("there is no {dockerfile} in the source");
        return Err(Failure::new(FailureCode::BuildFailed, message).because("runtime.dockerfile", dockerfile));
    }
    // One of the Dockerfile's own wins over the one of the whole context.
    let own = format!("{dockerfile}.dockerignore");
    let (name, text) = match read(base, &own)? {
        Some(text) => (own, text),
        None => (".dockerignore".to_owned(), read(base, ".dockerignore")?.unwrap_or_default()),
    };
    Ok(Context {
        root: base.to_owned(),
        ignore: Ignore::parse(&text).map_err(|why| bad_ignore(&name, &why))?,
        always: vec![dockerfile.to_owned(), name],
        added: BTreeMap::new(),
        beside: BTreeMap::new(),
    })
}

/// A file of the source, which no link leads out of.
fn read(base: &Path, path: &str) -> Result<Option<String>, Failure> {
    let full = match base.join(path).canonicalize() {
        Ok(full) => full,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error.to_string())),
    };
    let root = base.canonicalize().map_err(|error| unreadable(path, &error.to_string()))?;
    if !full.starts_with(&root) {
        return Err(unreadable(path, "it leads out of the source"));
    }
    let size = std::fs::metadata(&full).map_err(|error| unreadable(path, &error.to_string()))?.len();
    if size > IGNORE_BYTES {
        return Err(unreadable(path, "it is too large"));
    }
    std::fs::read_to_string(full).map(Some).map_err(|error| unreadable(path, &error.to_string()))
}

fn unreadable(path: &str, why: &str) -> Failure {
    Failure::new(FailureCode::BuildFailed, format!("{path} can't be used: {why}")).because("file", path)
}

fn bad_ignore(file: &str, why: &str) -> Failure {
    Failure::new(FailureCode::BuildFailed, format!("{file}: {why}")).because("file", file)
}
