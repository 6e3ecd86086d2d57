//! The one thread that writes.
//!
//! It takes whatever waits and commits it together, because a commit costs one flush of the disk
//! however much is in it. Each write has a savepoint of its own, so that one that is refused spoils no
//! other. Nobody is answered before the commit is durable.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use deploy_core::log::LogLine;
use deploy_core::port::StoreError;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::job::{Job, Ran, Space};
use crate::limits::Limits;
use crate::logs::{self, LogQueue};
use crate::reserve::Reserve;

/// What the writer is asked. Writes are bounded by their places in the queue, the rest by their
/// callers: one wake-up per emptied log queue, one flush per waiting caller.
pub(crate) enum Message {
    /// Write this.
    Job(Box<dyn Job>),
    /// Log lines wait.
    Lines,
    /// Write every log line that waits.
    Flush(oneshot::Sender<Result<(), StoreError>>),
    /// Write what waits, and end.
    Close,
}

/// The state of the writer.
pub(crate) struct Writer {
    db: Connection,
    messages: Receiver<Message>,
    lines: Arc<LogQueue>,
    reserve: Reserve,
    limits: Limits,
}

/// What one turn of the writer works on.
#[derive(Default)]
struct Batch {
    jobs: Vec<Box<dyn Job>>,
    flushes: Vec<oneshot::Sender<Result<(), StoreError>>>,
    /// Lines waited long enough for a commit to share.
    lines_due: bool,
    close: bool,
}

/// Why a transaction was given up.
enum Abort {
    /// No space.
    Full {
        /// Whether it is certain that nothing was written.
        certain: bool,
    },
    /// The answer for everybody in it.
    Failed(StoreError),
}

impl Abort {
    /// Nothing was written, as there was no space.
    const FULL: Self = Self::Full { certain: true };

    /// What everybody in the transaction is told.
    fn into_answer(self) -> StoreError {
        match self {
            Self::Full { certain: true } => StoreError::Full,
            Self::Full { certain: false } => {
                StoreError::Unknown { what: "there is no space left".to_owned() }
            }
            Self::Failed(error) => error,
        }
    }
}

impl Writer {
    pub(crate) fn new(
        db: Connection,
        messages: Receiver<Message>,
        lines: Arc<LogQueue>,
        reserve: Reserve,
        limits: Limits,
    ) -> Self {
        Self { db, messages, lines, reserve, limits }
    }

    /// Works until it is closed, or nobody is left who could ask for anything.
    pub(crate) fn run(mut self) {
        loop {
            let batch = self.gather();
            let (close, flushes) = (batch.close, batch.flushes);
            self.commit(batch.jobs, batch.lines_due);
            if close || !flushes.is_empty() {
                let flushed = self.flush();
                for flush in flushes {
                    let _ = flush.send(flushed.clone());
                }
            }
            if close {
                break;
            }
        }
        let checkpoint = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        tracing::debug!(?checkpoint, "the store is closed");
    }

    /// Waits for something to do, and takes all that waits by then.
    fn gather(&self) -> Batch {
        let mut batch = Batch::default();
        self.wait(&mut batch);
        while batch.jobs.len() < self.limits.batch && !batch.close {
            match self.messages.try_recv() {
                Ok(message) => batch.take(message),
                Err(_) => break,
            }
        }
        batch
    }

    /// Waits for the first message; but while lines wait, only for as long as they may linger.
    fn wait(&self, batch: &mut Batch) {
        let lingers = self.reserve.is_held() && !self.lines.is_empty();
        if !lingers {
            match self.messages.recv() {
                Ok(message) => batch.take(message),
                Err(_) => batch.close = true,
            }
            return;
        }
        let linger = if self.lines.has_batch() { Duration::ZERO } else { self.limits.logs.linger };
        match self.messages.recv_timeout(linger) {
            Ok(message) => batch.take(message),
            Err(RecvTimeoutError::Timeout) => batch.lines_due = true,
            Err(RecvTimeoutError::Disconnected) => batch.close = true,
        }
    }

