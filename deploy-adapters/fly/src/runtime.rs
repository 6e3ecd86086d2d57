//! What the machines of a release write, from the log that fly keeps of the app.
//!
//! fly keeps the newest lines of an app, of all its machines and whatever release they ran. What is read is what this
//! release's own program wrote: on machines that run it, since fly began its rollout. A machine that is replaced in
//! place keeps its name, and fly does not say which release wrote a line; so a line of the release before may stand in
//! front, from the moments of the rollout, and the last moments of a machine that was replaced are left out.
//!
//! It is followed by reading those newest lines again and again, each time from where the last time ended. flyctl's own
//! way to follow is no mere reading: it starts an agent that stays, makes a WireGuard peer in the organisation, and gives
//! the lines of two sources that overlap. Where more was written between two readings than fly shows at once, this log
//! ends, and whoever opens it again sees that the line it goes on after is not there any more.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deploy_core::cancel::Cancel;
use deploy_core::failure::Failure;
use deploy_core::id::{Digest, ResourceKey};
use deploy_core::lines::Lines;
use deploy_core::port::ReleaseRecord;
use deploy_core::redact::Redactor;
use deploy_core::runtime_log::{RuntimeFrom, RuntimeLine, RuntimeLog, RuntimeLogError};
use deploy_core::time::Span;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::argv::{self, Call};
use crate::ask::ask;
use crate::classify;
use crate::compile::ASK_TIMEOUT;
use crate::executor::FlyExecutor;
use crate::mark::Mark;
use crate::platform::{self, LogEntry, Machine, ReleaseEntry};
use crate::run::{End, Flyctl, Watch};

/// How long one reading may take. Where nothing is kept flyctl waits for the first line, and is ended.
const READING: Span = Span::from_secs(10);
/// The pause between two readings.
const PAUSE: Duration = Duration::from_secs(2);
/// In microseconds: lines so long before where reading begins show whether one was missed.
const SECOND: u64 = 1_000_000;

/// Opens the log of the machines that run a release.
pub(crate) async fn open(
    target: &FlyExecutor,
    release: &ReleaseRecord,
    from: RuntimeFrom,
) -> Result<Box<dyn RuntimeLog>, RuntimeLogError> {
    let profile = &release.outline.profile;
    let unavailable = |why: &str| RuntimeLogError::Unavailable { why: why.to_owned() };
    let app = profile.fly.app.clone().ok_or_else(|| unavailable("no fly app is named"))?;
    let flyctl = target.running(&profile.fly).map_err(|failure| unavailable(&failure.message))?;
    let reader = Reader {
        flyctl: flyctl.in_every_region(),
        app,
        resource: release.outline.resource.clone(),
        digest: release.digest.clone(),
        hidden: target.hidden(profile),
    };
    let begun = reader.begun(release).await?;
    Ok(Box::new(AppLog {
        reader: Arc::new(reader),
        since: begun.max(from.micros.saturating_sub(SECOND)),
        follow: from.follow,
        before: None,
        reading: None,
        ready: VecDeque::new(),
        ended: false,
    }))
}

/// Who asks, and about what.
struct Reader {
    flyctl: Flyctl,
    app: String,
    resource: ResourceKey,
    digest: Digest,
    hidden: Redactor,
}

impl Reader {
    /// When fly began the rollout of what the machines run, in microseconds since 1970.
    async fn begun(&self, release: &ReleaseRecord) -> Result<u64, RuntimeLogError> {
        let machines = self.machines().await?;
        let Some(newest) = machines.iter().filter_map(Machine::version).max() else {
            let why = format!("no machine of {} runs {} now", self.app, release.version);
            return Err(RuntimeLogError::Unavailable { why });
        };
        let releases: Vec<ReleaseEntry> = self.ask(&argv::releases(&self.app)).await?;
        let entry = releases.iter().find(|entry| entry.version == newest);
        // One that fly does not list any more was made here before it was recorded.
        let made = u64::try_from(release.created_at.as_millis()).unwrap_or(0).saturating_mul(1_000);
        Ok(entry.and_then(|entry| micros(&entry.created_at)).unwrap_or(made))
    }

