//! The control socket and its client.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use deploy_edge::{CandidateOptions, Digest, EdgeClient, EdgeError, Expect, RouteChange, candidate_host};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::harness::{HOST, Lab, get, to};

#[tokio::test(flavor = "multi_thread")]
async fn inv_03_a_candidate_answers_exactly_as_it_will_in_public() {
    let lab = Lab::new();
    let (edge, live) = lab.serve(&[("index.html", b"old")]).await;
    let next = lab.release(&[("index.html", b"new"), ("404.html", b"no"), ("d/index.html", b"")]);
    let client = lab.client();
    let host = candidate_host(&next);
    assert_eq!(client.get(&host, "/", 1000).await.unwrap().status, 404, "not loaded yet");
    client.put_candidate(&next, &CandidateOptions::default()).await.unwrap();
    let mut probes = Vec::new();
    for path in ["/", "/d", "/nothing", "/..%2f", "/index.html?x"] {
        probes.push((path, client.get(&host, path, 1000).await.unwrap()));
    }
    assert_eq!(
        get(edge.public_addr(), "/", &[]).await.header("deploy-release"),
        live.to_string(),
        "probing switches nothing"
    );
    client.switch(&to(2, next)).await.unwrap();
    for (path, probe) in probes {
        let public = get(edge.public_addr(), path, &[]).await;
        assert_eq!((public.status, &public.body[..]), (probe.status.as_u16(), &probe.body[..]), "{path}");
        assert_eq!(public.header("deploy-release"), probe.headers["deploy-release"], "{path}");
        assert_eq!(
            public.header("etag"),
            probe.headers.get("etag").map_or("", |v| v.to_str().unwrap()),
            "{path}"
        );
    }
    client.forget_candidate(&next).await.unwrap();
    assert_eq!(client.get(&host, "/", 1000).await.unwrap().status, 404);
    assert_eq!(get(edge.public_addr(), "/", &[]).await.text(), "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_are_checked_and_bounded() {
    let mut lab = Lab::new();
    lab.limits.candidates = 2;
    let _edge = lab.start().await;
    let client = lab.client();
    let options = CandidateOptions::default();
    assert_eq!(
        client.put_candidate(&Digest::of(b"x"), &options).await.unwrap_err().code(),
        "artifact_missing"
    );
    let digests: Vec<Digest> = (0..3u8).map(|n| lab.release(&[("f", &[n])])).collect();
    for digest in &digests {
        client.put_candidate(digest, &options).await.unwrap();
    }
    assert_eq!(client.status().await.unwrap().candidates, digests[1..], "the longest-kept one made room");
    let fallback = CandidateOptions { fallback: Some("nope".into()), upstream: None };
    assert_eq!(client.put_candidate(&digests[0], &fallback).await.unwrap_err().code(), "fallback_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_routes_tell_what_is_live() {
    let lab = Lab::new();
    let (edge, digest) = lab.serve(&[("index.html", b"page")]).await;
    let client = lab.client();
    get(edge.public_addr(), "/", &[]).await;
    get(edge.public_addr(), "/nothing", &[]).await;
    let status = client.status().await.unwrap();
    assert_eq!((status.pid, status.address), (std::process::id(), edge.public_addr()));
    assert_eq!((status.routes.len(), status.routes[0].digest), (1, digest));
    assert_eq!((status.counters.requests, status.counters.success, status.counters.client_error), (2, 1, 1));
    assert_eq!(status.counters.switches, 1);
    assert_eq!(client.route("WEB.example").await.unwrap().unwrap().digest, digest);
    assert_eq!(client.route("other.example").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeating_a_switch_is_safe() {
    let lab = Lab::new();
    let digest = lab.release(&[("f", b"")]);
    let _edge = lab.start().await;
    let change = RouteChange { expect: Some(Expect::Absent), ..to(1, digest) };
    let first = lab.client().switch(&change).await.unwrap();
    assert_eq!(first.before, None);
    let again = lab.client().switch(&change).await.unwrap();
    assert_eq!((again.before, again.after.clone()), (first.after.clone(), first.after));
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_40_the_socket_is_the_owners_alone() {
    let lab = Lab::new();
    let edge = lab.start().await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&lab.edge_dir()), mode(edge.control_socket())), (0o700, 0o600));
    let mut public = crate::harness::Http::open(edge.public_addr()).await;
    public.send("GET /status HTTP/1.1\r\nhost: edge.control\r\n\r\n").await;
    assert_eq!(public.reply(true).await.unwrap().status, 404, "the public side has no control API");
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_39_control_requests_are_bounded_and_checked() {
    let mut lab = Lab::new();
    lab.limits.control_body_timeout = Duration::from_millis(200);
    let (edge, _) = lab.serve(&[("index.html", b"page")]).await;
    let huge = "x".repeat(70 * 1024);
    let deep = "[".repeat(60_000);
    let put = |length: usize, body: &str| {
        format!(
            "PUT /routes/{HOST} HTTP/1.1\r\nhost: c\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    };
    let other_host = r#"{"host":"b.example","target":"t","epoch":1,"to":null}"#;
    let cases = [
        (put(huge.len(), &huge), "413"),
        (put(deep.len(), &deep), "400"),
        (put(1, "{"), "400"),
        (put(0, ""), "400"),
        (put(9, "{"), "408"),
        (put(other_host.len(), other_host), "400"),
        ("GET /secret HTTP/1.1\r\nhost: c\r\nconnection: close\r\n\r\n".into(), "404"),
        ("DELETE /status HTTP/1.1\r\nhost: c\r\nconnection: close\r\n\r\n".into(), "405"),
    ];
    for (request, status) in cases {
        let mut stream = UnixStream::connect(edge.control_socket()).await.unwrap();
        let _ = stream.write_all(request.as_bytes()).await;
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
        let line = String::from_utf8_lossy(&reply).lines().next().unwrap_or_default().to_owned();
        assert!(line.contains(status), "{status}: {line}");
    }
    assert_eq!(get(edge.public_addr(), "/", &[]).await.text(), "page");
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_11_a_lost_reply_is_unknown_and_no_edge_is_unreachable() {
    let lab = Lab::new();
    let digest = Digest::of(b"x");
    assert_eq!(lab.client().switch(&to(1, digest)).await.unwrap_err().code(), "edge_unreachable");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        // Takes each request and hangs up, then takes one and says nothing.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
        }
        let _silent = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = EdgeClient::new(&path).with_deadline(Duration::from_millis(300));
    assert!(matches!(client.switch(&to(1, digest)).await, Err(EdgeError::Unknown { .. })));
    assert!(matches!(client.status().await, Err(EdgeError::Unreachable { .. })), "reading changes nothing");
    assert!(
        matches!(client.switch(&to(1, digest)).await, Err(EdgeError::Unknown { .. })),
        "also at the deadline"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_bounded() {
    let lab = Lab::new();
    let digest = lab.release(&[("f", &[7; 1000])]);
    let _edge = lab.start().await;
    let client = lab.client();
    client.put_candidate(&digest, &CandidateOptions::default()).await.unwrap();
    let host = candidate_host(&digest);
    assert_eq!(client.get(&host, "/f", 1000).await.unwrap().body.len(), 1000);
    assert_eq!(client.get(&host, "/f", 999).await.unwrap_err().code(), "response_too_large");
    assert_eq!(client.get("a\nb", "/f", 999).await.unwrap_err().code(), "invalid_request");
}
