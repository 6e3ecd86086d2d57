//! Following what the live release writes: numbered, resumed where it was left, and saying what is missing.

use std::sync::Arc;
use std::time::Duration;

use super::error::EngineError;
use super::handle::{Engine, Inner};
use crate::id::{DeploymentId, ResourceKey, Seq, Version};
use crate::log::{LogLevel, LogLine, LogSource};
use crate::port::{Executor, ReleaseRecord, ReleaseState, StoreError};
use crate::runtime_log::{RuntimeFrom, RuntimeLine, RuntimeLog};
use crate::time::Timestamp;

/// How long nothing may come before it is looked whether the release still serves. One that stands still
/// writes nothing, and does not end either.
const STILL_LIVE: Duration = Duration::from_secs(5);
/// The pause before a log that ended, or may have left something out, is opened again.
const AGAIN: Duration = Duration::from_millis(250);
/// How often in a row the target may refuse to go on: half a minute.
const ATTEMPTS: u32 = 120;
/// In microseconds: a line that comes so long after it was written shows that reading is behind, and two lines so
/// far apart that something may have been between them.
const BEHIND: u64 = 20_000;

/// What a live release wrote, or what is to be known about that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeItem {
    /// A line. Its number is the microsecond since 1970 in which it was written, or the next that is free.
    Line(LogLine),
    /// The line to go on after is not kept any more: what followed it may be missing, too.
    Gap {
        /// The first number that may be missing.
        from: Seq,
        /// The last.
        to: Seq,
    },
    /// All that there is was read, and lines are not waited for.
    CaughtUp,
    /// The release serves no more.
    Ended,
}

/// What a live release writes, from some line on. Only what is asked for is read: who does not ask delays nobody.
pub struct RuntimeTail {
    inner: Arc<Inner>,
    executor: Arc<dyn Executor>,
    deployment: DeploymentId,
    resource: ResourceKey,
    release: ReleaseRecord,
    follow: bool,
    log: Option<Box<dyn RuntimeLog>>,
    /// How often in a row it could not be opened again.
    failures: u32,
    numbers: Numbers,
    pace: Pace,
    /// A line that was read behind a gap, which is told first.
    held: Option<LogLine>,
}

impl Engine {
    /// What the release that a deployment made writes, after the line of that number; `None` unless it
    /// serves now. Numbers that are no line's begin with the oldest line that is kept.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`EngineError::RuntimeLog`] when the target keeps no such output or can't
    /// be asked; or the store can't be read.
    pub async fn runtime_log(
        &self,
        deployment: DeploymentId,
        after: Seq,
        follow: bool,
    ) -> Result<Option<RuntimeTail>, EngineError> {
        let Some((resource, release, executor)) = self.serving(deployment).await? else { return Ok(None) };
        let inner = Arc::clone(self.inner());
        let numbers = Numbers::after(after, release.created_at);
        let mut tail = RuntimeTail {
            inner,
            executor,
            deployment,
            resource,
            release,
            follow,
            log: None,
            failures: 0,
            numbers,
            pace: Pace::default(),
            held: None,
        };
        // A target that has no log says so now, not in the middle of an answer.
        tail.open().await?;
        Ok(Some(tail))
    }

    /// Whether the release that a deployment made serves now, on a target that keeps what it writes. The target
    /// is not asked.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the store can't be read.
    pub async fn has_runtime_log(&self, deployment: DeploymentId) -> Result<bool, EngineError> {
        Ok(self.serving(deployment).await?.is_some_and(|(_, _, executor)| executor.keeps_output()))
    }

    /// The release that a deployment made, if it serves now, and who knows its target.
    async fn serving(&self, deployment: DeploymentId) -> Result<Option<Serving>, EngineError> {
        let status = self.status(deployment).await?;
        let Some(version) = status.release else { return Ok(None) };
        let resource = ResourceKey { resource: status.resource, environment: status.environment };
        let releases = self.inner().store.releases(&resource).await?;
        let live =
            |release: &ReleaseRecord| release.state == ReleaseState::Live && release.version == version;
        let Some(release) = releases.into_iter().find(live) else { return Ok(None) };
        let executor = self.previewer().executor(release.outline.target.as_str()).map(Arc::clone);
        Ok(executor.map(|executor| (resource, release, executor)))
    }
}

/// A release that serves.
type Serving = (ResourceKey, ReleaseRecord, Arc<dyn Executor>);

impl RuntimeTail {
    /// The number of the last line that was given.
    #[must_use]
    pub const fn cursor(&self) -> Seq {
        self.numbers.cursor
    }

