//! Accepting connections, never more than the bound.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::lifecycle::{Phase, reached};
use crate::proxy::keep_alive;

/// Pause after a failed accept: when file descriptors run out, trying at once only burns the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening socket.
pub(crate) trait Accept: Send + 'static {
    /// Its connections.
    type Stream: Send + 'static;

    /// Waits for the next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for TcpListener {
    type Stream = (TcpStream, SocketAddr);

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        // A response is written whole; waiting to fill a packet would only delay its end.
        stream.set_nodelay(true)?;
        keep_alive(&stream);
        Ok((stream, peer))
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Self::accept(self).await.map(|(stream, _)| stream)
    }
}

/// Accepts until draining begins and hands each connection to `serve`, which starts a task for it and returns. The
/// task must keep the permit of `connections` that comes with it; with none left, new connections wait in the
/// kernel's queue.
pub(crate) async fn accept_loop<A, F, Fut>(
    listener: A,
    connections: Arc<Semaphore>,
    mut phase: watch::Receiver<Phase>,
    serve: F,
) where
    A: Accept,
    F: Fn(A::Stream, OwnedSemaphorePermit) -> Fut,
    Fut: Future<Output = ()>,
{
    loop {
        let accepted = tokio::select! {
            biased;
            () = reached(&mut phase, Phase::Draining) => return,
            accepted = next(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => serve(stream, permit).await,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn next<A: Accept>(
    listener: &A,
    connections: &Arc<Semaphore>,
) -> io::Result<(A::Stream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?, permit))
}
