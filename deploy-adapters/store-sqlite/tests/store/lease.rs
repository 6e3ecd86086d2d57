//! Ownership: what the file itself forbids, and what several control planes on one store may do. The rules of
//! the lease are in the contract.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::common::{Run, Temp, fresh_name};
use deploy_core::admission::UNLIMITED;
use deploy_core::port::{Lease as _, StoreError};
use deploy_core::spec::default_workspace;
use deploy_core::status::StatusName;
use deploy_store_sqlite::{Limits, SqliteStore};

#[tokio::test]
async fn inv_21_no_statement_makes_an_epoch_smaller() {
    let temp = Temp::new();
    let run = Run::submit("web", &temp.store).await;
    temp.store.acquire(&run.key, run.id, UNLIMITED).await.unwrap();
    assert!(temp.sql().execute("UPDATE resources SET epoch = epoch - 1", []).is_err());
}

#[tokio::test]
async fn a_store_from_before_workspaces_knows_whose_turn_it_is() {
    let temp = Temp::new();
    let waiting = Run::submit("web", &temp.store).await;
    let mut running = Run::submit("api", &temp.store).await;
    running.fence = Some(temp.store.acquire(&running.key, running.id, UNLIMITED).await.unwrap());
    running.append(&temp.store, 1, StatusName::Executing).await.unwrap();
    temp.store.close().await;
    temp.sql()
        .execute_batch(
            "DROP INDEX deployments_asking; DROP INDEX deployments_in_way; DROP INDEX deployments_line;
             DROP INDEX resources_held;
             ALTER TABLE deployments DROP COLUMN asks; ALTER TABLE deployments DROP COLUMN in_way;
             ALTER TABLE deployments DROP COLUMN workspace;
             DROP TABLE history; DROP TABLE phase_times; DROP TABLE log_chunks;
             ALTER TABLE logs DROP COLUMN removed; PRAGMA user_version = 2;",
        )
        .unwrap();
    let store = SqliteStore::open(temp.dir.path(), Limits::default()).unwrap();
    let turns = async |concurrent| store.turns(&default_workspace(), concurrent, 9).await.unwrap();
    assert_eq!((turns(1).await, turns(2).await), (vec![], vec![waiting.id]));
    assert!(store.check().await.unwrap().is_sound());
}

/// Two control planes on one store, 200 submissions of as many resources as fast as they can: never more at
/// once than may, and everybody's turn comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_20_the_limit_of_a_workspace_holds_for_several_control_planes() {
    const MAY: u32 = 5;
    let temp = Temp::new();
    let stores = [temp.store.clone(), SqliteStore::open(temp.dir.path(), Limits::default()).unwrap()];
    let (at_once, most) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = stores[number % 2].clone();
        let (at_once, most) = (Arc::clone(&at_once), Arc::clone(&most));
        tasks.spawn(async move {
            let mut run = Run::submit(&fresh_name(), &store).await;
            run.fence = loop {
                match store.acquire(&run.key, run.id, MAY).await {
                    Ok(fence) => break Some(fence),
                    Err(StoreError::WorkspaceFull { running }) => assert!(running <= MAY),
                    Err(error) => panic!("{error:?}"),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            at_once.fetch_sub(1, Ordering::SeqCst);
            run.append(&store, 1, StatusName::Succeeded).await.unwrap();
        });
    }
    tasks.join_all().await;
    assert!((1..=i64::from(MAY)).contains(&most.load(Ordering::SeqCst)), "{most:?} of {MAY} at once");
}
