//! What the store promises, by invariant.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod archive;
mod catalogue;
mod common;
mod contract;
mod damage;
mod journal;
mod kill;
mod lease;
mod logs;
mod model;
mod open;
mod space;
mod tokens;
