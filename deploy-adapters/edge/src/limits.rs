//! Every bound of the running edge in one place.

use std::time::Duration;

/// Bounds of a running edge. Whatever goes over one is refused, closed or made to wait; nothing grows with the
/// number of clients or files beyond them.
///
/// Worst-case memory is about `cache_bytes` + `connections` x (`stream_chunk_bytes` + 2 x `head_bytes`) +
/// `proxied_requests` x `upstream_buffer_bytes` + the indexes of the loaded releases (some 200 bytes per file) + the
/// routes (about 2 KiB each).
///
/// # Time limits of a proxied request
///
/// | waiting for | limit | answer |
/// |---|---|---|
/// | a connection to the upstream | `connect` per address | 504 |
/// | the head of its response, since the request or the last part of its body was sent | `upstream_head` | 504 |
/// | the next part of its response, or the next byte of an upgraded connection in either direction | `upstream_idle` | cut |
/// | the client's next part of its request's body, at least 1 KiB, until the response begins | `patience` | 408 |
/// | the client to take what there is | `patience` | cut |
///
/// There is no limit to the whole: a response may take as long as it keeps moving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Threads that serve public connections. Default: one per core, at most 4.
    pub workers: usize,
    /// Open public connections. At the bound no more are accepted; they wait in the kernel's queue. Lowered at start
    /// if the process may not open that many files. Default 1024.
    pub connections: usize,
    /// Open connections to the control socket. Default 64.
    pub control_connections: usize,
    /// Bytes of a request's line and headers, at least 8192; more gets 431. Their number is bounded at 100.
    /// Default 16 KiB.
    pub head_bytes: usize,
    /// Time a connection may go without progress: no request complete and no byte of a response sent. So this bounds
    /// how long it may be idle, how slowly a request may come in, and how long a client may stop reading. Default 30 s.
    pub patience: Duration,
    /// Time responses in flight may take to end after a stop, or after a switch away from the upstream that is
    /// answering unless the switch says otherwise. Default 10 s.
    pub drain: Duration,
    /// Requests at once on one HTTP/2 connection. Default 128.
    pub streams: u32,
    /// Requests at once that upstreams are answering, upgraded connections included; more get 503. Each may need a
    /// connection of its own. Lowered at start if the process may not open that many files. Default 2048.
    pub proxied_requests: usize,
    /// Bytes of a proxied request's body; more gets 413. Bodies are never kept, so this bounds time and the
    /// upstream's work rather than memory. Default 10 GiB.
    pub request_body_bytes: u64,
    /// Bytes of a response that are read ahead of the client, and the most its head may have. Default 64 KiB.
    pub upstream_buffer_bytes: usize,
    /// Time to connect to one address of an upstream. Default 5 s.
    pub connect: Duration,
    /// Time until the head of an upstream's response. Default 60 s.
    pub upstream_head: Duration,
    /// Time an upstream may be silent within a response, and both sides of an upgraded connection. Default 10 min.
    pub upstream_idle: Duration,
    /// Time an unused connection to an upstream is kept. Short, so that it is closed before the upstream does the
    /// same: a request must never meet a connection that is just ending. Default 1.5 s.
    pub upstream_keep: Duration,
    /// Bytes of file content kept in memory. Default 32 MiB.
    pub cache_bytes: u64,
    /// Largest file that is kept in memory; larger ones are streamed. Default 2 MiB.
    pub cached_file_bytes: u64,
    /// Bytes read from disk at once while streaming. Default 128 KiB.
    pub stream_chunk_bytes: usize,
    /// Smallest content worth compressing. Default 1 KiB.
    pub compress_min_bytes: u64,
    /// Files read from disk, and files compressed, at once. Default 8.
    pub disk_reads: usize,
    /// Releases kept loaded for a coming switch; the longest-kept one is forgotten first. Default 16.
    pub candidates: usize,
    /// Routes. Default 16384.
    pub routes: usize,
    /// Bytes of a control request's body. Default 64 KiB.
    pub control_body_bytes: usize,
    /// Time a control request's body may take to arrive. Default 10 s.
    pub control_body_timeout: Duration,
    /// Time one request to the control socket may wait for a release to drain. Default 10 s.
    pub control_wait: Duration,
    /// Time to wait at start for an address that this directory's edge had before: its previous process may be just
    /// ending. Default 5 s.
    pub rebind_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from).min(4),
            connections: 1024,
            control_connections: 64,
            head_bytes: 16 * 1024,
            patience: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            streams: 128,
            proxied_requests: 2048,
            request_body_bytes: 10 * 1024 * 1024 * 1024,
            upstream_buffer_bytes: 64 * 1024,
            connect: Duration::from_secs(5),
            upstream_head: Duration::from_secs(60),
            upstream_idle: Duration::from_secs(600),
            upstream_keep: Duration::from_millis(1500),
            cache_bytes: 32 * 1024 * 1024,
            cached_file_bytes: 2 * 1024 * 1024,
            stream_chunk_bytes: 128 * 1024,
            compress_min_bytes: 1024,
            disk_reads: 8,
            candidates: 16,
            routes: 16_384,
            control_body_bytes: 64 * 1024,
            control_body_timeout: Duration::from_secs(10),
            control_wait: Duration::from_secs(10),
            rebind_timeout: Duration::from_secs(5),
        }
    }
}
