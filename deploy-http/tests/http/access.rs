//! Who may do what (threats F13, F16, F19, F20; invariant 40).

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::http::Method;
use deploy_core::engine::SystemClock;
use deploy_core::port::{Clock as _, StoreError};
use deploy_core::time::Timestamp;
use deploy_http::{Door, Limits, Scope, TokenId, TokenRecord, Tokens, authorisation, mint};

use crate::fixture::{Answer, Bench, Setup, ask, get, post, request};

/// The policy, written by hand: a route that is new or moved fails here until somebody has thought.
const POLICY: [(&str, &str, Option<Scope>); 46] = [
    ("GET", "/health", None),
    ("GET", "/health/ready", None),
    ("GET", "/metrics", Some(Scope::Read)),
    ("GET", "/openapi.json", None),
    ("POST", "/api/plans", Some(Scope::Deploy)),
    ("GET", "/api/deployments", Some(Scope::Read)),
    ("POST", "/api/deployments", Some(Scope::Deploy)),
    ("GET", "/api/deployments/{id}", Some(Scope::Read)),
    ("GET", "/api/deployments/{id}/events", Some(Scope::Read)),
    ("GET", "/api/deployments/{id}/logs", Some(Scope::Read)),
    ("GET", "/api/deployments/{a}/compare/{b}", Some(Scope::Read)),
    ("GET", "/api/stats", Some(Scope::Read)),
    ("GET", "/api/logs", Some(Scope::Read)),
    ("POST", "/api/deployments/{id}/pause", Some(Scope::Deploy)),
    ("POST", "/api/deployments/{id}/resume", Some(Scope::Deploy)),
    ("POST", "/api/deployments/{id}/stop", Some(Scope::Deploy)),
    ("POST", "/api/deployments/{id}/retry", Some(Scope::Deploy)),
    ("POST", "/api/deployments/{id}/redeploy", Some(Scope::Deploy)),
    ("POST", "/api/deployments/{id}/abandon", Some(Scope::Admin)),
    ("GET", "/api/deployments/{id}/queue", Some(Scope::Read)),
    ("GET", "/api/deployments/{id}/screenshot", Some(Scope::Read)),
    ("GET", "/api/resources/{id}/admission", Some(Scope::Deploy)),
    ("POST", "/api/deployments/{id}/recheck", Some(Scope::Deploy)),
    ("GET", "/api/resources/{id}/releases", Some(Scope::Read)),
    ("POST", "/api/resources/{id}/rollback", Some(Scope::Deploy)),
    ("GET", "/api/tokens", Some(Scope::Admin)),
    ("DELETE", "/api/tokens/{id}", Some(Scope::Admin)),
    ("POST", "/api/sources", Some(Scope::Deploy)),
    ("GET", "/", Some(Scope::Read)),
    ("GET", "/runs/{id}", Some(Scope::Read)),
    ("GET", "/runs/{id}/panel", Some(Scope::Read)),
    ("GET", "/runs/{id}/runtime", Some(Scope::Read)),
    ("POST", "/runs/{id}/{control}", Some(Scope::Deploy)),
    ("GET", "/resources/{id}", Some(Scope::Read)),
    ("GET", "/resources/{id}/rollback/{version}", Some(Scope::Deploy)),
    ("POST", "/resources/{id}/rollback/{version}", Some(Scope::Deploy)),
    ("GET", "/compare", Some(Scope::Read)),
    ("GET", "/stats", Some(Scope::Read)),
    ("GET", "/plan", Some(Scope::Deploy)),
    ("POST", "/plan", Some(Scope::Deploy)),
    ("POST", "/plan/archive", Some(Scope::Deploy)),
    ("POST", "/deploy", Some(Scope::Deploy)),
    ("GET", "/sign-in", None),
    ("POST", "/sign-in", None),
    ("POST", "/sign-out", None),
    ("GET", "/assets/{name}", None),
];

/// Tokens in memory.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<TokenRecord>>);

impl Kept {
    pub(crate) fn mint(&self, scope: Scope, expires_at: Option<Timestamp>) -> String {
        let minted = mint(scope.as_str().to_owned(), scope, SystemClock.now(), expires_at).unwrap();
        self.0.lock().unwrap().push(minted.record);
        minted.text
    }
}

#[async_trait]
impl Tokens for Kept {
    async fn find(&self, id: &TokenId) -> Result<Option<TokenRecord>, StoreError> {
        Ok(self.0.lock().unwrap().iter().find(|record| record.id == *id).cloned())
    }

    async fn list(&self) -> Result<Vec<TokenRecord>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn revoke(&self, id: &TokenId) -> Result<bool, StoreError> {
        let mut kept = self.0.lock().unwrap();
        let before = kept.len();
        kept.retain(|record| record.id != *id);
        Ok(kept.len() < before)
    }
}

fn guarded(limits: Limits) -> (Bench, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let tokens: Arc<dyn Tokens> = Arc::clone(&kept) as _;
    (Bench::new(Setup { limits: Some(limits), tokens: Some(tokens), ..Setup::default() }), kept)
}

