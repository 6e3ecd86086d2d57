//! Asking a URL: which path is the one, how long the first byte took, and where a name may lead.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use deploy_core::health::HealthPolicy;
use deploy_core::time::Span;
use deploy_probe::{
    AddressPolicy, AskingUrl, CASCADE, Judgement, Looks as _, Paths, Prober, Resolve, SystemResolver,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A server with these statuses by path; any other path is 404.
async fn serve(statuses: &[(&str, u16)], wait: Duration) -> SocketAddr {
    let statuses: BTreeMap<String, u16> =
        statuses.iter().map(|(path, status)| ((*path).to_owned(), *status)).collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 2048];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let status = statuses.get(&path).copied().unwrap_or(404);
            tokio::time::sleep(wait).await;
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

async fn found(statuses: &[(&str, u16)]) -> Option<String> {
    let address = serve(statuses, Duration::ZERO).await;
    let (prober, policy, url) = (Prober::default(), HealthPolicy::default(), format!("http://{address}"));
    let addresses = AddressPolicy::local();
    let mut asking = AskingUrl::new(&prober, (&url, Paths::Cascade), (&addresses, &SystemResolver), &policy);
    for _ in 0..2 {
        let good = asking.look(Span::from_secs(20)).await.judgement == Judgement::Good;
        assert_eq!(good, asking.answered().is_some(), "the second look finds what the first one did");
    }
    asking.answered().map(|good| good.path.clone())
}

#[tokio::test]
async fn the_first_place_that_answers_with_success_is_the_one() {
    for (statuses, expected) in [
        (&[("/", 200), ("/healthz", 200)][..], Some("/")),
        (&[("/", 404), ("/healthz", 200), ("/health", 200)], Some("/healthz")),
        (&[("/", 302), ("/healthz", 500), ("/health", 204)], Some("/health")),
        (&[("/livez", 200), ("/readyz", 200), ("/_health", 200)], Some("/readyz")),
        (&[("/livez", 200), ("/readyz", 503), ("/_health", 200)], Some("/_health")),
        (&[("/readyz", 200)], None),
        (&[("/other", 200)], None),
    ] {
        assert_eq!(found(statuses).await.as_deref(), expected, "{statuses:?}");
    }
    assert_eq!(CASCADE.len(), 5);
}

#[tokio::test]
async fn a_first_byte_that_comes_too_late_is_no_good_answer() {
    let address = serve(&[("/", 200)], Duration::from_millis(300)).await;
    let (prober, url, addresses) = (Prober::default(), format!("http://{address}"), AddressPolicy::local());
    for (limit, good) in [(None, true), (Some(100), false), (Some(20_000), true)] {
        let policy = HealthPolicy { first_byte: limit.map(Span::from_millis), ..HealthPolicy::default() };
        let paths = Paths::One("/".to_owned());
        let mut asking = AskingUrl::new(&prober, (&url, paths), (&addresses, &SystemResolver), &policy);
        let look = asking.look(Span::from_secs(30)).await;
        assert_eq!(look.judgement == Judgement::Good, good, "{limit:?} {look:?}");
        let measured = asking.answered().map(|good| good.first_byte);
        assert_eq!(measured.is_some_and(|took| took >= Duration::from_millis(300)), good, "{measured:?}");
    }
}

/// A name that moves to another address after the first question.
struct Moving(Mutex<Vec<SocketAddr>>);

impl Resolve for Moving {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let mut left = self.0.lock().unwrap();
        Ok(vec![if left.len() > 1 { left.remove(0) } else { left[0] }])
    }
}

#[tokio::test]
async fn threat_f10_a_name_that_moves_meanwhile_is_judged_again() {
    let address = serve(&[("/", 200)], Duration::ZERO).await;
    let metadata = "169.254.169.254:80".parse().unwrap();
    let resolver = Moving(Mutex::new(vec![address, metadata]));
    let (prober, policy, addresses) = (Prober::default(), HealthPolicy::default(), AddressPolicy::local());
    let paths = Paths::One("/".to_owned());
    let mut asking = AskingUrl::new(&prober, ("http://app.test", paths), (&addresses, &resolver), &policy);
    assert_eq!(asking.look(Span::from_secs(20)).await.judgement, Judgement::Good);
    let second = asking.look(Span::from_secs(20)).await;
    let Judgement::Bad(problem) = second.judgement else { panic!("it went there") };
    assert!(problem.message.contains("169.254.169.254") && !second.heard, "{}", problem.message);
}

#[tokio::test]
async fn who_speaks_no_tls_is_no_answer_to_https() {
    let address = serve(&[("/", 200)], Duration::ZERO).await;
    let (prober, policy, addresses) = (Prober::default(), HealthPolicy::default(), AddressPolicy::local());
    let url = format!("https://localhost:{}", address.port());
    let paths = Paths::One("/".to_owned());
    let mut asking = AskingUrl::new(&prober, (&url, paths), (&addresses, &SystemResolver), &policy);
    let look = asking.look(Span::from_secs(20)).await;
    assert!(look.judgement != Judgement::Good && !look.heard, "{look:?}");
    assert!(look.seen.contains("there is no TLS"), "{look:?}");
}
