//! One line of a stream, written once for all who follow.

use std::borrow::Cow;

use deploy_core::engine::{Engine, EngineError};
use deploy_core::id::{DeploymentId, Seq, StepId};
use deploy_core::log::{LogLevel, LogLine, LogQuery, LogSource, holds};
use deploy_core::wire;
use serde::Deserialize;

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
    pub(crate) search: Option<String>,
}

/// What a search reads of a line.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl Filter {
    pub(crate) fn wants(&self, record: &Record) -> bool {
        let Some(traits) = &record.traits else { return true };
        self.step.as_ref().is_none_or(|step| traits.step.as_ref() == Some(step))
            && self.source.is_none_or(|source| traits.source == source)
            && self.level.is_none_or(|level| traits.level >= level)
            && self.search.as_ref().is_none_or(|text| {
                // Kept once, as it is sent: only a search takes it apart again.
                serde_json::from_str::<Message<'_>>(&record.json).is_ok_and(|line| holds(&line.message, text))
            })
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
            let query = LogQuery { after, limit, ..LogQuery::of(id) };
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
