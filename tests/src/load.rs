//! Requests all the time, and what became of each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::connection::{Answer, Connection};
use crate::site::Page;

/// Between two requests of one visitor.
const BREATH: Duration = Duration::from_millis(3);

/// How a visitor asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Manner {
    /// All requests on one connection.
    KeepAlive,
    /// Each request on a connection of its own.
    OneShot,
    /// A conversation over a WebSocket, of so many questions with a pause before each.
    Conversation(u32, Duration),
    /// The large download, with a pause between two sips.
    Slow(Duration),
}

/// One request and what came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// How it was made.
    pub manner: Manner,
    /// Before the first byte of it was sent.
    pub started: Instant,
    /// When the last byte of the answer was there, or it had failed.
    pub ended: Instant,
    /// The release that answered and the site its body is of, or what went wrong.
    pub outcome: Result<(String, Page), String>,
}

/// Visitors that do not stop until they are told to.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    visitors: Vec<JoinHandle<Vec<Visit>>>,
}

impl Load {
    /// Starts one visitor for each manner.
    #[must_use]
    pub fn start(address: SocketAddr, host: &'static str, manners: &[Manner]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let visitor = |&manner: &Manner| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || visit(address, host, manner, &stop))
        };
        Self { visitors: manners.iter().map(visitor).collect(), stop }
    }

    /// Lets every request end and gives all visits.
    ///
    /// # Panics
    /// If a visitor did.
    #[must_use]
    pub fn finish(mut self) -> Vec<Visit> {
        self.stop.store(true, Ordering::Relaxed);
        let visits = std::mem::take(&mut self.visitors).into_iter().map(JoinHandle::join);
        visits.flat_map(|visits| visits.expect("a visitor only asks and writes down")).collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn visit(address: SocketAddr, host: &str, manner: Manner, stop: &AtomicBool) -> Vec<Visit> {
    let mut visits = Vec::new();
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let answer = ask(address, host, manner, &mut kept);
        let outcome = answer.map_err(|error| format!("{error} ({:?})", error.kind())).and_then(judge);
        if outcome.is_err() {
            kept = None;
        }
        visits.push(Visit { manner, started, ended: Instant::now(), outcome });
        std::thread::sleep(BREATH);
    }
    visits
}

fn ask(
    address: SocketAddr,
    host: &str,
    manner: Manner,
    kept: &mut Option<Connection>,
) -> std::io::Result<Answer> {
    match manner {
        Manner::OneShot => Connection::once(address, host, "/"),
        Manner::Conversation(questions, pause) => {
            Connection::open(address, host)?.converse("/socket", questions, pause)
        }
        Manner::Slow(pause) => Connection::open(address, host)?.get_slowly("/download.txt", pause),
        Manner::KeepAlive => {
            let connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::open(address, host)?,
            };
            kept.insert(connection).get("/")
        }
    }
}

fn judge(answer: Answer) -> Result<(String, Page), String> {
    let Answer { status, release, body } = answer;
    if status != 200 {
        return Err(format!("status {status}"));
    }
    let page = Page::of(&body).ok_or_else(|| format!("{} bytes that are of no one site", body.len()))?;
    Ok((release, page))
}
