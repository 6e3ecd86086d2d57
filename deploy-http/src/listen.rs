//! Listeners: the unix socket that gives everything, and a loopback port that only answers questions.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::access::OverUnixSocket;
use crate::router::{Access, Api, router};

/// Connections at once on one listener.
const CONNECTIONS: usize = 512;
/// How long a client may take to send its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of a request's head.
const HEADER_BYTES: usize = 16 * 1024;

/// A listener that is being served.
#[derive(Debug)]
pub struct Serving {
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// Stops accepting and waits until the open requests have been answered, at most `grace`.
    pub async fn stop(self, api: &Api, grace: Duration) {
        api.closing.cancel();
        let _ = tokio::time::timeout(grace, self.task).await;
    }
}

/// Where a TCP listener may listen: nowhere but on loopback, as long as it asks for no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening(SocketAddr);

impl Listening {
    /// Checks an address.
    ///
    /// # Errors
    /// A sentence, when the address is not loopback.
    pub fn checked(address: SocketAddr) -> Result<Self, String> {
        if address.ip().is_loopback() {
            Ok(Self(address))
        } else {
            Err(format!(
                "{address} is reachable from other machines, and access without a token is for loopback only"
            ))
        }
    }
}

/// Serves the whole API on a unix socket.
pub fn serve_unix(api: Api, listener: UnixListener) -> Serving {
    let router = router(api.clone(), Access::Deploy);
    Serving { task: tokio::spawn(accept(api, router, listener)) }
}

/// Serves the questions of the API on a loopback port. Returns the bound address.
///
/// # Errors
/// The address can't be bound.
pub async fn serve_tcp(api: Api, listening: Listening) -> io::Result<(SocketAddr, Serving)> {
    let listener = TcpListener::bind(listening.0).await?;
    let address = listener.local_addr()?;
    let router = router(api.clone(), Access::Read);
    Ok((address, Serving { task: tokio::spawn(accept(api, router, listener)) }))
}

/// What the two kinds of listeners have in common.
trait Accepts: Send + 'static {
    /// Whether whoever connects here is the user.
    const IS_UNIX: bool;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accepts for UnixListener {
    const IS_UNIX: bool = true;
    type Stream = tokio::net::UnixStream;

    async fn next(&self) -> io::Result<Self::Stream> {
        Ok(self.accept().await?.0)
    }
}

impl Accepts for TcpListener {
    const IS_UNIX: bool = false;
    type Stream = tokio::net::TcpStream;

    async fn next(&self) -> io::Result<Self::Stream> {
        Ok(self.accept().await?.0)
    }
}

async fn accept<L: Accepts>(api: Api, router: Router, listener: L) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.next() => accepted,
            () = api.closing.cancelled() => break,
        };
        match accepted {
            Ok(stream) => spawn_connection(&api, stream, router.clone(), L::IS_UNIX, permit),
            // Too many open files, most likely: it gets better when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drain(&connections).await;
}

async fn drain(connections: &Semaphore) {
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = connections.acquire_many(all - 1).await;
}

fn spawn_connection<S>(
    api: &Api,
    stream: S,
    router: Router,
    unix: bool,
    permit: tokio::sync::OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let closing = api.closing.clone();
    tokio::spawn(async move {
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            if unix {
                request.extensions_mut().insert(OverUnixSocket);
            }
            router.clone().oneshot(request)
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEADER_BYTES);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        // A client that breaks off is no news: its connection simply ends.
        tokio::select! {
            _ = &mut connection => {}
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
        drop(permit);
    });
}
