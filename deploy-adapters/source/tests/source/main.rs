//! Looking at sources and copying them, on real trees.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;
mod checkout;
mod commit;
mod common;
mod git;
mod mutated;
mod race;
mod read;
