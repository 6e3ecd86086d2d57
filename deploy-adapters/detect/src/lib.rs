//! The catalogue: evidence to detection, as data plus small rules.
//!
//! Everything here is a pure function of the evidence and the profile: no disk, no network, no clock. The same evidence
//! always gives the same detection, byte for byte.
//!
//! | file | holds |
//! |---|---|
//! | `catalogue` | [`Catalogue`], the port `Detector`: asks the rules, then lets explicit values win |
//! | `rule` | what a rule is, and how to add one |
//! | `rules/*` | the rules, one file per family of projects |
//! | `publish` | `runtime.publish_directory`, given or missing |
//! | `page` | whether an `index.html` is a finished page or the source of one |
//! | [`omitted`] | what stands in the way of publishing although no rule saw it |
//! | `reasons` | building reasons with the exact lines to write |
//! | [`path`] | the one check of every path that users write |

mod catalogue;
pub mod omitted;
mod page;
pub mod path;
mod publish;
mod reasons;
mod rule;
mod rules;

pub use catalogue::Catalogue;
