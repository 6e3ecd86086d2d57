//! Small programs that embed the engine. Each is a binary in `src/bin`, and a test runs it; the code in
//! the README is the same and is compiled with it.
#![doc = include_str!("../../README.md")]

pub mod audited;
pub mod kiosk;
