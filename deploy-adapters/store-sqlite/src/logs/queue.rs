//! The queue that log lines wait in. Taking a line never blocks: without room it is dropped and
//! counted, and the log says so at that very place.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use deploy_core::id::{DeploymentId, Seq};
use deploy_core::log::{LINE_BYTES, LogLevel, LogLine, LogSource, cut_line};
use deploy_core::time::Timestamp;

use crate::limits::LogLimits;

/// Deployments whose dropped lines are counted at the same time.
const COUNTED: usize = 1_024;

/// What a line costs beside its text.
const LINE_COST: usize = size_of::<LogLine>();

/// Lines that wait to be written.
#[derive(Debug)]
pub(crate) struct LogQueue {
    waiting: Mutex<Waiting>,
    limits: LogLimits,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<LogLine>,
    bytes: usize,
    dropped: BTreeMap<DeploymentId, Dropped>,
}

/// How many lines of a deployment were dropped since the last one that was not, and when.
#[derive(Debug, Clone, Copy)]
struct Dropped {
    count: u64,
    at: Timestamp,
}

impl LogQueue {
    pub(crate) fn new(limits: LogLimits) -> Self {
        Self { waiting: Mutex::default(), limits }
    }

    /// Takes a line. True if nothing waited before it: then somebody must wake the writer.
    pub(crate) fn push(&self, mut line: LogLine) -> bool {
        if line.message.len() > LINE_BYTES {
            line.message = cut_line(&line.message);
        }
        let mut waiting = self.lock();
        let first = waiting.is_empty();
        let full = waiting.lines.len() >= self.limits.queue_lines
            || waiting.bytes + line.message.len() + LINE_COST > self.limits.queue_bytes;
        if full {
            waiting.drop_one(line.deployment, line.at);
        } else {
            waiting.take(line);
        }
        first
    }

    /// The lines that waited longest, at most one batch of them.
    pub(crate) fn pop(&self) -> Vec<LogLine> {
        let mut waiting = self.lock();
        let count = waiting.lines.len().min(self.limits.batch);
        let mut lines: Vec<_> = waiting.lines.drain(..count).collect();
        waiting.bytes -= lines.iter().map(|line| line.message.len() + LINE_COST).sum::<usize>();
        if waiting.lines.is_empty() {
            let dropped = std::mem::take(&mut waiting.dropped);
            lines.extend(dropped.into_iter().map(|(deployment, dropped)| dropped.line(deployment)));
        }
        lines
    }

    /// Counts lines that were taken and could not be written.
    pub(crate) fn lost(&self, lines: &[LogLine]) {
        let mut waiting = self.lock();
        for line in lines {
            waiting.drop_one(line.deployment, line.at);
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Whether a whole batch waits.
    pub(crate) fn has_batch(&self) -> bool {
        self.lock().lines.len() >= self.limits.batch
    }

    /// The lock is held for a few moves in memory, never across a wait; nothing panics under it.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped.is_empty()
    }

    /// Takes a line, after the note about those that were dropped before it.
    fn take(&mut self, line: LogLine) {
        let note = self.dropped.remove(&line.deployment).map(|dropped| dropped.line(line.deployment));
        for line in note.into_iter().chain([line]) {
            self.bytes += line.message.len() + LINE_COST;
            self.lines.push_back(line);
        }
    }

    fn drop_one(&mut self, deployment: DeploymentId, at: Timestamp) {
        let counted = self.dropped.contains_key(&deployment) || self.dropped.len() < COUNTED;
        if counted {
            let dropped = self.dropped.entry(deployment).or_insert(Dropped { count: 0, at });
            *dropped = Dropped { count: dropped.count + 1, at };
        }
    }
}

impl Dropped {
    fn line(self, deployment: DeploymentId) -> LogLine {
        let lines = if self.count == 1 { "line was" } else { "lines were" };
        notice(
            deployment,
            self.at,
            format!("{} {lines} dropped: output came faster than it can be kept", self.count),
        )
    }
}

/// A line of the log about the log.
pub(super) fn notice(deployment: DeploymentId, at: Timestamp, message: String) -> LogLine {
    let (source, level) = (LogSource::System, LogLevel::Warn);
    LogLine { sequence: Seq(0), deployment, at, source, level, step: None, message }
}
