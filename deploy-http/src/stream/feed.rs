//! What many follow is read once: one task per followed deployment reads the journal and keeps the
//! newest records in a bounded window. Whoever is further behind reads the journal itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use deploy_core::engine::{Engine, EngineError};
use deploy_core::id::{DeploymentId, Seq};
use tokio::sync::watch;

use super::record::{Record, What, page};

/// Records in a window.
const WINDOW_RECORDS: usize = 1_024;
/// Bytes of the records in a window.
const WINDOW_BYTES: usize = 1024 * 1024;
/// Records read at once.
const PAGE: usize = 128;
/// Log lines do not ring: they are looked for again after this long.
const LINES_AGAIN: Duration = Duration::from_millis(200);
/// How often a task looks whether anybody still follows.
const ANYBODY: Duration = Duration::from_secs(5);

/// The feeds that somebody follows.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    open: Mutex<HashMap<(DeploymentId, What), Weak<Feed>>>,
}

impl Feeds {
    /// The feed of a deployment; a new one begins after `base`, which must be a number that the
    /// journal has reached.
    pub(crate) fn join(&self, engine: &Engine, id: DeploymentId, what: What, base: Seq) -> Arc<Feed> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = open.get(&(id, what)).and_then(Weak::upgrade)
            && feed.is_usable()
        {
            return feed;
        }
        open.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(Feed::new(base));
        open.insert((id, what), Arc::downgrade(&feed));
        tokio::spawn(fill(engine.clone(), id, what, Arc::downgrade(&feed)));
        feed
    }
}

/// Why a feed has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The deployment has ended, and nothing more will come.
    Ended,
    /// The journal could not be read.
    Failed(&'static str),
}

/// What a feed has after a number.
#[derive(Debug)]
pub(crate) enum Tail {
    /// These.
    Records(Vec<Arc<Record>>),
    /// More than is kept here: read the journal.
    Behind,
    /// Nothing yet.
    Nothing,
    /// Nothing, and nothing will come.
    Over(End),
}

/// The newest records of one deployment.
#[derive(Debug)]
pub(crate) struct Feed {
    window: Mutex<Window>,
    bell: watch::Sender<u64>,
}

#[derive(Debug)]
struct Window {
    /// The number after which nothing is missing here.
    base: Seq,
    records: VecDeque<Arc<Record>>,
    bytes: usize,
    end: Option<End>,
}

impl Feed {
    fn new(base: Seq) -> Self {
        let window = Window { base, records: VecDeque::new(), bytes: 0, end: None };
        Self { window: Mutex::new(window), bell: watch::Sender::new(0) }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_usable(&self) -> bool {
        match self.window().end {
            None | Some(End::Ended) => true,
            Some(End::Failed(_)) => false,
        }
    }

    /// Rings when there may be something new.
    pub(crate) fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// At most `limit` records after a number.
    pub(crate) fn after(&self, cursor: Seq, limit: usize) -> Tail {
        let window = self.window();
        if cursor < window.base {
            return Tail::Behind;
        }
        let from = window.records.partition_point(|record| record.sequence <= cursor);
        let records: Vec<_> = window.records.range(from..).take(limit).map(Arc::clone).collect();
        match (records.is_empty(), window.end) {
            (false, _) => Tail::Records(records),
            (true, Some(end)) => Tail::Over(end),
            (true, None) => Tail::Nothing,
        }
    }

    fn push(&self, records: Vec<Record>) {
        let mut window = self.window();
        for record in records {
            window.bytes += record.json.len();
            window.records.push_back(Arc::new(record));
            while window.records.len() > WINDOW_RECORDS || window.bytes > WINDOW_BYTES {
                let Some(gone) = window.records.pop_front() else { break };
                window.bytes -= gone.json.len();
                window.base = gone.sequence;
            }
        }
        drop(window);
        self.ring();
    }

    fn end(&self, end: End) {
        self.window().end = Some(end);
        self.ring();
    }

    fn ring(&self) {
        self.bell.send_modify(|rung| *rung = rung.wrapping_add(1));
    }
}

/// Fills a feed until the deployment ends or nobody follows any more.
async fn fill(engine: Engine, id: DeploymentId, what: What, feed: Weak<Feed>) {
    let Some(mut last) = feed.upgrade().map(|feed| feed.window().base) else { return };
    loop {
        let read = look(&engine, id, what, last).await;
        let Some(feed) = feed.upgrade() else { return };
        let seen = match read {
            Ok(Look::New(records)) => {
                last = records.last().map_or(last, |record| record.sequence);
                feed.push(records);
                continue;
            }
            Ok(Look::Ended) => return feed.end(End::Ended),
            Ok(Look::Nothing { seen }) => seen,
            Err(error) => return feed.end(End::Failed(error.code())),
        };
        drop(feed);
        let wait = match what {
            What::Events => ANYBODY,
            What::Logs => LINES_AGAIN,
        };
        // An error shows again at the next look.
        let _ = engine.changed(id, seen, wait).await;
    }
}

enum Look {
    New(Vec<Record>),
    Nothing { seen: Seq },
    Ended,
}

/// The status is read first: if the deployment had ended by then, the page holds all there will be.
async fn look(engine: &Engine, id: DeploymentId, what: What, after: Seq) -> Result<Look, EngineError> {
    let status = engine.status(id).await?;
    let records = page(engine, id, what, after, PAGE).await?;
    Ok(match (records.is_empty(), status.status.is_ended()) {
        (false, _) => Look::New(records),
        (true, true) => Look::Ended,
        (true, false) => Look::Nothing { seen: status.sequence },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64, bytes: usize) -> Record {
        Record::for_test(Seq(sequence), "x".repeat(bytes))
    }

    fn sequences(tail: Tail) -> Option<Vec<u64>> {
        match tail {
            Tail::Records(records) => Some(records.iter().map(|record| record.sequence.0).collect()),
            Tail::Behind | Tail::Nothing | Tail::Over(_) => None,
        }
    }

    #[test]
    fn inv_41_what_left_the_window_is_never_skipped_in_silence() {
        let feed = Feed::new(Seq(3));
        feed.push((4..4 + 2 * WINDOW_RECORDS as u64).map(|n| record(n, 1)).collect());
        let base = feed.window().base.0;
        assert_eq!(feed.window().records.len(), WINDOW_RECORDS);
        assert!(matches!(feed.after(Seq(base - 1), 10), Tail::Behind));
        assert_eq!(sequences(feed.after(Seq(base), 3)), Some(vec![base + 1, base + 2, base + 3]));
    }

    #[test]
    fn inv_39_a_window_is_bounded_in_bytes_too() {
        let feed = Feed::new(Seq(0));
        feed.push((1..=64).map(|n| record(n, WINDOW_BYTES / 16)).collect());
        assert!(feed.window().bytes <= WINDOW_BYTES);
        assert_eq!(feed.window().records.len(), 16);
    }

    #[test]
    fn the_end_comes_after_the_last_record() {
        let feed = Feed::new(Seq(0));
        feed.push(vec![record(1, 1)]);
        feed.end(End::Ended);
        assert_eq!(sequences(feed.after(Seq(0), 10)), Some(vec![1]));
        assert!(matches!(feed.after(Seq(1), 10), Tail::Over(End::Ended)));
    }
}
