//! One client that follows: where it is, and what it is told next.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use deploy_core::engine::{EngineError, SystemClock};
use deploy_core::id::{DeploymentId, Seq};
use deploy_core::port::Clock;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::feed::{End, Feed, Tail};
use super::form::Form;
use super::line::{Line, Reason};
use super::record::{Filter, Record, What, page};
use crate::api::Api;
use crate::metrics::Following;

/// Records read from the journal at once: at most, and at least. How many depends on how many fit into a
/// chunk, as what does not fit is read again.
const PAGE: usize = 128;
const SMALL_PAGE: usize = 8;
/// A chunk is full when it has this many bytes. A client that does not read holds one chunk.
const CHUNK: usize = 32 * 1024;

/// What a client asked for.
pub(super) struct Order {
    pub(super) id: DeploymentId,
    pub(super) what: What,
    pub(super) form: Form,
    pub(super) filter: Filter,
    pub(super) follow: bool,
    pub(super) after: Seq,
}

/// One client that follows.
pub(super) struct Follower {
    api: Api,
    order: Order,
    cursor: Seq,
    page: usize,
    feed: Option<(Arc<Feed>, watch::Receiver<u64>)>,
    opened: bool,
    closed: bool,
    _place: OwnedSemaphorePermit,
    _counted: Following,
}

/// What comes next.
enum Next {
    Records(Vec<Arc<Record>>),
    Wait,
    Close(Line<'static>),
}

impl Follower {
    pub(super) fn new(api: Api, order: Order, place: OwnedSemaphorePermit) -> Self {
        let counted = api.metrics().following(order.what.as_str());
        let cursor = order.after;
        Self {
            api,
            order,
            cursor,
            page: SMALL_PAGE,
            feed: None,
            opened: false,
            closed: false,
            _place: place,
            _counted: counted,
        }
    }

    /// The next bytes; `None` after the envelope that ends the stream. A slow reader is simply not
    /// asked again: it delays nobody and holds at most one chunk.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        if self.closed {
            return None;
        }
        let mut out = String::new();
        if !self.opened {
            self.opened = true;
            out.push_str(self.order.form.opening());
        }
        let heartbeat = Instant::now() + self.api.limits().heartbeat;
        loop {
            match self.look().await.unwrap_or_else(|error| Next::Close(failed(error.code()))) {
                Next::Records(records) => self.write(&mut out, &records),
                Next::Wait if out.is_empty() => self.wait(&mut out, heartbeat).await,
                Next::Wait => {}
                Next::Close(last) => {
                    self.closed = true;
                    self.order.form.say(&mut out, None, &last);
                }
            }
            if !out.is_empty() {
                return Some(out.into());
            }
        }
    }

    async fn look(&mut self) -> Result<Next, EngineError> {
        let Some((feed, _)) = &self.feed else { return self.read_journal().await };
        match feed.after(self.cursor, PAGE) {
            Tail::Records(records) => Ok(Next::Records(records)),
            Tail::Behind => self.read_journal().await,
            Tail::Nothing => Ok(Next::Wait),
            Tail::Over(End::Ended) => Ok(Next::Close(self.closing(Reason::Ended))),
            Tail::Over(End::Failed(code)) => Ok(Next::Close(failed(code))),
        }
    }

    /// The status is read first: if the deployment had ended by then, the page holds all there will be.
    async fn read_journal(&mut self) -> Result<Next, EngineError> {
        let Order { id, what, follow, .. } = self.order;
        let engine = self.api.engine();
        let status = engine.status(id).await?;
        let records = page(engine, id, what, self.cursor, self.page).await?;
        if !records.is_empty() {
            return Ok(Next::Records(records.into_iter().map(Arc::new).collect()));
        }
        if status.status.is_ended() {
            return Ok(Next::Close(self.closing(Reason::Ended)));
        }
        if !follow {
            return Ok(Next::Close(self.closing(Reason::CaughtUp)));
        }
        if !self.was_reached(status.sequence).await? {
            return Ok(Next::Close(failed("cursor_ahead")));
        }
        let feed = self.api.feeds().join(self.api.engine(), id, what, self.cursor);
        let bell = feed.bell();
        self.feed = Some((feed, bell));
        // It may have something already.
        Ok(Next::Records(Vec::new()))
    }

    /// Whether the cursor is a number that was given already: whoever names one that was not would miss
    /// what comes until then.
    async fn was_reached(&self, last_event: Seq) -> Result<bool, EngineError> {
        Ok(match self.order.what {
            What::Events => self.cursor <= last_event,
            What::Logs if self.cursor == Seq(0) => true,
            What::Logs => {
                let before = Seq(self.cursor.0 - 1);
                !page(self.api.engine(), self.order.id, What::Logs, before, 1).await?.is_empty()
            }
        })
    }

    fn write(&mut self, out: &mut String, records: &[Arc<Record>]) {
        let Order { form, filter, .. } = &self.order;
        for (written, record) in records.iter().enumerate() {
            let expected = self.cursor.next();
            if record.sequence > expected {
                let (from, to) = (expected, Seq(record.sequence.0 - 1));
                form.say(out, Some(to.0), &Line::Gap { from, to });
            }
            if filter.wants(record) {
                form.write(out, Some(record.sequence.0), &record.json);
            }
            self.cursor = record.sequence;
            if out.len() >= CHUNK {
                self.page = (written + 1).clamp(SMALL_PAGE, PAGE);
                return;
            }
        }
        self.page = (self.page * 2).min(PAGE);
    }

    /// Waits until something may be there; says so if nothing came for long.
    async fn wait(&mut self, out: &mut String, heartbeat: Instant) {
        let Some((_, bell)) = &mut self.feed else { return };
        tokio::select! {
            // The feed lives as long as it is followed, so its bell does too.
            _ = bell.changed() => {}
            () = self.api.closing().cancelled() => {
                self.closed = true;
                self.order.form.say(out, None, &self.closing(Reason::ShuttingDown));
            }
            () = tokio::time::sleep_until(heartbeat) => {
                let beat = Line::Heartbeat { at: SystemClock.now(), cursor: self.cursor };
                self.order.form.say(out, None, &beat);
            }
        }
    }

    const fn closing(&self, reason: Reason) -> Line<'static> {
        Line::Closed { reason, cursor: self.cursor }
    }
}

fn failed(code: &'static str) -> Line<'static> {
    let hint = match code {
        "cursor_ahead" => "the number is after the last one: begin again from one that was received",
        _ => "open the stream again from the last number that was received",
    };
    Line::Error { code, hint }
}

/// How long a stream may be quiet.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);
