//! Output as log lines: bounded in length, without secrets, with the last ones remembered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use deploy_core::failure::HEARD_LINES;
use deploy_core::id::{DeploymentId, Seq, StepId};
use deploy_core::log::{LINE_BYTES, LogLevel, LogLine, LogSource, cut_line};
use deploy_core::port::{Clock, LogSink};
use deploy_core::redact::Redactor;

/// Writes the lines of one step, and remembers the last ones that were not our own.
#[derive(Clone)]
pub(crate) struct StepLog {
    pub(crate) deployment: DeploymentId,
    pub(crate) step: StepId,
    pub(crate) sink: Arc<dyn LogSink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hidden: Redactor,
    pub(crate) tail: Arc<Mutex<VecDeque<String>>>,
}

impl StepLog {
    /// One line.
    pub(crate) fn line(&self, source: LogSource, level: LogLevel, message: &str) {
        let message = cut_line(&self.hidden.clean(message));
        if source != LogSource::System {
            let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.push_back(message.clone());
            if tail.len() > HEARD_LINES {
                tail.pop_front();
            }
        }
        self.sink.line(LogLine {
            sequence: Seq(0),
            deployment: self.deployment,
            at: self.clock.now(),
            source,
            level,
            step: Some(self.step.clone()),
            message,
        });
    }

    /// One line of our own.
    pub(crate) fn system(&self, level: LogLevel, message: &str) {
        self.line(LogSource::System, level, message);
    }

    /// The last lines of output.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Cuts a stream of bytes into lines. A line longer than [`LINE_BYTES`] keeps its head and says how much is
/// left out.
#[derive(Default)]
pub(crate) struct Lines {
    kept: Vec<u8>,
    left_out: usize,
}

impl Lines {
    /// Takes bytes, and gives every line that they end.
    pub(crate) fn take(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE_BYTES.saturating_sub(self.kept.len()).min(text.len());
            self.kept.extend_from_slice(&text[..room]);
            self.left_out += text.len() - room;
            if piece.ends_with(b"\n") {
                self.end(&mut line);
            }
        }
    }

    /// Gives what is left without a line end.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.kept.is_empty() || self.left_out > 0 {
            self.end(&mut line);
        }
    }

    fn end(&mut self, line: &mut impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.kept);
        let text = text.trim_end_matches('\r');
        if self.left_out > 0 {
            line(&format!("{text} … [{} more bytes]", self.left_out));
        } else {
            line(text);
        }
        self.kept.clear();
        self.left_out = 0;
    }
}
