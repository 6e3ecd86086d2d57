//! Laws of keeping logs: archived lines are lines like any others, removed ones leave a notice, and events
//! stay whatever happens to lines.

use super::store::{StoreFixture, Writer, at};
use super::{Breach, Law, Verdict};
use crate::engine::Store;
use crate::id::Seq;
use crate::log::{LogKeeping, LogLevel, LogLine, LogQuery, LogSearch, Tidied};
use crate::port::StoreError;
use crate::status::StatusName;
use crate::time::{Span, Timestamp};

/// Lines of the log that is kept: more than one page, and more than one piece of any archive.
const LINES: u64 = 1_500;

/// A deployment with a log; every hundredth line is grave and tells of a needle.
async fn logged(law: Law, store: &dyn Store, name: &str, lines: u64) -> Result<Writer, Breach> {
    let writer = law.ok("submitting", Writer::submit(name, store).await)?;
    for n in 1..=lines {
        let grave = n.is_multiple_of(100);
        let level = if grave { LogLevel::Error } else { LogLevel::Info };
        let text = if grave { format!("{name} line {n} has a Needle") } else { format!("{name} line {n}") };
        store.line(LogLine { level, ..writer.line(text) });
        if n.is_multiple_of(500) {
            law.ok("flushing", store.flush().await)?;
        }
    }
    law.ok("flushing", store.flush().await)?;
    Ok(writer)
}

/// The same with an ending.
async fn ended(law: Law, store: &dyn Store, name: &str, lines: u64) -> Result<Writer, Breach> {
    let mut writer = logged(law, store, name, lines).await?;
    law.ok("ending", writer.end(store, StatusName::Failed, None).await)?;
    Ok(writer)
}

fn much_later() -> Timestamp {
    at(30 * 86_400_000)
}

/// Tidies until there is nothing left to do.
async fn tidy(law: Law, store: &dyn Store, keep: LogKeeping) -> Result<Tidied, Breach> {
    let mut all = Tidied::default();
    for _ in 0..100 {
        let some = law.ok("tidying", store.tidy(much_later(), &keep).await)?;
        if some == Tidied::default() {
            return Ok(all);
        }
        all = Tidied { archived: all.archived + some.archived, removed: all.removed + some.removed };
    }
    Err(law.breach("tidying never comes to an end"))
}

fn needle() -> LogSearch {
    LogSearch { text: "nEEdle".to_owned(), limit: 1_000, ..LogSearch::default() }
}

/// Questions about one log, of every kind there is.
fn questions(writer: &Writer) -> Vec<LogQuery> {
    let all = writer.lines();
    let grave = Some(LogLevel::Error);
    vec![
        all.clone(),
        LogQuery { limit: 7, ..all.clone() },
        LogQuery { after: Seq(LINES / 2), limit: 700, ..all.clone() },
        LogQuery { after: Seq(LINES - 1), ..all.clone() },
        LogQuery { newest: true, limit: 9, ..all.clone() },
        LogQuery { level: grave, ..all.clone() },
        LogQuery { level: grave, newest: true, limit: 2, after: Seq(10), ..all },
    ]
}

/// Every question has the same answer behind archiving, and also when lines come late.
///
/// # Errors
/// What was seen instead.
pub async fn archived_lines_are_read_and_found_like_before(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "archived_lines_are_read_and_found_like_before",
        "read archived and live lines as one log, in the order of their numbers",
    );
    let store = fixture.store();
    let writer = ended(law, &*store, "web", LINES).await?;
    let mut before = Vec::new();
    for question in questions(&writer) {
        before.push(law.ok("reading", store.lines(&question).await)?);
    }
    let found = law.ok("searching", store.search(&needle()).await)?;
    law.same("what is found", (found.lines.len(), found.complete), (15, true))?;
    let done = tidy(law, &*store, LogKeeping::days(14)).await?;
    law.same("what was tidied", done, Tidied { archived: 1, removed: 0 })?;
    drop(store);
    let store = fixture.reopened().await.unwrap_or_else(|| fixture.store());
    for (question, lines) in questions(&writer).iter().zip(before) {
        law.same("an answer", law.ok("reading", store.lines(question).await)?, lines)?;
    }
    law.same("what is found in the archive", law.ok("searching", store.search(&needle()).await)?, found)?;
    // Lines may come late: they go on in the same numbers, and are archived in their turn.
    for round in 1..=2 {
        store.line(writer.line("late"));
        law.ok("flushing", store.flush().await)?;
        let lines = law.ok("reading", store.lines(&writer.lines()).await)?;
        let last = lines.last().map(|line| (line.sequence.0, line.message.clone()));
        law.same("the last line", last, Some((LINES + round, "late".to_owned())))?;
        law.same("the number of lines", lines.len() as u64, LINES + round)?;
        tidy(law, &*store, LogKeeping::days(14)).await?;
    }
    Ok(())
}

