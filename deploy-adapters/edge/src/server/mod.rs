//! Listening and speaking HTTP, for the public side and the control socket alike.

mod connection;
mod listener;
mod progress;
mod workers;

pub(crate) use connection::serve_connection;
pub(crate) use listener::accept_loop;
pub(crate) use progress::{Progress, Waiting, Watched};
pub(crate) use workers::Workers;
