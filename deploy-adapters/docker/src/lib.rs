//! The docker target: builds images, starts containers beside the live one, switches traffic, keeps what a
//! rollback needs.
//!
//! A release is an image, known by its digest. Its container has a network of its resource's own and a fixed
//! address there, must answer at that address as itself, and only then gets the route, in one fenced write.
//!
//! | step | does | read back after a crash by |
//! |---|---|---|
//! | `build` | an image from the user's Dockerfile or a generated one | the tag, set when all else is done |
//! | `image` | takes an image that exists | the tag |
//! | `artifact` | (rollback) proves that the kept image is here | the tag |
//! | `start` | the container, beside the live one | the container of that name, running |
//! | `check-candidate` | asks the container itself; hears at once when it ends | doing it again |
//! | `switch` | the route, under the deployment's epoch | the route table |
//! | `check-public` | asks the public address, as the new release | doing it again |
//! | `retire` | lets the release before finish, stops it, keeps it | doing it again |
//!
//! Nothing is ever touched that does not carry this installation's label, or for an image its name.

mod asking;
mod build;
mod check;
mod compile;
mod container;
mod containers;
mod ending;
mod engine;
mod executor;
mod front;
mod image;
mod listening;
mod names;
mod network;
mod objections;
mod page;
mod paths;
mod progress;
mod project;
mod recipe;
mod reclaim;
mod recorded;
mod reference;
mod retire;
mod reuse;
mod routing;
mod runtime;
mod secret_files;
mod secrets;
mod site;
mod start;
mod survey;

pub use executor::{DockerConfig, DockerExecutor, EngineFacts, ImageUse};
pub use secrets::Resolve;

/// What a build from a generated Dockerfile never gets, as the first lines of its `.dockerignore`; those of the
/// project's own follow.
pub const NEVER_SENT: &str = build::ignore::NEVER;

/// The Dockerfile that is generated for an outline, where one is.
#[must_use]
pub fn dockerfile(outline: &deploy_core::plan::Outline) -> Option<String> {
    let kind = outline.artifact.as_ref().filter(|artifact| artifact.digest.is_none())?.kind;
    if site::is_site(outline) {
        return site::Server::of_this_process().ok()?.dockerfile(outline, recipe::Mounts::Yes);
    }
    let generated = kind == deploy_core::plan::ArtifactKind::GeneratedImage;
    let recipe = generated.then(|| recipe::Recipe::of(outline))??;
    Some(recipe.dockerfile(recipe::Mounts::Yes))
}
