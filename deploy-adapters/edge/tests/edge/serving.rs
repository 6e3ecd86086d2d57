//! What one release answers: files, conditions, ranges, codings.

use std::io::Read as _;

use deploy_edge::RouteChange;

use crate::harness::{Http, Lab, get, noise, raw, to};

const PAGE: &[u8] = b"<!doctype html><p>page</p>";

fn text(length: usize) -> Vec<u8> {
    b"all work and no play ".iter().copied().cycle().take(length).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_pages_directories_and_misses() {
    let lab = Lab::new();
    let files: &[(&str, &[u8])] = &[
        ("index.html", PAGE),
        ("about.html", b"about"),
        ("docs/index.html", b"docs"),
        ("404.html", b"custom 404"),
        ("ü ö.txt", b"umlaut"),
        (".well-known/x", b"wk"),
        ("empty.txt", b""),
    ];
    let (edge, digest) = lab.serve(files).await;
    let table = [
        ("/", 200, "<!doctype html><p>page</p>"),
        ("/index.html?x=1", 200, "<!doctype html><p>page</p>"),
        ("/about", 200, "about"),
        ("/about.html", 200, "about"),
        ("/docs/", 200, "docs"),
        ("/docs", 308, "This is a directory.\n"),
        ("/%C3%BC%20%C3%B6.txt", 200, "umlaut"),
        ("/.well-known/x", 200, "wk"),
        ("/empty.txt", 200, ""),
        ("/nothing", 404, "custom 404"),
        ("/about/", 404, "custom 404"),
    ];
    for (path, status, body) in table {
        let reply = get(edge.public_addr(), path, &[]).await;
        assert_eq!((reply.status, reply.text().as_str()), (status, body), "{path}");
        assert_eq!(reply.header("deploy-release"), digest.to_string(), "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!reply.header("date").is_empty());
    }
    let page = get(edge.public_addr(), "/", &[]).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    assert_eq!(get(edge.public_addr(), "/nothing", &[]).await.header("etag"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_stay_on_the_host_and_keep_the_query() {
    let lab = Lab::new();
    let (edge, _) = lab
        .serve(&[("docs/index.html", b""), ("a b/index.html", b""), ("evil.example/index.html", b"")])
        .await;
    for (path, location) in [
        ("/docs?a=b&c=%2F", "/docs/?a=b&c=%2F"),
        ("/a%20b", "/a%20b/"),
        ("/docs", "/docs/"),
        ("/evil.example?//x", "/evil.example/?//x"),
    ] {
        let reply = get(edge.public_addr(), path, &[]).await;
        assert_eq!((reply.status, reply.header("location")), (308, location));
    }
    for path in ["//evil.example", "//evil.example/", "/%2Fevil.example", "/%5cevil.example"] {
        let reply = get(edge.public_addr(), path, &[]).await;
        assert_eq!((reply.status, reply.header("location")), (400, ""), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fallback_answers_navigation_with_200() {
    let lab = Lab::new();
    let digest = lab.release(&[("index.html", PAGE), ("app.js", b"js")]);
    let edge = lab.start().await;
    let change = RouteChange { fallback: Some("index.html".into()), ..to(1, digest) };
    lab.client().switch(&change).await.unwrap();
    for (path, status) in [("/users/7", 200), ("/app.js", 200), ("/old.js", 404)] {
        assert_eq!(get(edge.public_addr(), path, &[]).await.status, status, "{path}");
    }
    let wrong = RouteChange { fallback: Some("nope.html".into()), ..to(2, digest) };
    assert_eq!(lab.client().switch(&wrong).await.unwrap_err().code(), "fallback_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_get_and_head_and_bodies_are_not_read() {
    let lab = Lab::new();
    let (edge, digest) = lab.serve(&[("index.html", PAGE)]).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        let reply = Http::open(edge.public_addr()).await.request(method, "/", &[]).await.unwrap();
        assert_eq!((reply.status, reply.header("allow")), (405, "GET, HEAD"), "{method}");
        assert_eq!(reply.header("deploy-release"), digest.to_string());
    }
    // Five gigabytes are announced; the answer does not wait for them.
    let reply = Http::open(edge.public_addr())
        .await
        .request("POST", "/", &[("content-length", "5000000000")])
        .await
        .unwrap();
    assert_eq!(reply.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_headers_of_get_and_no_body() {
    let lab = Lab::new();
    let big = noise(3 * 1024 * 1024, 1);
    let (edge, _) = lab
        .serve(&[("index.html", PAGE), ("big.bin", &big), ("t.txt", &text(5000)), ("d/index.html", b"")])
        .await;
    for path in ["/", "/big.bin", "/t.txt", "/nothing", "/d"] {
        for coding in ["identity", "gzip"] {
            let mut http = Http::open(edge.public_addr()).await;
            let mut with_body = http.get(path, &[("accept-encoding", coding)]).await.unwrap();
            let mut head = http.request("HEAD", path, &[("accept-encoding", coding)]).await.unwrap();
            with_body.headers.remove("date");
            head.headers.remove("date");
            assert_eq!(
                (head.status, &head.headers),
                (with_body.status, &with_body.headers),
                "{path} {coding}"
            );
            assert_eq!(http.get("/", &[]).await.unwrap().body, PAGE, "the connection is in step after HEAD");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions() {
    let lab = Lab::new();
    let (edge, digest) = lab.serve(&[("t.txt", &text(5000))]).await;
    let address = edge.public_addr();
    let etag = get(address, "/t.txt", &[]).await.header("etag").to_owned();
    let zipped = get(address, "/t.txt", &[("accept-encoding", "gzip")]).await.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag != zipped);
    for value in [etag.as_str(), "*", &format!("W/{etag}"), &format!("\"x\", {etag}")] {
        let reply = get(address, "/t.txt", &[("if-none-match", value)]).await;
        assert_eq!((reply.status, reply.body.len()), (304, 0), "{value}");
        assert_eq!(reply.header("etag"), etag);
        assert_eq!(reply.header("vary"), "accept-encoding");
        assert_eq!(reply.header("deploy-release"), digest.to_string());
    }
    for value in [zipped.as_str(), "\"x\"", ""] {
        assert_eq!(get(address, "/t.txt", &[("if-none-match", value)]).await.status, 200, "{value}");
    }
    let both = [("if-none-match", zipped.as_str()), ("accept-encoding", "gzip")];
    assert_eq!(get(address, "/t.txt", &both).await.status, 304);
    let dated = [("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")];
    assert_eq!(get(address, "/t.txt", &dated).await.status, 200, "dates are ignored");
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_small_and_large_files() {
    let lab = Lab::new();
    let (small, big) = (text(5000), noise(5 * 1024 * 1024, 2));
    let (edge, digest) = lab.serve(&[("small.txt", &small), ("big.bin", &big)]).await;
    let address = edge.public_addr();
    for (path, content) in [("/small.txt", &small), ("/big.bin", &big)] {
        let size = content.len();
        let etag = get(address, path, &[]).await.header("etag").to_owned();
        for (range, start, end) in [
            ("bytes=0-0", 0, 1),
            ("bytes=1000-", 1000, size),
            ("bytes=-7", size - 7, size),
            ("bytes=10-9999999999", 10, size),
        ] {
            let reply = get(address, path, &[("range", range), ("accept-encoding", "gzip")]).await;
            assert_eq!((reply.status, reply.body.as_slice()), (206, &content[start..end]), "{path} {range}");
            assert_eq!(reply.header("content-range"), format!("bytes {start}-{}/{size}", end - 1));
            assert_eq!(reply.header("content-encoding"), "");
            assert_eq!(reply.header("deploy-release"), digest.to_string());
        }
        let reply = get(address, path, &[("range", &format!("bytes={size}-"))]).await;
        assert_eq!((reply.status, reply.header("content-range")), (416, format!("bytes */{size}").as_str()));
        for ignored in ["bytes=0-1,5-6", "lines=1-2", "bytes=5-2"] {
            let reply = get(address, path, &[("range", ignored)]).await;
            assert_eq!((reply.status, reply.body.len()), (200, size), "{ignored}");
        }
        let with = |if_range: String| async move {
            get(address, path, &[("range", "bytes=0-3"), ("if-range", &if_range)]).await.status
        };
        assert_eq!(with(etag.clone()).await, 206);
        assert_eq!(with("\"other\"".into()).await, 200);
        assert_eq!(with(format!("W/{etag}")).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codings_are_negotiated() {
    let lab = Lab::new();
    let (big_text, random) = (text(200_000), noise(5000, 3));
    let files: &[(&str, &[u8])] = &[
        ("t.txt", &big_text),
        ("tiny.txt", b"tiny"),
        ("n.txt", &random),
        ("p.png", &big_text),
        ("app.js", b"plain"),
        ("app.js.br", b"brotli!"),
        ("app.js.gz", b"gzip!"),
        ("app.js.zst", b"zstd!"),
    ];
    let (edge, _) = lab.serve(files).await;
    let address = edge.public_addr();
    let fetch = |path: &'static str, accept: &'static str| async move {
        let reply = get(address, path, &[("accept-encoding", accept)]).await;
        (reply.header("content-encoding").to_owned(), reply)
    };
    let (coding, reply) = fetch("/t.txt", "gzip, deflate").await;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(reply.body.as_slice()).read_to_end(&mut plain).unwrap();
    assert_eq!((coding.as_str(), plain), ("gzip", big_text.clone()));
    assert!(reply.body.len() < big_text.len() / 10);
    assert_eq!(reply.header("vary"), "accept-encoding");

    assert_eq!(fetch("/t.txt", "gzip;q=0").await.1.body, big_text);
    for path in ["/tiny.txt", "/n.txt", "/p.png"] {
        assert_eq!(fetch(path, "gzip").await.0, "", "{path} is not worth compressing");
    }
    assert_eq!(fetch("/n.txt", "gzip").await.1.body, random);
    let mut tags = Vec::new();
    for (accept, coding, body) in [
        ("br, gzip, zstd", "br", "brotli!"),
        ("gzip", "gzip", "gzip!"),
        ("zstd;q=0.9, gzip;q=0.8", "zstd", "zstd!"),
        ("identity", "", "plain"),
    ] {
        let (found, reply) = fetch("/app.js", accept).await;
        assert_eq!((found.as_str(), reply.text().as_str()), (coding, body));
        assert_eq!(reply.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(reply.header("vary"), "accept-encoding");
        tags.push(reply.header("etag").to_owned());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "a strong tag per coding");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_a_content_hash_are_immutable() {
    let lab = Lab::new();
    let (edge, _) = lab.serve(&[("assets/app.3f9a2b1c.js", b""), ("app.js", b"")]).await;
    let immutable = get(edge.public_addr(), "/assets/app.3f9a2b1c.js", &[]).await;
    assert_eq!(immutable.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(get(edge.public_addr(), "/app.js", &[]).await.header("cache-control"), "no-cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_in_every_spelling_and_form() {
    let lab = Lab::new();
    let (edge, digest) = lab.serve(&[("index.html", PAGE)]).await;
    let address = edge.public_addr();
    let ask = |head: &'static str| async move { raw(address, head).await.expect("an answer") };
    for head in [
        "GET / HTTP/1.1\r\nhost: WEB.example\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: web.example.:81\r\n\r\n",
        "GET http://web.example/ HTTP/1.1\r\nhost: other.example\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: web.example\r\n\r\n",
    ] {
        let reply = ask(head).await;
        assert_eq!(
            (reply.status, reply.header("deploy-release")),
            (200, digest.to_string().as_str()),
            "{head}"
        );
    }
    for (head, status) in [
        ("GET / HTTP/1.1\r\nhost: other.example\r\n\r\n", 404),
        ("GET / HTTP/1.0\r\n\r\n", 404),
        ("GET http://other.example/ HTTP/1.1\r\nhost: web.example\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\nhost: *\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: web.example\r\nhost: web.example\r\n\r\n", 400),
    ] {
        let reply = ask(head).await;
        assert_eq!((reply.status, reply.header("deploy-release")), (status, ""), "{head}");
    }
}
