//! What crosses crates: crash tests, traffic under switches, black-box runs.
//!
//! The suites in `tests/` run the real `deploy` binary: a control plane, an edge and command lines as
//! processes of their own, against a state directory of their own. This library holds what they share.
//!
//! | you want | take |
//! |---|---|
//! | the binary, with crash points | [`binary::deploy`] |
//! | a state directory with its processes, gone when the test ends | [`Installation`] |
//! | a site to deploy | [`Site`] |
//! | one request over a plain socket | [`Connection`] |
//! | requests all the time, and what became of them | [`Load`] |
//! | what was switched to, against what was seen | [`Story`] |
//! | an engine for the docker target | [`docker`] |
//! | to wait for something, but not for ever | [`wait::until`] |
//! | to look at processes and end them | [`processes`] |
//!
//! `DEPLOY_TEST_BIN_DIR` names a directory with a `deploy` of a debug build, which has crash points; without it,
//! it is built where the tests are. With `DEPLOY_TEST_KEEP` the directory of a test that failed stays.

pub mod binary;
mod connection;
pub mod docker;
mod installation;
mod load;
pub mod processes;
mod site;
mod story;
pub mod wait;
mod websocket;

pub use connection::{Answer, Connection};
pub use installation::{Installation, Ran, Running, Started};
pub use load::{Load, Manner, Visit};
pub use site::{Page, Site};
pub use story::Story;
