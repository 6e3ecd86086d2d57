//! Tests a target and a store of your own: every law of their contracts becomes a test of its own, and says which law
//! was broken, what was seen, and what to do about it.

#![expect(clippy::unwrap_used, reason = "a test, fixtures included")]

use std::sync::Arc;

use async_trait::async_trait;
use deploy_core::detect::Detection;
use deploy_core::engine::Store;
use deploy_core::id::Digest;
use deploy_core::port::Executor;
use deploy_core::spec::{Actor, Spec};
use deploy_core::testkit::MemoryStore;
use deploy_core::testkit::contract::{ExecutorFixture, StoreFixture};
use deploy_examples::{audited::Audited, kiosk::Kiosk};

/// A kiosk with two slides to bring, and one that somebody else put there.
struct Lobby {
    kiosk: Kiosk,
    slides: tempfile::TempDir,
}

impl Lobby {
    fn new() -> Self {
        Self { kiosk: Kiosk::default(), slides: tempfile::tempdir().unwrap() }
    }
}

#[async_trait]
impl ExecutorFixture for Lobby {
    fn executor(&self) -> &dyn Executor {
        &self.kiosk
    }

    fn spec(&self, number: u32) -> Spec {
        let directory = self.slides.path().join(number.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("slide.txt"), format!("slide {number}")).unwrap();
        let (lobby, kiosk) = ("lobby".parse().unwrap(), "kiosk".parse().unwrap());
        Spec::directory(lobby, kiosk, directory.to_string_lossy(), Actor("porter".into()))
    }

    fn detection(&self, _: u32) -> Detection {
        Detection::default()
    }

    async fn live(&self) -> Option<Digest> {
        self.kiosk.world().screen.1.clone()
    }

    async fn has_artifact(&self, digest: &Digest) -> bool {
        self.kiosk.world().slides.contains_key(digest)
    }

    async fn everything(&self) -> String {
        let world = self.kiosk.world();
        format!("{:?} {:?}", world.slides, world.screen.1)
    }
}

mod kiosk {
    deploy_core::executor_contract!(super::Lobby::new());
}

/// The audited store, with an auditor who agrees to everything.
struct Office(Arc<Audited<MemoryStore>>);

#[async_trait]
impl StoreFixture for Office {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }
}

mod audited {
    use super::*;
    deploy_core::store_contract!(Office(Arc::new(Audited(MemoryStore::default(), Arc::new(|_| Ok(()))))));
}
