//! The static target: builds, publishes and routes static sites through the edge.
//!
//! A release is an immutable directory named by its content. It is loaded by the edge beside the live
//! one, must answer there as itself, and only then gets the route, in one fenced write.
//!
//! | step | does | read back after a crash by |
//! |---|---|---|
//! | `build` | runs install and build in a copy of the source | the marker written after the last command |
//! | `publish` | files to a content-addressed release | the record of the digest, and the release itself |
//! | `artifact` | (rollback) proves the kept release is whole | doing it again |
//! | `check-candidate` | asks the loaded release, as itself | doing it again |
//! | `switch` | the route, under the deployment's epoch | the edge's route table |
//! | `check-public` | asks the public address, as the new release | doing it again |

mod artifact;
mod build;
mod compile;
mod executor;
mod leftovers;
mod paths;
mod reuse;
mod routing;

pub use executor::{StaticConfig, StaticExecutor};
