//! The plan: what will be done, in order, with the origin of every value and a fingerprint.

mod compose;
mod document;
mod draft;
mod step;

pub use compose::{
    Access, Artifact, ArtifactKind, CommandKind, Health, Network, Origin, Outline, PlannedCommand, Planner,
    RunPolicy, SourceSummary,
};
pub use document::{Change, PlanDocument, Readiness, ReadinessStatus, SCHEMA_VERSION, Verb};
pub use draft::{BlockedPlan, Draft, DraftRequest, Plan, draft};
pub use step::{Output, Retry, Step, StepKind, Undo};
