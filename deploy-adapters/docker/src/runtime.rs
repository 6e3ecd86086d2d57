//! What the container behind a release's route writes, from the engine's own log of it: both streams, with the
//! time at which the engine took each line.

use std::collections::VecDeque;
use std::pin::Pin;

use async_trait::async_trait;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use deploy_core::id::Name;
use deploy_core::lines::Lines;
use deploy_core::port::ReleaseRecord;
use deploy_core::redact::Redactor;
use deploy_core::runtime_log::{RuntimeFrom, RuntimeLine, RuntimeLog, RuntimeLogError};
use futures_util::{Stream, StreamExt as _};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::containers;
use crate::engine::Engine;
use crate::front::{Front, upstream};
use crate::names::LABEL_VERSION;

/// Opens the log of the container that a release is served from.
pub(crate) async fn open(
    engine: &Engine,
    owner: &Name,
    front: &Front,
    release: &ReleaseRecord,
    from: RuntimeFrom,
    hidden: Redactor,
) -> Result<Box<dyn RuntimeLog>, RuntimeLogError> {
    let container = serving(engine, owner, front, release).await?;
    let docker = engine.client().await.map_err(|error| unavailable(&error))?.clone();
    let pieces = Box::pin(docker.logs(&container, Some(options(from))));
    Ok(Box::new(ContainerLog {
        pieces,
        out: Lines::new(hidden.clone()),
        err: Lines::new(hidden),
        ready: VecDeque::new(),
    }))
}

/// The container at the address that the route leads to.
async fn serving(
    engine: &Engine,
    owner: &Name,
    front: &Front,
    release: &ReleaseRecord,
) -> Result<String, RuntimeLogError> {
    let outline = &release.outline;
    let routes = front.routes(std::slice::from_ref(&outline.access.host)).await;
    let routes = routes.map_err(|failure| RuntimeLogError::Unavailable { why: failure.message })?;
    let address = routes.first().and_then(upstream).map(|address| address.ip());
    let ours = containers::list(engine, owner, Some(&outline.resource)).await;
    let ours = ours.map_err(|error| unavailable(&error))?;
    let behind = ours
        .into_iter()
        .find(|one| one.running && address.is_some() && one.address.map(std::net::IpAddr::from) == address);
    let container = match behind {
        Some(one) => containers::find(engine, &one.id).await.map_err(|error| unavailable(&error))?,
        None => None,
    };
    // While another release takes its place, that one's container may be behind the route already.
    let version = release.version.to_string();
    let found = container.filter(|found| containers::label(found, LABEL_VERSION) == Some(version.as_str()));
    found.and_then(|container| container.id).ok_or_else(|| {
        let why = format!("no container of {version} is behind {} now", outline.access.host);
        RuntimeLogError::Unavailable { why }
    })
}

/// The engine counts in whole seconds: it gives a little more than is asked for.
fn options(from: RuntimeFrom) -> LogsOptions {
    let since = i32::try_from((from.micros / 1_000_000).saturating_sub(1)).unwrap_or(i32::MAX);
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true);
    options.follow(from.follow).since(since).build()
}

fn unavailable(error: &dyn std::fmt::Display) -> RuntimeLogError {
    RuntimeLogError::Unavailable { why: error.to_string() }
}

/// The log of one container. One piece of it is in memory, and the beginning of one line of each stream.
struct ContainerLog {
    pieces: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    out: Lines,
    err: Lines,
    /// The lines that the last piece ended.
    ready: VecDeque<RuntimeLine>,
}

#[async_trait]
impl RuntimeLog for ContainerLog {
    async fn next(&mut self) -> Result<Option<RuntimeLine>, RuntimeLogError> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            match self.pieces.next().await {
                Some(Ok(piece)) => self.take(&piece),
                Some(Err(error)) => return Err(unavailable(&error)),
                None => return Ok(None),
            }
        }
    }
}

impl ContainerLog {
    /// Takes a piece: a time, a space, and a line or, of a long one, a part. Each piece has a time of its own.
    fn take(&mut self, piece: &LogOutput) {
        let (lines, bytes) = match piece {
            LogOutput::StdErr { message } => (&mut self.err, message),
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                (&mut self.out, message)
            }
        };
        let (micros, text) = timed(bytes);
        lines.take(text, |line| self.ready.push_back(RuntimeLine { micros, message: line.into() }));
    }
}

/// The time in front of a piece, in microseconds since 1970, and the rest. Without a time all is rest.
fn timed(bytes: &[u8]) -> (u64, &[u8]) {
    let parts = bytes.iter().position(|&byte| byte == b' ').map(|at| bytes.split_at(at));
    let time =
        parts.and_then(|(time, _)| OffsetDateTime::parse(std::str::from_utf8(time).ok()?, &Rfc3339).ok());
    match (time, parts) {
        (Some(time), Some((_, rest))) => {
            let micros = u64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or(0);
            (micros, rest.get(1..).unwrap_or_default())
        }
        (None, _) | (_, None) => (0, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_its_time_and_its_text() {
        let (micros, text) = timed(b"2026-11-21T12:00:00.123456789Z hello  world\n");
        assert_eq!((micros % 1_000_000, text), (123_456, &b"hello  world\n"[..]));
        assert_eq!(timed(b"no time\n"), (0, &b"no time\n"[..]));
        assert_eq!(timed(b""), (0, &b""[..]));
    }

    #[test]
    fn reading_goes_on_a_second_before_where_it_was_left() {
        let since = |micros| options(RuntimeFrom { micros, follow: true }).since;
        assert_eq!((since(0), since(1_500_000), since(1_700_000_000_999_999)), (0, 0, 1_699_999_999));
    }
}
