//! The catalogue: evidence to detection, as data plus small rules.
//!
//! Everything here is a pure function of the evidence and the profile: no disk, no network, no clock. The same evidence
//! always gives the same detection, byte for byte.
//!
//! | file | holds |
//! |---|---|
//! | `catalogue` | [`Catalogue`], the port `Detector`: asks the rules, then lets explicit values win |
//! | `rule` | what a rule is, what it sees, and how to add one |
//! | `rules/*` | the rules, one file per ecosystem |
//! | `publish`, `unpublishable` | what is published, given or missing, and what stands in the way |
//! | `page` | whether an `index.html` is a finished page or the source of one |
//! | `manifest`, `version` | reading manifests, and version ranges to image tags |
//! | `development` | commands that no release should be started with |
//! | `reasons` | building reasons with the exact lines to write |
//! | [`tree`] | a source in memory |

mod apps;
mod catalogue;
mod development;
mod image;
mod installed;
mod manifest;
mod page;
mod ports;
mod publish;
mod reasons;
mod rule;
mod rules;
mod settle;
#[cfg(test)]
mod testing;
pub mod tree;
mod unpublishable;
mod version;

pub use catalogue::Catalogue;
