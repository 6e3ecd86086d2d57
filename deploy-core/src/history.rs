//! What the runs so far say together: how many, how well, how long. Pure: records in, figures out.
//!
//! A store keeps one narrow [`RunRecord`] per deployment beside its journal, so that nothing here needs
//! an event to be read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::ResourceKey;
use crate::lifecycle::PhaseName;
use crate::status::{Status, StatusName};
use crate::time::{Span, Timestamp};

/// Runs that one question looks at, at most; of more, the newest.
pub const RUNS: usize = 50_000;
/// Days and weeks in one answer, at most; of more, the newest.
const PERIODS: usize = 366;
const DAY_MILLIS: i64 = 86_400_000;

/// Which runs are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryQuery {
    /// Only this resource (any environment).
    pub resource: Option<String>,
    /// Only this environment.
    pub environment: Option<String>,
    /// Only accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Only accepted before this time.
    pub until: Option<Timestamp>,
    /// At most this many, the newest.
    pub limit: usize,
}

/// What is left of a run when only figures are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// What was deployed.
    pub resource: ResourceKey,
    /// Where it is.
    pub status: StatusName,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long its phases took; nothing until it has ended.
    pub phases: BTreeMap<PhaseName, Span>,
}

impl RunRecord {
    /// The record of a status.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let mut phases = BTreeMap::new();
        for timing in status.phases.iter().filter(|_| status.ended_at.is_some()) {
            if let Some(ended_at) = timing.ended_at {
                let sum: &mut Span = phases.entry(timing.phase).or_default();
                let took = ended_at.since(timing.started_at).as_millis();
                *sum = Span::from_millis(sum.as_millis().saturating_add(took));
            }
        }
        Self {
            resource: ResourceKey {
                resource: status.resource.clone(),
                environment: status.environment.clone(),
            },
            status: status.status,
            created_at: status.created_at,
            ended_at: status.ended_at,
            phases,
        }
    }
}

/// What the runs say together. Times are whole milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stats {
    /// How many runs there were.
    pub count: Count,
    /// Of those that succeeded or failed, how many in a hundred succeeded; absent while there are none.
    pub success_percent: Option<f64>,
    /// How long runs took that have ended, from acceptance on.
    pub duration: Option<Times>,
    /// How long each phase took.
    pub phases: Vec<PhaseTimes>,
    /// From the end of a failed run to the end of the next one of its resource that succeeded.
    pub time_to_restore: Option<Times>,
    /// Days with runs, in UTC, oldest first.
    pub days: Vec<Period>,
    /// Weeks with runs, named by their Monday, oldest first.
    pub weeks: Vec<Period>,
    /// Whether there were more runs than are looked at; then these are the newest.
    pub truncated: bool,
}

/// Runs by how they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Count {
    /// All of them.
    pub runs: u64,
    /// Live, verified.
    pub succeeded: u64,
    /// Failed, taken back or not.
    pub failed: u64,
    /// Stopped by somebody, or taken over by a newer one.
    pub stopped: u64,
    /// Not ended yet.
    pub unfinished: u64,
}

/// The runs accepted within a day or a week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Period {
    /// Its first day, as `2026-11-16`.
    pub from: String,
    /// Its runs.
    pub count: Count,
}

/// How long something took that happened more than once, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Times {
    /// How often it happened.
    pub count: u64,
    /// Half took no longer.
    pub median: u64,
    /// Of a hundred, 95 took no longer.
    pub p95: u64,
    /// The longest.
    pub max: u64,
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PhaseTimes {
    /// The phase.
    pub phase: PhaseName,
    /// How long it took.
    pub times: Times,
}

impl Stats {
    /// The figures of some runs, oldest first.
    #[must_use]
    pub fn of(runs: &[RunRecord], limit: usize) -> Self {
        let mut count = Count::default();
        runs.iter().for_each(|run| count.add(run.status));
        let judged = count.succeeded + count.failed;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let percent = (count.succeeded as f64 * 1_000.0 / judged.max(1) as f64).round() / 10.0;
        let whole = |run: &RunRecord| Some(run.ended_at?.since(run.created_at).as_millis());
        Self {
            count,
            success_percent: (judged > 0).then_some(percent),
            duration: Times::of(runs.iter().filter_map(whole).collect()),
            phases: phases(runs),
            time_to_restore: Times::of(restores(runs)),
            days: periods(runs, |day| day),
            // 1970-01-01 was a Thursday.
            weeks: periods(runs, |day| day - (day + 3).rem_euclid(7)),
            truncated: runs.len() >= limit,
        }
    }
}

impl Count {
    fn add(&mut self, status: StatusName) {
        self.runs += 1;
        let of_its_kind = match status {
            StatusName::Succeeded => &mut self.succeeded,
            StatusName::Failed | StatusName::RolledBack => &mut self.failed,
            StatusName::Stopped | StatusName::Superseded => &mut self.stopped,
            StatusName::Queued
            | StatusName::Detecting
            | StatusName::Planning
            | StatusName::Blocked
            | StatusName::Planned
            | StatusName::Executing
            | StatusName::Verifying
            | StatusName::RollingBack => &mut self.unfinished,
        };
        *of_its_kind += 1;
    }
}

