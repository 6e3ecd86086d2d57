//! Response bodies: bytes in memory, a part of an open file read in bounded chunks, or what an upstream sends.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rustix::buffer::spare_capacity;
use tokio::task::JoinHandle;

use crate::proxy::ResponseBody;

/// The body of a response.
#[derive(Debug)]
pub(crate) enum Body {
    /// Bytes not sent yet.
    Bytes(Option<Bytes>),
    /// The rest of a file.
    File(FileBody),
    /// What an upstream sends.
    Proxied(Box<ResponseBody>),
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Bytes(None)
    }

    pub(crate) fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Bytes(Some(bytes.into()))
    }
}

/// A part of an open file. The file stays readable when its release is removed, so a slow download ends as it began.
///
/// A file that turns out shorter than promised is an error: the connection is then cut, and the client sees that the
/// response is incomplete.
#[derive(Debug)]
pub(crate) struct FileBody {
    file: Arc<File>,
    position: u64,
    end: u64,
    chunk_bytes: usize,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// The bytes from `start` to `end` of `file`.
    pub(crate) fn new(file: File, start: u64, end: u64, chunk_bytes: usize) -> Self {
        Self { file: Arc::new(file), position: start, end, chunk_bytes, reading: None }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.position >= self.end {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            let (file, position, wanted) =
                (Arc::clone(&self.file), self.position, left.min(self.chunk_bytes));
            tokio::task::spawn_blocking(move || read_at(&file, position, wanted))
        });
        let chunk = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
        self.reading = None;
        if let Ok(bytes) = &chunk {
            self.position += bytes.len() as u64;
        }
        Poll::Ready(Some(chunk))
    }
}

/// Reads between 1 and `wanted` bytes at `position`.
fn read_at(file: &File, position: u64, wanted: usize) -> io::Result<Bytes> {
    let mut buffer = Vec::with_capacity(wanted);
    rustix::io::retry_on_intr(|| rustix::io::pread(file, spare_capacity(&mut buffer), position))?;
    buffer.truncate(wanted);
    if buffer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(buffer.into())
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::File(file) => file.poll_chunk(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data))),
            Self::Proxied(body) => Pin::new(body.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::File(file) => file.position >= file.end,
            Self::Proxied(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::File(file) => SizeHint::with_exact(file.end - file.position),
            Self::Proxied(body) => body.size_hint(),
        }
    }
}
