//! What goes through the proxy, and what does not.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use deploy_edge::{CandidateOptions, Protocol, RouteChange, Upstream, candidate_host};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{HOST, Http, Lab, free_port, get, noise, raw, to};
use crate::upstream::{App, bare, read_head};

/// The lines of `/head` for a request with these header lines.
async fn seen(edge: SocketAddr, request: &str) -> Vec<String> {
    let reply = raw(edge, request.replace('\n', "\r\n")).await.expect("a response");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text().lines().map(str::to_owned).collect()
}

fn value<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    let mut values = lines.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let value = values.next();
    assert_eq!(values.next(), None, "{name} twice");
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_comes_from_the_upstream_and_names_its_release() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let reply = get(edge.public_addr(), "/who", &[]).await;
    assert_eq!((reply.status, reply.text().as_str(), reply.header("x-own")), (200, "v1", "kept"));
    assert_eq!(reply.header("deploy-release"), app.digest().to_string(), "never what an upstream claims");
    assert_eq!((reply.header("deploy-error"), reply.header("keep-alive")), ("", ""));
    let missing = get(edge.public_addr(), "/none", &[]).await;
    assert_eq!((missing.status, missing.header("deploy-error")), (404, ""), "its own 404, not the edge's");
    let route = lab.client().route(HOST).await.unwrap().unwrap();
    assert_eq!((route.digest, route.upstream, route.epoch), (app.digest(), Some(app.upstream()), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_claims_about_its_origin_is_not_passed_on() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let lines = seen(
        edge.public_addr(),
        "GET /head HTTP/1.1\nHost: Web.Example:80\nX-Forwarded-For: 6.6.6.6\nX-Forwarded-Proto: https\n\
         X-Forwarded-Host: evil\nForwarded: for=6.6.6.6\nX-Real-IP: 6.6.6.6\nX_Forwarded_For: 6.6.6.6\n\
         Proxy: http://evil\nConnection: keep-alive, x-secret, x-forwarded-for\nX-Secret: 1\nKeep-Alive: 5\n\
         Proxy-Authorization: Basic x\nTE: gzip\nUpgrade: h2c\nExpect: nothing\nX-Kept: 1\nX-Kept: 2\n\n",
    )
    .await;
    let expected = [
        "GET /head HTTP/1.1",
        "host: Web.Example:80",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: Web.Example:80",
        "x-forwarded-proto: http",
        "x-kept: 1",
        "x-kept: 2",
    ];
    let mut sorted = lines;
    sorted.sort();
    assert_eq!(sorted, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed_and_added_to_the_list() {
    let (mut lab, app) = (Lab::new(), App::start("v1").await);
    lab.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let edge = lab.proxy(&app).await;
    let lines = seen(
        edge.public_addr(),
        "GET /head HTTP/1.1\nHost: web.example\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-For: 10.0.0.1\n\
         X-Forwarded-Proto: https\nX-Forwarded-Host: shop.example\nForwarded: for=1.2.3.4\n\n",
    )
    .await;
    assert_eq!(value(&lines, "x-forwarded-for"), Some("1.2.3.4, 10.0.0.1, 127.0.0.1"));
    assert_eq!(value(&lines, "x-forwarded-proto"), Some("https"));
    assert_eq!(value(&lines, "x-forwarded-host"), Some("shop.example"));
    assert_eq!(value(&lines, "forwarded"), Some("for=1.2.3.4, for=127.0.0.1"));
    let lines = seen(edge.public_addr(), "GET /head HTTP/1.1\nHost: web.example\n\n").await;
    assert_eq!(value(&lines, "x-forwarded-proto"), Some("http"));
    assert_eq!(value(&lines, "forwarded"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_and_hosts_are_passed_on_in_their_plain_form() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let absolute = "GET http://WEB.example:80/head?q=%2f HTTP/1.1\nHost: evil.example\n\n";
    let lines = seen(edge.public_addr(), absolute).await;
    assert_eq!(
        (lines[0].as_str(), value(&lines, "host")),
        ("GET /head?q=%2f HTTP/1.1", Some("WEB.example:80"))
    );
    for (request, status, code) in [
        ("GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", 400, "bad_host"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "bad_host"),
        ("GET / HTTP/1.1\r\nHost: web.example@evil\r\n\r\n", 404, "no_route"),
        ("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n", 404, "no_route"),
        ("CONNECT web.example:80 HTTP/1.1\r\nHost: web.example:80\r\n\r\n", 405, "method_not_allowed"),
        ("TRACE / HTTP/1.1\r\nHost: web.example\r\n\r\n", 405, "method_not_allowed"),
    ] {
        let reply = raw(edge.public_addr(), request).await.expect("a response");
        assert_eq!((reply.status, reply.header("deploy-error")), (status, code), "{request}");
    }
    assert_eq!(app.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_go_through_whole_in_both_directions() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let body = noise(5 * 1024 * 1024, 3);
    let mut http = Http::open(edge.public_addr()).await;
    let (mut reader, mut writer) = http.stream.split();
    let head = format!("POST /echo HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {}\r\n\r\n", body.len());
    let sending = async {
        writer.write_all(head.as_bytes()).await.unwrap();
        writer.write_all(&body).await.unwrap();
    };
    let mut received = Vec::new();
    let reading = async {
        while !received.ends_with(&body[body.len() - 64..]) && !received.ends_with(b"\r\n0\r\n\r\n") {
            assert_ne!(reader.read_buf(&mut received).await.unwrap(), 0);
        }
    };
    tokio::join!(sending, reading);
    let text = String::from_utf8_lossy(&received[..200]).into_owned();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(received.len() >= body.len());
    assert_eq!(app.posts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_get_keeps_its_body() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let request = format!(
        "GET /echo HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    );
    let mut http = Http::open(edge.public_addr()).await;
    http.send(request).await;
    assert_eq!(http.chunked().await.unwrap().body, b"abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_is_answered_once_the_body_is_wanted() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.send(format!(
        "POST /echo HTTP/1.1\r\nhost: {HOST}\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n"
    ))
    .await;
    assert_eq!(http.head().await.unwrap().status, 100);
    http.send("abc").await;
    assert_eq!(http.head().await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_seen_one_by_one() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.send(format!("GET /feed HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    assert_eq!(http.head().await.unwrap().header("content-type"), "text/event-stream");
    for event in ["data: 1\n\n", "data: two\n\n", "data: 3\n\n"] {
        assert_eq!(app.feed(event).await, 1);
        // The next one is only sent when this one was seen.
        assert_eq!(http.chunk().await.unwrap(), event.as_bytes());
    }
    app.end_feeds();
    assert_eq!(http.chunk().await.unwrap(), b"", "the end is passed on too");
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_go_through_to_whoever_takes_them() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.send(format!("GET /trailers HTTP/1.1\r\nhost: {HOST}\r\nte: trailers\r\nconnection: te\r\n\r\n"))
        .await;
    let reply = http.chunked().await.unwrap();
    assert_eq!((reply.body.as_slice(), reply.header("x-sum")), (&b"summed"[..], "42"));
    assert_eq!(reply.header("x-forwarded-for"), "", "a trailer cannot carry what a header may not");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_connection_goes_both_ways() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.upgrade("/ws").await;
    for message in ["one", "two"] {
        assert_eq!(http.echo(message).await, message);
    }
    let status = lab.client().drain_status(&app.digest(), None, Duration::ZERO).await.unwrap();
    assert_eq!(status.in_flight, 1);
    assert_eq!(lab.client().status().await.unwrap().counters.open_connections, 1);
    drop(http);
    lab.until_drained_to(&app, 0).await;
    // Without being asked, an upgrade is no upgrade.
    let reply = get(edge.public_addr(), "/ws", &[]).await;
    assert_eq!((reply.status, reply.header("deploy-error")), (502, "upstream_broken"));
}

async fn h2(edge: SocketAddr) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(edge).await.expect("connect");
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("prior knowledge");
    tokio::spawn(connection);
    sender
}

fn h2_request(path: &str) -> http::request::Builder {
    Request::builder().version(Version::HTTP_2).uri(format!("http://{HOST}{path}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_in_front_and_behind() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let mut sender = h2(edge.public_addr()).await;
    for (epoch, protocol, version) in [(2, Protocol::Http1, "HTTP/1.1"), (3, Protocol::Http2, "HTTP/2.0")] {
        let upstream = Upstream { protocol, ..app.upstream() };
        let change = RouteChange { upstream: Some(upstream), ..to(epoch, app.digest()) };
        lab.client().switch(&change).await.unwrap();
        let request =
            h2_request("/head").header("cookie", "a=1").header("cookie", "b=2").header("te", "trailers");
        let response = sender.send_request(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(response.headers()["deploy-release"], app.digest().to_string().as_str());
        let text = response.into_body().collect().await.unwrap().to_bytes();
        let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        assert!(lines[0].ends_with(version), "{lines:?}");
        assert_eq!(value(&lines, "te"), Some("trailers"));
        assert_eq!(value(&lines, "x-forwarded-for"), Some("127.0.0.1"));
        if protocol == Protocol::Http1 {
            assert_eq!((value(&lines, "host"), value(&lines, "cookie")), (Some(HOST), Some("a=1; b=2")));
        }
        let body = Full::new(Bytes::from(noise(300_000, 1)));
        let echoed =
            sender.send_request(h2_request("/echo").method("POST").body(body).unwrap()).await.unwrap();
        assert!(echoed.into_body().collect().await.unwrap().to_bytes() == noise(300_000, 1));
        let summed = sender
            .send_request(h2_request("/trailers").header("te", "trailers").body(Full::default()).unwrap())
            .await
            .unwrap();
        let summed = summed.into_body().collect().await.unwrap();
        let trailers = summed.trailers().cloned().unwrap_or_default();
        assert_eq!(trailers.get("x-sum").map(|sum| sum.as_bytes()), Some(&b"42"[..]));
        assert!(!trailers.contains_key("x-forwarded-for"));
    }
    // Many requests at once over one connection to the upstream.
    let before = app.connections();
    let answers = (0..50).map(|_| sender.send_request(h2_request("/who").body(Full::default()).unwrap()));
    for answer in answers.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(app.connections(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_an_upstream_are_used_again_and_closed_when_unused() {
    let (mut lab, app) = (Lab::new(), App::start("v1").await);
    lab.limits.workers = 1;
    lab.limits.upstream_keep = Duration::from_millis(400);
    let edge = lab.proxy(&app).await;
    let mut http = Http::open(edge.public_addr()).await;
    for _ in 0..20 {
        assert_eq!(http.get("/who", &[]).await.unwrap().text(), "v1");
    }
    assert!(app.connections() <= 2, "{}", app.connections());

    let (closed, mut was_closed) = tokio::sync::mpsc::channel(1);
    let (address, _upstream) = bare(move |_, mut stream| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            assert_eq!(read_head(&mut stream).await, None, "no second request");
            closed.send(()).await.unwrap();
        }
    })
    .await;
    let change = RouteChange { upstream: Some(Upstream::at(address)), ..to(2, app.digest()) };
    lab.client().switch(&change).await.unwrap();
    assert_eq!(http.get("/", &[]).await.unwrap().text(), "ok");
    was_closed.recv().await.expect("an unused connection is closed by the edge first");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_refuses_is_skipped() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.start().await;
    let dead = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let upstream = Upstream { addresses: vec![dead, app.address], protocol: Protocol::Http1 };
    let change = RouteChange { upstream: Some(upstream), ..to(1, app.digest()) };
    lab.client().switch(&change).await.unwrap();
    for _ in 0..6 {
        assert_eq!(get(edge.public_addr(), "/who", &[]).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_03_a_candidate_upstream_is_probed_through_the_code_that_answers_the_public() {
    let (lab, app) = (Lab::new(), App::start("v2").await);
    let old = App::start("v1").await;
    let edge = lab.proxy(&old).await;
    let (client, host) = (lab.client(), candidate_host(&app.digest()));
    let options = CandidateOptions { upstream: Some(app.upstream()), fallback: None };
    client.put_candidate(&app.digest(), &options).await.unwrap();
    let probe = client.get(&host, "/who", 100).await.unwrap();
    assert_eq!((probe.status.as_u16(), &probe.body[..]), (200, &b"v2"[..]));
    assert_eq!(probe.headers["deploy-release"], app.digest().to_string().as_str());
    assert_eq!(get(edge.public_addr(), "/who", &[]).await.text(), "v1", "probing switches nothing");
    let itself = CandidateOptions { upstream: Some(Upstream::at(edge.public_addr())), fallback: None };
    assert_eq!(client.put_candidate(&app.digest(), &itself).await.unwrap_err().code(), "invalid_change");
    let circle = RouteChange { upstream: Some(Upstream::at(edge.public_addr())), ..to(2, app.digest()) };
    assert_eq!(client.switch(&circle).await.unwrap_err().code(), "invalid_change");
}
