//! The embedded store: journal, leases, releases and log lines in one SQLite file.
//!
//! ```text
//!  create, append, acquire, release, retain         events, status, list, releases, lines
//!            │                                                    │
//!            ▼  a bounded queue                                   ▼  a few connections
//!  writer: one thread, one connection                   readers: one snapshot per question
//!            │  one commit for all that waits                     │
//!            └──────────────► store.db + write-ahead log ◄────────┘
//! ```
//!
//! What it promises:
//!
//! * An acknowledged write survives the end of the process and of the power (`synchronous=FULL`).
//! * Of two writers at one position exactly one wins, also when they are two processes: every rule is
//!   checked in the transaction that writes.
//! * Stored events never change. Each carries a hash over itself and all before it; a damaged
//!   deployment is named, and the others go on.
//! * When the disk is full, what runs can still be recorded to its end, out of a reserve; nothing new
//!   is accepted; reading works. When there is space again, it goes on by itself.
//! * Everything is bounded by [`Limits`].
//!
//! What it never does: decide anything about a deployment, order anything by a clock, or keep a
//! secret.

mod catalogue;
mod chain;
mod check;
mod fault;
mod history;
mod idempotency;
mod job;
mod journal;
mod lease;
mod limits;
mod logs;
mod open;
mod ports;
mod readers;
mod record;
mod releases;
mod reserve;
mod retention;
mod rows;
mod schema;
mod snapshot;
mod standing;
mod store;
mod tokens;
mod writer;

pub use check::{CheckReport, Problem, inspect};
pub use limits::{Limits, LogLimits};
pub use open::OpenError;
pub use snapshot::{Snapshot, snapshot};
pub use standing::{Standing, standing};
pub use store::SqliteStore;
pub use tokens::StoredToken;
