//! The fly target against a stand-in flyctl that is strict about flags and plays the failures.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod browser;
mod config;
mod contract;
mod failing;
mod lab;
mod runtime;
mod shapes;
