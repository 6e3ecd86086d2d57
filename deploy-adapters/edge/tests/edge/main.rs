//! The edge from outside: real directories, real sockets, real requests. One binary, one module per concern.

mod control;
mod harness;
mod hostile_requests;
mod publishing;
mod restarting;
mod serving;
mod switching;