    /// What comes next. Giving the call up before it answers loses nothing.
    ///
    /// # Errors
    /// [`EngineError::RuntimeLog`], or the store can't be read.
    pub async fn next(&mut self) -> Result<RuntimeItem, EngineError> {
        if let Some(line) = self.held.take() {
            return Ok(RuntimeItem::Line(line));
        }
        loop {
            let Some(log) = &mut self.log else {
                if self.ended_or_open().await? {
                    return Ok(self.end());
                }
                continue;
            };
            let skips = log.skips();
            match tokio::time::timeout(STILL_LIVE, log.next()).await {
                Ok(Ok(Some(line))) => {
                    self.failures = 0;
                    if self.follow && skips && self.pace.may_have_skipped(line.micros, self.now()) {
                        // Read anew from the last line that was given: if that is still kept, so is the rest.
                        self.log = None;
                        continue;
                    }
                    if let Some(item) = self.take(line) {
                        return Ok(item);
                    }
                }
                Ok(Ok(None)) if !self.follow => return Ok(RuntimeItem::CaughtUp),
                Ok(Err(error)) if !self.follow => return Err(error.into()),
                // Its process ended and is started again, or the target itself was.
                Ok(Ok(None) | Err(_)) => self.log = None,
                Err(_) if is_live(&self.inner, &self.resource, self.release.version).await? => {}
                Err(_) => return Ok(self.end()),
            }
        }
    }

    /// The end; before it, that the last lines are missing if reading was behind when it came.
    fn end(&mut self) -> RuntimeItem {
        let (from, behind) = (self.numbers.cursor.next(), self.pace.was_reading(self.now()));
        self.log = None;
        self.pace.before = None;
        if behind { RuntimeItem::Gap { from, to: Seq(self.now().max(from.0)) } } else { RuntimeItem::Ended }
    }

    /// Opens the log again, unless the release serves no more: whether that is so.
    async fn ended_or_open(&mut self) -> Result<bool, EngineError> {
        if !is_live(&self.inner, &self.resource, self.release.version).await? {
            return Ok(true);
        }
        tokio::time::sleep(AGAIN).await;
        match self.open().await {
            Ok(()) => {}
            Err(error) if self.failures >= ATTEMPTS => return Err(error),
            Err(_) => self.failures += 1,
        }
        Ok(false)
    }

    async fn open(&mut self) -> Result<(), EngineError> {
        let from = RuntimeFrom { micros: self.numbers.cursor.0, follow: self.follow };
        self.log = Some(self.executor.runtime_log(&self.release, from).await?);
        self.numbers.begin();
        self.pace = Pace { opened: self.now(), ..self.pace };
        Ok(())
    }

    /// Microseconds since 1970.
    fn now(&self) -> u64 {
        let now = self.inner.previewer.clock().now();
        u64::try_from(now.as_millis()).unwrap_or(0).saturating_mul(1_000)
    }

    fn take(&mut self, line: RuntimeLine) -> Option<RuntimeItem> {
        let at = Timestamp::from_millis(i64::try_from(line.micros / 1_000).unwrap_or(i64::MAX));
        let (sequence, gap) = self.numbers.give(line.micros)?;
        let line = LogLine {
            sequence,
            deployment: self.deployment,
            at,
            source: LogSource::Runtime,
            level: LogLevel::Info,
            step: None,
            message: line.message,
        };
        match gap {
            None => Some(RuntimeItem::Line(line)),
            Some((from, to)) => {
                self.held = Some(line);
                Some(RuntimeItem::Gap { from, to })
            }
        }
    }
}

/// Notices when lines may have been left out: a target that keeps little throws away what a slow reader has not read
/// yet, and goes on with what is newest, without a word.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    /// When the log was opened. What was written before is read from what is kept, where nothing is left out.
    opened: u64,
    /// The line before, and whether it came late.
    before: Option<(u64, bool)>,
    /// When it was read.
    read: u64,
}

impl Pace {
    /// Whether something may be missing in front of a line: the one before came late, and this one was written
    /// a good while after it. It may also only have been quiet.
    fn may_have_skipped(&mut self, micros: u64, now: u64) -> bool {
        if self.is_behind() && self.before.is_some_and(|(before, _)| micros.saturating_sub(before) > BEHIND) {
            return true;
        }
        self.before = Some((micros, now.saturating_sub(micros) > BEHIND));
        self.read = now;
        false
    }

    /// Whether lines that had come late were still being read a moment ago.
    fn was_reading(&self, now: u64) -> bool {
        let recently = Duration::from_micros(now.saturating_sub(self.read)) < STILL_LIVE;
        recently && self.before.is_some_and(|(_, late)| late)
    }

    /// Whether the last line came late, and was written after the log was opened.
    fn is_behind(&self) -> bool {
        self.before.is_some_and(|(before, late)| late && before > self.opened)
    }
}

/// Whether a release still serves.
async fn is_live(inner: &Inner, resource: &ResourceKey, version: Version) -> Result<bool, StoreError> {
    let releases = inner.store.releases(resource).await?;
    Ok(releases.iter().any(|release| release.state == ReleaseState::Live && release.version == version))
}

/// Gives lines their numbers: the same to the same line whenever the log is opened again, as reading begins a
/// second before the cursor and no program writes a line in every microsecond of a second.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    /// The last line that was given.
    cursor: Seq,
    /// The last line that was read since the log was opened.
    read: u64,
    /// Whether the line at the cursor is still looked for.
    seeks: bool,
}

