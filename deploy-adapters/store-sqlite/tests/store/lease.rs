//! Ownership: what the file itself forbids. The rules of the lease are in the contract.

use crate::common::{Run, Temp};
use deploy_core::admission::UNLIMITED;
use deploy_core::port::Lease as _;

#[tokio::test]
async fn inv_21_no_statement_makes_an_epoch_smaller() {
    let temp = Temp::new();
    let run = Run::submit("web", &temp.store).await;
    temp.store.acquire(&run.key, run.id, UNLIMITED).await.unwrap();
    assert!(temp.sql().execute("UPDATE resources SET epoch = epoch - 1", []).is_err());
}
