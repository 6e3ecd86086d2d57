//! A control plane with something to see on every screen, and a browser in front of it.

use std::net::SocketAddr;
use std::sync::Arc;

use deploy_core::engine::Submission;
use deploy_core::id::DeploymentId;
use deploy_core::port::{Catalogue, Journal, Lease, Logs, WhenBusy};
use deploy_core::testkit::MemoryStore;
use deploy_http::{Door, Scope, Serving, Tokens, serve_tcp};

use super::driver::{Browser, How};
use crate::access::Kept;
use crate::fixture::{Bench, Setup};

/// A control plane on a port of its own, and a token that may deploy.
pub(super) struct Site {
    pub(super) bench: Bench,
    pub(super) address: SocketAddr,
    pub(super) token: String,
    _serving: Serving,
}

impl Site {
    pub(super) async fn new(setup: Setup) -> Self {
        Self::over(setup, MemoryStore::default()).await
    }

    pub(super) async fn over<S>(setup: Setup, store: S) -> Self
    where
        S: Journal + Lease + Catalogue + Logs + Clone + 'static,
    {
        let kept = Arc::new(Kept::default());
        let token = kept.mint(Scope::Deploy, None);
        let tokens: Arc<dyn Tokens> = kept;
        let bench = Bench::over(Setup { tokens: Some(tokens), ..setup }, store);
        let address = "127.0.0.1:0".parse().unwrap();
        let door = Door::tcp(address, Vec::new(), true).unwrap();
        let (address, serving) = serve_tcp(bench.api.clone(), address, door).await.unwrap();
        Self { bench, address, token, _serving: serving }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) async fn run(&self, id: DeploymentId, browser: &Browser) {
        browser.go(&self.url(&format!("/runs/{id}"))).await;
    }

    /// A browser that has signed in.
    pub(super) async fn visited(&self, how: How) -> Option<Browser> {
        let browser = Browser::open(how).await?;
        browser.go(&self.url("/sign-in")).await;
        browser.fill("input[name=token]", &self.token).await;
        browser.click("main button").await;
        browser.says(".who", "token deploy").await;
        Some(browser)
    }

    /// A deployment that is blocked, because of a setting.
    pub(super) async fn blocked(&self) -> DeploymentId {
        let mut spec = self.bench.spec();
        spec.profile.health.path = Some("up".to_owned());
        let submission = Submission { spec, idempotency_key: None, busy: WhenBusy::Wait };
        let id = self.bench.api.engine().submit(submission).await.unwrap().id;
        let status = self.bench.api.engine().rested(id).await.unwrap();
        assert_eq!(status.status.as_str(), "blocked");
        id
    }
}
