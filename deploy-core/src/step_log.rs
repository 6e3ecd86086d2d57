//! What an executor writes while it carries out a step: clean lines, with the last ones remembered for its failure.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::HEARD_LINES;
use crate::id::{DeploymentId, Seq, StepId};
use crate::lines::Lines;
use crate::log::{LogLevel, LogLine, LogSource};
use crate::port::{Clock, LogSink};
use crate::redact::{CleanLine, Redactor};

/// Writes the lines of one step, and remembers the last ones that were not the executor's own.
#[derive(Clone)]
pub struct StepLog {
    deployment: DeploymentId,
    step: StepId,
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    hidden: Redactor,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl StepLog {
    /// The log of a step, without these secrets.
    #[must_use]
    pub fn new(
        (deployment, step): (DeploymentId, StepId),
        sink: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
        hidden: Redactor,
    ) -> Self {
        Self { deployment, step, sink, clock, hidden, tail: Arc::default() }
    }

    /// One line of any text.
    pub fn line(&self, source: LogSource, level: LogLevel, message: &str) {
        self.write(source, level, self.hidden.clean_line(message));
    }

    /// One line of the executor's own.
    pub fn system(&self, level: LogLevel, message: &str) {
        self.line(LogSource::System, level, message);
    }

    /// One line that is clean already.
    pub fn write(&self, source: LogSource, level: LogLevel, message: CleanLine) {
        let message = String::from(message);
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

    /// Cuts a stream into lines without this log's secrets.
    #[must_use]
    pub fn lines(&self) -> Lines {
        Lines::new(self.hidden.clone())
    }

    /// What is taken out of everything that this log says.
    #[must_use]
    pub const fn hidden(&self) -> &Redactor {
        &self.hidden
    }

    /// The clock that the lines are stamped with.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The last lines of output.
    #[must_use]
    pub fn tail(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