    /// Writes a batch and answers it. Without space the reserve is given up and the batch is tried
    /// once more.
    fn commit(&mut self, mut jobs: Vec<Box<dyn Job>>, lines_due: bool) {
        self.reserve.restore(&self.db);
        if jobs.is_empty() && !lines_due {
            return;
        }
        let mut outcome = self.attempt(&mut jobs);
        if let Err(Abort::Full { certain: before }) = outcome
            && self.reserve.give_up(&self.db)
        {
            outcome = self.attempt(&mut jobs);
            if let Err(Abort::Full { certain }) = &mut outcome {
                *certain &= before;
            }
        }
        let answer = outcome.map_err(Abort::into_answer);
        for job in jobs {
            job.answer(answer.clone());
        }
    }

    /// One transaction: the jobs, and with them some of the lines that wait.
    fn attempt(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Abort> {
        let space = if self.reserve.is_held() { Space::Enough } else { Space::Short };
        let mut change =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(before_commit)?;
        for job in jobs {
            run_in_savepoint(&mut change, job.as_mut(), space)?;
        }
        let lines = match space {
            Space::Enough => self.lines.pop(),
            Space::Short => Vec::new(),
        };
        let written = write_lines(&mut change, &lines, &self.limits);
        let committed = written.and_then(|()| change.commit().map_err(at_commit));
        if committed.is_err() {
            self.lines.lost(&lines);
        }
        committed
    }

    /// Writes every line that waits now: they are in order, so a queue's worth of batches is enough.
    fn flush(&mut self) -> Result<(), StoreError> {
        let batches = self.limits.logs.queue_lines / self.limits.logs.batch.max(1) + 2;
        for _ in 0..batches {
            if self.lines.is_empty() {
                break;
            }
            if !self.reserve.is_held() {
                return Err(StoreError::Full);
            }
            self.commit(Vec::new(), true);
        }
        Ok(())
    }
}

impl Batch {
    fn take(&mut self, message: Message) {
        match message {
            Message::Job(job) => self.jobs.push(job),
            Message::Lines => {}
            Message::Flush(reply) => self.flushes.push(reply),
            Message::Close => self.close = true,
        }
    }
}

/// Runs one job; what a refused one did is rolled back alone.
fn run_in_savepoint(change: &mut Transaction<'_>, job: &mut dyn Job, space: Space) -> Result<(), Abort> {
    let savepoint = change.savepoint().map_err(before_commit)?;
    let ran = job.run(&savepoint, space);
    match (ran, space) {
        (Ran::Well, Space::Enough | Space::Short) => savepoint.commit().map_err(before_commit)?,
        (Ran::Full, Space::Enough) => return Err(Abort::FULL),
        (Ran::Full, Space::Short) | (Ran::Refused, Space::Enough | Space::Short) => drop(savepoint),
    }
    match (change.is_autocommit(), ran) {
        (false, Ran::Well | Ran::Refused | Ran::Full) => Ok(()),
        // SQLite itself gave up the whole transaction, and with it what the jobs before did.
        (true, Ran::Full) => Err(Abort::FULL),
        (true, Ran::Well | Ran::Refused) => {
            Err(Abort::Failed(StoreError::Unavailable { what: "the transaction was rolled back".to_owned() }))
        }
    }
}

/// Writes log lines. Lines that can't be written are no reason to hold up the jobs, unless space is
/// what they need.
fn write_lines(change: &mut Transaction<'_>, lines: &[LogLine], limits: &Limits) -> Result<(), Abort> {
    if lines.is_empty() {
        return Ok(());
    }
    let savepoint = change.savepoint().map_err(before_commit)?;
    match logs::write(&savepoint, lines, &limits.logs) {
        Ok(()) => savepoint.commit().map_err(before_commit),
        Err(fault) if fault.is_full() => Err(Abort::FULL),
        Err(fault) => {
            tracing::error!(?fault, lines = lines.len(), "log lines could not be written");
            Ok(())
        }
    }
}

fn before_commit(error: rusqlite::Error) -> Abort {
    match Fault::from(error) {
        fault if fault.is_full() => Abort::FULL,
        fault => Abort::Failed(fault.into_answer()),
    }
}

/// Without space in the log, the frame that commits is missing, so nothing was written. After any other
/// error, also one of the log's index, the frames may be on disk and come back after a crash; but a
/// transaction that succeeds writes over them.
fn at_commit(error: rusqlite::Error) -> Abort {
    let certain = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
    match Fault::from(error) {
        fault if fault.is_full() => Abort::Full { certain },
        fault => Abort::Failed(StoreError::Unknown { what: fault.into_answer().to_string() }),
    }
}