/// A path of the route, for things that are not there.
fn path_of(route: &str) -> String {
    let id = format!("dep_{}", "0".repeat(32));
    if route.starts_with("/api/resources") {
        return route.replace("{id}", "nothing");
    }
    if route.starts_with("/api/tokens") {
        return route.replace("{id}", &"0".repeat(16));
    }
    route.replace("{id}", &id).replace("{a}", &id).replace("{b}", &id)
}

async fn with(router: &Router, method: &Method, path: &str, token: Option<&str>) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut fields = vec![("content-type", "application/json")];
    fields.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    ask(router, request(method.as_str(), path, &fields, "")).await
}

#[test]
fn inv_40_the_table_is_the_policy() {
    let mut policy: Vec<_> = POLICY.iter().map(|(method, path, needs)| (*method, *path, *needs)).collect();
    let table = authorisation();
    let mut table: Vec<_> =
        table.iter().map(|(method, path, needs)| (method.as_str(), *path, *needs)).collect();
    policy.sort();
    table.sort();
    assert_eq!(table, policy);
}

#[tokio::test]
async fn inv_40_every_route_asks_for_its_scope_and_nothing_less_opens_it() {
    let (bench, kept) = guarded(Limits::default());
    let long_ago = Timestamp::from_millis(1_000);
    let public = bench.public();
    let revoked = kept.mint(Scope::Admin, None);
    let id = kept.list().await.unwrap()[0].id.clone();
    assert!(kept.revoke(&id).await.unwrap());
    let read = kept.mint(Scope::Read, None);
    let wrong = format!("{}{}", &read[..read.len() - 1], if read.ends_with('0') { '1' } else { '0' });
    let callers = [
        (None, None),
        (Some(kept.mint(Scope::Admin, Some(long_ago))), None),
        (Some(revoked), None),
        (Some(wrong), None),
        (Some("nonsense".to_owned()), None),
        (Some(read), Some(Scope::Read)),
        (Some(kept.mint(Scope::Deploy, None)), Some(Scope::Deploy)),
        (Some(kept.mint(Scope::Admin, None)), Some(Scope::Admin)),
    ];
    for (method, route, needs) in authorisation() {
        for (token, granted) in &callers {
            let answer = with(&public, &method, &path_of(route), token.as_deref()).await;
            let opened = !matches!(answer.status.as_u16(), 401 | 403 | 405);
            // A token that is not valid opens nothing at all, not even what is open to everybody.
            let valid = token.is_none() || granted.is_some();
            assert_eq!(opened, valid && *granted >= needs, "{method} {route} {granted:?}: {answer:?}");
            if !opened {
                let expected = match (token, granted) {
                    (None, _) => (401, "token_required"),
                    (Some(_), None) => (401, "token_invalid"),
                    (Some(_), Some(_)) => (403, "scope_missing"),
                };
                assert_eq!((answer.status.as_u16(), answer.problem().as_str()), expected);
                assert_eq!(answer.header("www-authenticate").is_empty(), expected.0 != 401);
            }
        }
    }
}

#[tokio::test]
async fn inv_40_what_is_not_in_the_table_is_not_there() {
    let bench = Bench::standard();
    let router = bench.socket();
    let known = |method: &str, path: &str| POLICY.iter().any(|(m, p, _)| *m == method && *p == path);
    for (_, route, _) in POLICY {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            let answer = with(&router, &method.parse().unwrap(), &path_of(route), None).await;
            assert_eq!(answer.status.as_u16() != 405, known(method, route), "{method} {route}");
            if answer.status.as_u16() == 405 {
                assert_eq!(answer.problem(), "method_not_allowed");
                assert!(!answer.header("allow").is_empty());
            }
        }
    }
    for path in
        ["/api", "/api/", "//health", "/health/", "/api/deployments/", "/health/../api/tokens", "/API/tokens"]
    {
        assert_eq!(get(&router, path, &[]).await.problem(), "not_found", "{path}");
    }
}

#[tokio::test]
async fn on_loopback_anybody_may_look_and_nobody_may_act() {
    let (bench, kept) = guarded(Limits::default());
    let loopback = bench.loopback();
    for (method, route, needs) in authorisation() {
        let answer = with(&loopback, &method, &path_of(route), None).await;
        assert_eq!(answer.status.as_u16() != 401, needs <= Some(Scope::Read), "{method} {route}");
    }
    let deploy = kept.mint(Scope::Deploy, None);
    let path = path_of("/api/deployments/{id}/pause");
    assert_eq!(with(&loopback, &Method::POST, &path, Some(&deploy)).await.problem(), "not_found");
}

