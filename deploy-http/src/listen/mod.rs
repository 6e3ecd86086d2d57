//! Listeners: a unix socket that only the user can open, and a TCP address.

mod stall;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use crate::access::Door;
use crate::api::Api;
use crate::router::router;
use stall::Impatient;

/// From where a request came; absent on a unix socket, and where another server put the router.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A listener that is being served.
#[derive(Debug)]
pub struct Serving {
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// Waits until every open request has been answered, at most `grace`. [`Api::close`] must have been
    /// called: only then does it stop accepting.
    pub async fn ended(self, grace: Duration) {
        let _ = tokio::time::timeout(grace, self.task).await;
    }
}

/// Serves the API on a unix socket.
pub fn serve_unix(api: Api, listener: UnixListener) -> Serving {
    let router = router(api.clone(), Door::socket());
    Serving { task: tokio::spawn(accept(api, router, listener)) }
}

/// Serves the API on a TCP address. Returns the bound address.
///
/// # Errors
/// The address can't be bound.
pub async fn serve_tcp(api: Api, address: SocketAddr, door: Door) -> io::Result<(SocketAddr, Serving)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let router = router(api.clone(), door);
    Ok((address, Serving { task: tokio::spawn(accept(api, router, listener)) }))
}

/// What the two kinds of listeners have in common.
trait Accepts: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<Peer>)>> + Send;
}

impl Accepts for UnixListener {
    type Stream = tokio::net::UnixStream;

    async fn next(&self) -> io::Result<(Self::Stream, Option<Peer>)> {
        Ok((self.accept().await?.0, None))
    }
}

impl Accepts for TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn next(&self) -> io::Result<(Self::Stream, Option<Peer>)> {
        let (stream, peer) = self.accept().await?;
        // An event is small and must not wait for the next one.
        stream.set_nodelay(true)?;
        Ok((stream, Some(Peer(peer.ip()))))
    }
}

async fn accept<L: Accepts>(api: Api, router: Router, listener: L) {
    let places = api.limits().connections;
    let connections = Arc::new(Semaphore::new(places));
    loop {
        let accepted = tokio::select! {
            accepted = next(&connections, &listener) => accepted,
            () = api.closing().cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, place)) => spawn_connection(&api, stream, router.clone(), peer, place),
            Err(error) => {
                // Too many open files, most likely: it gets better when connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    // Every connection holds a place until it ends.
    let _ = connections.acquire_many(u32::try_from(places).unwrap_or(u32::MAX)).await;
}

/// The next connection, once there is a place for it.
async fn next<L: Accepts>(
    connections: &Arc<Semaphore>,
    listener: &L,
) -> io::Result<(L::Stream, Option<Peer>, OwnedSemaphorePermit)> {
    let place = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.next().await?;
    Ok((stream, peer, place))
}

fn spawn_connection<S>(api: &Api, stream: S, router: Router, peer: Option<Peer>, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // A token of its own: it is looked at whenever the connection is, and all connections would look at one lock.
    let (closing, limits) = (api.closing().child_token(), api.limits().clone());
    tokio::spawn(async move {
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            router.clone().oneshot(request)
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.head_time).max_buf_size(limits.head_bytes);
        let stream = TokioIo::new(Impatient::new(stream, limits.stall));
        let connection = http.serve_connection(stream, service);
        tokio::pin!(connection);
        // A client that breaks off is no news: its connection simply ends.
        tokio::select! {
            _ = &mut connection => {}
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
        drop(place);
    });
}
