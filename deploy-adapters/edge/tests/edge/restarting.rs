//! Ending and starting again: the same routes, the same address, nothing lost, nothing doubled.

use std::fs;
use std::time::Duration;

use deploy_edge::{Edge, Listen, RouteChange, serve};

use crate::harness::{HOST, Http, Lab, any_port, free_port, get, noise, to};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_edge_serves_the_same_when_it_is_back() {
    let lab = Lab::new();
    let digest = lab.release(&[("index.html", b"page")]);
    let edge = lab.start().await;
    let (address, port) = (edge.public_addr(), free_port());
    lab.client().switch(&RouteChange { port: Some(port), ..to(5, digest) }).await.unwrap();
    drop(edge);
    let edge = lab.start().await;
    assert_eq!(edge.public_addr(), address, "a restarted edge is found where it was");
    assert_eq!(get(address, "/", &[]).await.text(), "page");
    assert_eq!(get(([127, 0, 0, 1], port).into(), "/", &[]).await.text(), "page");
    assert_eq!(lab.client().switch(&to(4, digest)).await.unwrap_err().code(), "stale_epoch");
    assert_eq!(lab.client().status().await.unwrap().warnings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_edge_per_directory() {
    let lab = Lab::new();
    let edge = lab.start().await;
    assert_eq!(lab.try_start().await.unwrap_err().code(), "already_running");
    assert!(lab.client().status().await.is_ok(), "the second attempt did not touch the first's socket");
    edge.stop().await;
    lab.start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_exact_preferred_and_recorded() {
    let taken = std::net::TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let mut lab = Lab::new();
    lab.limits.rebind_timeout = Duration::from_millis(200);
    let error = Edge::start(lab.config(Listen::Exact(address))).await.unwrap_err();
    assert_eq!(error.code(), "address_in_use");
    let edge = Edge::start(lab.config(Listen::Preferred(address))).await.unwrap();
    let recorded = edge.public_addr();
    assert_ne!(recorded, address);
    edge.stop().await;
    let squatter = std::net::TcpListener::bind(recorded).unwrap();
    let error = Edge::start(lab.config(Listen::Preferred(address))).await.unwrap_err();
    assert_eq!(error.code(), "address_in_use", "links to the recorded address must not silently die");
    drop(squatter);
    assert_eq!(Edge::start(lab.config(Listen::Preferred(address))).await.unwrap().public_addr(), recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_address_is_waited_for() {
    let lab = Lab::new();
    let recorded = lab.start().await.public_addr();
    let dying = loop {
        if let Ok(listener) = std::net::TcpListener::bind(recorded) {
            break listener;
        }
    };
    let restart = tokio::spawn(async move { (lab.start().await.public_addr(), lab) });
    tokio::time::sleep(Duration::from_millis(150)).await;
    drop(dying);
    assert_eq!(restart.await.unwrap().0, recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_f40_a_damaged_table_is_made_good_from_its_copies_and_said_so() {
    let lab = Lab::new();
    let (edge, _) = lab.serve(&[("index.html", b"one")]).await;
    let second = lab.release(&[("index.html", b"two")]);
    lab.client().switch(&to(2, second)).await.unwrap();
    drop(edge);
    let table = lab.edge_dir().join("routes.json");
    let bytes = fs::read(&table).unwrap();
    fs::write(&table, &bytes[..bytes.len() / 2]).unwrap();
    let edge = lab.start().await;
    assert_eq!(edge.recovered_from().map(|error| error.code()), Some("route_table_corrupt"));
    assert_eq!(get(edge.public_addr(), "/", &[]).await.text(), "two", "nothing is lost");
    assert_eq!(lab.client().status().await.unwrap().warnings.len(), 1);
    drop(edge);
    fs::write(&table, "").unwrap();
    fs::write(lab.edge_dir().join("routes.json.prev"), "").unwrap();
    assert_eq!(lab.try_start().await.unwrap_err().code(), "route_table_corrupt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_release_does_not_take_the_other_routes_down() {
    let lab = Lab::new();
    let (edge, gone) = lab.serve(&[("index.html", b"gone")]).await;
    let kept = lab.release(&[("index.html", b"kept")]);
    let other = RouteChange { host: "other.example".into(), ..to(1, kept) };
    lab.client().switch(&other).await.unwrap();
    drop(edge);
    deploy_edge::remove_release(&lab.releases(), &gone).unwrap();
    let edge = lab.start().await;
    assert_eq!(get(edge.public_addr(), "/", &[]).await.status, 503);
    let mut http = Http::open(edge.public_addr()).await;
    http.send("GET / HTTP/1.1\r\nhost: other.example\r\n\r\n").await;
    assert_eq!(http.reply(true).await.unwrap().text(), "kept");
    assert!(lab.client().status().await.unwrap().warnings[0].contains(HOST));
    lab.release(&[("index.html", b"gone")]);
    lab.client().switch(&to(2, gone)).await.expect("deploying again repairs it");
    assert_eq!(get(edge.public_addr(), "/", &[]).await.text(), "gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_04_a_stop_lets_responses_in_flight_end() {
    let lab = Lab::new();
    let big = noise(20 * 1024 * 1024, 1);
    let (edge, _) = lab.serve(&[("big.bin", &big)]).await;
    let address = edge.public_addr();
    let mut download = Http::open(address).await;
    download.send(format!("GET /big.bin HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    download.more().await.expect("the response has begun");
    let mut idle = Http::open(address).await;
    idle.request("HEAD", "/big.bin", &[]).await.unwrap();
    let stopping = tokio::spawn(edge.stop());
    idle.reply(true).await.expect_err("idle connections are closed");
    assert!(!stopping.is_finished());
    assert!(download.reply(true).await.unwrap().body == big);
    stopping.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_at_the_drain_limit_however_slow_a_client_is() {
    let mut lab = Lab::new();
    lab.limits.drain = Duration::from_millis(200);
    let big = noise(20 * 1024 * 1024, 1);
    let (edge, _) = lab.serve(&[("big.bin", &big)]).await;
    let mut download = Http::open(edge.public_addr()).await;
    download.send(format!("GET /big.bin HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
    download.head().await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), edge.stop()).await.expect("bounded");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_ends_by_its_future_and_by_the_control_socket() {
    let lab = Lab::new();
    serve(lab.config(Listen::Preferred(any_port())), async {}).await.unwrap();
    let running = tokio::spawn(serve(lab.config(Listen::Preferred(any_port())), std::future::pending()));
    let client = lab.client();
    while client.status().await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.stop().await.unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(client.status().await.unwrap_err().code(), "edge_unreachable");
}
