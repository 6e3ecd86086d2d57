//! What needs a real connection: slow clients, dead clients, ends.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use deploy_http::{Door, Limits, Serving, serve_tcp};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::fixture::{Bench, LONG, Setup, get};

async fn served(bench: &Bench) -> (SocketAddr, Serving) {
    let address = "127.0.0.1:0".parse().unwrap();
    let door = Door::tcp(address, Vec::new(), false).unwrap();
    serve_tcp(bench.api.clone(), address, door).await.unwrap()
}

async fn connect(address: SocketAddr, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("it stays open");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn gets(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

async fn followers(bench: &Bench) -> String {
    let metrics = get(&bench.socket(), "/metrics", &[]).await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let line = text.lines().find(|line| line.starts_with("deploy_stream_followers{kind=\"logs\"}"));
    line.unwrap_or_default().rsplit(' ').next().unwrap_or_default().to_owned()
}

/// More than the kernel takes for a client that does not read.
const MUCH: Setup = Setup { steps: 2, lines: 1_000, line_bytes: 3_000, limits: None, tokens: None };

/// Connections that follow a log and never read.
async fn dead(address: SocketAddr, head: &str) -> Vec<TcpStream> {
    let mut dead = Vec::new();
    for _ in 0..5 {
        dead.push(connect(address, head).await);
    }
    dead
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_41_a_dead_reader_delays_nobody() {
    let limits = Limits { stall: 2 * LONG, ..Limits::default() };
    let bench = Bench::new(Setup { limits: Some(limits), ..MUCH });
    let (address, _serving) = served(&bench).await;
    let id = bench.deploy().await;
    let head = gets(&format!("/api/deployments/{id}/logs?follow=true"));
    let _dead = dead(address, &head).await;
    let mut lines = BufReader::new(connect(address, &head).await).lines();
    bench.let_through(100);
    let mut count = 0;
    loop {
        let line = tokio::time::timeout(LONG, lines.next_line()).await.expect("it is delayed").unwrap();
        let line = line.expect("it says when it is closed");
        count += usize::from(line.contains("\"kind\":\"log\""));
        if line.contains("\"kind\":\"closed\"") {
            break;
        }
    }
    assert_eq!(count, 4 * 1_000);
    assert_eq!(followers(&bench).await, "5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_39_a_dead_reader_is_given_up() {
    let limits = Limits { stall: Duration::from_secs(2), ..Limits::default() };
    let bench = Bench::new(Setup { limits: Some(limits), ..MUCH });
    let (address, _serving) = served(&bench).await;
    let id = bench.deployed().await;
    let mut dead = dead(address, &gets(&format!("/api/deployments/{id}/logs"))).await;
    // They follow once their answer begins; then they read no more.
    for stream in &mut dead {
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    let began = Instant::now();
    while followers(&bench).await != "0" {
        assert!(began.elapsed() < LONG, "the dead hold their places");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What was sent before is cut off in the middle, and can be resumed from its last number.
    for stream in dead {
        assert!(!rest(stream).await.contains("\"kind\":\"closed\""));
    }
}

#[tokio::test]
async fn threat_f19_a_client_that_sends_its_head_or_body_too_slowly_is_given_up() {
    let (head_time, body_time) = (Duration::from_millis(200), Duration::from_millis(200));
    let bench = Bench::new(Setup {
        limits: Some(Limits { head_time, body_time, ..Limits::default() }),
        ..Setup::default()
    });
    let (address, _serving) = served(&bench).await;
    for begun in ["", "GET /health HTTP/1.1\r\nhost: local"] {
        let answer = rest(connect(address, begun).await).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    // A connection that was used once is not held open for nothing either.
    let idle = rest(connect(address, "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await).await;
    assert_eq!(idle.matches("200 OK").count(), 1);
    let id = bench.deploy().await;
    let slow = format!(
        "POST /api/deployments/{id}/stop HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{"
    );
    // On this door nobody may stop anything, so the body is not even waited for.
    assert!(rest(connect(address, &slow).await).await.contains("401 Unauthorized"));
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("s");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let _unix = deploy_http::serve_unix(bench.api.clone(), listener);
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(slow.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    tokio::time::timeout(LONG, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"HTTP/1.1 408");
}

/// Sends a head, then a byte now and then, until it is answered or the server closes: what it answered, and after
/// how many bytes.
async fn drip<S>(mut stream: S, head: &str) -> (String, usize)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut sent, mut answer) = (0, [0; 12]);
    loop {
        let next = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut answer)).await;
        match next {
            Ok(read) => return (String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned(), sent),
            // It may have closed meanwhile.
            Err(_) => sent += usize::from(stream.write_all(b"x").await.is_ok()),
        }
        assert!(sent < 400, "a client that sends a byte now and then is never given up");
    }
}

#[tokio::test]
async fn threat_f19_a_client_that_always_sends_one_more_byte_is_given_up_all_the_same() {
    let time = Duration::from_millis(300);
    let limits = Limits { head_time: time, body_time: time, ..Limits::default() };
    let bench = Bench::new(Setup { limits: Some(limits), ..Setup::default() });
    let (address, _serving) = served(&bench).await;
    let (answer, _) =
        drip(TcpStream::connect(address).await.unwrap(), "GET /health HTTP/1.1\r\nhost: ").await;
    assert!(!answer.contains("200"), "{answer}");
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("s");
    let _unix = deploy_http::serve_unix(bench.api.clone(), tokio::net::UnixListener::bind(&path).unwrap());
    for route in ["/api/plans", "/api/sources"] {
        let kind = if route == "/api/plans" { "application/json" } else { "application/octet-stream" };
        let head = format!(
            "POST {route} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: 5000\r\n\r\n"
        );
        let (answer, sent) = drip(tokio::net::UnixStream::connect(&path).await.unwrap(), &head).await;
        assert_eq!(answer, "HTTP/1.1 408", "{route} after {sent} bytes");
    }
    let left = std::fs::read_dir(bench.uploads()).map_or(0, Iterator::count);
    assert_eq!(left, 0, "what was not whole is gone");
}

#[tokio::test]
async fn threat_f19_a_head_that_is_too_large_is_refused() {
    let bench = Bench::standard();
    let (address, _serving) = served(&bench).await;
    let long = format!("GET /health HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024));
    let answer = rest(connect(address, &long).await).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let number = |number| NonZeroU32::new(number).unwrap();
    let limits = Limits {
        requests_per_second: number(1),
        requests_burst: number(5),
        refusals_per_minute: number(2),
        ..Limits::default()
    };
    let bench = Bench::new(Setup { limits: Some(limits), ..Setup::default() });
    let (address, _serving) = served(&bench).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        let head =
            "GET /health HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer x\r\nconnection: close\r\n\r\n";
        answers.push(rest(connect(address, head).await).await);
    }
    assert!(answers[1].starts_with("HTTP/1.1 401") && answers[2].starts_with("HTTP/1.1 429"), "{answers:?}");
    for _ in 0..6 {
        answers.push(rest(connect(address, &gets("/health")).await).await);
    }
    let limited = answers.last().unwrap();
    assert!(limited.starts_with("HTTP/1.1 429") && limited.contains("rate_limited"), "{limited}");
    assert!(limited.contains("retry-after: "), "{limited}");
    // The user's own socket is not limited.
    assert_eq!(get(&bench.socket(), "/health", &[]).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_listener_ends_at_once_although_streams_are_open() {
    let bench = Bench::standard();
    let (address, serving) = served(&bench).await;
    let id = bench.deploy().await;
    let path = format!("/api/deployments/{id}/events?follow=true");
    let mut stream = BufReader::new(connect(address, &gets(&path)).await);
    let mut line = String::new();
    while !line.contains("\"sequence\":1") {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
    }
    let idle = connect(address, "").await;
    let began = Instant::now();
    bench.api.close();
    serving.ended(LONG).await;
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
    let mut last = String::new();
    stream.read_to_string(&mut last).await.unwrap();
    assert!(last.contains("shutting-down"), "{last}");
    assert!(TcpStream::connect(address).await.is_err());
    drop(idle);
}
