//! The handle: it carries questions to the readers and changes to the writer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use deploy_core::port::StoreError;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;

use crate::check::{self, CheckReport};
use crate::fault::Fault;
use crate::job::{Space, Write};
use crate::limits::Limits;
use crate::logs::LogQueue;
use crate::open::{self, OpenError};
use crate::readers::{Readers, closed};
use crate::reserve::Reserve;
use crate::writer::{Message, Writer};

/// The embedded store: one SQLite file in a directory of its own.
///
/// It implements [`Journal`](deploy_core::port::Journal), [`Lease`](deploy_core::port::Lease),
/// [`Catalogue`](deploy_core::port::Catalogue) and [`Logs`](deploy_core::port::Logs). A handle is cheap
/// to clone. A write that was sent is carried out even if its future is dropped. Every rule is checked
/// in the transaction that writes, so several processes may use one directory at the same time.
///
/// Call [`SqliteStore::close`] to end: without it, log lines of the last moment may be missing; what
/// was acknowledged never is.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) shared: Arc<Shared>,
}

/// What all clones of a handle share.
pub(crate) struct Shared {
    dir: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) lines: Arc<LogQueue>,
    readers: Arc<Readers>,
    messages: Sender<Message>,
    places: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    /// The directory of the store.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl SqliteStore {
    /// Opens the store in a directory; makes both where they are missing, and brings an older store to
    /// the current schema. It blocks for some milliseconds.
    ///
    /// # Errors
    /// [`OpenError`]: a newer schema, a foreign file, an SQLite that can't be trusted, no access.
    pub fn open(dir: &Path, limits: Limits) -> Result<Self, OpenError> {
        open::not_emptied(dir)?;
        let path = open::prepare(dir)?;
        let db = open::writer(&path, &limits)?;
        let reserve =
            Reserve::open(&db, dir.join(open::RESERVE), limits.reserve_bytes, limits.database_bytes);
        open::sync_dir(dir).map_err(|error| OpenError::io(dir, &error))?;
        let lines = Arc::new(LogQueue::new(limits.logs.clone()));
        let (messages, received) = channel();
        let writer = Writer::new(db, received, Arc::clone(&lines), reserve, limits.clone());
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| OpenError::io(dir, &error))?;
        Ok(Self {
            shared: Arc::new(Shared {
                dir: dir.to_owned(),
                lines,
                readers: Arc::new(Readers::new(path, limits.clone())),
                messages,
                places: Arc::new(Semaphore::new(limits.queue.max(1))),
                thread: Mutex::new(Some(thread)),
                limits,
            }),
        })
    }

    /// Looks at everything that is stored: the file's structure, hash chains, gaps, seals.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it can't be read at all. What is damaged is in the report.
    pub async fn check(&self) -> Result<CheckReport, StoreError> {
        let (dir, limits) = (self.shared.dir.clone(), self.shared.limits.clone());
        self.read(move |db| check::check(db, &dir, &limits)).await
    }

    /// Writes what waits, tidies the file up and ends. Afterwards every call of every clone answers
    /// [`StoreError::Unavailable`]. Closing twice is fine.
    pub async fn close(&self) {
        let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        self.shared.places.close();
        self.shared.readers.close();
        // A writer that is gone already needs no message.
        let _ = self.shared.messages.send(Message::Close);
        let joined = spawn_blocking(move || thread.join()).await;
        tracing::debug!(?joined, "the store's writer has ended");
    }

    /// Sends a write and waits for its answer.
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&Connection, Space) -> Result<T, Fault> + Send + 'static,
    {
        let place = Arc::clone(&self.shared.places).acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write::new(work, reply, place));
        self.shared.messages.send(Message::Job(job)).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Unknown { what: "the writer has ended".to_owned() }))
    }

    /// Reads in one snapshot.
    pub(crate) async fn read<T, L>(&self, look: L) -> Result<T, StoreError>
    where
        T: Send + 'static,
        L: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.shared.readers.read(look).await
    }

    /// Tells the writer that lines wait. One that is gone needs no telling.
    pub(crate) fn wake(&self) {
        let _ = self.shared.messages.send(Message::Lines);
    }

    /// Waits until every line that waits is written.
    pub(crate) async fn flush_lines(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.shared.messages.send(Message::Flush(reply)).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}