    /// The machines that run the release.
    async fn machines(&self) -> Result<Vec<Machine>, RuntimeLogError> {
        let all: Vec<Machine> = self.ask(&argv::machines(&self.app)).await?;
        Ok(all.into_iter().filter(|machine| self.runs_on(machine)).collect())
    }

    fn runs_on(&self, machine: &Machine) -> bool {
        let marked = machine.mark().and_then(Mark::parse);
        let ours = marked.is_some_and(|mark| mark.resource == self.resource.to_string());
        ours && machine.serves() && machine.digest().as_ref() == Some(&self.digest)
    }

    /// The newest lines that fly keeps of the app, in the order of their times.
    async fn newest(&self) -> Result<Vec<Entry>, RuntimeLogError> {
        let (call, cancel) = (argv::logs(&self.app), Cancel::new());
        let ran = self.flyctl.ask(&call, &watch(&cancel, READING), &self.hidden).await;
        let ran = ran.map_err(|failure| self.unavailable(failure))?;
        let was_ended = ran.end == End::TimedOut;
        if let Some(failure) = classify::failure(&ran, true).filter(|_| !was_ended) {
            return Err(self.unavailable(failure));
        }
        let unreadable = |why: String| RuntimeLogError::Unavailable { why: self.hidden.clean(&why) };
        let read: Vec<LogEntry> = platform::read_all(&ran.answer, was_ended).map_err(unreadable)?;
        let entries: Option<Vec<Entry>> = read.into_iter().map(Entry::of).collect();
        let mut entries = entries.ok_or_else(|| unreadable("a line has no time".to_owned()))?;
        entries.sort_by_key(|entry| entry.micros);
        Ok(entries)
    }

    async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, RuntimeLogError> {
        let cancel = Cancel::new();
        let answer = ask(&self.flyctl, call, &watch(&cancel, ASK_TIMEOUT), &self.hidden, true).await;
        answer.map_err(|failure| self.unavailable(failure))
    }

    fn unavailable(&self, failure: Failure) -> RuntimeLogError {
        RuntimeLogError::Unavailable { why: self.hidden.clean_failure(failure).message }
    }
}

const fn watch(cancel: &Cancel, timeout: Span) -> Watch<'_> {
    Watch { deployment: None, cancel, timeout, directory: None }
}

/// A line that fly keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Entry {
    micros: u64,
    machine: String,
    provider: String,
    message: String,
}

impl Entry {
    fn of(entry: LogEntry) -> Option<Self> {
        let provider = entry.meta.event.provider;
        let LogEntry { timestamp, instance: machine, message, .. } = entry;
        Some(Self { micros: micros(&timestamp)?, machine, provider, message })
    }
}

/// A time as fly writes it, in microseconds since 1970.
fn micros(time: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000).ok()
}

/// What one reading brought: the newest lines, and the machines that ran the release after it.
struct Reading {
    newest: Vec<Entry>,
    machines: Vec<Machine>,
}

async fn read(reader: Arc<Reader>, pause: Duration) -> Result<Reading, RuntimeLogError> {
    tokio::time::sleep(pause).await;
    let newest = reader.newest().await?;
    // In this order: a machine that still runs the release wrote for nobody else.
    Ok(Reading { newest, machines: reader.machines().await? })
}

/// A reading on its way.
type Pending = dyn Future<Output = Result<Reading, RuntimeLogError>> + Send;

/// The log of one release. Two readings of it are in memory at most, each no larger than what one answer may be.
struct AppLog {
    reader: Arc<Reader>,
    since: u64,
    follow: bool,
    /// What was read the last time.
    before: Option<Vec<Entry>>,
    reading: Option<Pin<Box<Pending>>>,
    /// The lines of the last reading that were not given yet.
    ready: VecDeque<RuntimeLine>,
    ended: bool,
}

#[async_trait]
impl RuntimeLog for AppLog {
    fn skips(&self) -> bool {
        false
    }

