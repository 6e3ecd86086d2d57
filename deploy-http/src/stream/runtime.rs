//! One client that follows what a live release writes.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::response::Response;
use deploy_core::engine::{EngineError, RuntimeItem, RuntimeTail, SystemClock};
use deploy_core::log::LogLevel;
use deploy_core::port::Clock;
use futures_util::{FutureExt as _, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::form::Form;
use super::line::{Line, Reason};
use crate::api::Api;
use crate::metrics::Following;
use crate::problem::Problem;

/// A chunk is full when it has this many bytes. A client that does not read holds one chunk.
const CHUNK: usize = 32 * 1024;

/// Answers with a live release's lines that are at least this grave.
pub(super) fn open(
    api: &Api,
    tail: RuntimeTail,
    form: Form,
    level: Option<LogLevel>,
) -> Result<Response, Problem> {
    let place = super::place(api.runtime_followers())?;
    let counted = api.metrics().following("runtime");
    let follower = RuntimeFollower {
        api: api.clone(),
        tail,
        form,
        level,
        opened: false,
        closed: false,
        _place: place,
        _counted: counted,
    };
    let body = Body::from_stream(stream::unfold(follower, |mut follower| async move {
        let chunk = follower.next().await?;
        Some((Ok::<Bytes, Infallible>(chunk), follower))
    }));
    Ok(super::answer(form, body))
}

struct RuntimeFollower {
    api: Api,
    tail: RuntimeTail,
    form: Form,
    level: Option<LogLevel>,
    opened: bool,
    closed: bool,
    _place: OwnedSemaphorePermit,
    _counted: Following,
}

impl RuntimeFollower {
    /// The next bytes; `None` after the envelope that ends the stream. Who is not asked reads nothing from the
    /// target, and who is dropped holds nothing of it.
    async fn next(&mut self) -> Option<Bytes> {
        if self.closed {
            return None;
        }
        let mut out = String::new();
        if !self.opened {
            self.opened = true;
            out.push_str(self.form.opening());
        }
        let heartbeat = Instant::now() + self.api.limits().heartbeat;
        loop {
            // What is there already goes into the same chunk.
            while !self.closed && out.len() < CHUNK {
                let Some(item) = self.tail.next().now_or_never() else { break };
                self.write(&mut out, item);
            }
            if !out.is_empty() {
                return Some(out.into());
            }
            self.wait(&mut out, heartbeat).await;
        }
    }

    /// Waits for one item; says so if nothing came for long.
    async fn wait(&mut self, out: &mut String, heartbeat: Instant) {
        let closing = self.api.closing().clone();
        tokio::select! {
            item = self.tail.next() => self.write(out, item),
            () = closing.cancelled() => self.close(out, Reason::ShuttingDown),
            () = tokio::time::sleep_until(heartbeat) => {
                let beat = Line::Heartbeat { at: SystemClock.now(), cursor: self.tail.cursor() };
                self.form.say(out, None, &beat);
            }
        }
    }

    fn write(&mut self, out: &mut String, item: Result<RuntimeItem, EngineError>) {
        match item {
            Ok(RuntimeItem::Line(line)) => {
                if self.level.is_none_or(|level| line.level >= level) {
                    self.form.say(out, Some(line.sequence.0), &Line::log(&line));
                }
            }
            Ok(RuntimeItem::Gap { from, to }) => self.form.say(out, Some(to.0), &Line::Gap { from, to }),
            Ok(RuntimeItem::CaughtUp) => self.close(out, Reason::CaughtUp),
            Ok(RuntimeItem::Ended) => self.close(out, Reason::Ended),
            Err(error) => {
                self.closed = true;
                let hint = "open the stream again from the last number that was received";
                self.form.say(out, None, &Line::Error { code: error.code(), hint });
            }
        }
    }

    fn close(&mut self, out: &mut String, reason: Reason) {
        self.closed = true;
        self.form.say(out, None, &Line::Closed { reason, cursor: self.tail.cursor() });
    }
}
