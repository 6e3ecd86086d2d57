//! Every bound of the store, with its default.

use std::time::Duration;

/// The bounds of the store. Nothing in it grows beyond one of these without saying so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Writes that may wait for the writer; more wait outside, in their callers. 512.
    pub queue: usize,
    /// Writes that share one commit. 256.
    pub batch: usize,
    /// Connections that read at the same time. 4.
    pub readers: usize,
    /// How long another process may keep the file locked before a write gives up. 5 s.
    pub busy_timeout: Duration,
    /// Deployments of one resource that may be unfinished at once. Those that rest in `blocked` do
    /// not count: they hold nothing, and a broken configuration must not lock its owner out. 100.
    pub unfinished_per_resource: u32,
    /// Events in one append. 1,000.
    pub events_per_append: usize,
    /// Events of one deployment. Its ending is always taken. 10,000.
    pub events_per_deployment: u64,
    /// Bytes of one event, one status or one release. 1 MiB.
    pub record_bytes: usize,
    /// Bytes of an idempotency key. 256.
    pub key_bytes: usize,
    /// How long an idempotency key is remembered at least. 24 h.
    pub key_age: Duration,
    /// Keys of this many newest deployments are remembered whatever their age, so that a clock that
    /// jumps ahead forgets none of them. 10,000.
    pub keys_kept: u32,
    /// Deployments in one answer. 200.
    pub list: usize,
    /// Runs that one question about figures looks at. 50,000.
    pub history: usize,
    /// Bytes of the database file. 16 GiB.
    pub database_bytes: u64,
    /// Space set aside so that what runs can end when the disk is full. 4 MiB.
    pub reserve_bytes: u64,
    /// Problems named by one check. 100.
    pub problems: usize,
    /// The bounds of output.
    pub logs: LogLimits,
}

/// The bounds of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLimits {
    /// Lines that wait to be written. 4,096.
    pub queue_lines: usize,
    /// Bytes that wait to be written. 2 MiB.
    pub queue_bytes: usize,
    /// Lines in one commit. 512.
    pub batch: usize,
    /// How long lines wait for a commit they can share. 50 ms.
    pub linger: Duration,
    /// Lines kept from the start of one deployment's log. 100,000.
    pub lines: u64,
    /// Bytes kept from the start of one deployment's log. 16 MiB.
    pub bytes: u64,
    /// Newest lines kept beyond those. 200.
    pub tail: u64,
    /// Bytes kept of all logs together, their tails aside; beyond, the oldest lines of the oldest
    /// ended deployments go. 1 GiB.
    pub total_bytes: u64,
    /// Lines in one answer. 10,000.
    pub read: usize,
    /// Bytes of messages that one search looks at. 256 MiB.
    pub search_bytes: u64,
    /// Bytes of the archive of logs; beyond, the oldest logs go. 4 GiB.
    pub archive_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: 512,
            batch: 256,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            unfinished_per_resource: 100,
            events_per_append: 1_000,
            events_per_deployment: 10_000,
            record_bytes: 1 << 20,
            key_bytes: 256,
            key_age: Duration::from_hours(24),
            keys_kept: 10_000,
            list: 200,
            history: deploy_core::history::RUNS,
            database_bytes: 16 << 30,
            reserve_bytes: 4 << 20,
            problems: 100,
            logs: LogLimits::default(),
        }
    }
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            queue_lines: 4_096,
            queue_bytes: 2 << 20,
            batch: 512,
            linger: Duration::from_millis(50),
            lines: 100_000,
            bytes: 16 << 20,
            tail: 200,
            total_bytes: 1 << 30,
            read: 10_000,
            search_bytes: 256 << 20,
            archive_bytes: 4 << 30,
        }
    }
}
