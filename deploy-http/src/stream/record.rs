//! One line of a stream, written once for all who follow.

use deploy_core::engine::{Engine, EngineError};
use deploy_core::id::{DeploymentId, Seq, StepId};
use deploy_core::log::{LogLevel, LogLine, LogQuery, LogSource};
use deploy_core::wire;

use super::line::Line;

/// What is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// The events of a deployment.
    Events,
    /// The lines of its log.
    Logs,
}

impl What {
    /// The word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Logs => "logs",
        }
    }
}

/// An event or a log line as it goes over the wire.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) sequence: Seq,
    /// The envelope, one line of JSON without its line end.
    pub(crate) json: String,
    traits: Option<Traits>,
}

/// What a log line can be filtered by.
#[derive(Debug)]
struct Traits {
    source: LogSource,
    level: LogLevel,
    step: Option<StepId>,
}

/// Which log lines somebody wants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) step: Option<StepId>,
    pub(crate) source: Option<LogSource>,
    pub(crate) level: Option<LogLevel>,
}

impl Filter {
    pub(crate) fn wants(&self, record: &Record) -> bool {
        let Some(traits) = &record.traits else { return true };
        self.step.as_ref().is_none_or(|step| traits.step.as_ref() == Some(step))
            && self.source.is_none_or(|source| traits.source == source)
            && self.level.is_none_or(|level| traits.level >= level)
    }
}

/// At most `limit` records after a number. They are never filtered here: what is missing between two
/// numbers is then really missing.
pub(crate) async fn page(
    engine: &Engine,
    id: DeploymentId,
    what: What,
    after: Seq,
    limit: usize,
) -> Result<Vec<Record>, EngineError> {
    Ok(match what {
        What::Events => engine.events(id, after, limit).await?.iter().map(Record::event).collect(),
        What::Logs => {
            let query = LogQuery {
                deployment: id,
                after,
                step: None,
                source: None,
                level: None,
                limit,
                newest: false,
            };
            engine.logs(&query).await?.into_iter().map(Record::line).collect()
        }
    })
}

impl Record {
    fn event(event: &wire::Envelope) -> Self {
        Self { sequence: event.sequence, json: Line::event(event).json(), traits: None }
    }

    fn line(line: LogLine) -> Self {
        let json = Line::log(&line).json();
        let LogLine { sequence, source, level, step, .. } = line;
        Self { sequence, json, traits: Some(Traits { source, level, step }) }
    }
}

#[cfg(test)]
impl Record {
    pub(super) fn for_test(sequence: Seq, json: String) -> Self {
        Self { sequence, json, traits: None }
    }
}
