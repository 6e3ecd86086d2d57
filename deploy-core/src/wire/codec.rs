//! One event with its number and time, and the two functions that read and write it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::event::Event;
use crate::id::{DeploymentId, Seq};
use crate::lifecycle::PhaseName;
use crate::time::Timestamp;

/// The schema that this version writes.
pub const SCHEMA: u32 = 1;

/// One stored event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Envelope {
    /// The schema it was written with.
    pub schema: u32,
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its number within the deployment.
    pub sequence: Seq,
    /// When it was decided.
    pub at: Timestamp,
    /// The phase it led to.
    pub phase: PhaseName,
    /// What was decided.
    pub event: Event,
}

/// A stored event that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// A newer version of the software wrote it.
    #[error(
        "the event has schema {found}, this version reads up to {supported}: use the version that wrote it or a newer one"
    )]
    TooNew {
        /// The event's schema.
        found: u32,
        /// The newest that can be read.
        supported: u32,
    },
    /// It is damaged.
    #[error("the event can't be read: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
}

/// Writes an event as one line of JSON.
#[must_use]
pub fn encode(envelope: &Envelope) -> String {
    serde_json::to_string(envelope).expect("every key is a string and every value a number, text or list")
}

/// Reads an event.
///
/// # Errors
/// [`WireError::TooNew`] when its schema is newer than [`SCHEMA`], whatever else it holds;
/// [`WireError::Damaged`] when it is not an event.
pub fn decode(text: &str) -> Result<Envelope, WireError> {
    #[derive(Deserialize)]
    struct Header {
        schema: u32,
    }
    let damaged = |error: serde_json::Error| WireError::Damaged { what: error.to_string() };
    let header: Header = serde_json::from_str(text).map_err(damaged)?;
    if header.schema > SCHEMA {
        return Err(WireError::TooNew { found: header.schema, supported: SCHEMA });
    }
    serde_json::from_str(text).map_err(damaged)
}
