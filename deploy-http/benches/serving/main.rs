//! What polling and following cost, beside a bare axum route that returns the same bytes, in one run.
//!
//! ```sh
//! cargo bench -p deploy-http --bench serving            # FOLLOWERS=10000 SECONDS=2 by default
//! ```
//!
//! The server is a process of its own with the real store; 50 deployments are unfinished while it is
//! polled. The rounds of all four kinds of polls take turns, so that a busy machine slows all alike. One
//! live run is followed, first by one client alone, then by many of which every tenth never reads. Every
//! other one must receive the journal, in order, without gap or double. How long it takes from an event
//! that is durable to its bytes at the clients is printed for both.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on should stop where it is")]

mod following;
mod polling;
mod server;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// The server's process, and what it says.
struct Server {
    child: Child,
    orders: ChildStdin,
    said: Receiver<String>,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "this program again, as the server")]
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("SERVE", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (orders, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (say, said) = channel();
        std::thread::spawn(move || {
            BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| say.send(line))
        });
        Self { child, orders, said }
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    /// The next line it says that is not about an event.
    fn says(&self) -> String {
        loop {
            let line = self.said.recv().unwrap();
            if !line.starts_with("durable ") {
                return line;
            }
        }
    }

    fn address(&self) -> SocketAddr {
        self.says().parse().unwrap()
    }

    /// What it holds in memory, in MiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number from the environment.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::var_os("SERVE").is_some() {
        return runtime.block_on(server::run());
    }
    let mut server = Server::start();
    let (api, bare) = (server.address(), server.address());
    let path = server.says();
    runtime.block_on(polling::measure(api, bare, &path));
    // One alone: the time from an event that is durable to its bytes at the client.
    runtime.block_on(following::measure(&mut server, api, &path, 1));
    runtime.block_on(following::measure(&mut server, api, &path, number("FOLLOWERS", 10_000)));
}
