//! A whole check against a server whose answers follow a script.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use deploy_core::cancel::Cancel;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::health::HealthPolicy;
use deploy_core::id::Digest;
use deploy_core::time::{Span, Timestamp};
use deploy_probe::{Address, Attempt, Judgement, Passed, Prober, Target, check};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn policy() -> HealthPolicy {
    HealthPolicy {
        path: "/health".to_owned(),
        interval: Span::from_millis(10),
        timeout: Span::from_millis(200),
        healthy_after: 2,
        deadline: Span::from_secs(3),
        ..HealthPolicy::default()
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(since.as_millis().try_into().unwrap())
}

fn reply(status: u16, release: Option<&Digest>) -> String {
    let release = release.map(|digest| format!("deploy-release: {digest}\r\n")).unwrap_or_default();
    format!("HTTP/1.1 {status} X\r\ncontent-length: 5\r\n{release}\r\nhello")
}

/// Answers one connection after the other; the last answer is repeated.
async fn scripted(replies: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for turn in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let reply = replies.get(turn).or(replies.last()).unwrap();
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    });
    address
}

async fn run(
    address: SocketAddr,
    policy: &HealthPolicy,
    release: Option<&Digest>,
) -> (Result<Passed, Failure>, String) {
    let target = Target {
        address: Address::Tcp(address),
        host: "web.localhost".to_owned(),
        path: String::new(),
        timeout: Span::ZERO,
    };
    let mut story = String::new();
    let watch =
        |attempt: &Attempt| story.push(if attempt.look.judgement == Judgement::Good { '+' } else { '-' });
    let result = check(&Prober::default(), &target, policy, release, now, &Cancel::new(), watch).await;
    (result, story)
}

#[tokio::test]
async fn healthy_is_enough_good_answers_in_a_row() {
    let (good, bad) = (reply(200, None), reply(503, None));
    let address = scripted(vec![bad.clone(), good.clone(), bad, good]).await;
    let (result, story) = run(address, &policy(), None).await;
    assert_eq!(story, "-+-++");
    assert_eq!(result.unwrap().attempts, 5);
}

#[tokio::test]
async fn unhealthy_says_what_was_seen_and_what_was_expected() {
    let address = scripted(vec![reply(503, None)]).await;
    let policy =
        HealthPolicy { deadline: Span::from_millis(100), expected_body: Some("ok".into()), ..policy() };
    let (result, story) = run(address, &policy, None).await;
    let failure = result.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unhealthy);
    assert_eq!(failure.message, "status 503; expected 2xx");
    assert!(story.len() > 1 && story.chars().all(|step| step == '-'), "{story}");
    let fact = |name: &str| &failure.evidence.iter().find(|fact| fact.file == name).unwrap().fact;
    assert_eq!(fact("expected"), "status 2xx, a body with \"ok\"; 2 good answers in a row, within 100ms");
    assert!(fact("answer").starts_with("status 503 after"), "{failure:?}");
    assert_eq!(fact("body"), "hello");
}

#[tokio::test]
async fn another_release_is_never_healthy() {
    let (new, old) = (Digest::of(b"new"), Digest::of(b"old"));
    let address = scripted(vec![reply(200, Some(&old))]).await;
    let short = HealthPolicy { deadline: Span::from_millis(60), ..policy() };
    let failure = run(address, &short, Some(&new)).await.0.unwrap_err();
    assert_eq!(failure.code, FailureCode::WrongRelease);

    let address = scripted(vec![reply(200, Some(&old)), reply(200, Some(&new))]).await;
    let (result, story) = run(address, &policy(), Some(&new)).await;
    assert_eq!((result.unwrap().attempts, story.as_str()), (3, "-++"));
}

#[tokio::test]
async fn a_check_ends_with_its_deadline_even_if_nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let policy = HealthPolicy { deadline: Span::from_millis(120), timeout: Span::from_secs(60), ..policy() };
    let started = Instant::now();
    let (result, story) = run(silent.local_addr().unwrap(), &policy, None).await;
    assert_eq!(result.unwrap_err().code, FailureCode::Unhealthy);
    assert_eq!(story, "-");
    assert!(started.elapsed().as_millis() < 1_000);
}

#[tokio::test]
async fn a_check_stops_at_once_when_asked_to() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cancel = Cancel::new();
    let target = Target {
        address: Address::Tcp(silent.local_addr().unwrap()),
        host: "a".to_owned(),
        path: String::new(),
        timeout: Span::ZERO,
    };
    let policy = HealthPolicy { timeout: Span::from_secs(60), deadline: Span::from_secs(60), ..policy() };
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        stop.cancel();
    });
    let started = Instant::now();
    let result = check(&Prober::default(), &target, &policy, None, now, &cancel, |_| {}).await;
    assert_eq!(result.unwrap_err().code, FailureCode::Cancelled);
    assert!(started.elapsed().as_millis() < 1_000);
}
