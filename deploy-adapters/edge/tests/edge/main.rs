//! The edge from outside: real directories, real sockets, real requests. One binary, one module per concern.

mod control;
mod draining;
mod harness;
mod hostile_requests;
mod hostile_upstreams;
mod killing;
mod proxying;
mod publishing;
mod restarting;
mod serving;
mod switching;
mod upstream;
