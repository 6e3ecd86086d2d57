//! Noticing a connection on which nothing moves.
//!
//! One rule covers idle connections, requests that trickle in and clients that stop reading: *a connection is closed
//! when for a while neither a request was complete nor a byte of a response could be sent.* Bytes received do not
//! count, or a client could hold a connection for ever by sending one now and then.
//!
//! While it is not the client's turn, because an upstream has yet to answer or to say more, silence is no fault of the
//! client's: see [`Progress::wait`]. A client that does not take what is already there is at fault even then.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// When a connection last made progress.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    opened: Instant,
    last_millis: AtomicU64,
    /// Exchanges in which it is not the client's turn.
    waiting: AtomicUsize,
    /// The client does not take what it is sent.
    blocked: AtomicBool,
}

/// As long as it lives, silence is no fault of the client's.
#[derive(Debug)]
pub(crate) struct Waiting(Progress);

impl Drop for Waiting {
    fn drop(&mut self) {
        // Before the count: from here on it is the client's turn, with its full time.
        self.0.made();
        self.0.shared.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Progress {
    /// A connection opened now.
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                opened: Instant::now(),
                last_millis: AtomicU64::new(0),
                waiting: AtomicUsize::new(0),
                blocked: AtomicBool::new(false),
            }),
        }
    }

    /// Notes progress.
    pub(crate) fn made(&self) {
        let millis = u64::try_from(self.shared.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.last_millis.store(millis, Ordering::Relaxed);
    }

    /// Says that it is somebody else's turn, until the result is dropped.
    pub(crate) fn wait(&self) -> Waiting {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self.clone())
    }

    /// When progress was last made.
    pub(crate) fn last(&self) -> Instant {
        self.shared.opened + Duration::from_millis(self.shared.last_millis.load(Ordering::Relaxed))
    }

    /// Returns once there was no progress for `patience` although it was the client's turn. Needs one timer however
    /// many requests are served: it is moved only when it goes off.
    pub(crate) async fn stalled(&self, patience: Duration) {
        loop {
            let deadline = self.last() + patience;
            let now = Instant::now();
            if deadline > now {
                sleep_until(deadline).await;
            } else if self.is_clients_turn() {
                return;
            } else {
                sleep_until(now + patience).await;
            }
        }
    }

    fn is_clients_turn(&self) -> bool {
        self.shared.blocked.load(Ordering::Relaxed) || self.shared.waiting.load(Ordering::Relaxed) == 0
    }
}

/// A stream that notes each successful write as progress.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    progress: Progress,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, progress: Progress) -> Self {
        Self { stream, progress }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = written {
            self.progress.made();
        }
        self.progress.shared.blocked.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn threat_f19_a_peer_that_stops_reading_is_noticed_and_a_slow_one_is_not() {
        let (server, mut client) = tokio::io::duplex(4);
        let progress = Progress::new();
        let mut server = Watched::new(server, progress.clone());
        let slow_reader = tokio::spawn(async move {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_secs(29)).await;
                client.read_exact(&mut [0; 4]).await.unwrap();
            }
            client
        });
        tokio::select! {
            () = progress.stalled(PATIENCE) => panic!("progress every 29 s is enough"),
            written = server.write_all(&[7; 20]) => written.unwrap(),
        }
        let _stopped = slow_reader.await.unwrap();
        let last = Instant::now();
        tokio::select! {
            () = progress.stalled(PATIENCE) => {}
            _ = server.write_all(&[7; 20]) => panic!("nobody reads any more"),
        }
        assert_eq!(last.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_not_at_fault_while_it_is_somebody_elses_turn() {
        let (server, client) = tokio::io::duplex(4);
        let progress = Progress::new();
        let mut server = Watched::new(server, progress.clone());
        let waiting = progress.wait();
        let an_hour = tokio::time::timeout(Duration::from_secs(3600), progress.stalled(PATIENCE));
        an_hour.await.expect_err("an upstream may think for long");
        let blocked = Instant::now();
        tokio::select! {
            () = progress.stalled(PATIENCE) => {}
            _ = server.write_all(&[7; 20]) => panic!("nobody reads"),
        }
        assert!(blocked.elapsed() <= 2 * PATIENCE, "a client that does not read is at fault all the same");
        drop((waiting, server, client));
        let over = Instant::now();
        progress.stalled(PATIENCE).await;
        assert!(over.elapsed() >= PATIENCE, "after the wait it has its full time");
    }

    #[tokio::test(start_paused = true)]
    async fn threat_f19_received_bytes_alone_are_no_progress() {
        let (server, mut client) = tokio::io::duplex(64);
        let progress = Progress::new();
        let mut server = Watched::new(server, progress.clone());
        tokio::spawn(async move {
            loop {
                client.write_all(b"x").await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let started = Instant::now();
        tokio::select! {
            () = progress.stalled(PATIENCE) => {}
            _ = async { loop { server.read_u8().await.unwrap(); } } => {}
        }
        assert_eq!(started.elapsed(), PATIENCE);
    }
}
