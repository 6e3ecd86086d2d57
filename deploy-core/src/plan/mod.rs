//! The plan: what will be done, in order, with the origin of every value and a fingerprint.

mod changes;
mod compose;
mod document;
mod draft;
mod reuse;
mod step;

pub use changes::{Change, Verb};
pub use compose::{
    Access, Artifact, ArtifactKind, CommandKind, Health, Network, Origin, Outline, PlannedCommand, Planner,
    RunPolicy, SourceSummary,
};
pub use document::{PlanDocument, Readiness, ReadinessStatus, SCHEMA_VERSION};
pub use draft::{BlockedPlan, Draft, DraftRequest, Plan, draft};
pub use reuse::Reuse;
pub use step::{Output, Retry, Step, StepKind, Undo};
