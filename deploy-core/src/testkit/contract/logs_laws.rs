//! Laws of the log: numbered, filtered, bounded, and nobody's lines disturb anybody.

use super::store::{StoreFixture, Writer, new_id};
use super::{Breach, Law, Verdict};
use crate::engine::Store;
use crate::id::Seq;
use crate::log::{LINE_BYTES, LogLevel, LogLine, LogQuery, LogSource, cut_line};
use crate::port::StoreError;

async fn kept(law: Law, store: &dyn Store, query: &LogQuery) -> Result<Vec<(u64, String)>, Breach> {
    law.ok("flushing", store.flush().await)?;
    let lines = law.ok("reading lines", store.lines(query).await)?;
    Ok(lines.into_iter().map(|line| (line.sequence.0, line.message)).collect())
}

/// Each deployment's lines are numbered from 1, also after a restart.
///
/// # Errors
/// What was seen instead.
pub async fn lines_are_numbered_per_deployment(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "lines_are_numbered_per_deployment",
        "number lines as they are stored, each deployment by itself",
    );
    let store = fixture.store();
    let one = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let two = law.ok("submitting", Writer::submit("api", &*store).await)?;
    for n in 1..=3 {
        store.line(one.line(format!("one {n}")));
        store.line(two.line(format!("two {n}")));
    }
    law.ok("flushing", store.flush().await)?;
    drop(store);
    let store = fixture.reopened().await.unwrap_or_else(|| fixture.store());
    store.line(one.line("one 4"));
    for (writer, name, count) in [(&one, "one", 4), (&two, "two", 3)] {
        let wanted = (1..=count).map(|n| (n, format!("{name} {n}"))).collect();
        law.same(&format!("the log of {name}"), kept(law, &*store, &writer.lines()).await?, wanted)?;
    }
    Ok(())
}

/// Filters combine, and a page goes on behind a number.
///
/// # Errors
/// What was seen instead.
pub async fn lines_are_filtered_and_paged(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "lines_are_filtered_and_paged",
        "filter, then cut at the limit; a level asks for at least as grave",
    );
    let store = fixture.store();
    let writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let step: crate::id::StepId = "build".parse().expect("a step");
    store.line(LogLine { step: Some(step.clone()), ..writer.line("a") });
    store.line(LogLine { source: LogSource::Runtime, ..writer.line("b") });
    store.line(LogLine { level: LogLevel::Error, ..writer.line("c") });
    let wanted = [
        ("all lines", writer.lines(), "abc"),
        ("lines of a step", LogQuery { step: Some(step), ..writer.lines() }, "a"),
        ("lines of a source", LogQuery { source: Some(LogSource::Runtime), ..writer.lines() }, "b"),
        ("grave lines", LogQuery { level: Some(LogLevel::Warn), ..writer.lines() }, "c"),
        ("one page", LogQuery { after: Seq(1), limit: 1, ..writer.lines() }, "b"),
        ("the newest lines", LogQuery { newest: true, limit: 2, ..writer.lines() }, "bc"),
    ];
    for (what, query, expected) in wanted {
        let found: String = kept(law, &*store, &query).await?.into_iter().map(|(_, text)| text).collect();
        law.same(what, found.as_str(), expected)?;
    }
    let nobodys = LogQuery { deployment: new_id(), ..writer.lines() };
    law.same("the log of nobody", store.lines(&nobodys).await.map(drop), Err(StoreError::NotFound))
}

/// A line beyond the limit is cut, and says how much is missing.
///
/// # Errors
/// What was seen instead.
pub async fn a_long_line_is_cut_visibly(fixture: &impl StoreFixture) -> Verdict {
    let law = Law("a_long_line_is_cut_visibly", "store what `log::cut_line` makes of it");
    let store = fixture.store();
    let writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    store.line(writer.line("x".repeat(LINE_BYTES + 10)));
    let lines = kept(law, &*store, &writer.lines()).await?;
    let cut = |text: &str| text.len() <= LINE_BYTES && text == cut_line(&"x".repeat(LINE_BYTES + 10));
    let length = lines.first().map(|(_, text)| text.len());
    law.holds(lines.len() == 1 && cut(&lines[0].1), || format!("the line has {length:?} bytes"))
}

/// Lines of a deployment that has no record are dropped; others are kept.
///
/// # Errors
/// What was seen instead.
pub async fn lines_of_nobody_disturb_nobody(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "lines_of_nobody_disturb_nobody",
        "drop lines without a deployment one by one, never the batch they came in",
    );
    let store = fixture.store();
    let (known, unknown) = (law.ok("submitting", Writer::submit("web", &*store).await)?, Writer::new("web"));
    store.line(unknown.line("lost"));
    store.line(known.line("kept"));
    law.same("the log", kept(law, &*store, &known.lines()).await?, vec![(1, "kept".to_owned())])
}
