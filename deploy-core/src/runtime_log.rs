//! What a release writes while it serves, read from where the target keeps it. It is not part of a
//! deployment's log: a release may write for years, and the target already keeps the newest of it.

use async_trait::async_trait;
use thiserror::Error;

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuntimeFrom {
    /// In microseconds since 1970: every line after this moment is wanted, and those of the second before it,
    /// which show whether it was missed. 0 begins with the oldest line that is kept.
    pub micros: u64,
    /// Whether lines are waited for that are not written yet.
    pub follow: bool,
}

/// One line that a running release wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeLine {
    /// When it was written, in microseconds since 1970.
    pub micros: u64,
    /// The text, without its line end and without the values of secrets, of at most
    /// [`LINE_BYTES`](crate::log::LINE_BYTES).
    pub message: String,
}

/// Why a running release's output can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuntimeLogError {
    /// This target has none.
    #[error("{why}")]
    Absent {
        /// Why.
        why: &'static str,
    },
    /// The target would not give it now.
    #[error("the output of the release can't be read: {why}")]
    Unavailable {
        /// What it said.
        why: String,
    },
}

/// An open log. Dropping it frees everything that it holds.
#[async_trait]
pub trait RuntimeLog: Send {
    /// Whether a slow reader may miss lines that the target threw away meanwhile. A log that ends instead says no.
    fn skips(&self) -> bool {
        true
    }

    /// The next line, in the order in which the target keeps them; `None` when there is no other, or, where they
    /// are waited for, when the release has ended. Nothing is read ahead but what fits into a bounded buffer, and
    /// no line is lost when the call is given up before it answers.
    async fn next(&mut self) -> Result<Option<RuntimeLine>, RuntimeLogError>;
}
