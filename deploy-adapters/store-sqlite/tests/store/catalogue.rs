//! The catalogue: what is this store's own. Lists, releases and retention are in the contract.

use crate::common::{Run, Temp, key, resource_id};
use deploy_core::port::{Catalogue as _, ListQuery, StoreError};

#[tokio::test]
async fn an_id_names_one_resource() {
    let temp = Temp::new();
    let candidate = resource_id(&key("web"));
    temp.store.resource(&key("web"), candidate).await.unwrap();
    let taken = temp.store.resource(&key("web@staging"), candidate).await;
    assert!(matches!(taken, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn inv_39_a_list_is_bounded() {
    let temp = Temp::new();
    for _ in 0..205 {
        Run::submit(&crate::common::fresh_name(), &temp.store).await;
    }
    let all = ListQuery { limit: usize::MAX, ..ListQuery::default() };
    assert_eq!(temp.store.list(&all).await.unwrap().len(), 200);
}
