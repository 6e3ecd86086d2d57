//! One observation against real sockets, with servers that behave and servers that don't.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use deploy_core::health::HealthPolicy;
use deploy_core::time::Span;
use deploy_probe::{Address, Answer, Observation, ProbeError, Prober, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

fn policy() -> HealthPolicy {
    HealthPolicy {
        path: "/".to_owned(),
        interval: Span::from_millis(10),
        timeout: Span::from_secs(5),
        healthy_after: 1,
        deadline: Span::from_secs(5),
        ..HealthPolicy::default()
    }
}

fn target(address: SocketAddr, timeout_ms: u64) -> Target {
    Target {
        address: Address::Tcp(address),
        host: "web.localhost:8080".to_owned(),
        path: "/health?x=1".to_owned(),
        timeout: Span::from_millis(timeout_ms),
    }
}

/// Answers one connection with these bytes, closes it unless `hold`, and gives back the request it read.
async fn serve(reply: impl Into<Vec<u8>>, hold: bool) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, reply) = (listener.local_addr().unwrap(), reply.into());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let _ = stream.write_all(&reply).await;
        if hold {
            let _ = stream.read(&mut [0; 1]).await;
        }
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    (address, server)
}

async fn observe(reply: impl Into<Vec<u8>>, hold: bool) -> Observation {
    let (address, _server) = serve(reply, hold).await;
    Prober::default().observe(&target(address, 500), &policy()).await
}

#[tokio::test]
async fn an_answer_is_seen_as_it_is() {
    let reply = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndeploy-release: sha256:ab\r\n\r\nhello";
    let (address, server) = serve(reply, true).await;
    let seen = Prober::default().observe(&target(address, 500), &policy()).await;
    let answer = seen.outcome.unwrap();
    assert!(answer.first_byte <= seen.elapsed, "{answer:?}");
    let expected = Answer {
        status: 200,
        release: Some("sha256:ab".to_owned()),
        body: b"hello".to_vec(),
        first_byte: answer.first_byte,
        ..Answer::default()
    };
    assert_eq!(answer, expected);
    let request = server.await.unwrap();
    assert!(request.starts_with("GET /health?x=1 HTTP/1.1\r\n"), "{request}");
    assert_eq!(request.matches("host: web.localhost:8080\r\n").count(), 1, "{request}");
}

#[tokio::test]
async fn a_body_without_length_ends_with_the_connection() {
    let seen = observe("HTTP/1.1 200 OK\r\n\r\nall of it", false).await.outcome.unwrap();
    assert_eq!((seen.body.as_slice(), seen.truncated), (&b"all of it"[..], false));
}

#[tokio::test]
async fn threat_f10_redirects_are_not_followed() {
    let reply = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n";
    let seen = observe(reply, false).await.outcome.unwrap();
    assert_eq!(seen.status, 302);
    assert_eq!(seen.location.as_deref(), Some("http://169.254.169.254/latest"));
}

#[tokio::test]
async fn threat_f10_a_body_is_read_only_as_far_as_needed() {
    let mut endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    endless.resize(1024 * 1024, b'x');
    let seen = observe(endless.clone(), true).await.outcome.unwrap();
    assert_eq!((seen.body.len(), seen.truncated), (4 * 1024, true));

    let (address, _server) = serve(endless, true).await;
    let policy = HealthPolicy { expected_body: Some("y".to_owned()), ..policy() };
    let seen = Prober::default().observe(&target(address, 2_000), &policy).await.outcome.unwrap();
    assert_eq!((seen.body.len(), seen.truncated), (256 * 1024, true));
    assert_eq!(seen.body_head().len(), 4 * 1024);
}

#[tokio::test]
async fn a_silent_or_stalling_server_costs_no_more_than_the_timeout() {
    for reply in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal"] {
        let (address, _server) = serve(reply, true).await;
        let seen = Prober::default().observe(&target(address, 50), &policy()).await;
        assert!(matches!(seen.outcome, Err(ProbeError::TimedOut { .. })), "{reply:?}: {seen:?}");
        assert!(seen.elapsed.as_millis() < 1_000, "{seen:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_says_why() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let seen = Prober::default().observe(&target(gone, 500), &policy()).await;
    assert_eq!(seen.outcome, Err(ProbeError::Refused { address: gone.to_string() }));

    for reply in ["SSH-2.0-OpenSSH\r\n", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n"] {
        let seen = observe(reply, false).await;
        assert!(matches!(seen.outcome, Err(ProbeError::NotHttp { .. })), "{reply:?}: {seen:?}");
    }
    for reply in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal"] {
        let seen = observe(reply, false).await;
        assert!(matches!(seen.outcome, Err(ProbeError::Connection { .. })), "{reply:?}: {seen:?}");
    }
    let headers = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", "x: y\r\n".repeat(200));
    assert!(observe(headers, false).await.outcome.is_err());
    let header = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1024 * 1024));
    assert!(observe(header, false).await.outcome.is_err());
}

#[tokio::test]
async fn what_is_no_request_is_not_sent() {
    let address = "127.0.0.1:1".parse().unwrap();
    for (host, path) in [
        ("a", "health"),
        ("a", "http://b/"),
        ("a", ""),
        ("a", "/a b"),
        ("a", "/a\r\nx: y"),
        ("a\r\nx: y", "/"),
        ("a\nb", "/"),
    ] {
        let target = Target { host: host.to_owned(), path: path.to_owned(), ..target(address, 500) };
        let seen = Prober::default().observe(&target, &policy()).await;
        assert!(matches!(seen.outcome, Err(ProbeError::BadRequest { .. })), "{host:?} {path:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_unix_socket_is_asked_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    });
    let target = Target { address: Address::Unix(path), ..target("127.0.0.1:1".parse().unwrap(), 500) };
    assert_eq!(Prober::default().observe(&target, &policy()).await.outcome.unwrap().status, 204);
    drop(directory);
    let seen = Prober::default().observe(&target, &policy()).await;
    assert!(matches!(seen.outcome, Err(ProbeError::Refused { .. })), "{seen:?}");
}

#[test]
fn a_body_is_shown_without_control_characters() {
    let answer = Answer { body: b"ok\x1b[2J\r\n\xff\xc2\x9b1m".to_vec(), ..Answer::default() };
    assert_eq!(answer.body_head(), "ok\u{fffd}[2J\u{fffd}\n\u{fffd}\u{fffd}1m");
}
