//! The contract suites on what the testkit itself offers, and their teeth: deliberately wrong executors
//! and stores, each caught by the law that is named for what it gets wrong.
//!
//! The first half is what anybody writes who has an executor or a store of their own.

#![expect(clippy::unwrap_used, reason = "a test, not the pure part")]

use std::sync::Arc;

use async_trait::async_trait;
use deploy_core::detect::{Detection, Found, ProjectKind};
use deploy_core::engine::Store;
use deploy_core::evidence::Fact;
use deploy_core::id::Digest;
use deploy_core::port::Executor;
use deploy_core::spec::{Approval, Source, Spec};
use deploy_core::testkit::contract::{ExecutorFixture, StoreFixture};
use deploy_core::testkit::{self, MemoryStore, ToyTarget};

#[path = "contracts/wrong_executors.rs"]
mod wrong_executors;
#[path = "contracts/wrong_stores.rs"]
mod wrong_stores;

/// A specification for the toy.
fn toy_spec(number: u32) -> Spec {
    Spec {
        target: "toy".parse().unwrap(),
        source: Source::Directory { path: format!("/srv/web{number}") },
        ..testkit::spec(Approval::Automatic)
    }
}

/// What detection says of any directory.
fn detection() -> Detection {
    let evidence = Fact::new("index.html", "is there");
    Detection {
        planner: "static-html".to_owned(),
        kind: ProjectKind::Static,
        publish_directory: Some(Found { value: ".".to_owned(), evidence }),
        ..Detection::default()
    }
}

/// The target under test.
#[derive(Default)]
struct Toy(ToyTarget);

#[async_trait]
impl ExecutorFixture for Toy {
    fn executor(&self) -> &dyn Executor {
        &self.0
    }

    fn spec(&self, number: u32) -> Spec {
        toy_spec(number)
    }

    fn detection(&self, _: u32) -> Detection {
        detection()
    }

    async fn live(&self) -> Option<Digest> {
        self.0.live(&toy_spec(1).resource)
    }

    async fn has_artifact(&self, digest: &Digest) -> bool {
        self.0.has(digest)
    }

    async fn everything(&self) -> String {
        self.0.everything()
    }

    async fn add_foreign(&self) {
        self.0.add_foreign("somebody's");
    }

    async fn foreign(&self) -> String {
        self.0.foreign().join(" ")
    }
}

mod toy {
    deploy_core::executor_contract!(super::Toy::default());
}

/// A store that only remembers has nothing to open again.
struct Memory(MemoryStore);

#[async_trait]
impl StoreFixture for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
}

mod memory {
    deploy_core::store_contract!(super::Memory(deploy_core::testkit::MemoryStore::default()));
}
