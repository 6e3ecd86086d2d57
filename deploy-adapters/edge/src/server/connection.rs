//! One connection, from its first request to its end.

use std::convert::Infallible;
use std::future::Future;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::progress::{Progress, Watched};
use crate::lifecycle::{Phase, reached};
use crate::limits::Limits;
use crate::web::body::Body;

/// The smallest buffer hyper accepts.
const MIN_HEAD_BYTES: usize = 8192;

/// What one stream of an HTTP/2 connection may have in flight in each direction, and the whole connection in that of
/// the client.
const H2_STREAM_WINDOW: u32 = 64 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
const H2_SEND_BUFFER: usize = 64 * 1024;

/// Serves one connection until it ends, makes no progress for too long, or the edge closes. While draining, the
/// responses in flight are finished and the connection then closed. Returns early if the connection is upgraded;
/// whoever answered with 101 has it then.
///
/// It speaks HTTP/1.1 and HTTP/2 by prior knowledge (RFC 9113 section 3.3), told apart by the first bytes. The upgrade
/// from one to the other (`h2c`) is obsolete and ignored.
///
/// A malformed request is answered with 400, one with too large a head with 431, by hyper; that also refuses
/// conflicting or malformed lengths (RFC 9112 section 6.3) and folded lines. A request with both a length and a
/// transfer coding is read by its coding, forgets its length, and is the last one of its connection, so nothing can
/// be smuggled behind it.
pub(crate) async fn serve_connection<IO, F, Fut>(
    io: IO,
    respond: F,
    progress: Progress,
    limits: &Limits,
    mut phase: watch::Receiver<Phase>,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> Fut,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let noted = progress.clone();
    let service = service_fn(move |request| {
        noted.made();
        let response = respond(request);
        async { Ok::<_, Infallible>(response.await) }
    });
    let builder = builder(limits);
    let io = TokioIo::new(Watched::new(io, progress.clone()));
    let connection = builder.serve_connection_with_upgrades(io, service);
    let stalled = progress.stalled(limits.patience);
    tokio::pin!(connection, stalled);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return log_end(ended),
        () = stalled.as_mut() => return,
        () = reached(&mut phase, Phase::Draining) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        biased;
        ended = connection.as_mut() => log_end(ended),
        () = stalled => {}
        () = reached(&mut phase, Phase::Closed) => {}
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let head_bytes = limits.head_bytes.max(MIN_HEAD_BYTES);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // `Progress` bounds the wait for a head too, without a new timer for every request.
    builder.http1().header_read_timeout(None).max_buf_size(head_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER);
    builder
}

/// How a connection ends is the client's business; it is only of interest while looking for a fault.
fn log_end(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
