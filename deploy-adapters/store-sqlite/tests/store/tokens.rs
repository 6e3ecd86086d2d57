//! Access tokens: kept, found, forgotten.

use deploy_core::port::StoreError;
use deploy_core::time::Timestamp;
use deploy_store_sqlite::{SqliteStore, StoredToken};

fn token(id: &str, expires_at: Option<i64>) -> StoredToken {
    StoredToken {
        id: id.to_owned(),
        name: format!("name of {id}"),
        scope: "deploy".to_owned(),
        hash: [7; 32],
        created_at: Timestamp::from_millis(1_000),
        expires_at: expires_at.map(Timestamp::from_millis),
    }
}

#[tokio::test]
async fn a_token_is_found_until_it_is_removed_also_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), Default::default()).unwrap();
    let (one, other) = (token("a", None), token("b", Some(2_000)));
    store.add_token(one.clone()).await.unwrap();
    store.add_token(other.clone()).await.unwrap();
    assert!(store.add_token(one.clone()).await.is_err(), "an id twice");
    store.close().await;

    let store = SqliteStore::open(dir.path(), Default::default()).unwrap();
    assert_eq!(store.token("a").await, Ok(Some(one.clone())));
    assert_eq!(store.tokens().await, Ok(vec![one, other]));
    assert_eq!(store.remove_token("a").await, Ok(true));
    assert_eq!(store.remove_token("a").await, Ok(false));
    assert_eq!(store.token("a").await, Ok(None));
    store.close().await;
}

#[tokio::test]
async fn inv_39_tokens_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), Default::default()).unwrap();
    // At once, so that they share commits.
    let mut adding = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let store = store.clone();
        adding.spawn(async move { store.add_token(token(&n.to_string(), None)).await });
    }
    assert!(adding.join_all().await.into_iter().all(|added| added.is_ok()));
    let refused = store.add_token(token("more", None)).await;
    assert!(matches!(refused, Err(StoreError::Limit { .. })), "{refused:?}");
    store.close().await;
}
