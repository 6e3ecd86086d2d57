//! Connecting to an upstream.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::backend::Backend;
use super::body::RequestBody;
use crate::limits::Limits;
use crate::web::failure::Failure;

/// How long a connection may be silent before the system asks whether the other side is still there, and how often.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// The smallest buffer hyper accepts.
const MIN_BUFFER: usize = 8192;

/// An HTTP/1.1 connection to an upstream.
#[derive(Debug)]
pub(crate) struct Http1 {
    pub(super) sender: http1::SendRequest<RequestBody>,
    received: Arc<AtomicBool>,
}

impl Http1 {
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Forgets what was received so far, before a new request.
    pub(super) fn begin(&self) {
        self.received.store(false, Ordering::Relaxed);
    }

    /// Whether anything was received since [`Self::begin`]. May be asked when the sender is in use.
    pub(super) fn receipt(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.received)
    }
}

/// Opens an HTTP/1.1 connection; it is driven by a task of the current runtime until its sender is dropped.
pub(super) async fn http1(backend: &Backend) -> Result<Http1, Failure> {
    let limits = &backend.proxy.limits;
    let stream = connect(backend, limits).await?;
    let received = Arc::<AtomicBool>::default();
    let io = TokioIo::new(Noticed { stream, received: Arc::clone(&received) });
    let handshake =
        http1::Builder::new().max_buf_size(limits.upstream_buffer_bytes.max(MIN_BUFFER)).handshake(io);
    let (sender, connection) = handshake.await.map_err(|_| Failure::BrokenResponse)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to an upstream ended early");
        }
    });
    Ok(Http1 { sender, received })
}

/// Opens an HTTP/2 connection; it is driven by a task of the current runtime until all its senders are dropped.
pub(super) async fn http2(backend: &Backend) -> Result<http2::SendRequest<RequestBody>, Failure> {
    let limits = &backend.proxy.limits;
    let stream = connect(backend, limits).await?;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.upstream_buffer_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(KEEPALIVE_AFTER)
        .max_send_buf_size(limits.upstream_buffer_bytes.max(MIN_BUFFER));
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|_| Failure::BrokenResponse)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an upstream ended early");
        }
    });
    Ok(sender)
}

/// Connects to the first address that accepts.
async fn connect(backend: &Backend, limits: &Limits) -> Result<TcpStream, Failure> {
    let mut failure = Failure::Unreachable;
    for address in backend.addresses() {
        match tokio::time::timeout(limits.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|_| Failure::Unreachable)?;
                keep_alive(&stream);
                return Ok(stream);
            }
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "an upstream refused a connection");
                failure = Failure::Unreachable;
            }
            Err(_) => failure = Failure::ConnectTimeout,
        }
    }
    Err(failure)
}

/// Lets the system find out when the other side is gone without a word.
pub(crate) fn keep_alive(stream: &TcpStream) {
    let set = sockopt::set_socket_keepalive(stream, true)
        .and_then(|()| sockopt::set_tcp_keepidle(stream, KEEPALIVE_AFTER))
        .and_then(|()| sockopt::set_tcp_keepintvl(stream, KEEPALIVE_EVERY))
        .and_then(|()| sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES));
    if let Err(error) = set {
        tracing::debug!(%error, "a connection could not be kept alive");
    }
}

/// A stream that notes whether anything came back.
#[derive(Debug)]
struct Noticed {
    stream: TcpStream,
    received: Arc<AtomicBool>,
}

impl AsyncRead for Noticed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.received.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Noticed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
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
