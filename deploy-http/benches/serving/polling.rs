//! Polls with and without something new, on kept connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::number;

/// Connections at once.
const CONNECTIONS: usize = 16;
/// Rounds of every kind.
const ROUNDS: usize = 5;

/// Measures all four kinds in turns, and prints what came out.
pub(crate) async fn measure(api: SocketAddr, bare: SocketAddr, path: &str) {
    let tag = first_tag(api, path).await;
    let kinds = [("200", String::new()), ("304", format!("if-none-match: {tag}\r\n"))];
    for (status, fields) in kinds {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n");
        let (mut ours, mut theirs) = (Tally::default(), Tally::default());
        for _ in 0..ROUNDS {
            theirs.add(round(bare, &head, status).await);
            ours.add(round(api, &head, status).await);
        }
        println!(
            "polls answered with {status}: {:.0} per second, a bare route {:.0} ({:.0} %); p99 {:.2} ms, a bare route {:.2} ms",
            ours.rate(),
            theirs.rate(),
            100.0 * ours.rate() / theirs.rate(),
            ours.p99(),
            theirs.p99(),
        );
    }
}

#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    time: Duration,
}

impl Tally {
    fn add(&mut self, (latencies, time): (Vec<Duration>, Duration)) {
        self.latencies.extend(latencies);
        self.time += time;
    }

    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    fn p99(&mut self) -> f64 {
        self.latencies.sort_unstable();
        self.latencies[self.latencies.len() * 99 / 100].as_secs_f64() * 1_000.0
    }
}

async fn round(address: SocketAddr, head: &str, status: &'static str) -> (Vec<Duration>, Duration) {
    let (began, time) = (Instant::now(), Duration::from_secs(number("SECONDS", 2) as u64));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let head = head.to_owned();
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut latencies, mut buffer) = (Vec::new(), Vec::with_capacity(64 * 1024));
            while began.elapsed() < time {
                let asked = Instant::now();
                stream.write_all(head.as_bytes()).await.unwrap();
                let answer = answer(&mut stream, &mut buffer).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
                latencies.push(asked.elapsed());
            }
            latencies
        });
    }
    let latencies = clients.join_all().await.concat();
    (latencies, began.elapsed())
}

/// Reads one whole answer, and gives its head.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> String {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the connection ended");
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize =
            length.filter(|_| !head.contains(" 304 ")).map_or(0, |length| length.parse().unwrap());
        while buffer.len() < end + 4 + length {
            assert!(stream.read_buf(buffer).await.unwrap() > 0, "the connection ended");
        }
        return head;
    }
}

async fn first_tag(api: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(api).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let head = answer(&mut stream, &mut Vec::new()).await;
    head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned()
}
