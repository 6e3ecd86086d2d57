//! Ownership: fences only grow, and the turn goes by the order of acceptance.

use crate::common::{Run, Temp};
use deploy_core::id::Fence;
use deploy_core::port::{Journal as _, Lease as _, StoreError, WhenBusy};
use deploy_core::status::StatusName;

#[tokio::test]
async fn inv_21_epochs_strictly_grow_also_over_releases_and_restarts() {
    let mut temp = Temp::new();
    let run = Run::submit("web", &temp.store).await;
    let mut last = Fence(0);
    for turn in 0..6 {
        let fence = temp.store.acquire(&run.key, run.id).await.unwrap();
        assert!(fence > last);
        last = fence;
        if turn % 2 == 0 {
            temp.store.release(&run.key, fence).await.unwrap();
        }
        temp = temp.reopened().await;
    }
    assert!(temp.sql().execute("UPDATE resources SET epoch = epoch - 1", []).is_err());
}

#[tokio::test]
async fn inv_20_one_owner_at_a_time_first_come_first_served() {
    let temp = Temp::new();
    let mut first = Run::submit("web", &temp.store).await;
    let second = Run::submit("web", &temp.store).await;
    let busy = Err(StoreError::Busy { holder: first.id });
    // It is the elder's turn, even though nobody holds the resource.
    assert_eq!(temp.store.acquire(&second.key, second.id).await, busy);
    let fence = temp.store.acquire(&first.key, first.id).await.unwrap();
    assert_eq!(temp.store.acquire(&second.key, second.id).await, busy);
    temp.store.release(&first.key, fence).await.unwrap();
    assert_eq!(temp.store.acquire(&second.key, second.id).await, busy);
    first.end(&temp.store, StatusName::Stopped, None).await.unwrap();
    assert!(temp.store.acquire(&second.key, second.id).await.unwrap() > fence);
}

#[tokio::test]
async fn inv_18_the_order_is_that_of_acceptance_not_of_ids() {
    let temp = Temp::new();
    let late_id = Run::with_id("web", crate::common::id_of(u128::MAX));
    let early_id = Run::with_id("web", crate::common::id_of(1));
    for run in [&late_id, &early_id] {
        temp.store.create(run.submission(WhenBusy::Wait)).await.unwrap();
    }
    let refused = temp.store.acquire(&early_id.key, early_id.id).await;
    assert_eq!(refused, Err(StoreError::Busy { holder: late_id.id }));
    temp.store.acquire(&late_id.key, late_id.id).await.unwrap();
}

#[tokio::test]
async fn inv_23_a_holder_that_ended_or_rests_in_blocked_is_in_nobodys_way() {
    for rest in [StatusName::Failed, StatusName::Blocked] {
        let temp = Temp::new();
        let mut first = Run::submit("web", &temp.store).await;
        let second = Run::submit("web", &temp.store).await;
        let old = temp.store.acquire(&first.key, first.id).await.unwrap();
        first.fence = Some(old);
        first.append(&temp.store, 1, rest).await.unwrap();
        let new = temp.store.acquire(&second.key, second.id).await.unwrap();
        // Giving back late frees nothing that others hold now.
        temp.store.release(&first.key, old).await.unwrap();
        let mut owner = Run { fence: Some(new), ..second };
        owner.append(&temp.store, 1, StatusName::Executing).await.unwrap();
    }
}

#[tokio::test]
async fn a_holder_is_not_held_up_by_an_elder_that_comes_back_from_blocked() {
    let temp = Temp::new();
    let mut elder = Run::submit("web", &temp.store).await;
    elder.append(&temp.store, 1, StatusName::Blocked).await.unwrap();
    let younger = Run::submit("web", &temp.store).await;
    temp.store.acquire(&younger.key, younger.id).await.unwrap();
    elder.append(&temp.store, 1, StatusName::Queued).await.unwrap();
    let refused = temp.store.acquire(&elder.key, elder.id).await;
    assert_eq!(refused, Err(StoreError::Busy { holder: younger.id }));
    temp.store.acquire(&younger.key, younger.id).await.unwrap();
}

#[tokio::test]
async fn an_ended_deployment_takes_nothing() {
    let temp = Temp::new();
    let mut run = Run::submit("web", &temp.store).await;
    run.end(&temp.store, StatusName::Stopped, None).await.unwrap();
    let refused = temp.store.acquire(&run.key, run.id).await;
    assert_eq!(refused, Err(StoreError::Conflict { actual: run.last }));
}

#[tokio::test]
async fn a_deployment_takes_only_its_own_resource() {
    let temp = Temp::new();
    let (run, other) = (Run::submit("web", &temp.store).await, Run::submit("api", &temp.store).await);
    assert_eq!(temp.store.acquire(&other.key, run.id).await, Err(StoreError::NotFound));
    temp.store.acquire(&other.key, other.id).await.unwrap();
    temp.store.acquire(&run.key, run.id).await.unwrap();
}
