//! Requests nobody honest sends, byte for byte.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::harness::{Http, Lab, get, noise, raw};

const SECRET: &str = "TOP-SECRET";

#[tokio::test(flavor = "multi_thread")]
async fn threat_f09_traversal_never_leaves_the_release() {
    let lab = Lab::new();
    let (edge, digest) = lab.serve(&[("index.html", b"page"), ("dir/file.txt", b"file")]).await;
    let root = lab.releases().join(digest.dir_name());
    for place in [
        root.join("secret"),
        root.join("files/planted"),
        root.join("files/.env"),
        lab.dir.path().join("secret"),
    ] {
        fs::write(place, SECRET).unwrap();
    }
    symlink(lab.dir.path().join("secret"), root.join("files/link")).unwrap();
    symlink("/", root.join("files/rootlink")).unwrap();
    let long = format!("/{}", "a/".repeat(32 * 1024));
    let paths: &[&[u8]] = &[
        b"/../secret",
        b"/../../../../../../etc/passwd",
        b"/dir/../../secret",
        b"/./index.html",
        b"/dir/./file.txt",
        b"/%2e%2e/secret",
        b"/%2e%2e%2fsecret",
        b"/..%2fsecret",
        b"/%252e%252e%252fsecret",
        b"/..%252fsecret",
        b"/..%5csecret",
        b"/..\\secret",
        b"/dir\\file.txt",
        b"//secret",
        b"//etc/passwd",
        b"/dir//file.txt",
        b"/index.html%00",
        b"/%00",
        b"/secret%00.html",
        b"/..%c0%afsecret",
        b"/%c0%ae%c0%ae/secret",
        b"/%e0%80%ae%e0%80%ae/secret",
        b"/%ff",
        b"/\xff",
        b"/\xc0\xae\xc0\xae/secret",
        b"/..;/secret",
        b"/.%00./secret",
        b"/.env",
        b"/planted",
        b"/link",
        b"/rootlink/etc/passwd",
        b"/manifest.json",
        b"/../manifest.json",
        b"/files/index.html",
        b"/dir/file.txt/../../secret",
        b"/%u002e%u002e/secret",
        b"/index.html/",
        b"/index.html/x",
        b"file:///etc/passwd",
        b"http://web.example/../secret",
        b"*",
        b"web.example:443",
        long.as_bytes(),
    ];
    for path in paths {
        let request =
            [b"GET ", *path, b" HTTP/1.1\r\nhost: web.example\r\nconnection: close\r\n\r\n"].concat();
        let shown = String::from_utf8_lossy(&path[..path.len().min(60)]).into_owned();
        if let Some(reply) = raw(edge.public_addr(), request).await {
            assert!((400..500).contains(&reply.status), "{shown}: {}", reply.status);
            assert!(!reply.text().contains(SECRET) && !reply.text().contains("root:"), "{shown}");
        }
        let alive = get(edge.public_addr(), "/dir/file.txt", &[]).await;
        assert_eq!(alive.text(), "file", "after {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f09_files_replaced_after_publishing_are_not_served() {
    let lab = Lab::new();
    let big = noise(3 * 1024 * 1024, 1);
    let (edge, digest) = lab
        .serve(&[
            ("link.txt", b"genuine"),
            ("same-size.txt", b"genuine"),
            ("big.bin", &big),
            ("ok", b"ok"),
            ("pipe", b"p"),
        ])
        .await;
    fs::write(lab.dir.path().join("secret"), SECRET).unwrap();
    for path in ["link.txt", "same-size.txt", "big.bin", "pipe"] {
        fs::remove_file(lab.release_file(&digest, path)).unwrap();
    }
    symlink(lab.dir.path().join("secret"), lab.release_file(&digest, "link.txt")).unwrap();
    symlink(lab.dir.path().join("secret"), lab.release_file(&digest, "big.bin")).unwrap();
    fs::write(lab.release_file(&digest, "same-size.txt"), "FORGED!").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(lab.release_file(&digest, "pipe")).unwrap();
    for path in ["/link.txt", "/same-size.txt", "/big.bin", "/pipe"] {
        let reply = get(edge.public_addr(), path, &[]).await;
        assert!(matches!(reply.status, 500 | 503), "{path}: {}", reply.status);
        assert!(!reply.text().contains(SECRET) && !reply.text().contains("FORGED"), "{path}");
        assert_eq!(reply.header("deploy-release"), digest.to_string());
    }
    assert_eq!(get(edge.public_addr(), "/ok", &[]).await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cut_short_while_it_is_sent_is_seen_as_incomplete() {
    let lab = Lab::new();
    let big = noise(20 * 1024 * 1024, 1);
    let (edge, digest) = lab.serve(&[("big.bin", &big)]).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.send("GET /big.bin HTTP/1.1\r\nhost: web.example\r\n\r\n").await;
    assert_eq!(http.head().await.unwrap().status, 200);
    let file = fs::OpenOptions::new().write(true).open(lab.release_file(&digest, "big.bin")).unwrap();
    file.set_len(1024).unwrap();
    let mut received = Vec::new();
    let _ = http.stream.read_to_end(&mut received).await;
    assert!(received.len() < big.len(), "never padded, never pretended whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f19_heads_are_bounded_in_bytes_and_number() {
    let lab = Lab::new();
    let (edge, _) = lab.serve(&[("index.html", b"page")]).await;
    let many: String = (0..1000).map(|n| format!("h{n}: x\r\n")).collect();
    for head in [many, format!("big: {}\r\n", "x".repeat(1024 * 1024))] {
        let reply =
            raw(edge.public_addr(), format!("GET / HTTP/1.1\r\nhost: web.example\r\n{head}\r\n")).await;
        assert!(reply.is_none_or(|reply| matches!(reply.status, 400 | 431)));
    }
    assert_eq!(get(edge.public_addr(), "/", &[]).await.text(), "page");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f19_ambiguous_framing_is_refused() {
    let lab = Lab::new();
    let (edge, _) = lab.serve(&[("index.html", b"page"), ("smuggled", b"smuggled")]).await;
    for framing in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: -1\r\n",
        "content-length: 5x\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: xchunked\r\n",
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nhost: web.example\r\n{framing}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: web.example\r\n\r\n"
        );
        let mut http = Http::open(edge.public_addr()).await;
        http.send(request).await;
        let mut received = Vec::new();
        let _ = http.stream.read_to_end(&mut received).await;
        assert!(!String::from_utf8_lossy(&received).contains("smuggled"), "{framing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f19_a_head_that_trickles_in_and_an_idle_connection_are_closed() {
    let mut lab = Lab::new();
    lab.limits.patience = Duration::from_millis(300);
    let (edge, _) = lab.serve(&[("index.html", b"page")]).await;
    let mut idle = Http::open(edge.public_addr()).await;
    idle.get("/", &[]).await.unwrap();
    let mut loris = Http::open(edge.public_addr()).await;
    let trickle = async {
        loop {
            loris.send("x").await;
            if loris.stream.try_read(&mut [0; 64]).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let closed = async {
        trickle.await;
        idle.get("/", &[]).await.expect_err("closed while idle");
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("both are closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_39_connections_over_the_cap_wait_and_are_then_served() {
    let mut lab = Lab::new();
    lab.limits.connections = 2;
    let (edge, _) = lab.serve(&[("index.html", b"page")]).await;
    let mut first = Http::open(edge.public_addr()).await;
    let mut second = Http::open(edge.public_addr()).await;
    first.get("/", &[]).await.unwrap();
    second.get("/", &[]).await.unwrap();
    let mut third = Http::open(edge.public_addr()).await;
    let waiting = tokio::time::timeout(Duration::from_millis(200), third.get("/", &[])).await;
    assert!(waiting.is_err(), "the third is not served while two are open");
    assert_eq!(lab.client().status().await.unwrap().counters.open_connections, 2);
    drop(first);
    assert_eq!(third.reply(true).await.unwrap().body, b"page");
}
