//! The fly target: drives flyctl, and believes only what the platform itself says about a release.
//!
//! | step | does | read back after a crash by |
//! |---|---|---|
//! | `app` | asks about the app, lays out the source with the effective `fly.toml` | its note |
//! | `build` | has fly build and push an image | its note |
//! | `image` | takes an image that exists, or a kept release's | its note |
//! | `check-commit` | `DEPLOY-COMMIT-MATCH` | doing it again |
//! | `release` | has fly replace the machines | the mark that every machine carries |
//! | `check-release` | polls until every machine runs this content, under this release's number, and is well | doing it again |
//! | `check-public` | `DEPLOY-HEALTH-200`: asks the public address, then reads the machines once more | doing it again |
//!
//! How flyctl ends is evidence, never the verdict: it ends well although the platform brought an old version back,
//! and with an error although every machine runs the new one. The verdict is read from `machine list`, `checks list`,
//! `releases` and `status`, and bound to this release three times: by the content, by the number that fly gave the
//! release, and by a mark in the machine's environment that names the deployment and its fence.
//!
//! fly has no candidate beside what serves, so the plan warns; what fails behind the switch goes back to the verified
//! release before, by its content, and is checked again. Without a verified release nothing is touched.
//!
//! What a release writes while it serves is read from fly's log of the app, and an image that fly built from the same
//! source before is taken as it is where fly still has it.
//!
//! The Machines API itself is never spoken to: a token would have to be read for it, and tokens are flyctl's alone
//! (`flyctl auth login`, or `FLY_API_TOKEN` and `FLY_ACCESS_TOKEN`, which it inherits). What flyctl passes on of that
//! API is checked against its OpenAPI document in the tests.

mod app;
mod argv;
mod ask;
mod back;
mod classify;
mod compile;
pub mod config;
mod dirty;
mod executor;
mod image;
mod mark;
mod page;
mod paths;
mod platform;
mod release;
mod reuse;
mod rollout;
mod run;
mod runtime;
mod source;
mod verify;

pub use executor::{Environment, FlyConfig, FlyExecutor, Recipe};
pub use source::{read as read_fly_toml, wanted};
