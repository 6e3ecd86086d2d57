//! The images of a project: every service's is built or fetched, and the web service's names them all.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bollard::models::ImageInspect;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::id::Digest;
use deploy_core::log::LogLevel;
use deploy_core::project::{Service, ServiceBuild};

use super::Project;
use crate::build::context::Context;
use crate::build::ignore::Ignore;
use crate::build::{Builder, Order, own_context};
use crate::engine::{Engine, EngineError};
use crate::image;
use crate::names::{LABEL_USES, Names};
use crate::paths::disk;
use crate::reference::ImageReference;

/// The Dockerfile that gives an image its labels.
const NAMING: &str = ".deploy.Dockerfile";
/// An empty directory of the workspace.
const NOTHING: &str = "nothing";

/// Builds and fetches, the web service's last: its tag says that all are there.
pub(crate) async fn make(
    builder: &Builder<'_>,
    names: &Names<'_>,
    project: &Project<'_>,
    base: &Path,
    workspace: &Path,
) -> Result<(), Failure> {
    let mut labels = names.labels();
    for service in project.others() {
        let tag = names.service_image(&service.name);
        builder.log.system(LogLevel::Info, &format!("the image of {}", service.name));
        let image = one(builder, base, service, &tag, names.labels()).await?;
        labels.insert(format!("{LABEL_USES}{}", service.name), image.to_string());
    }
    builder.log.system(LogLevel::Info, &format!("the image of {}", project.web.name));
    if let Some(build) = &project.web.build {
        return builder.run(order(builder, base, build, names.image(), labels)?).await;
    }
    let tag = names.service_image(&project.web.name);
    std::fs::create_dir_all(workspace.join(NOTHING)).map_err(|error| disk(&error, "make a directory"))?;
    one(builder, base, project.web, &tag, names.labels()).await?;
    builder.run(naming(builder, workspace, &tag, names.image(), labels)).await?;
    image::untag(builder.engine, &tag).await
}

/// The image of one service, under a tag of ours.
async fn one(
    builder: &Builder<'_>,
    base: &Path,
    service: &Service,
    tag: &str,
    labels: HashMap<String, String>,
) -> Result<Digest, Failure> {
    let text = match &service.build {
        Some(build) => {
            builder.run(order(builder, base, build, tag.to_owned(), labels)?).await?;
            tag
        }
        None => service.image.as_deref().unwrap_or_default(),
    };
    let found = match &service.build {
        Some(_) => image::find(builder.engine, text).await?,
        None => {
            let registry = builder.registry.as_ref();
            let known = |image: &ImageReference| registry?.for_host(image.registry());
            Some(image::fetch(builder.engine, text, known, builder.cx, builder.log).await?)
        }
    };
    let found = found.ok_or_else(|| {
        let message = format!("the build of {} ended without an image", service.name);
        Failure::new(FailureCode::BuildFailed, message).with_tail(builder.log.tail())
    })?;
    let digest = image::output(&found)?.digest.ok_or_else(|| {
        Failure::new(FailureCode::Internal, format!("the image of {} has no digest", service.name))
    })?;
    image::tag(builder.engine, &digest, tag).await?;
    Ok(digest)
}

fn order(
    builder: &Builder<'_>,
    base: &Path,
    build: &ServiceBuild,
    tag: String,
    labels: HashMap<String, String>,
) -> Result<Order, Failure> {
    let directory = base.join(&build.context);
    let inside = directory.canonicalize().ok().zip(base.canonicalize().ok());
    if !inside.is_some_and(|(directory, base)| directory.starts_with(base)) {
        let message = format!("the build context {:?} is not a directory of the source", build.context);
        return Err(Failure::new(FailureCode::BuildFailed, message));
    }
    Ok(Order {
        context: own_context(&directory, &build.dockerfile)?,
        dockerfile: build.dockerfile.clone(),
        stage: build.stage.clone(),
        tag,
        labels,
        arguments: build.arguments.clone().into_iter().collect(),
        within: builder.cx.plan.outline().policy.build_timeout.as_duration(),
    })
}

/// The same image with labels, and nothing else that is new.
fn naming(
    builder: &Builder<'_>,
    workspace: &Path,
    from: &str,
    tag: String,
    labels: HashMap<String, String>,
) -> Order {
    let context = Context {
        root: workspace.join(NOTHING),
        ignore: Ignore::default(),
        always: Vec::new(),
        added: BTreeMap::from([(NAMING.to_owned(), format!("FROM {from}\n"))]),
        beside: BTreeMap::new(),
    };
    Order {
        context,
        dockerfile: NAMING.to_owned(),
        stage: None,
        tag,
        labels,
        arguments: HashMap::new(),
        within: builder.cx.plan.outline().policy.build_timeout.as_duration(),
    }
}

/// The images that a release's image names, by service.
pub(crate) fn named_by(image: &ImageInspect) -> BTreeMap<String, Digest> {
    let labels = image.config.as_ref().and_then(|config| config.labels.as_ref());
    named(labels.into_iter().flatten())
}

/// The same of labels.
pub(crate) fn named<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>) -> BTreeMap<String, Digest> {
    let uses = labels.filter_map(|(name, value)| Some((name.strip_prefix(LABEL_USES)?, value)));
    uses.filter_map(|(service, digest)| Some((service.to_owned(), digest.parse().ok()?))).collect()
}

/// Which of the images that a release needs beside its own are not here.
pub(crate) async fn missing(engine: &Engine, image: &ImageInspect) -> Result<Vec<Digest>, EngineError> {
    let mut missing = Vec::new();
    for digest in named_by(image).into_values() {
        if image::find(engine, digest.as_str()).await?.is_none() {
            missing.push(digest);
        }
    }
    Ok(missing)
}

/// Gives up our names for the images beside the web service's.
pub(crate) async fn untag(engine: &Engine, names: &Names<'_>, project: &Project<'_>) -> Result<(), Failure> {
    for service in &project.services {
        image::untag(engine, &names.service_image(&service.name)).await?;
    }
    Ok(())
}
