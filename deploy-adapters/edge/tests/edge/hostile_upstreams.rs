//! Upstreams and clients that die, stall, or lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deploy_edge::{RouteChange, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{HOST, Http, Lab, free_port, get, raw, to};
use crate::upstream::{App, bare, read_head};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn reply_of(lab: &Lab, upstream: std::net::SocketAddr) -> (u16, String) {
    let (edge, digest) = lab.proxy_to(upstream).await;
    let reply = get(edge.public_addr(), "/", &[]).await;
    assert_eq!(reply.header("deploy-release"), digest.to_string(), "who failed to answer is said too");
    assert!(reply.text().contains("<p>"), "a page for a person: {}", reply.text());
    assert!(!reply.text().contains("127.0.0.1"), "nothing of the inside");
    (reply.status, reply.header("deploy-error").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_answer_properly_is_named_by_a_code() {
    let mut lab = Lab::new();
    lab.limits.upstream_head = Duration::from_millis(300);
    let nobody = ([127, 0, 0, 1], free_port()).into();
    assert_eq!(reply_of(&lab, nobody).await, (502, "upstream_unreachable".into()));

    let answers: [(&'static [u8], u16, &str); 6] = [
        (b"", 502, "upstream_broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", 502, "upstream_broken"),
        (b"SSH-2.0-OpenSSH\r\n", 502, "upstream_broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok", 502, "upstream_broken"),
        (b"HTTP/1.1 200 OK\r\na: b\r\n c: d\r\n\r\n", 502, "upstream_broken"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            502,
            "upstream_broken",
        ),
    ];
    for (bytes, status, code) in answers {
        let lab = Lab::new();
        let (address, _upstream) = bare(move |_, mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(bytes).await;
        })
        .await;
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (edge, _) = lab.proxy_to(address).await;
        let reply = get(edge.public_addr(), "/", &[]).await;
        assert_eq!((reply.status, reply.header("deploy-error")), (status, code), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_beside_a_coding_is_not_believed() {
    let lab = Lab::new();
    let (address, _upstream) = bare(|_, mut stream| async move {
        read_head(&mut stream).await;
        let response =
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        stream.write_all(response.as_bytes()).await.unwrap();
    })
    .await;
    let (edge, _) = lab.proxy_to(address).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.send(format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    let reply = http.chunked().await.unwrap();
    assert_eq!((reply.body.as_slice(), reply.header("content-length")), (&b"abc"[..], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f19_a_silent_or_trickling_upstream_is_given_up() {
    let mut lab = Lab::new();
    lab.limits.upstream_head = Duration::from_millis(300);
    let (address, _upstream) = bare(|number, mut stream| async move {
        read_head(&mut stream).await;
        // One says nothing, the other says a header line now and then for ever.
        while number > 0 && stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    })
    .await;
    let (edge, _) = lab.proxy_to(address).await;
    for _ in 0..2 {
        let reply = get(edge.public_addr(), "/", &[]).await;
        assert!(matches!(reply.status, 502 | 504), "{reply:?}");
        assert!(reply.header("deploy-error").starts_with("upstream_"), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_dies_within_a_response_is_seen_to_have_died() {
    let lab = Lab::new();
    let (address, _upstream) = bare(|_, mut stream| async move {
        let head = read_head(&mut stream).await.unwrap_or_default();
        let body: &[u8] = if head.contains("/chunked") {
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc"
        };
        stream.write_all(body).await.unwrap();
    })
    .await;
    let (edge, digest) = lab.proxy_to(address).await;
    for path in ["/chunked", "/length"] {
        let mut http = Http::open(edge.public_addr()).await;
        http.send(format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
        assert_eq!(http.head().await.unwrap().status, 200);
        let mut body = http.rest();
        let _ = http.stream.read_to_end(&mut body).await;
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(!text.ends_with("0\r\n\r\n") && body.len() < 1000, "never pretended whole: {text}");
    }
    let status = lab.client().wait_drained(&digest, None, Duration::ZERO).await.unwrap();
    assert_eq!(status.in_flight, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_response_is_given_up_after_the_idle_limit_and_a_long_one_is_not() {
    let mut lab = Lab::new();
    lab.limits.upstream_idle = Duration::from_millis(400);
    lab.limits.patience = Duration::from_millis(200);
    let app = App::start("v1").await;
    let edge = lab.proxy(&app).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.send(format!("GET /feed HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    http.head().await.unwrap();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.feed("tick").await;
        assert_eq!(http.chunk().await.unwrap(), b"tick", "longer than each limit, but moving");
    }
    http.chunk().await.expect_err("given up");
    lab.until_drained_to(&app, 0).await;
}

/// An upstream whose first connection answers once and is then closed under the second request, unanswered.
async fn closing(counted: Arc<AtomicUsize>) -> (std::net::SocketAddr, tokio::task::JoinSet<()>) {
    bare(move |number, mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            let mut answers = 0;
            while let Some(head) = read_head(&mut stream).await {
                counted.fetch_add(1, Ordering::SeqCst);
                if number == 0 && answers == 1 {
                    return;
                }
                if head.contains("content-length: 3") {
                    stream.read_exact(&mut [0; 3]).await.expect("the body");
                }
                stream.write_all(OK).await.expect("an open connection");
                answers += 1;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_never_sent_twice_and_a_get_is_saved() {
    let with_body = "content-length: 3\r\n\r\nabc";
    for (method, body, expected) in [
        ("GET", "\r\n", 200),
        ("DELETE", "\r\n", 200),
        ("POST", with_body, 502),
        ("POST", "content-length: 0\r\n\r\n", 502),
        ("PATCH", "\r\n", 502),
        ("PUT", with_body, 502),
    ] {
        let mut lab = Lab::new();
        lab.limits.workers = 1;
        lab.limits.upstream_keep = Duration::from_secs(60);
        let counted = Arc::<AtomicUsize>::default();
        let (address, _upstream) = closing(Arc::clone(&counted)).await;
        let (edge, _) = lab.proxy_to(address).await;
        let mut http = Http::open(edge.public_addr()).await;
        assert_eq!(http.get("/", &[]).await.unwrap().status, 200);
        http.send(format!("{method} / HTTP/1.1\r\nhost: {HOST}\r\n{body}")).await;
        let reply = http.reply(true).await.unwrap();
        assert_eq!(reply.status, expected, "{method}");
        let sent = counted.load(Ordering::SeqCst) - 1;
        assert_eq!(sent, if expected == 200 { 2 } else { 1 }, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_over_a_connection_that_was_closed_before_goes_over_a_new_one() {
    let mut lab = Lab::new();
    lab.limits.workers = 1;
    lab.limits.upstream_keep = Duration::from_secs(60);
    let (gone, mut was_gone) = tokio::sync::mpsc::channel(1);
    let (address, _upstream) = bare(move |number, mut stream| {
        let gone = gone.clone();
        async move {
            while read_head(&mut stream).await.is_some() {
                stream.write_all(OK).await.unwrap();
                if number == 0 {
                    drop(stream);
                    return gone.send(()).await.unwrap();
                }
            }
        }
    })
    .await;
    let (edge, _) = lab.proxy_to(address).await;
    let mut http = Http::open(edge.public_addr()).await;
    assert_eq!(http.get("/", &[]).await.unwrap().status, 200);
    was_gone.recv().await.unwrap();
    http.send(format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 0\r\n\r\n")).await;
    assert_eq!(http.reply(true).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_upstream_is_a_502_until_the_route_leaves_it() {
    let (lab, v1, v2) = (Lab::new(), App::start("v1").await, App::start("v2").await);
    let edge = lab.proxy(&v1).await;
    let mut http = Http::open(edge.public_addr()).await;
    assert_eq!(http.get("/who", &[]).await.unwrap().text(), "v1");
    v1.kill().await;
    let reply = http.get("/who", &[]).await.unwrap();
    assert_eq!((reply.status, reply.header("deploy-error")), (502, "upstream_unreachable"));
    lab.client().switch(&v2.switch(2)).await.unwrap();
    assert_eq!(http.get("/who", &[]).await.unwrap().text(), "v2", "the visitor's connection is the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f19_a_body_that_trickles_in_is_given_up_and_a_steady_one_is_not() {
    let mut lab = Lab::new();
    lab.limits.patience = Duration::from_millis(300);
    let app = App::start("v1").await;
    let edge = lab.proxy(&app).await;
    let (received, heads) = tokio::sync::mpsc::channel(8);
    let (address, _upstream) = bare(move |_, mut stream| {
        let received = received.clone();
        async move {
            let head = read_head(&mut stream).await.unwrap_or_default();
            received.send(head).await.unwrap();
            let mut body = Vec::new();
            while body.len() < 20_000 {
                if stream.read_buf(&mut body).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    let change = RouteChange { upstream: Some(Upstream::at(address)), ..to(2, app.digest()) };
    lab.client().switch(&change).await.unwrap();
    for (portion, expected) in [(1, 408), (2_000, 200)] {
        let mut http = Http::open(edge.public_addr()).await;
        http.send(format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 20000\r\n\r\n")).await;
        let mut sent = 0;
        let status = loop {
            if sent < 20_000 {
                http.send(vec![b'x'; portion]).await;
                sent += portion;
            }
            match tokio::time::timeout(Duration::from_millis(60), http.head()).await {
                Ok(head) => break head.unwrap().status,
                Err(_) => assert!(sent < 2_000 || portion > 1, "a trickle is not endured for ever"),
            }
        };
        assert_eq!(status, expected, "{portion} bytes at a time");
    }
    drop(heads);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f19_a_client_that_stops_reading_holds_nothing_for_long() {
    let mut lab = Lab::new();
    lab.limits.patience = Duration::from_millis(300);
    let (address, _upstream) = bare(|_, mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n").await;
        let part = vec![7; 1 << 16];
        while stream.write_all(&part).await.is_ok() {}
    })
    .await;
    let (edge, digest) = lab.proxy_to(address).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.send(format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    http.head().await.unwrap();
    let client = lab.client();
    let over = async {
        while client.drain_status(&digest, None, Duration::ZERO).await.unwrap().in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), over).await.expect("the upstream is let go");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_closed_tunnel_still_carries_the_other_direction() {
    let lab = Lab::new();
    let (address, _upstream) = bare(|_, mut stream| async move {
        read_head(&mut stream).await;
        let granted =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        stream.write_all(granted).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        stream.write_all(format!("heard {said}").as_bytes()).await.unwrap();
    })
    .await;
    let (edge, digest) = lab.proxy_to(address).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.upgrade("/").await;
    http.send("all of it").await;
    http.stream.shutdown().await.unwrap();
    let mut answer = String::new();
    http.stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "heard all of it");
    let over = async {
        while lab.client().drain_status(&digest, None, Duration::ZERO).await.unwrap().in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), over).await.expect("over when both sides have ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_tunnel_is_closed_after_the_idle_limit() {
    let mut lab = Lab::new();
    lab.limits.upstream_idle = Duration::from_millis(300);
    let app = App::start("v1").await;
    let edge = lab.proxy(&app).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.upgrade("/ws").await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(http.echo("x").await, "x", "longer than the limit, but moving");
    }
    let mut rest = Vec::new();
    http.stream.read_to_end(&mut rest).await.expect("closed, not reset");
    lab.until_drained_to(&app, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let (lab, app) = (Lab::new(), App::start("v1").await);
    let edge = lab.proxy(&app).await;
    let mut http = Http::open(edge.public_addr()).await;
    http.send(format!("GET /wait HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    lab.until_drained_to(&app, 1).await;
    drop(http);
    lab.until_drained_to(&app, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f19_bodies_over_the_limit_are_refused_however_they_are_framed() {
    let mut lab = Lab::new();
    lab.limits.request_body_bytes = 1000;
    let app = App::start("v1").await;
    let edge = lab.proxy(&app).await;
    let long = "x".repeat(1001);
    for request in [
        "POST /who HTTP/1.1\r\nhost: web.example\r\ncontent-length: 1001\r\nexpect: 100-continue\r\n\r\n"
            .to_owned(),
        format!("POST /who HTTP/1.1\r\nhost: web.example\r\ncontent-length: 1001\r\n\r\n{long}"),
        format!(
            "POST /echo HTTP/1.1\r\nhost: web.example\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{long}\r\n0\r\n\r\n"
        ),
    ] {
        if let Some(reply) = raw(edge.public_addr(), &request).await {
            assert_eq!((reply.status, reply.header("deploy-error")), (413, "request_too_large"));
        } else {
            assert!(request.contains("chunked"), "cut within the response is fine only there");
        }
    }
    let fits =
        format!("POST /who HTTP/1.1\r\nhost: web.example\r\ncontent-length: 1000\r\n\r\n{}", &long[1..]);
    assert_eq!(raw(edge.public_addr(), fits).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_39_requests_over_the_bound_are_told_so() {
    let mut lab = Lab::new();
    lab.limits.proxied_requests = 1;
    let app = App::start("v1").await;
    let edge = lab.proxy(&app).await;
    let mut first = Http::open(edge.public_addr()).await;
    first.send(format!("GET /wait HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    lab.until_drained_to(&app, 1).await;
    let second = get(edge.public_addr(), "/who", &[]).await;
    assert_eq!((second.status, second.header("deploy-error")), (503, "edge_busy"));
    app.let_go();
    assert_eq!(first.reply(true).await.unwrap().text(), "v1");
    lab.until_drained_to(&app, 0).await;
    assert_eq!(get(edge.public_addr(), "/who", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_heads_are_refused_on_both_sides() {
    let lab = Lab::new();
    let huge = Arc::new("x".repeat(1 << 20));
    let (address, _upstream) = bare(move |_, mut stream| {
        let huge = Arc::clone(&huge);
        async move {
            read_head(&mut stream).await;
            let head = format!("HTTP/1.1 200 OK\r\nx: {huge}\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            std::future::pending::<()>().await;
        }
    })
    .await;
    assert_eq!(reply_of(&lab, address).await, (502, "upstream_broken".into()));
    let app = App::start("v1").await;
    let lab = Lab::new();
    let edge = lab.proxy(&app).await;
    let head = format!("GET /who HTTP/1.1\r\nhost: {HOST}\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let reply = raw(edge.public_addr(), head).await;
    assert!(reply.is_none_or(|reply| reply.status == 431));
    assert_eq!(app.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f19_nothing_is_smuggled_to_an_upstream() {
    let lab = Lab::new();
    let (heads, mut seen) = tokio::sync::mpsc::channel(16);
    let (address, _upstream) = bare(move |_, mut stream| {
        let heads = heads.clone();
        async move {
            while let Some(head) = read_head(&mut stream).await {
                if head.to_lowercase().contains("transfer-encoding") {
                    // The body as it is framed for the upstream, up to its end.
                    let mut body = Vec::new();
                    while !body.ends_with(b"0\r\n\r\n") {
                        body.push(stream.read_u8().await.unwrap());
                    }
                }
                heads.send(head).await.unwrap();
                stream.write_all(OK).await.unwrap();
            }
        }
    })
    .await;
    let (edge, _) = lab.proxy_to(address).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: web.example\r\n\r\n";
    let hostile = [
        format!(
            "POST / HTTP/1.1\r\nhost: web.example\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST / HTTP/1.1\r\nhost: web.example\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST / HTTP/1.1\r\nhost: web.example\r\ntransfer-encoding: xchunked\r\ncontent-length: 3\r\n\r\n{smuggled}"
        ),
        format!(
            "POST / HTTP/1.1\r\nhost: web.example\r\ntransfer-encoding : chunked\r\ncontent-length: 3\r\n\r\n{smuggled}"
        ),
        format!(
            "POST / HTTP/1.1\r\nhost: web.example\r\nx: y\r\n transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n{smuggled}"
        ),
        format!("POST / HTTP/1.1\r\nhost: web.example\r\ncontent-length: 3, 4\r\n\r\n{smuggled}"),
        format!("POST / HTTP/1.1\r\nhost: web.example\r\ncontent-length: +3\r\n\r\n{smuggled}"),
        format!(
            "POST / HTTP/1.1\r\nhost: web.example\r\ntransfer-encoding: chunked\r\n\r\n0x0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST / HTTP/1.0\r\nhost: web.example\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!("GET / HTTP/1.1\r\nhost: web.example\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n{smuggled}"),
        format!("GET / HTTP/1.1\r\nhost: web.example\r\nx: a\rGET /smuggled HTTP/1.1\r\n\r\n{smuggled}"),
    ];
    for request in hostile {
        let mut http = Http::open(edge.public_addr()).await;
        http.send(&request).await;
        let mut received = Vec::new();
        http.stream.read_to_end(&mut received).await.expect("answered and closed");
        let answers = String::from_utf8_lossy(&received).matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{request}: {answers} answers");
    }
    drop(edge);
    while let Ok(head) = seen.try_recv() {
        assert!(!head.contains("/smuggled"), "{head}");
        let head = head.to_lowercase();
        assert!(!(head.contains("content-length") && head.contains("transfer-encoding")), "{head}");
    }
}
