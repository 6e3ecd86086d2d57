//! Switching under load: no request fails, and no response mixes two releases.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use deploy_edge::{Digest, EdgeError, Expect, RouteChange, remove_release};
use tokio::io::AsyncReadExt as _;

use crate::harness::{HOST, Http, Lab, TARGET, any_port, free_port, get, noise, to};

const RELEASES: u64 = 3;
const BIG: usize = 20 * 1024 * 1024;

/// Expected content by release and path.
type Contents = Arc<HashMap<(String, &'static str), Vec<u8>>>;

fn releases(lab: &Lab) -> (Vec<Digest>, Contents) {
    let mut contents = HashMap::new();
    let mut digests = Vec::new();
    for n in 0..RELEASES {
        let files = [
            ("/index.html", noise(4000, n)),
            ("/app.js", noise(300_000, n + 10)),
            ("/big.bin", noise(BIG, n + 20)),
        ];
        let listed: Vec<(&str, &[u8])> =
            files.iter().map(|(path, content)| (&path[1..], content.as_slice())).collect();
        let digest = lab.release(&listed);
        contents.extend(files.map(|(path, content)| ((digest.to_string(), path), content)));
        digests.push(digest);
    }
    (digests, Arc::new(contents))
}

/// Requests until told to stop; every answer must be whole, 200, and of the release it names.
async fn visit(
    address: SocketAddr,
    keep: bool,
    contents: Contents,
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicUsize>,
) {
    let mut http = Http::open(address).await;
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        if !keep {
            http = Http::open(address).await;
        }
        let path = ["/index.html", "/app.js"][turn % 2];
        turn += 1;
        let reply = http.get(path, &[]).await.expect("no request fails");
        assert_eq!(reply.status, 200);
        let expected = &contents[&(reply.header("deploy-release").to_owned(), path)];
        assert!(reply.body == *expected, "the body belongs to the release it names");
        seen.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads a large file slowly, across several switches and the removal of its release.
async fn read_slowly(
    address: SocketAddr,
    contents: Contents,
    started: Arc<AtomicUsize>,
    switched: Arc<AtomicUsize>,
) {
    let mut http = Http::open(address).await;
    http.send(format!("GET /big.bin HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n")).await;
    let release = http.head().await.expect("a head").header("deploy-release").to_owned();
    started.fetch_add(1, Ordering::Relaxed);
    while switched.load(Ordering::Relaxed) < 20 {
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let mut received = http.rest();
    http.stream.read_to_end(&mut received).await.expect("the rest");
    assert!(received == contents[&(release, "/big.bin")], "a download in flight ends as it began");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f34_no_request_fails_and_no_response_mixes_releases_while_switching() {
    let lab = Lab::new();
    let (digests, contents) = releases(&lab);
    let edge = lab.start().await;
    let client = lab.client();
    client.switch(&to(1, digests[0])).await.unwrap();
    let address = edge.public_addr();
    let (stop, seen, switched, started) = (
        Arc::<AtomicBool>::default(),
        Arc::<AtomicUsize>::default(),
        Arc::<AtomicUsize>::default(),
        Arc::<AtomicUsize>::default(),
    );

    let slow = tokio::spawn(read_slowly(
        address,
        Arc::clone(&contents),
        Arc::clone(&started),
        Arc::clone(&switched),
    ));
    let visitors: Vec<_> = (0..6)
        .map(|n| {
            tokio::spawn(visit(
                address,
                n % 2 == 0,
                Arc::clone(&contents),
                Arc::clone(&stop),
                Arc::clone(&seen),
            ))
        })
        .collect();
    while started.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let mut order = noise(60, 7).into_iter();
    for epoch in 2..62 {
        // The first release is only switched to before it is removed.
        let first = usize::from(epoch >= 10);
        let digest = digests[first + usize::from(order.next().unwrap_or(0)) % (digests.len() - first)];
        let done = client.switch(&to(epoch, digest)).await.unwrap();
        assert_eq!(done.after.unwrap().digest, digest);
        let next = get(address, "/index.html", &[]).await;
        assert_eq!(next.header("deploy-release"), digest.to_string(), "a switch is seen by the next request");
        switched.fetch_add(1, Ordering::Relaxed);
        if epoch == 10 {
            // The slow reader's release goes away under it.
            remove_release(&lab.releases(), &digests[0]).unwrap();
        }
    }
    slow.await.expect("the slow reader got everything");
    stop.store(true, Ordering::Relaxed);
    for visitor in visitors {
        visitor.await.expect("a visitor saw only whole answers");
    }
    assert!(seen.load(Ordering::Relaxed) > 100, "there was load: {}", seen.load(Ordering::Relaxed));
    let counters = client.status().await.unwrap().counters;
    assert_eq!((counters.client_error, counters.server_error), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_21_a_late_deployment_cannot_switch_or_remove() {
    let lab = Lab::new();
    let (old, new) = (lab.release(&[("index.html", b"old")]), lab.release(&[("index.html", b"new")]));
    let edge = lab.start().await;
    let client = lab.client();
    client.switch(&to(7, new)).await.unwrap();
    for late in [to(6, old), RouteChange { to: None, ..to(6, old) }] {
        match client.switch(&late).await {
            Err(EdgeError::Refused(problem)) => {
                assert_eq!(problem.code, "stale_epoch");
                assert_eq!(problem.current, Some(7.into()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(get(edge.public_addr(), "/", &[]).await.text(), "new");
    client.switch(&RouteChange { to: None, ..to(7, new) }).await.unwrap();
    assert_eq!(get(edge.public_addr(), "/", &[]).await.status, 404);
    assert_eq!(client.switch(&to(6, old)).await.unwrap_err().code(), "stale_epoch");
    client.switch(&to(7, old)).await.expect("the same deployment may restore");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f43_a_host_cannot_be_taken_from_its_owner() {
    let lab = Lab::new();
    let (edge, digest) = lab.serve(&[("index.html", b"mine")]).await;
    let evil = lab.release(&[("index.html", b"evil")]);
    for host in ["web.example", "WEB.EXAMPLE", "web.example."] {
        let change = RouteChange { host: host.into(), target: "evil@production".into(), ..to(99, evil) };
        assert_eq!(lab.client().switch(&change).await.unwrap_err().code(), "host_taken", "{host}");
    }
    let candidate = RouteChange { host: deploy_edge::candidate_host(&digest), ..to(9, evil) };
    assert_eq!(lab.client().switch(&candidate).await.unwrap_err().code(), "invalid_host");
    assert_eq!(get(edge.public_addr(), "/", &[]).await.text(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_05_a_refused_switch_changes_nothing() {
    let lab = Lab::new();
    let (edge, digest) = lab.serve(&[("index.html", b"page")]).await;
    let table = || std::fs::read(lab.edge_dir().join("routes.json")).unwrap();
    let before = table();
    let damaged = lab.release(&[("index.html", b"damaged")]);
    std::fs::remove_file(lab.release_file(&damaged, "index.html")).unwrap();
    let taken = std::net::TcpListener::bind(any_port()).unwrap();
    let refusals = [
        (to(2, Digest::of(b"nothing")), "artifact_missing"),
        (to(2, damaged), "artifact_damaged"),
        (RouteChange { port: Some(taken.local_addr().unwrap().port()), ..to(2, digest) }, "port_in_use"),
        (RouteChange { port: Some(edge.public_addr().port()), ..to(2, digest) }, "port_in_use"),
        (RouteChange { expect: Some(Expect::Absent), ..to(2, digest) }, "unexpected_current"),
        (RouteChange { fallback: Some("x".into()), ..to(2, digest) }, "fallback_missing"),
        (RouteChange { target: String::new(), ..to(2, digest) }, "invalid_target"),
    ];
    for (change, code) in refusals {
        let error = lab.client().switch(&change).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(!error.remedy().is_empty());
        assert_eq!(table(), before, "{code}");
    }
    assert_eq!(get(edge.public_addr(), "/", &[]).await.header("deploy-release"), digest.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_with_a_port_answers_there_until_it_goes() {
    let lab = Lab::new();
    let (_edge, digest) = lab.serve(&[("index.html", b"one")]).await;
    let second = lab.release(&[("index.html", b"two")]);
    let client = lab.client();
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    client.switch(&RouteChange { port: Some(port), ..to(2, digest) }).await.unwrap();
    let mut kept = Http::open(address).await;
    kept.send("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await;
    assert_eq!(kept.reply(true).await.unwrap().text(), "one");
    client.switch(&RouteChange { port: Some(port), ..to(3, second) }).await.unwrap();
    assert_eq!(kept.get("/", &[]).await.unwrap().text(), "two", "the port's connections survive a switch");
    client.switch(&to(4, second)).await.unwrap();
    assert_eq!(kept.get("/", &[]).await.unwrap().status, 404);
    wait_until_refused(address).await;
}

async fn wait_until_refused(address: SocketAddr) {
    let refused = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), refused).await.expect("the port is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_switches_leave_the_route_of_the_highest_epoch() {
    let lab = Lab::new();
    let digests: Vec<Digest> = (0..8u8).map(|n| lab.release(&[("index.html", &[n])])).collect();
    let edge = lab.start().await;
    let calls: Vec<_> = (0..64u64)
        .map(|n| {
            let (client, change) = (lab.client(), to(n, digests[(n % 8) as usize]));
            tokio::spawn(async move { (n, client.switch(&change).await) })
        })
        .collect();
    for call in calls {
        let (epoch, result) = call.await.unwrap();
        match result {
            Ok(done) => assert_eq!(done.after.unwrap().epoch, epoch),
            Err(error) => assert_eq!(error.code(), "stale_epoch"),
        }
    }
    let route = lab.client().route(HOST).await.unwrap().unwrap();
    assert_eq!((route.epoch, route.target.as_str()), (63, TARGET));
    assert_eq!(get(edge.public_addr(), "/", &[]).await.header("deploy-release"), digests[7].to_string());
}
