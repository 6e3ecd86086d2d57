//! One connection, from its first request to its end.

use std::convert::Infallible;
use std::future::Future;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::progress::{Progress, Watched};
use crate::lifecycle::{Phase, reached};
use crate::limits::Limits;
use crate::web::body::Body;

/// The smallest buffer hyper accepts.
const MIN_HEAD_BYTES: usize = 8192;

/// Serves one connection until it ends, makes no progress for too long, or the edge closes. While draining, the
/// response in flight is finished and the connection then closed.
///
/// A malformed request is answered with 400, one with too large a head with 431, by hyper; that also refuses
/// conflicting or malformed lengths (RFC 9112 section 6.3), so nothing can be smuggled behind them.
pub(crate) async fn serve_connection<IO, F, Fut>(
    io: IO,
    respond: F,
    limits: &Limits,
    mut phase: watch::Receiver<Phase>,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send,
    F: Fn(Request<Incoming>) -> Fut,
    Fut: Future<Output = Response<Body>>,
{
    let progress = Progress::new();
    let service = service_fn(|request| {
        progress.made();
        let response = respond(request);
        async { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        // `Progress` bounds this wait too, without a new timer for every request.
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes.max(MIN_HEAD_BYTES))
        .serve_connection(TokioIo::new(Watched::new(io, progress.clone())), service);
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

/// How a connection ends is the client's business; it is only of interest while looking for a fault.
fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
