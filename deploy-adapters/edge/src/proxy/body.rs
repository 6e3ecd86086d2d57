//! Bodies on their way through, part by part, in both directions: nothing is read before the other side has taken what
//! was read before.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::backend::Flight;
use super::forward::Lease;
use super::headers::strip_trailers;
use crate::server::{Progress, Waiting};

/// A client whose body comes in smaller portions than this per [`crate::Limits::patience`] makes no progress.
const LEAST_PORTION: usize = 1024;

/// How a request's body comes along; shared between whoever sends it and whoever waits for the response.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) progress: Progress,
    clients_turn: AtomicBool,
    too_large: AtomicBool,
}

impl Upload {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            progress: Progress::new(),
            clients_turn: AtomicBool::new(false),
            too_large: AtomicBool::new(false),
        })
    }

    /// The upstream would take more, and the client has not sent it.
    pub(super) fn is_clients_turn(&self) -> bool {
        self.clients_turn.load(Ordering::Relaxed)
    }

    /// The body went over the limit and was cut.
    pub(super) fn is_too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }
}

/// The body of a request to an upstream.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None.
    Empty,
    /// What the client sends.
    Streamed {
        /// From the client.
        incoming: Incoming,
        /// How it comes along.
        upload: Arc<Upload>,
        /// Bytes it may still have.
        left: u64,
        /// Bytes since progress was noted last.
        portion: usize,
    },
}

impl RequestBody {
    pub(super) fn streamed(incoming: Incoming, upload: &Arc<Upload>, limit: u64) -> Self {
        Self::Streamed { incoming, upload: Arc::clone(upload), left: limit, portion: 0 }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self::Streamed { incoming, upload, left, portion } = &mut *self else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(incoming).poll_frame(cx);
        upload.clients_turn.store(polled.is_pending(), Ordering::Relaxed);
        let frame = match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(ended) => {
                upload.progress.made();
                return Poll::Ready(ended.map(|frame| frame.map_err(io::Error::other)));
            }
        };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(bytes as u64) else {
            upload.too_large.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(io::ErrorKind::FileTooLarge.into())));
        };
        *left = rest;
        *portion += bytes;
        if *portion >= LEAST_PORTION {
            *portion = 0;
            upload.progress.made();
        }
        Poll::Ready(Some(Ok(without_forbidden_trailers(frame))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed { incoming, .. } => incoming.size_hint(),
        }
    }
}

/// The body of an upstream's response. With it go the flight, which is over when it is dropped, and the connection,
/// which is kept if the response was complete by then.
pub(crate) struct ResponseBody {
    incoming: Incoming,
    lease: Option<Lease>,
    flight: Flight,
    /// Of the visitor's connection.
    progress: Progress,
    /// Held while the upstream is silent.
    waiting: Option<Waiting>,
    /// Made when the upstream is silent for the first time: most never are.
    silence: Option<Silence>,
    complete: bool,
}

/// How long an upstream has been silent, and the end of its patience.
struct Silence {
    since: Progress,
    over: Pin<Box<dyn Future<Output = io::Error> + Send>>,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, lease: Lease, flight: Flight, progress: Progress) -> Self {
        Self { incoming, lease: Some(lease), flight, progress, waiting: None, silence: None, complete: false }
    }

    /// The upstream has nothing to say now: waits for it, but not for ever.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.waiting.is_none() {
            self.waiting = Some(self.progress.wait());
        }
        let flight = &self.flight;
        let silence = self.silence.get_or_insert_with(|| Silence::new(flight));
        silence.over.as_mut().poll(cx)
    }

    fn spoke(&mut self) {
        self.waiting = None;
        if let Some(silence) = &self.silence {
            silence.since.made();
        }
    }
}

impl Silence {
    fn new(flight: &Flight) -> Self {
        let (since, backend) = (Progress::new(), Arc::clone(flight.backend()));
        let last = since.clone();
        let over = Box::pin(async move {
            tokio::select! {
                () = backend.is_cut() => cut_at_drain_limit(),
                () = last.stalled(backend.proxy.limits.upstream_idle) => {
                    io::Error::new(io::ErrorKind::TimedOut, "the upstream was silent for too long")
                }
            }
        });
        Self { since, over }
    }
}

fn cut_at_drain_limit() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the release was replaced and its drain limit is over")
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.flight.backend().cuts_now() {
            return Poll::Ready(Some(Err(cut_at_drain_limit())));
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending => self.poll_silence(cx).map(|error| Some(Err(error))),
            Poll::Ready(Some(Ok(frame))) => {
                self.spoke();
                Poll::Ready(Some(Ok(without_forbidden_trailers(frame))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(None) => {
                self.complete = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if (self.complete || self.incoming.is_end_stream())
            && let Some(lease) = self.lease.take()
        {
            lease.give_back(self.flight.backend());
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("complete", &self.complete).finish_non_exhaustive()
    }
}

fn without_forbidden_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            strip_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}
