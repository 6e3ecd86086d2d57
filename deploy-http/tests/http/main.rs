//! The API over a real engine and a store in memory, asked in process. What needs a socket has one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod access;
mod browser;
mod fixture;
mod operations;
mod page;
mod polling;
mod runtime;
mod sockets;
mod streams;
mod uploads;
mod written;
