//! The clocks: of the control plane, the engine, the file system, and of whoever wrote the newest record.

use std::time::SystemTime;

use deploy_core::engine::SystemClock;
use deploy_core::port::Clock as _;
use deploy_core::time::{Span, Timestamp};
use deploy_http::Health;
use deploy_store_sqlite::Standing;

use super::Check;
use super::engine::Looked;
use crate::commands::Context;

/// Apart by more than this, times in histories and logs mislead people. Nothing is ordered by them.
const APART: Span = Span::from_secs(2);

pub(super) async fn clocks(cx: &Context, engine: &Looked, records: Option<&Standing>) -> Check {
    let mut findings = Vec::new();
    let mut compared = Vec::new();
    let asked = SystemClock.now();
    if let Ok(health) = cx.client.get::<Health>("/health").await {
        compared.push("the control plane");
        findings.extend(apart("the control plane", health.timestamp, asked, SystemClock.now()));
    }
    if let Some(now) = engine.facts.as_ref().ok().and_then(|facts| facts.now) {
        compared.push("the engine");
        findings.extend(apart("the engine", now, engine.asked, engine.answered));
    }
    if let Some(newest) = records.and_then(|records| records.newest) {
        compared.push("the newest record");
        findings.extend(ahead("the newest record", newest, SystemClock.now()));
    }
    if let Some(written) = written(cx) {
        compared.push("the file system");
        findings.extend(ahead("the newest file", written, SystemClock.now()));
    }
    verdict(&compared, &findings)
}

fn verdict(compared: &[&str], findings: &[String]) -> Check {
    let name = "clocks";
    if !findings.is_empty() {
        return Check::bad(name, findings.join("; "))
            .hint("set the clocks by NTP (on Debian: apt-get install systemd-timesyncd)")
            .hint("nothing is ordered by a clock: deployments go on as they should meanwhile");
    }
    match compared {
        [] => Check::well(name, "there is nothing to compare with yet"),
        compared => Check::well(name, format!("agree within {APART}: {}", compared.join(", "))),
    }
}

/// A clock that was read between two readings of ours must lie between them, or nearly so.
fn apart(whose: &str, theirs: Timestamp, before: Timestamp, after: Timestamp) -> Option<String> {
    let (behind, ahead) = (before.since(theirs), theirs.since(after));
    if behind > APART {
        return Some(format!("the clock of {whose} is {behind} behind"));
    }
    (ahead > APART).then(|| format!("the clock of {whose} is {ahead} ahead"))
}

/// Nothing that was written can be from later than now.
fn ahead(what: &str, at: Timestamp, now: Timestamp) -> Option<String> {
    let ahead = at.since(now);
    (ahead > APART)
        .then(|| format!("{what} is {ahead} from now: a clock was set back, or another one wrote it"))
}

/// When the store's files were last written, by the file system's clock.
fn written(cx: &Context) -> Option<Timestamp> {
    let modified =
        |name: &str| std::fs::metadata(cx.state.store().join(name)).and_then(|file| file.modified());
    let newest = ["store.db", "store.db-wal"].into_iter().filter_map(|name| modified(name).ok()).max()?;
    let since = newest.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.after(Span::from_secs(seconds))
    }

    #[test]
    fn a_clock_is_apart_only_if_it_is_outside_of_both_readings() {
        for (theirs, said) in [(100, None), (105, None), (98, None), (107, None)] {
            assert_eq!(apart("x", at(theirs), at(100), at(105)), said);
        }
        assert_eq!(apart("x", at(97), at(100), at(105)).as_deref(), Some("the clock of x is 3s behind"));
        assert_eq!(apart("x", at(110), at(100), at(105)).as_deref(), Some("the clock of x is 5s ahead"));
        assert!(ahead("x", at(103), at(100)).is_some() && ahead("x", at(90), at(100)).is_none());
    }
}