    async fn next(&mut self) -> Result<Option<RuntimeLine>, RuntimeLogError> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            let pause = if self.before.is_some() { PAUSE } else { Duration::ZERO };
            let reader = &self.reader;
            let reading = self.reading.get_or_insert_with(|| Box::pin(read(Arc::clone(reader), pause)));
            let read = reading.as_mut().await;
            self.reading = None;
            self.take(read?);
        }
    }
}

impl AppLog {
    fn take(&mut self, Reading { newest, machines }: Reading) {
        let before = self.before.take().unwrap_or_default();
        let Some(new) = unseen(&before, &newest) else {
            self.ended = true;
            return;
        };
        for entry in new {
            let ours = entry.provider == "app" && machines.iter().any(|machine| machine.id == entry.machine);
            if ours && entry.micros >= self.since {
                let mut lines = Lines::new(self.reader.hidden.clone());
                let mut line = |line: deploy_core::redact::CleanLine| {
                    self.ready.push_back(RuntimeLine { micros: entry.micros, message: line.into() });
                };
                lines.take(entry.message.as_bytes(), &mut line);
                lines.finish(&mut line);
            }
        }
        self.ended = !self.follow || machines.is_empty();
        self.before = Some(newest);
    }
}

/// What is new in a reading since the one before; `None` where something may have come and gone between them.
fn unseen<'a>(before: &[Entry], newest: &'a [Entry]) -> Option<Vec<&'a Entry>> {
    let Some(oldest) = before.first() else { return Some(newest.iter().collect()) };
    let mut known: HashMap<&Entry, usize> = HashMap::new();
    for entry in before {
        *known.entry(entry).or_default() += 1;
    }
    let mut new = Vec::new();
    let mut overlap = newest.is_empty();
    for entry in newest {
        match known.get_mut(entry).filter(|left| **left > 0) {
            Some(left) => {
                *left -= 1;
                overlap = true;
            }
            // What is older than all that was read was not left out, it came too late.
            None if entry.micros >= oldest.micros => new.push(entry),
            None => {}
        }
    }
    overlap.then_some(new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u64) -> Entry {
        let (machine, provider) = ("a".to_owned(), "app".to_owned());
        Entry { micros: 1_000 + number / 3, machine, provider, message: number.to_string() }
    }

    proptest! {
        /// Whatever is written between two readings of a log that keeps its newest lines: each line is given once and
        /// in order, or it is noticed that some may be missing.
        #[test]
        fn inv_37_no_line_is_given_twice_and_none_is_left_out_without_a_word(
            kept in 1_usize..20,
            written in proptest::collection::vec(0_usize..25, 1..10),
        ) {
            let (mut all, mut before, mut given) = (Vec::new(), Vec::new(), Vec::new());
            for count in written {
                let first = all.len() as u64;
                all.extend((first..first + count as u64).map(entry));
                let newest: Vec<Entry> = all[all.len().saturating_sub(kept)..].to_vec();
                match unseen(&before, &newest) {
                    Some(new) => given.extend(new.into_iter().cloned()),
                    None => {
                        prop_assert!(count >= kept, "nothing was lost");
                        given.clone_from(&all);
                    }
                }
                if before.is_empty() {
                    given.clone_from(&all);
                }
                prop_assert_eq!(&given, &all);
                before = newest;
            }
        }
    }

    #[test]
    fn lines_that_are_alike_are_as_many_as_were_written() {
        let (one, two) = (entry(1), entry(2));
        let newest = [one.clone(), two.clone(), two.clone(), two.clone()];
        let new = unseen(&[one, two.clone()], &newest);
        assert_eq!(new, Some(vec![&two, &two]));
    }

    #[test]
    fn times_are_read_as_fly_writes_them() {
        assert_eq!(micros("2026-11-21T12:00:00.123456789Z").map(|micros| micros % SECOND), Some(123_456));
        assert_eq!(micros("1970-01-01T00:00:01Z"), Some(SECOND));
        assert_eq!(micros("yesterday"), None);
    }
}
