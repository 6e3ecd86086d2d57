//! What stands on one line of a stream (`deploy.events/v1`), the same for NDJSON and server-sent events.

use std::borrow::Cow;

use deploy_core::event::Event;
use deploy_core::id::{DeploymentId, Seq};
use deploy_core::lifecycle::PhaseName;
use deploy_core::log::LogLine;
use deploy_core::time::Timestamp;
use deploy_core::wire::Envelope;
use schemars::JsonSchema;
use serde::Serialize;

/// One line of a stream.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(rename = "StreamLine")]
pub(crate) enum Line<'a> {
    /// Something was decided.
    Event(EventLine<'a>),
    /// A line of output.
    Log(Cow<'a, LogLine>),
    /// Nothing came for a while.
    Heartbeat {
        /// Now.
        at: Timestamp,
        /// The last number that was looked at: where to go on.
        cursor: Seq,
    },
    /// Lines were pruned or lost. Read the deployment before choosing how to recover.
    Gap {
        /// The first that is missing.
        from: Seq,
        /// The last that is missing.
        to: Seq,
    },
    /// The stream ends here.
    Closed {
        /// Why.
        reason: Reason,
        /// The last number that was looked at: where to go on.
        cursor: Seq,
    },
    /// The stream can't go on.
    Error {
        /// The stable code.
        code: &'a str,
        /// What to do.
        hint: &'a str,
    },
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// The deployment has ended: nothing more will come.
    Ended,
    /// All there is was sent, and following was not asked for.
    CaughtUp,
    /// The control plane ends: open the stream again from the cursor.
    ShuttingDown,
}

/// An event with its number and time, all on one level.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventLine<'a> {
    /// The schema it was written with.
    schema: u32,
    /// The deployment.
    deployment: DeploymentId,
    /// Its number within the deployment.
    sequence: Seq,
    /// When it was decided.
    at: Timestamp,
    /// The phase it led to.
    phase: PhaseName,
    #[serde(flatten)]
    event: Cow<'a, Event>,
}

impl<'a> Line<'a> {
    pub(crate) fn event(envelope: &'a Envelope) -> Self {
        let Envelope { schema, deployment, sequence, at, phase, event } = envelope;
        Self::Event(EventLine {
            schema: *schema,
            deployment: *deployment,
            sequence: *sequence,
            at: *at,
            phase: *phase,
            event: Cow::Borrowed(event),
        })
    }

    pub(crate) const fn log(line: &'a LogLine) -> Self {
        Self::Log(Cow::Borrowed(line))
    }

    /// The line's JSON, without its line end.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("every key is a string")
    }
}
