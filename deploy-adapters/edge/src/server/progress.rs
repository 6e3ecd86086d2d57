//! Noticing a connection on which nothing moves.
//!
//! One rule covers idle connections, requests that trickle in and clients that stop reading: *a connection is closed
//! when for a while neither a request was complete nor a byte of a response could be sent.* Bytes received do not
//! count, or a client could hold a connection for ever by sending one now and then.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// When a connection last made progress.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    opened: Instant,
    last_millis: Arc<AtomicU64>,
}

impl Progress {
    /// A connection opened now.
    pub(crate) fn new() -> Self {
        Self { opened: Instant::now(), last_millis: Arc::default() }
    }

    /// Notes progress.
    pub(crate) fn made(&self) {
        let millis = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(millis, Ordering::Relaxed);
    }

    /// Returns once there was no progress for `patience`. Needs one timer however many requests are served: it is
    /// moved only when it goes off.
    pub(crate) async fn stalled(&self, patience: Duration) {
        loop {
            let last = Duration::from_millis(self.last_millis.load(Ordering::Relaxed));
            let deadline = self.opened + last + patience;
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
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
