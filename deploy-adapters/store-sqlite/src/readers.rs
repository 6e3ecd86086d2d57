//! A few connections that only read, so that readers never wait for the writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use deploy_core::port::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::fault::Fault;
use crate::limits::Limits;
use crate::open;

/// The connections, opened as they are needed.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    limits: Limits,
    places: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, limits: Limits) -> Self {
        let places = Semaphore::new(limits.readers.max(1));
        Self { path, limits, places, idle: Mutex::default() }
    }

    /// Reads, off the async threads and in one transaction: everything that `look` sees is of the
    /// same moment, and was durable then.
    pub(crate) async fn read<T, L>(self: &Arc<Self>, look: L) -> Result<T, StoreError>
    where
        T: Send + 'static,
        L: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let _place = self.places.acquire().await.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        let task = spawn_blocking(move || readers.look(look));
        task.await.map_err(|error| StoreError::Unavailable { what: error.to_string() })?
    }

    fn look<T>(&self, look: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        let mut db = self.connection()?;
        let found = in_snapshot(&mut db, look);
        if !self.places.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        }
        found
    }

    fn connection(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(db) => Ok(db),
            None => open::reader(&self.path, &self.limits)
                .map_err(|error| StoreError::Unavailable { what: error.to_string() }),
        }
    }

    /// Lets nobody read any more and closes the connections.
    pub(crate) fn close(&self) {
        self.places.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn in_snapshot<T>(
    db: &mut Connection,
    look: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, StoreError> {
    let snapshot = Transaction::new(db, TransactionBehavior::Deferred).map_err(Fault::from);
    snapshot.and_then(|snapshot| look(&snapshot)).map_err(Fault::into_answer)
}

/// The answer of a store that was closed.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable { what: "it is closed".to_owned() }
}