/// What is removed is gone from reading and searching, archived or not, and one line says so at the last
/// number; no event goes with it.
///
/// # Errors
/// What was seen instead.
pub async fn removed_lines_leave_a_notice_and_every_event(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "removed_lines_leave_a_notice_and_every_event",
        "replace the lines by `log::removed_notice` under the last number; never touch the journal",
    );
    let store = fixture.store();
    let archived = ended(law, &*store, "web", 700).await?;
    tidy(law, &*store, LogKeeping::days(3)).await?;
    let live = ended(law, &*store, "api", 100).await?;
    let events = law.ok("reading events", store.events(archived.id, Seq(0), 100).await)?;
    let done = tidy(law, &*store, LogKeeping::NONE).await?;
    law.same("what was tidied", done, Tidied { archived: 0, removed: 2 })?;
    for (writer, last) in [(&archived, 700), (&live, 100)] {
        let lines = law.ok("reading", store.lines(&writer.lines()).await)?;
        let seen: Vec<_> = lines.iter().map(|line| (line.sequence.0, &line.message[..8])).collect();
        law.same("what is left", seen, vec![(last, "removed:")])?;
        store.line(writer.line("late"));
        law.ok("flushing", store.flush().await)?;
        let lines = law.ok("reading", store.lines(&writer.lines()).await)?;
        law.same("a late line", lines.last().map(|line| line.sequence.0), Some(last + 1))?;
    }
    law.same("what is found", law.ok("searching", store.search(&needle()).await)?.lines, Vec::new())?;
    let now = law.ok("reading events", store.events(archived.id, Seq(0), 100).await)?;
    law.same("the events", now, events)?;
    // A notice is no reason to tidy again.
    tidy(law, &*store, LogKeeping::NONE).await?;
    let again = law.ok("tidying", store.tidy(much_later(), &LogKeeping::NONE).await)?;
    law.same("tidying what is tidy", again, Tidied::default())
}

/// What runs, and what ended a moment ago, keeps its lines.
///
/// # Errors
/// What was seen instead.
pub async fn logs_of_what_runs_are_left_alone(fixture: &impl StoreFixture) -> Verdict {
    let law = Law("logs_of_what_runs_are_left_alone", "tidy only what has ended, and count from the end on");
    let store = fixture.store();
    let runs = logged(law, &*store, "web", 10).await?;
    let lately = ended(law, &*store, "api", 10).await?;
    let keep = LogKeeping {
        archive_after: Some(Span::from_secs(30 * 86_400)),
        remove_after: Some(Span::from_secs(31 * 86_400)),
    };
    law.same("what was tidied", tidy(law, &*store, keep).await?, Tidied::default())?;
    law.same("what runs", tidy(law, &*store, LogKeeping::NONE).await?, Tidied { archived: 0, removed: 1 })?;
    for (writer, left) in [(&runs, 10), (&lately, 1)] {
        law.same("the lines", law.ok("reading", store.lines(&writer.lines()).await)?.len(), left)?;
    }
    Ok(())
}

/// No more lines than the limit, newest deployments first; what was left out is said.
///
/// # Errors
/// What was seen instead.
pub async fn a_search_is_bounded_and_says_so(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "a_search_is_bounded_and_says_so",
        "stop at the limit, newest deployments first, and say that it was not complete",
    );
    let store = fixture.store();
    let old = ended(law, &*store, "web", 300).await?;
    tidy(law, &*store, LogKeeping::days(0)).await?;
    let new = logged(law, &*store, "web@staging", 200).await?;
    let name = |text: &str| Some(text.to_owned());
    let searches = [
        ("all", needle(), vec![new.id, new.id, old.id, old.id, old.id], true),
        ("a few", LogSearch { limit: 3, ..needle() }, vec![new.id, new.id, old.id], false),
        (
            "exactly all",
            LogSearch { limit: 5, ..needle() },
            vec![new.id, new.id, old.id, old.id, old.id],
            true,
        ),
        ("one", LogSearch { deployment: Some(old.id), ..needle() }, vec![old.id; 3], true),
        ("one environment", LogSearch { environment: name("staging"), ..needle() }, vec![new.id; 2], true),
        ("another resource", LogSearch { resource: name("api"), ..needle() }, Vec::new(), true),
        ("another text", LogSearch { text: "haystack".to_owned(), ..needle() }, Vec::new(), true),
    ];
    for (what, search, ids, complete) in searches {
        let found = law.ok("searching", store.search(&search).await)?;
        let seen: Vec<_> = found.lines.iter().map(|line| line.deployment).collect();
        law.same(what, (seen, found.complete), (ids, complete))?;
        let sorted = found
            .lines
            .iter()
            .filter(|line| line.deployment == old.id)
            .is_sorted_by_key(|line| line.sequence);
        law.holds(sorted, || format!("{what}: lines of one log are out of order"))?;
    }
    let nobodys = LogSearch { deployment: Some(super::store::new_id()), ..needle() };
    law.same("the log of nobody", store.search(&nobodys).await.map(drop), Err(StoreError::NotFound))
}