impl Numbers {
    fn after(cursor: Seq, made: Timestamp) -> Self {
        let micros = u64::try_from(made.as_millis()).unwrap_or(0).saturating_mul(1_000);
        let cursor = if cursor.0 < micros { Seq(0) } else { cursor };
        Self { cursor, read: 0, seeks: false }
    }

    /// The log was opened a second before the cursor.
    const fn begin(&mut self) {
        self.read = 0;
        self.seeks = self.cursor.0 > 0;
    }

    /// The number of the next line, unless it was given before; and what may be missing in front of it.
    fn give(&mut self, micros: u64) -> Option<(Seq, Option<(Seq, Seq)>)> {
        let number = micros.max(self.read.saturating_add(1));
        self.read = number;
        if number <= self.cursor.0 {
            // Also a line just before it proves that nothing in front of the next one is gone.
            self.seeks = self.seeks && number != self.cursor.0;
            return None;
        }
        let (from, to) = (self.cursor.next(), Seq(number - 1));
        let gap = (self.seeks && from <= to).then_some((from, to));
        (self.seeks, self.cursor) = (false, Seq(number));
        Some((Seq(number), gap))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All lines that a log still has, as somebody gets them who comes back after every few.
    fn read(kept: &[u64], after: u64, few: usize) -> (Vec<u64>, Vec<(u64, u64)>) {
        let mut numbers = Numbers::after(Seq(after), Timestamp::EPOCH);
        let (mut given, mut gaps) = (Vec::new(), Vec::new());
        loop {
            numbers.begin();
            let since = numbers.cursor.0.saturating_sub(1_000_000);
            let mut got = 0;
            for micros in kept.iter().filter(|micros| **micros >= since) {
                if let Some((number, gap)) = numbers.give(*micros) {
                    gaps.extend(gap.map(|(from, to)| (from.0, to.0)));
                    given.push(number.0);
                    got += 1;
                    if got == few {
                        break;
                    }
                }
            }
            if got < few {
                return (given, gaps);
            }
        }
    }

    proptest! {
        /// Bursts within one microsecond included, no line is missed or given twice by whoever comes back.
        #[test]
        fn inv_41_whoever_comes_back_gets_the_same_numbers_without_gap_or_double(
            steps in prop::collection::vec(prop_oneof![Just(0_u64), 1..50_u64, Just(450_000_u64)], 1..80),
            few in 1_usize..9,
        ) {
            let mut at = 5_000_000_000;
            let kept: Vec<u64> = steps.iter().map(|step| { at += step; at }).collect();
            let (whole, none) = read(&kept, 0, usize::MAX);
            prop_assert_eq!(whole.len(), kept.len());
            prop_assert!(whole.is_sorted_by(|a, b| a < b));
            prop_assert!(none.is_empty());
            let (pieces, gaps) = read(&kept, 0, few);
            prop_assert_eq!(pieces, whole);
            prop_assert!(gaps.is_empty(), "{:?}", gaps);
        }

        /// When the line to go on after was thrown away, that is said, and the gap ends where lines go on.
        #[test]
        fn inv_41_what_the_target_threw_away_is_said(
            steps in prop::collection::vec(2..500_000_u64, 3..60),
            gone in 1_usize..50,
        ) {
            let mut at = 5_000_000_000;
            let all: Vec<u64> = steps.iter().map(|step| { at += step; at }).collect();
            let gone = gone.min(all.len() - 1);
            let cursor = all[gone - 1];
            let (given, gaps) = read(&all[gone..], cursor, usize::MAX);
            prop_assert_eq!(&given, &all[gone..]);
            prop_assert_eq!(gaps, vec![(cursor + 1, all[gone] - 1)]);
        }
    }

    #[test]
    fn inv_41_only_who_was_behind_may_have_missed_something() {
        let opened = 1_000_000;
        let skipped = |lines: &[(u64, u64)]| {
            let mut pace = Pace { opened, ..Pace::default() };
            lines.iter().map(|(micros, now)| pace.may_have_skipped(*micros, *now)).collect::<Vec<_>>()
        };
        let second = 1_000_000;
        // Quiet in between, and each line there at once.
        assert_eq!(
            skipped(&[(opened + 1, opened + 2), (opened + second, opened + second + 1)]),
            [false, false]
        );
        // What was kept is old, whatever lies between.
        assert_eq!(
            skipped(&[(5, opened), (500_000, opened), (opened + second, opened + second)]),
            [false; 3]
        );
        // Behind, and then a jump.
        let late = opened + second;
        assert_eq!(
            skipped(&[(opened + 1, late), (opened + 2, late), (opened + 100_000, late)]),
            [false, false, true]
        );
    }

    #[test]
    fn a_number_that_is_no_line_s_begins_with_the_oldest() {
        let numbers = Numbers::after(Seq(57), Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(numbers.cursor, Seq(0));
    }
}