#[tokio::test]
async fn threat_f20_a_foreign_host_or_origin_reaches_no_route() {
    let (bench, kept) = guarded(Limits::default());
    let admin = format!("Bearer {}", kept.mint(Scope::Admin, None));
    let foreign: [&[(&str, &str)]; 5] = [
        &[("host", "evil.example")],
        &[("host", "localhost"), ("origin", "http://evil.example")],
        &[("host", "localhost"), ("origin", "null")],
        &[("host", "localhost:1"), ("origin", "http://localhost:2")],
        &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
    ];
    for router in [bench.loopback(), bench.public()] {
        for (method, route, _) in authorisation() {
            for fields in foreign {
                let mut fields = fields.to_vec();
                fields.extend([("authorization", admin.as_str()), ("accept", "text/event-stream")]);
                let answer = ask(&router, request(method.as_str(), &path_of(route), &fields, "")).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.problem().as_str()),
                    (403, "foreign_host"),
                    "{route}"
                );
                assert!(answer.header("access-control-allow-origin").is_empty());
            }
        }
        assert_eq!(get(&router, "/nowhere", foreign[0]).await.problem(), "foreign_host");
    }
    let named = get(&bench.public(), "/health", &[("host", "deploy.example.com")]).await;
    assert_eq!(named.status.as_u16(), 200);
}

#[test]
fn threat_f14_strangers_get_no_door_without_a_token() {
    let tcp = |address: &str, names: &[&str], has_tokens| {
        Door::tcp(address.parse().unwrap(), names.iter().map(|&name| name.to_owned()).collect(), has_tokens)
    };
    for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[2001:db8::1]:80"] {
        assert!(tcp(address, &[], false).is_err(), "{address}");
        assert_eq!(tcp(address, &[], true).unwrap().anonymous(), None);
    }
    assert_eq!(tcp("127.0.0.1:80", &[], false).unwrap().anonymous(), Some(Scope::Read));
    // A name on loopback: something in front passes strangers on.
    assert!(tcp("127.0.0.1:80", &["deploy.example.com"], false).is_err());
    assert_eq!(tcp("[::1]:80", &["deploy.example.com"], true).unwrap().anonymous(), None);
}

#[tokio::test]
async fn threat_f19_a_body_is_not_read_before_the_caller_is_known() {
    let (bench, kept) = guarded(Limits { body_bytes: 1_000, ..Limits::default() });
    let large = "x".repeat(10_000);
    let answer = post(&bench.public(), "/api/deployments", &large).await;
    assert_eq!(answer.problem(), "token_required");
    let deploy = format!("Bearer {}", kept.mint(Scope::Deploy, None));
    let fields = [("authorization", deploy.as_str()), ("content-type", "application/json")];
    let answer = ask(&bench.public(), request("POST", "/api/deployments", &fields, &large)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (413, "body_too_large"));
    let deep = "[".repeat(900);
    let answer = ask(&bench.public(), request("POST", "/api/deployments", &fields, &deep)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "bad_request"));
    let fields = [("authorization", deploy.as_str()), ("content-type", "text/plain")];
    let answer = ask(&bench.public(), request("POST", "/api/deployments", &fields, "{}")).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (415, "not_json"));
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_a_second_later_and_its_list_shows_no_secret() {
    let (bench, kept) = guarded(Limits::default());
    let (admin, read) = (kept.mint(Scope::Admin, None), kept.mint(Scope::Read, None));
    let public = bench.public();
    let list = with(&public, &Method::GET, "/api/tokens", Some(&admin)).await;
    let text = String::from_utf8_lossy(&list.body).into_owned();
    assert!(!text.contains("hash") && !text.contains(read.rsplit('_').next().unwrap()), "{text}");
    let id = list.json()[1]["id"].as_str().unwrap().to_owned();
    assert_eq!(with(&public, &Method::GET, "/api/deployments", Some(&read)).await.status.as_u16(), 200);
    let path = format!("/api/tokens/{id}");
    assert_eq!(with(&public, &Method::DELETE, &path, Some(&admin)).await.status.as_u16(), 204);
    assert_eq!(with(&public, &Method::DELETE, &path, Some(&admin)).await.problem(), "not_found");
    let began = std::time::Instant::now();
    while with(&public, &Method::GET, "/api/deployments", Some(&read)).await.status.as_u16() == 200 {
        assert!(began.elapsed() < crate::fixture::LONG);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_history_names_the_token_and_nobody_on_tcp_names_themselves() {
    let (bench, kept) = guarded(Limits::default());
    let deploy = format!("Bearer {}", kept.mint(Scope::Deploy, None));
    let path = bench.spec();
    let body = serde_json::json!({ "plan": { "resource": "web", "target": "gated", "source": path.source } });
    let fields =
        [("authorization", deploy.as_str()), ("content-type", "application/json"), ("deploy-actor", "root")];
    let answer = ask(&bench.public(), request("POST", "/api/deployments", &fields, &body.to_string())).await;
    assert_eq!(answer.status.as_u16(), 202, "{answer:?}");
    let status = get(&bench.socket(), answer.header("location"), &[]).await;
    assert_eq!(status.json()["actor"], "token deploy");
}
