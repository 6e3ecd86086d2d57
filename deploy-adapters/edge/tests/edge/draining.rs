//! Switching between upstreams: what was accepted ends as it began, what comes after is the new release's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use deploy_edge::{EdgeError, Pause, PauseChange, RouteChange};
use tokio::io::AsyncReadExt as _;

use crate::harness::{HOST, Http, Lab, TARGET, get, to};
use crate::upstream::App;

const LONG: Duration = Duration::from_secs(60);

async fn two() -> (Lab, App, App) {
    (Lab::new(), App::start("v1").await, App::start("v2").await)
}

async fn request(edge: SocketAddr, path: &str) -> Http {
    let mut http = Http::open(edge).await;
    http.send(format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    http
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_04_what_the_old_release_has_accepted_it_answers() {
    let (lab, v1, v2) = two().await;
    let edge = lab.proxy(&v1).await;
    let (address, client) = (edge.public_addr(), lab.client());
    let mut waiting = request(address, "/wait").await;
    let mut stream = request(address, "/feed").await;
    stream.head().await.unwrap();
    let mut socket = Http::open(address).await;
    socket.upgrade("/ws").await;
    lab.until_drained_to(&v1, 3).await;
    let mut kept = Http::open(address).await;
    assert_eq!(kept.get("/who", &[]).await.unwrap().text(), "v1");

    let drain_ms = Some(u64::try_from(LONG.as_millis()).unwrap());
    client.switch(&RouteChange { drain_ms, ..v2.switch(2) }).await.unwrap();
    assert_eq!(
        kept.get("/who", &[]).await.unwrap().text(),
        "v2",
        "a kept connection moves with its next request"
    );
    assert_eq!(get(address, "/who", &[]).await.text(), "v2");
    let status = client.drain_status(&v1.digest(), Some(v1.address), Duration::ZERO).await.unwrap();
    assert_eq!((status.in_flight, status.takes_requests, status.is_drained()), (3, false, false));
    assert!(status.cut_in_ms.is_some_and(|left| left > 30_000 && left <= 60_000), "{status:?}");

    let drained = {
        let (client, digest) = (client.clone(), v1.digest());
        tokio::spawn(async move { client.wait_drained(&digest, None, LONG).await })
    };
    v1.feed("late").await;
    assert_eq!(stream.chunk().await.unwrap(), b"late", "a stream goes on");
    assert_eq!(socket.echo("late").await, "late", "and so does a WebSocket");
    v1.let_go();
    let answer = waiting.reply(true).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.header("deploy-release")), ("v1", &*v1.digest().to_string()));
    v1.end_feeds();
    assert_eq!(stream.chunk().await.unwrap(), b"");
    assert!(!drained.is_finished(), "the WebSocket is still open");
    drop(socket);
    assert!(drained.await.unwrap().unwrap().is_drained());
    let new = client.drain_status(&v2.digest(), None, Duration::ZERO).await.unwrap();
    assert!(new.takes_requests && !new.is_drained(), "the live one is never drained");
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_04_what_is_left_at_the_drain_limit_is_cut_and_nothing_else_is() {
    let (lab, v1, v2) = two().await;
    let edge = lab.proxy(&v1).await;
    let (address, client) = (edge.public_addr(), lab.client());
    let mut waiting = request(address, "/wait").await;
    let mut stream = request(address, "/feed").await;
    stream.head().await.unwrap();
    let mut socket = Http::open(address).await;
    socket.upgrade("/ws").await;
    lab.until_drained_to(&v1, 3).await;
    client.switch(&RouteChange { drain_ms: Some(300), ..v2.switch(2) }).await.unwrap();
    let mut new_stream = request(address, "/feed").await;
    new_stream.head().await.unwrap();

    // Less than a client's patience, after which all that is silent would end.
    let limit = Duration::from_secs(15);
    assert!(client.wait_drained(&v1.digest(), None, limit).await.unwrap().is_drained());
    let cut = waiting.reply(true).await.unwrap();
    assert_eq!((cut.status, cut.header("deploy-error")), (503, "drained"));
    assert!(!cut.header("retry-after").is_empty());
    stream.chunk().await.expect_err("an incomplete response is seen to be incomplete");
    let mut rest = Vec::new();
    socket.stream.read_to_end(&mut rest).await.expect("closed, not reset");
    v2.feed("still here").await;
    assert_eq!(new_stream.chunk().await.unwrap(), b"still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_switched_back_to_keeps_its_requests() {
    let (lab, v1, v2) = two().await;
    let edge = lab.proxy(&v1).await;
    let client = lab.client();
    let mut socket = Http::open(edge.public_addr()).await;
    socket.upgrade("/ws").await;
    client.switch(&RouteChange { drain_ms: Some(1), ..v2.switch(2) }).await.unwrap();
    let mut cut = Vec::new();
    socket.stream.read_to_end(&mut cut).await.expect("cut at the limit");

    client.switch(&v1.switch(3)).await.unwrap();
    socket = Http::open(edge.public_addr()).await;
    socket.upgrade("/ws").await;
    client.switch(&RouteChange { drain_ms: Some(500), ..v2.switch(4) }).await.unwrap();
    client.switch(&v1.switch(5)).await.unwrap();
    let status = client.drain_status(&v1.digest(), None, Duration::ZERO).await.unwrap();
    assert_eq!((status.in_flight, status.takes_requests, status.cut_in_ms), (1, true, None));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(socket.echo("alive").await, "alive", "the limit of the first switch is void");
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_route_lets_its_requests_end() {
    let (lab, v1, _) = two().await;
    let edge = lab.proxy(&v1).await;
    let mut waiting = request(edge.public_addr(), "/wait").await;
    lab.until_drained_to(&v1, 1).await;
    let removal = RouteChange { to: None, upstream: None, ..v1.switch(1) };
    lab.client().switch(&removal).await.unwrap();
    let gone = get(edge.public_addr(), "/who", &[]).await;
    assert_eq!((gone.status, gone.header("deploy-error")), (404, "no_route"));
    v1.let_go();
    assert_eq!(waiting.reply(true).await.unwrap().text(), "v1");
}

fn pause(epoch: u64, pause: Option<Pause>) -> PauseChange {
    PauseChange { host: HOST.into(), target: TARGET.into(), epoch, pause }
}

const HELD: Option<Pause> = Some(Pause { hold_ms: 60_000, requests: 2 });

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_route_holds_requests_and_the_next_switch_answers_them() {
    let (lab, v1, v2) = two().await;
    let edge = lab.proxy(&v1).await;
    let (address, client) = (edge.public_addr(), lab.client());
    let mut before = request(address, "/wait").await;
    lab.until_drained_to(&v1, 1).await;
    client.pause(&pause(2, HELD)).await.unwrap();
    assert_eq!(client.route(HOST).await.unwrap().unwrap().paused, HELD);
    let mut held = [request(address, "/who").await, request(address, "/who").await];
    let over = async {
        loop {
            // Until both are held this one may be, and then nobody waits for it.
            let mut one_more = request(address, "/who").await;
            if let Ok(reply) = tokio::time::timeout(Duration::from_millis(100), one_more.reply(true)).await {
                return reply.unwrap();
            }
        }
    };
    let reply = tokio::time::timeout(Duration::from_secs(20), over).await.expect("a bounded number is held");
    assert_eq!((reply.status, reply.header("deploy-error")), (503, "paused"));
    assert!(!reply.header("retry-after").is_empty());
    v1.let_go();
    assert_eq!(before.reply(true).await.unwrap().text(), "v1", "what was accepted before goes on");
    assert!(client.wait_drained(&v1.digest(), None, LONG).await.unwrap().is_drained());
    let requests = v1.requests();
    client.switch(&v2.switch(3)).await.unwrap();
    for held in &mut held {
        let reply = held.reply(true).await.unwrap();
        assert!(reply.status == 503 || reply.text() == "v2", "{reply:?}");
    }
    assert_eq!(v1.requests(), requests, "no held request went to the old release");
    assert_eq!(get(address, "/who", &[]).await.text(), "v2", "the switch has ended the pause");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_fenced_bounded_in_time_durable_and_can_be_taken_back() {
    let (lab, v1, _) = two().await;
    let edge = lab.proxy(&v1).await;
    let client = lab.client();
    let short = Some(Pause { hold_ms: 50, requests: 10 });
    client.pause(&pause(5, short)).await.unwrap();
    assert_eq!(get(edge.public_addr(), "/who", &[]).await.status, 503);
    for (change, code) in [
        (pause(4, None), "stale_epoch"),
        (PauseChange { target: "evil".into(), ..pause(9, None) }, "host_taken"),
        (PauseChange { host: "none.example".into(), ..pause(9, short) }, "route_unknown"),
    ] {
        assert_eq!(client.pause(&change).await.unwrap_err().code(), code);
    }
    drop(edge);
    let edge = lab.start().await;
    assert_eq!(get(edge.public_addr(), "/who", &[]).await.header("deploy-error"), "paused", "durable");
    client.pause(&pause(5, HELD)).await.unwrap();
    let mut held = request(edge.public_addr(), "/who").await;
    client.pause(&pause(5, None)).await.unwrap();
    assert_eq!(held.reply(true).await.unwrap().text(), "v1");
    let files = lab.release(&[("index.html", b"files")]);
    client.pause(&pause(6, short)).await.unwrap();
    client.switch(&to(6, files)).await.unwrap();
    assert_eq!(get(edge.public_addr(), "/", &[]).await.text(), "files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_upgraded_connections_up_to_the_drain_limit() {
    let (mut lab, v1, _) = two().await;
    lab.limits.drain = Duration::from_millis(300);
    let edge = lab.proxy(&v1).await;
    let mut socket = Http::open(edge.public_addr()).await;
    socket.upgrade("/ws").await;
    let stopping = tokio::spawn(edge.stop());
    while tokio::net::TcpStream::connect(edge_address(&lab)).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(socket.echo("still").await, "still");
    tokio::time::timeout(LONG, stopping).await.expect("bounded").unwrap();
}

/// The address in the edge's own record.
fn edge_address(lab: &Lab) -> SocketAddr {
    let record = std::fs::read_to_string(lab.edge_dir().join("edge.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    record["address"].as_str().and_then(|address| address.parse().ok()).expect("an address")
}

/// What the visitors of the test below have in common.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicUsize,
    /// The switches acknowledged so far: release 1 serves at odd numbers, 2 at even ones.
    acknowledged: AtomicU64,
    begun: AtomicU64,
}

/// Requests until told to stop; every one must be answered, by a release that may answer it.
async fn visit(address: SocketAddr, keep: bool, load: Arc<Load>) {
    let mut http = Http::open(address).await;
    while !load.stop.load(Ordering::SeqCst) {
        if !keep {
            http = Http::open(address).await;
        }
        let before = load.acknowledged.load(Ordering::SeqCst);
        let reply = http.get("/who", &[]).await.expect("no request fails");
        let begun = load.begun.load(Ordering::SeqCst);
        assert_eq!(reply.status, 200, "{reply:?}");
        let by = if reply.text() == "v1" { 1 } else { 0 };
        // Nothing was switched meanwhile: only one answer is right.
        if begun == before {
            assert_eq!(by, before % 2, "answered by the old release after switch {before}");
        }
        load.answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// Keeps a WebSocket and a stream open over some switches, again and again.
async fn stay(address: SocketAddr, load: Arc<Load>) {
    while !load.stop.load(Ordering::SeqCst) {
        let began = load.acknowledged.load(Ordering::SeqCst);
        let mut socket = Http::open(address).await;
        socket.upgrade("/ws").await;
        let mut slow = request(address, "/echo-nothing").await;
        while load.acknowledged.load(Ordering::SeqCst) < began + 5 && !load.stop.load(Ordering::SeqCst) {
            assert_eq!(socket.echo("ping").await, "ping");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(slow.reply(true).await.expect("no request fails").status, 404);
        load.answered.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f34_a_hundred_switches_under_load_fail_no_request() {
    let (mut lab, v1, v2) = two().await;
    lab.limits.drain = LONG;
    let edge = lab.proxy(&v1).await;
    let (address, client, load) = (edge.public_addr(), lab.client(), Arc::new(Load::default()));
    load.acknowledged.store(1, Ordering::SeqCst);
    load.begun.store(1, Ordering::SeqCst);
    let mut visitors: Vec<_> =
        (0..6).map(|n| tokio::spawn(visit(address, n % 2 == 0, Arc::clone(&load)))).collect();
    visitors.push(tokio::spawn(stay(address, Arc::clone(&load))));
    for switch in 2..=101_u64 {
        let seen = load.answered.load(Ordering::SeqCst);
        let app = if switch % 2 == 1 { &v1 } else { &v2 };
        load.begun.store(switch, Ordering::SeqCst);
        client.switch(&app.switch(switch)).await.unwrap();
        load.acknowledged.store(switch, Ordering::SeqCst);
        let name = if switch % 2 == 1 { "v1" } else { "v2" };
        assert_eq!(get(address, "/who", &[]).await.text(), name, "the next request is the new release's");
        while load.answered.load(Ordering::SeqCst) < seen + 10 {
            assert!(!visitors.iter().any(tokio::task::JoinHandle::is_finished), "a visitor has failed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    load.stop.store(true, Ordering::SeqCst);
    for visitor in visitors {
        visitor.await.expect("a visitor saw only right answers");
    }
    let counters = client.status().await.unwrap().counters;
    assert_eq!(counters.server_error, 0);
    assert_eq!(counters.switches, 101);
    for app in [&v1, &v2] {
        lab.until_drained_to(app, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_21_a_late_deployment_cannot_switch_to_its_upstream() {
    let (lab, v1, v2) = two().await;
    let edge = lab.proxy(&v1).await;
    lab.client().switch(&v2.switch(7)).await.unwrap();
    match lab.client().switch(&v1.switch(6)).await {
        Err(EdgeError::Refused(problem)) => assert_eq!(problem.code, "stale_epoch"),
        other => panic!("{other:?}"),
    }
    assert_eq!(get(edge.public_addr(), "/who", &[]).await.text(), "v2");
}
