//! JSON Schemas of everything that is stored, printed or sent to other programs, as documents with names.
//!
//! ```
//! let plan = deploy_core::schema::document("plan").ok_or("no such document")?;
//! assert_eq!(plan.schema().get("title"), Some(&"PlanDocument".into()));
//! # Ok::<(), &str>(())
//! ```

use schemars::{Schema, schema_for};

/// A document that other programs read or write.
#[derive(Debug, Clone, Copy)]
pub struct Document {
    /// What to ask for it by.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    make: fn() -> Schema,
}

impl Document {
    /// Its JSON Schema (draft 2020-12), with every type it holds under `$defs`.
    #[must_use]
    pub fn schema(&self) -> Schema {
        (self.make)()
    }
}

macro_rules! documents {
    ($($name:literal, $about:literal, $type:ty;)*) => {
        &[$(Document { name: $name, about: $about, make: || schema_for!($type) }),*]
    };
}

/// Every document. `tests/reference.rs` finds a type that can be serialised and is in none of them.
pub const DOCUMENTS: &[Document] = documents![
    "plan", "what `deploy plan` prints and `POST /api/plans` answers", crate::plan::PlanDocument;
    "status", "what a deployment is, wherever it is shown", crate::status::Status;
    "event", "a stored event, as the journal and the streams have it", crate::wire::Envelope;
    "log", "a line of a log", crate::log::LogLine;
    "profile", "what deploy.toml may hold", crate::spec::Profile;
    "release", "a release", crate::port::ReleaseRecord;
    "command", "what somebody can want of a deployment", crate::command::Command;
    "spec", "what is to be deployed, as it was submitted", crate::spec::Spec;
    "draft", "a plan that can be carried out, or one that says no", crate::plan::Draft;
    "detection", "what a source was found to be", crate::detect::Detection;
    "evidence", "what is known of a source", crate::evidence::Evidence;
    "ask", "what detection wants to know of a source", crate::evidence::Ask;
    "effect", "work that a state wants done", crate::effect::Effect;
    "key", "what names the intention behind a step's attempts", crate::effect::IdempotencyKey;
    "failure", "why something failed", crate::failure::Failure;
    "failure-class", "what the engine may do about a failure", crate::failure::FailureClass;
    "when-busy", "what a submission does while its resource is busy", crate::port::WhenBusy;
    "request", "a standing request to end a run early", crate::lifecycle::Request;
    "control", "what can be asked of a deployment now, and why not", crate::control::Control;
    "probe", "what reading a step back can tell", crate::port::Probe;
    "rules", "what the file of `deploy serve --policy` may hold", crate::admission::Rules;
    "admission", "what the policies say about deploying a resource now", crate::admission::Verdict;
    "place", "where in the line a deployment is, and why it waits", crate::queue::Place;
    "hint", "what to do next", crate::hint::Hint;
    "comparison", "two deployments side by side", crate::compare::Comparison;
    "stats", "what the runs so far say together", crate::history::Stats;
    "found", "log lines that hold a text", crate::log::Found;
];

/// The document of a name.
#[must_use]
pub fn document(name: &str) -> Option<&'static Document> {
    DOCUMENTS.iter().find(|document| document.name == name)
}
