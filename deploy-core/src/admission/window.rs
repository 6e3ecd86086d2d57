//! When a freeze begins and ends: once, or every week.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::InvalidId;
use crate::time::{Span, Timestamp};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const WEEK: i64 = 7 * DAY;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// 1970 began on a Thursday.
const MONDAY_BEFORE_1970: i64 = -3 * DAY;

/// A point in time, or one of every week: `2026-12-24T18:00:00+01:00`, `Fri 16:00+01:00`, `Mon 08:00Z`.
///
/// One of every week is fixed in UTC: where clocks change twice a year, so does the local time that it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub enum Boundary {
    /// Once.
    At(Timestamp),
    /// Every week.
    Weekly(WeekTime),
}

/// A minute of the week, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WeekTime {
    /// Milliseconds since Monday began, less than a week.
    millis: i64,
}

/// The end of the window that `at` lies in, if it lies in one. Beginning belongs to a window, its end does not.
pub(super) fn end(from: Boundary, until: Boundary, at: Timestamp) -> Option<Timestamp> {
    match (from, until) {
        (Boundary::At(from), Boundary::At(until)) => (from <= at && at < until).then_some(until),
        (Boundary::Weekly(from), Boundary::Weekly(until)) => {
            let passed = (at.as_millis() - MONDAY_BEFORE_1970 - from.millis).rem_euclid(WEEK);
            let left = (until.millis - from.millis).rem_euclid(WEEK) - passed;
            let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
            Some(at.after(Span::from_millis(left)))
        }
        (Boundary::At(_), Boundary::Weekly(_)) | (Boundary::Weekly(_), Boundary::At(_)) => None,
    }
}

/// Whether two boundaries make a window, or what is wrong with them.
pub(super) fn check(from: Boundary, until: Boundary) -> Result<(), String> {
    match (from, until) {
        (Boundary::At(begins), Boundary::At(ends)) if ends <= begins => {
            Err(format!("the freeze from {from} ends before it begins, at {until}"))
        }
        (Boundary::Weekly(begins), Boundary::Weekly(ends)) if begins == ends => Err(format!(
            "the freeze from {from} ends when it begins: nothing would ever be deployed, or everything"
        )),
        (Boundary::At(_), Boundary::At(_)) | (Boundary::Weekly(_), Boundary::Weekly(_)) => Ok(()),
        (Boundary::At(_), Boundary::Weekly(_)) | (Boundary::Weekly(_), Boundary::At(_)) => Err(format!(
            "the freeze from {from} until {until} begins once and ends every week, or the other way round"
        )),
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => at.fmt(f),
            Self::Weekly(WeekTime { millis }) => {
                let minutes = millis / MINUTE;
                let day = usize::try_from(millis / DAY).unwrap_or(0) % DAYS.len();
                write!(f, "{} {:02}:{:02}Z", DAYS[day], minutes / 60 % 24, minutes % 60)
            }
        }
    }
}

impl FromStr for Boundary {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        weekly(text).map(Self::Weekly).ok_or_else(|| InvalidId {
            text: text.chars().take(80).collect(),
            expected: "a time such as 2026-12-24T18:00:00+01:00, or one of every week such as Fri 16:00+01:00 or Mon 08:00Z",
        })
    }
}

fn weekly(text: &str) -> Option<WeekTime> {
    let (day, clock) = text.split_once(' ')?;
    let day = DAYS.iter().position(|name| name.eq_ignore_ascii_case(day))?;
    let (time, offset) = clock.split_at_checked(5)?;
    let offset = match offset.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        ("+", offset) => minutes(offset)?,
        ("-", offset) => -minutes(offset)?,
        _ => return None,
    };
    let minutes = i64::try_from(day).ok()? * 24 * 60 + minutes(time)? - offset;
    Some(WeekTime { millis: (minutes * MINUTE).rem_euclid(WEEK) })
}

/// The minutes of `hh:mm`, less than a day.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, below: i64| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number < below)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}

impl TryFrom<String> for Boundary {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Boundary> for String {
    fn from(boundary: Boundary) -> Self {
        boundary.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boundary(text: &str) -> Boundary {
        text.parse().unwrap()
    }

    proptest! {
        /// Every week is like the one before, a window is as long as it says, and its end lies behind all of it.
        #[test]
        fn a_weekly_window_comes_again_and_says_its_end(
            from in 0..7 * 24 * 60_i64, long in 1..7 * 24 * 60_i64, at in 0..3_000_000_000_000_i64,
        ) {
            let at_minute = |minute: i64| Boundary::Weekly(WeekTime { millis: (minute * MINUTE).rem_euclid(WEEK) });
            let (from, until) = (at_minute(from), at_minute(from + long));
            let now = Timestamp::from_millis(at);
            let ends = end(from, until, now);
            let next = end(from, until, Timestamp::from_millis(at + WEEK));
            prop_assert_eq!(ends.map(|ends| ends.as_millis() + WEEK), next.map(Timestamp::as_millis));
            // The same point is outside of what begins where this ends, and the other way round.
            prop_assert_eq!(end(until, from, now).is_some(), ends.is_none());
            if let Some(ends) = ends {
                prop_assert!(ends > now && ends.since(now).as_millis() <= (long * MINUTE) as u64);
                prop_assert_eq!(end(from, until, ends), None);
                prop_assert_eq!(end(from, until, Timestamp::from_millis(ends.as_millis() - 1)), Some(ends));
            }
            prop_assert_eq!(boundary(&from.to_string()), from);
        }

        #[test]
        fn a_boundary_is_read_or_refused_and_nothing_panics(text in "\\PC{0,20}|[A-Za-z]{3} [0-9:+-]{0,11}Z?") {
            if let Ok(read) = text.parse::<Boundary>() {
                prop_assert_eq!(boundary(&read.to_string()), read);
            }
        }
    }

    #[test]
    fn a_weekend_in_berlin_is_frozen_and_its_friday_morning_is_not() {
        let (from, until) = (boundary("Fri 16:00+01:00"), boundary("mon 08:00+01:00"));
        let frozen = |at: &str| end(from, until, at.parse().unwrap()).map(|end| end.to_string());
        let monday = Some("2026-11-23T07:00:00.000Z".to_owned());
        assert_eq!(frozen("2026-11-20T15:59:59+01:00"), None);
        assert_eq!(frozen("2026-11-20T16:00:00+01:00"), monday);
        assert_eq!(frozen("2026-11-22T12:00:00Z"), monday);
        assert_eq!(frozen("2026-11-23T08:00:00+01:00"), None);
        assert_eq!(boundary("Mon 00:30+01:00").to_string(), "Sun 23:30Z");
        for wrong in
            ["Fri", "Fri 16:00", "Fri 24:00Z", "Fri 16:60Z", "Friday 16:00Z", "Fri 6:00Z", "Fri 16:00+1"]
        {
            assert!(wrong.parse::<Boundary>().is_err(), "{wrong}");
        }
    }
}
