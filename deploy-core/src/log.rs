//! Log lines: output of builds, of running releases and of the engine. They are not events: many,
//! capped, never parsed.

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, Seq, StepId};
use crate::time::{Span, Timestamp};

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

/// The most bytes one line has; the rest is cut off visibly.
pub const LINE_BYTES: usize = 16 * 1024;
/// The most bytes that are shown of a longer line, before the note of how much is left out.
pub(crate) const HEAD_BYTES: usize = LINE_BYTES - 48;

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

/// Cuts a text to [`LINE_BYTES`] at a character's border and says so. A text that was cut stays as it is.
///
/// A text that may hold secrets is cleaned first: [`Redactor::clean_line`](crate::redact::Redactor::clean_line).
#[must_use]
pub fn cut_line(text: &str) -> String {
    if text.len() <= LINE_BYTES {
        return text.to_owned();
    }
    let end = (0..=HEAD_BYTES).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    text[..end].to_owned() + &left_out(text.len() - end)
}

/// The note at the end of a line that was cut.
pub(crate) fn left_out(bytes: usize) -> String {
    format!(" … [{bytes} more bytes]")
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

impl LogQuery {
    /// All lines of a deployment, as many as one answer holds.
    #[must_use]
    pub const fn of(deployment: DeploymentId) -> Self {
        Self {
            deployment,
            after: Seq(0),
            step: None,
            source: None,
            level: None,
            limit: usize::MAX,
            newest: false,
        }
    }
}

/// Whether a message holds a text; upper and lower case of ASCII letters are alike.
#[must_use]
pub fn holds(message: &str, text: &str) -> bool {
    let (message, text) = (message.as_bytes(), text.as_bytes());
    text.is_empty() || message.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text))
}

/// A search through logs, live and archived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSearch {
    /// What a line must hold, see [`holds`].
    pub text: String,
    /// Only in the log of this deployment.
    pub deployment: Option<DeploymentId>,
    /// Only in logs of this resource (any environment).
    pub resource: Option<String>,
    /// Only in logs of this environment.
    pub environment: Option<String>,
    /// At most this many lines.
    pub limit: usize,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Found {
    /// The lines: newest deployments first, each log in its own order.
    pub lines: Vec<LogLine>,
    /// Whether everything was looked at. If not, there were more lines than the limit, or more logs than
    /// one search reads, or an archive that can't be read.
    pub complete: bool,
}

/// How long the logs of ended deployments are kept, counted from their end. Events are history and stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogKeeping {
    /// After this long, lines are packed into the archive: small, and still read and searched like before.
    pub archive_after: Option<Span>,
    /// After this long, they are removed; a line in their place says so.
    pub remove_after: Option<Span>,
}

impl LogKeeping {
    /// Lines stay as they are for some days, and are archived then. With 0, as soon as the deployment
    /// has ended.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        const DAY: u64 = 86_400;
        Self { archive_after: Some(Span::from_secs(days as u64 * DAY)), remove_after: None }
    }

    /// Nothing at all is kept of logs once the deployment has ended.
    pub const NONE: Self = Self { archive_after: None, remove_after: Some(Span::ZERO) };
}

/// What a tidying has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// Deployments whose lines were archived.
    pub archived: u64,
    /// Deployments whose lines were removed.
    pub removed: u64,
}

/// The line that stands where lines were removed; their gap ends with it.
#[must_use]
pub fn removed_notice(deployment: DeploymentId, sequence: Seq, at: Timestamp, after: Span) -> LogLine {
    let message = format!("removed: logs are kept for {after} after the end of a deployment");
    let (source, level) = (LogSource::System, LogLevel::Warn);
    LogLine { sequence, deployment, at, source, level, step: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_anywhere_in_any_case_and_nowhere_else() {
        for (message, text, found) in [
            ("npm ERR! missing script", "err!", true),
            ("npm ERR! missing script", "", true),
            ("npm", "npm ", false),
            ("", "x", false),
            ("Straße", "STRASSE", false),
            ("größe", "größe", true),
        ] {
            assert_eq!(holds(message, text), found, "{text:?} in {message:?}");
        }
    }
}
