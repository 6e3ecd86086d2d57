//! Laws of the lease: fences only grow, and the turn goes by the order of acceptance.

use super::store::{StoreFixture, Writer};
use super::{Law, Verdict};
use crate::id::{DeploymentId, Fence};
use crate::port::{StoreError, WhenBusy};
use crate::status::StatusName;

/// Every fence is greater than any before it, over releases and restarts.
///
/// # Errors
/// What was seen instead.
pub async fn fences_strictly_grow(fixture: &impl StoreFixture) -> Verdict {
    let law = Law("fences_strictly_grow", "keep the epoch of a resource for ever and only count it up");
    let mut store = fixture.store();
    let writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let mut last = Fence(0);
    for turn in 0..6 {
        let fence = law.ok("acquiring", store.acquire(&writer.key, writer.id).await)?;
        law.holds(fence > last, || format!("{fence:?} follows {last:?}"))?;
        last = fence;
        if turn % 2 == 0 {
            law.ok("releasing", store.release(&writer.key, fence).await)?;
        }
        drop(store);
        store = fixture.reopened().await.unwrap_or_else(|| fixture.store());
    }
    Ok(())
}

/// The elder goes first, even while nobody holds the resource; the others are told who is ahead.
///
/// # Errors
/// What was seen instead.
pub async fn one_owner_at_a_time_first_come_first_served(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "one_owner_at_a_time_first_come_first_served",
        "refuse whoever is not the oldest unfinished deployment of the resource",
    );
    let store = fixture.store();
    let mut first = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let second = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let busy = Err(StoreError::Busy { holder: first.id });
    let early = store.acquire(&second.key, second.id).await;
    law.same("acquiring before one's turn", early, busy.clone())?;
    let fence = law.ok("acquiring", store.acquire(&first.key, first.id).await)?;
    let held = store.acquire(&second.key, second.id).await;
    law.same("acquiring what is held", held, busy.clone())?;
    law.ok("releasing", store.release(&first.key, fence).await)?;
    let early = store.acquire(&second.key, second.id).await;
    law.same("acquiring before the elder has ended", early, busy)?;
    law.ok("ending", first.end(&*store, StatusName::Stopped, None).await)?;
    let next = law.ok("acquiring in turn", store.acquire(&second.key, second.id).await)?;
    law.holds(next > fence, || format!("{next:?} follows {fence:?}"))
}

/// Ids are made from clocks, and clocks jump.
///
/// # Errors
/// What was seen instead.
pub async fn the_turn_goes_by_acceptance_not_by_id(fixture: &impl StoreFixture) -> Verdict {
    let law =
        Law("the_turn_goes_by_acceptance_not_by_id", "order by the store's own numbering of submissions");
    let store = fixture.store();
    let late_id = Writer::with_id("web", DeploymentId::new(uuid::Uuid::max()));
    let early_id = Writer::with_id("web", DeploymentId::new(uuid::Uuid::from_u128(1)));
    for writer in [&late_id, &early_id] {
        law.ok("submitting", store.create(writer.submission(WhenBusy::Wait)).await)?;
    }
    let refused = store.acquire(&early_id.key, early_id.id).await;
    law.same("acquiring with the smaller id", refused, Err(StoreError::Busy { holder: late_id.id }))?;
    law.ok("acquiring as the elder", store.acquire(&late_id.key, late_id.id).await).map(drop)
}

/// Whoever ended, or rests in `blocked`, is in nobody's way although the lease was never given back.
///
/// # Errors
/// What was seen instead.
pub async fn a_holder_that_rests_is_in_nobodys_way(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "a_holder_that_rests_is_in_nobodys_way",
        "look at the holder's recorded status: an owner that died can't give anything back",
    );
    let store = fixture.store();
    for (name, rest) in [("web", StatusName::Failed), ("api", StatusName::Blocked)] {
        let mut first = law.ok("submitting", Writer::submit(name, &*store).await)?;
        let second = law.ok("submitting", Writer::submit(name, &*store).await)?;
        first.fence = Some(law.ok("acquiring", store.acquire(&first.key, first.id).await)?);
        law.ok("appending", first.append(&*store, 1, rest).await)?;
        let what = format!("acquiring behind one that is {}", rest.as_str());
        law.ok(&what, store.acquire(&second.key, second.id).await)?;
    }
    Ok(())
}

/// An old owner that wakes up and gives back takes nothing from the new one.
///
/// # Errors
/// What was seen instead.
pub async fn giving_back_late_frees_nothing(fixture: &impl StoreFixture) -> Verdict {
    let law = Law("giving_back_late_frees_nothing", "release only if the fence is the one that holds");
    let store = fixture.store();
    let mut first = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let second = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let old = law.ok("acquiring", store.acquire(&first.key, first.id).await)?;
    first.fence = Some(old);
    law.ok("ending", first.append(&*store, 1, StatusName::Failed).await)?;
    let new = law.ok("acquiring", store.acquire(&second.key, second.id).await)?;
    law.ok("giving back late", store.release(&first.key, old).await)?;
    let mut owner = Writer { fence: Some(new), ..second };
    law.ok("appending as the owner", owner.append(&*store, 1, StatusName::Executing).await)
}

/// A blocked elder that is rechecked waits for whoever holds the resource now, who keeps it.
///
/// # Errors
/// What was seen instead.
pub async fn an_elder_that_comes_back_from_blocked_waits(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "an_elder_that_comes_back_from_blocked_waits",
        "let the present holder go first, then the order of acceptance",
    );
    let store = fixture.store();
    let mut elder = law.ok("submitting", Writer::submit("web", &*store).await)?;
    law.ok("blocking", elder.append(&*store, 1, StatusName::Blocked).await)?;
    let younger = law.ok("submitting", Writer::submit("web", &*store).await)?;
    law.ok("acquiring", store.acquire(&younger.key, younger.id).await)?;
    law.ok("rechecking", elder.append(&*store, 1, StatusName::Queued).await)?;
    let refused = store.acquire(&elder.key, elder.id).await;
    law.same("acquiring as the elder", refused, Err(StoreError::Busy { holder: younger.id }))?;
    law.ok("acquiring again as the holder", store.acquire(&younger.key, younger.id).await).map(drop)
}

/// What has ended owns nothing any more, ever.
///
/// # Errors
/// What was seen instead.
pub async fn an_ended_deployment_takes_nothing(fixture: &impl StoreFixture) -> Verdict {
    let law = Law("an_ended_deployment_takes_nothing", "answer Conflict with the number of its last event");
    let store = fixture.store();
    let mut writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    law.ok("ending", writer.end(&*store, StatusName::Stopped, None).await)?;
    let answer = store.acquire(&writer.key, writer.id).await;
    law.same("the answer", answer, Err(StoreError::Conflict { actual: writer.last }))
}

/// A deployment is of one resource, and asks for no other.
///
/// # Errors
/// What was seen instead.
pub async fn a_deployment_takes_only_its_own_resource(fixture: &impl StoreFixture) -> Verdict {
    let law =
        Law("a_deployment_takes_only_its_own_resource", "look the deployment up among those of the resource");
    let store = fixture.store();
    let own = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let other = law.ok("submitting", Writer::submit("api", &*store).await)?;
    let answer = store.acquire(&other.key, own.id).await;
    law.same("acquiring another's resource", answer, Err(StoreError::NotFound))?;
    law.ok("acquiring as its owner", store.acquire(&other.key, other.id).await)?;
    law.ok("acquiring one's own", store.acquire(&own.key, own.id).await).map(drop)
}