impl Times {
    /// The figures of some durations; `None` of none.
    fn of(mut millis: Vec<u64>) -> Option<Self> {
        millis.sort_unstable();
        // The smallest that so many in a hundred do not exceed.
        let rank = |percent: usize| millis.get((millis.len() * percent).div_ceil(100).saturating_sub(1));
        Some(Self { count: millis.len() as u64, median: *rank(50)?, p95: *rank(95)?, max: *millis.last()? })
    }
}

fn phases(runs: &[RunRecord]) -> Vec<PhaseTimes> {
    let mut all: BTreeMap<PhaseName, Vec<u64>> = BTreeMap::new();
    for (phase, span) in runs.iter().flat_map(|run| &run.phases) {
        all.entry(*phase).or_default().push(span.as_millis());
    }
    all.into_iter()
        .filter_map(|(phase, millis)| Some(PhaseTimes { phase, times: Times::of(millis)? }))
        .collect()
}

/// How long each resource was without a run that succeeded, from the first that failed.
fn restores(runs: &[RunRecord]) -> Vec<u64> {
    let mut failing: BTreeMap<&ResourceKey, Timestamp> = BTreeMap::new();
    let mut restored = Vec::new();
    for run in runs {
        let Some(ended_at) = run.ended_at else { continue };
        match run.status {
            StatusName::Failed | StatusName::RolledBack => {
                failing.entry(&run.resource).or_insert(ended_at);
            }
            StatusName::Succeeded => {
                let since = failing.remove(&run.resource);
                restored.extend(since.map(|since| ended_at.since(since).as_millis()));
            }
            StatusName::Stopped
            | StatusName::Superseded
            | StatusName::Queued
            | StatusName::Detecting
            | StatusName::Planning
            | StatusName::Blocked
            | StatusName::Planned
            | StatusName::Executing
            | StatusName::Verifying
            | StatusName::RollingBack => {}
        }
    }
    restored
}

/// The runs per period; `first_day` gives the first day of a day's period, in days since 1970.
fn periods(runs: &[RunRecord], first_day: impl Fn(i64) -> i64) -> Vec<Period> {
    let mut all: BTreeMap<i64, Count> = BTreeMap::new();
    for run in runs {
        let day = run.created_at.as_millis().div_euclid(DAY_MILLIS);
        all.entry(first_day(day)).or_default().add(run.status);
    }
    let surplus = all.len().saturating_sub(PERIODS);
    let named = |(day, count): (i64, Count)| {
        let at = Timestamp::from_millis(day.saturating_mul(DAY_MILLIS)).to_string();
        Period { from: at.get(..10).unwrap_or_default().to_owned(), count }
    };
    all.into_iter().skip(surplus).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = DAY_MILLIS;

    fn run(name: &str, status: StatusName, created: i64, ended: Option<i64>) -> RunRecord {
        let resource: ResourceKey = name.parse().expect("a resource");
        let (created_at, ended_at) = (Timestamp::from_millis(created), ended.map(Timestamp::from_millis));
        RunRecord { resource, status, created_at, ended_at, phases: BTreeMap::new() }
    }

    #[test]
    fn every_run_is_counted_once_in_every_period() {
        let runs: Vec<_> = StatusName::ALL
            .iter()
            .enumerate()
            .map(|(n, status)| {
                run("web", *status, n as i64 * DAY, status.is_ended().then_some(n as i64 * DAY))
            })
            .collect();
        let stats = Stats::of(&runs, RUNS);
        let sum = |count: Count| count.succeeded + count.failed + count.stopped + count.unfinished;
        assert_eq!((stats.count.runs, sum(stats.count)), (13, 13));
        for periods in [&stats.days, &stats.weeks] {
            assert_eq!(periods.iter().map(|period| period.count.runs).sum::<u64>(), 13);
            assert!(periods.is_sorted_by_key(|period| period.from.clone()));
        }
        // 1970-01-01 was a Thursday: its week began in 1969.
        assert_eq!(stats.weeks[0].from, "1969-12-29");
        assert_eq!((stats.days[0].from.as_str(), stats.days.len()), ("1970-01-01", 13));
        assert_eq!(stats.success_percent, Some(33.3));
    }

    #[test]
    fn a_percentile_is_one_of_the_values_and_enough_of_them_are_no_greater() {
        assert_eq!(Times::of(Vec::new()), None);
        for count in 1..=200_u64 {
            let times = Times::of((1..=count).rev().collect()).expect("there are some");
            assert!(times.median * 100 >= count * 50 && (times.median - 1) * 100 < count * 50);
            assert!(times.p95 * 100 >= count * 95 && (times.p95 - 1) * 100 < count * 95);
            assert_eq!((times.count, times.max), (count, count));
        }
    }

    #[test]
    fn restoring_is_counted_from_the_first_failure_of_the_resource_itself() {
        let runs = [
            run("web", StatusName::Failed, 0, Some(10)),
            run("api", StatusName::Succeeded, 11, Some(12)),
            run("web", StatusName::RolledBack, 20, Some(30)),
            run("web", StatusName::Stopped, 31, Some(32)),
            run("web", StatusName::Succeeded, 40, Some(50)),
            run("web", StatusName::Succeeded, 60, Some(70)),
        ];
        let restored = Stats::of(&runs, RUNS).time_to_restore.expect("it was restored once");
        assert_eq!((restored.count, restored.median), (1, 40));
    }
}
