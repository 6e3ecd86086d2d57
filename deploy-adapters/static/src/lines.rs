//! Output of a process as log lines: bounded in line length, whatever the process writes.

use deploy_core::id::{DeploymentId, Seq, StepId};
use deploy_core::log::{LINE_BYTES, LogLevel, LogLine, LogSource};
use deploy_core::port::{Clock, LogSink};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Writes the lines of one step, and remembers the last ones.
#[derive(Clone)]
pub(crate) struct StepLog {
    pub(crate) deployment: DeploymentId,
    pub(crate) step: StepId,
    pub(crate) sink: Arc<dyn LogSink>,
    pub(crate) clock: Arc<dyn Clock>,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl StepLog {
    pub(crate) fn new(
        deployment: DeploymentId,
        step: StepId,
        sink: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { deployment, step, sink, clock, tail: Arc::default() }
    }

    /// One line.
    pub(crate) fn line(&self, source: LogSource, level: LogLevel, message: &str) {
        if source == LogSource::Build {
            let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.push_back(deploy_core::log::cut_line(message));
            if tail.len() > deploy_core::failure::HEARD_LINES {
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
            message: deploy_core::log::cut_line(message),
        });
    }

    /// The last lines of output.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Reads to the end and writes each line. A line longer than [`LINE_BYTES`] is written in full bounds:
/// its head is kept and the number of bytes left out is said.
pub(crate) async fn copy_lines(mut from: impl AsyncRead + Unpin, log: StepLog, level: LogLevel) {
    let mut buffer = vec![0; 32 * 1024];
    let mut line = Line::default();
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        for piece in buffer[..read].split_inclusive(|&byte| byte == b'\n') {
            line.push(piece.strip_suffix(b"\n").unwrap_or(piece));
            if piece.ends_with(b"\n") {
                log.line(LogSource::Build, level, &line.take());
            }
        }
    }
    if !line.is_empty() {
        log.line(LogSource::Build, level, &line.take());
    }
}

#[derive(Default)]
struct Line {
    kept: Vec<u8>,
    left_out: usize,
}

impl Line {
    fn push(&mut self, piece: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.kept.len()).min(piece.len());
        self.kept.extend_from_slice(&piece[..room]);
        self.left_out += piece.len() - room;
    }

    fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.left_out == 0
    }

    fn take(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let mut text = text.trim_end_matches('\r').to_owned();
        if self.left_out > 0 {
            text.push_str(&format!(" … [{} more bytes]", self.left_out));
        }
        *self = Self::default();
        text
    }
}
