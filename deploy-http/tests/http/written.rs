//! What the live release of a test writes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use deploy_core::runtime_log::{RuntimeFrom, RuntimeLine, RuntimeLog, RuntimeLogError};
use tokio::sync::watch;

/// Lines of a live release, of which the oldest can be thrown away.
pub(crate) struct Written {
    kept: Mutex<Kept>,
    bell: watch::Sender<usize>,
    open: AtomicUsize,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<RuntimeLine>,
    /// How many were thrown away.
    gone: usize,
}

impl Default for Written {
    fn default() -> Self {
        Self { kept: Mutex::default(), bell: watch::Sender::new(0), open: AtomicUsize::new(0) }
    }
}

impl Written {
    pub(crate) fn write(&self, micros: u64, message: impl Into<String>) {
        self.kept.lock().unwrap().lines.push_back(RuntimeLine { micros, message: message.into() });
        self.bell.send_modify(|rung| *rung += 1);
    }

    pub(crate) fn throw_away(&self, lines: usize) {
        let mut kept = self.kept.lock().unwrap();
        kept.lines.drain(..lines);
        kept.gone += lines;
    }

    /// How many read it now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn read(self: &Arc<Self>, from: RuntimeFrom) -> Box<dyn RuntimeLog> {
        self.open.fetch_add(1, Ordering::SeqCst);
        let since = from.micros.saturating_sub(1_000_000);
        Box::new(Reading {
            of: Arc::clone(self),
            bell: self.bell.subscribe(),
            since,
            at: 0,
            follow: from.follow,
        })
    }
}

struct Reading {
    of: Arc<Written>,
    bell: watch::Receiver<usize>,
    since: u64,
    /// Of all lines that were ever written, the next.
    at: usize,
    follow: bool,
}

impl Reading {
    fn ready(&mut self) -> Option<RuntimeLine> {
        let kept = self.of.kept.lock().unwrap();
        loop {
            self.at = self.at.max(kept.gone);
            let line = kept.lines.get(self.at - kept.gone)?;
            self.at += 1;
            if line.micros >= self.since {
                return Some(line.clone());
            }
        }
    }
}

#[async_trait]
impl RuntimeLog for Reading {
    async fn next(&mut self) -> Result<Option<RuntimeLine>, RuntimeLogError> {
        loop {
            let line = self.ready();
            if line.is_some() || !self.follow {
                return Ok(line);
            }
            self.bell.changed().await.unwrap();
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::SeqCst);
    }
}
