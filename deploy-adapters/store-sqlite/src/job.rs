//! One write: work for the writer, and somebody who waits for its answer.

use deploy_core::port::StoreError;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::fault::Fault;

/// Whether there is space for new things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// There is.
    Enough,
    /// There is not: the reserve is in use, and it is for what runs already.
    Short,
}

impl Space {
    /// Refuses something new while space is short.
    pub(crate) fn for_something_new(self) -> Result<(), StoreError> {
        match self {
            Self::Enough => Ok(()),
            Self::Short => Err(StoreError::Full),
        }
    }
}

/// A write of any type.
pub(crate) trait Job: Send {
    /// Does the work inside a savepoint and keeps the result. It may be called again: what the call
    /// before did was rolled back then.
    fn run(&mut self, db: &Connection, space: Space) -> Ran;

    /// Answers, with the result if the commit went well.
    fn answer(self: Box<Self>, commit: Result<(), StoreError>);
}

/// How a call to [`Job::run`] went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// What it did may be committed.
    Well,
    /// It was refused: what it did must be rolled back, others are not concerned.
    Refused,
    /// There was no space.
    Full,
}

/// A write of one type. Dropping it unanswered tells its caller that the outcome is not known.
pub(crate) struct Write<T, W> {
    work: W,
    result: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    _place: OwnedSemaphorePermit,
}

impl<T, W> Write<T, W> {
    /// A write that occupies `place` in the queue until it is answered.
    pub(crate) fn new(
        work: W,
        reply: oneshot::Sender<Result<T, StoreError>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let result = Err(StoreError::Unavailable { what: "it was not tried".to_owned() });
        Self { work, result, reply, _place: place }
    }
}

impl<T, W> Job for Write<T, W>
where
    T: Send,
    W: Fn(&Connection, Space) -> Result<T, Fault> + Send,
{
    fn run(&mut self, db: &Connection, space: Space) -> Ran {
        let (ran, result) = match (self.work)(db, space) {
            Ok(done) => (Ran::Well, Ok(done)),
            Err(fault) if fault.is_full() => (Ran::Full, Err(StoreError::Full)),
            Err(fault) => (Ran::Refused, Err(fault.into_answer())),
        };
        self.result = result;
        ran
    }

    fn answer(self: Box<Self>, commit: Result<(), StoreError>) {
        // A caller that went away needs no answer.
        let _ = self.reply.send(commit.and(self.result));
    }
}
