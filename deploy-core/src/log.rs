//! Log lines: output of builds, of running releases and of the engine. They are not events: many,
//! capped, never parsed.

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, Seq, StepId};
use crate::time::Timestamp;

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogSource {
    /// A build command.
    Build,
    /// The running release.
    Runtime,
    /// The engine and its executors.
    System,
}

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogLevel {
    /// For those who look closely.
    Debug,
    /// Ordinary.
    Info,
    /// Doubtful.
    Warn,
    /// Wrong.
    Error,
}

/// The most bytes one line keeps; the rest is cut off visibly.
pub const LINE_BYTES: usize = 16 * 1024;

/// One line of output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogLine {
    /// Its number within the deployment's log, from 1; 0 until the log has numbered it.
    pub sequence: Seq,
    /// The deployment.
    pub deployment: DeploymentId,
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub source: LogSource,
    /// How grave it is.
    pub level: LogLevel,
    /// The step that was running.
    pub step: Option<StepId>,
    /// The text, without its line end.
    pub message: String,
}

/// Cuts a text to [`LINE_BYTES`] at a character's border and says so.
#[must_use]
pub fn cut_line(text: &str) -> String {
    if text.len() <= LINE_BYTES {
        return text.to_owned();
    }
    let end = (0..=LINE_BYTES).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    format!("{} … [{} more bytes]", &text[..end], text.len() - end)
}

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Only lines after this number.
    pub after: Seq,
    /// Only lines of this step.
    pub step: Option<StepId>,
    /// Only lines of this source.
    pub source: Option<LogSource>,
    /// Only lines at least this grave.
    pub level: Option<LogLevel>,
    /// At most this many.
    pub limit: usize,
    /// Of more lines than the limit, the last ones instead of the first. The order stays.
    pub newest: bool,
}
