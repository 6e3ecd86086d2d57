//! The contract that every store keeps, law by law. What is this store's own stands in the other files.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use deploy_core::engine::Store;
use deploy_core::testkit::contract::StoreFixture;
use deploy_store_sqlite::{Limits, SqliteStore};

/// A store in a directory that goes away with it.
struct Sqlite {
    dir: tempfile::TempDir,
    store: Mutex<SqliteStore>,
}

impl Sqlite {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Mutex::new(SqliteStore::open(dir.path(), Limits::default()).unwrap());
        Self { dir, store }
    }

    fn handle(&self) -> SqliteStore {
        self.store.lock().unwrap().clone()
    }
}

#[async_trait]
impl StoreFixture for Sqlite {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.handle())
    }

    async fn reopened(&self) -> Option<Arc<dyn Store>> {
        self.handle().close().await;
        *self.store.lock().unwrap() = SqliteStore::open(self.dir.path(), Limits::default()).unwrap();
        Some(self.store())
    }
}

deploy_core::store_contract!(Sqlite::new());
