//! Laws of the lease: fences only grow, and the turn goes by the order of acceptance.

use super::store::{StoreFixture, Writer};
use super::{Breach, Law, Verdict};
use crate::admission::UNLIMITED;
use crate::engine::Store;
use crate::id::{DeploymentId, Fence, Name, Seq};
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
        let fence = law.ok("acquiring", store.acquire(&writer.key, writer.id, UNLIMITED).await)?;
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
    let early = store.acquire(&second.key, second.id, UNLIMITED).await;
    law.same("acquiring before one's turn", early, busy.clone())?;
    let fence = law.ok("acquiring", store.acquire(&first.key, first.id, UNLIMITED).await)?;
    let held = store.acquire(&second.key, second.id, UNLIMITED).await;
    law.same("acquiring what is held", held, busy.clone())?;
    law.ok("releasing", store.release(&first.key, fence).await)?;
    let early = store.acquire(&second.key, second.id, UNLIMITED).await;
    law.same("acquiring before the elder has ended", early, busy)?;
    law.ok("ending", first.end(&*store, StatusName::Stopped, None).await)?;
    let next = law.ok("acquiring in turn", store.acquire(&second.key, second.id, UNLIMITED).await)?;
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
    let refused = store.acquire(&early_id.key, early_id.id, UNLIMITED).await;
    law.same("acquiring with the smaller id", refused, Err(StoreError::Busy { holder: late_id.id }))?;
    law.ok("acquiring as the elder", store.acquire(&late_id.key, late_id.id, UNLIMITED).await).map(drop)
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
        first.fence = Some(law.ok("acquiring", store.acquire(&first.key, first.id, UNLIMITED).await)?);
        law.ok("appending", first.append(&*store, 1, rest).await)?;
        let what = format!("acquiring behind one that is {}", rest.as_str());
        law.ok(&what, store.acquire(&second.key, second.id, UNLIMITED).await)?;
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
    let old = law.ok("acquiring", store.acquire(&first.key, first.id, UNLIMITED).await)?;
    first.fence = Some(old);
    law.ok("ending", first.append(&*store, 1, StatusName::Failed).await)?;
    let new = law.ok("acquiring", store.acquire(&second.key, second.id, UNLIMITED).await)?;
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
    law.ok("acquiring", store.acquire(&younger.key, younger.id, UNLIMITED).await)?;
    law.ok("rechecking", elder.append(&*store, 1, StatusName::Queued).await)?;
    let refused = store.acquire(&elder.key, elder.id, UNLIMITED).await;
    law.same("acquiring as the elder", refused, Err(StoreError::Busy { holder: younger.id }))?;
    law.ok("acquiring again as the holder", store.acquire(&younger.key, younger.id, UNLIMITED).await)
        .map(drop)
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
    let answer = store.acquire(&writer.key, writer.id, UNLIMITED).await;
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
    let answer = store.acquire(&other.key, own.id, UNLIMITED).await;
    law.same("acquiring another's resource", answer, Err(StoreError::NotFound))?;
    law.ok("acquiring as its owner", store.acquire(&other.key, other.id, UNLIMITED).await)?;
    law.ok("acquiring one's own", store.acquire(&own.key, own.id, UNLIMITED).await).map(drop)
}

fn acme() -> Name {
    "acme".parse().expect("a name")
}

/// Deployments of one workspace, each of a resource of its own, oldest first.
async fn of_acme(law: Law, store: &dyn Store, count: usize) -> Result<Vec<Writer>, Breach> {
    let mut writers = Vec::new();
    for number in 0..count {
        let writer = Writer { workspace: acme(), last: Seq(1), ..Writer::new(&format!("r{number}")) };
        law.ok("submitting", store.create(writer.submission(WhenBusy::Wait)).await)?;
        writers.push(writer);
    }
    Ok(writers)
}

/// The limit is counted over all resources of a workspace, over those that own theirs now; other workspaces
/// have limits of their own, and who owns already is not counted again.
///
/// # Errors
/// What was seen instead.
pub async fn a_workspace_runs_no_more_at_once_than_it_may(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "a_workspace_runs_no_more_at_once_than_it_may",
        "count who owns a resource of the workspace in the transaction that grants",
    );
    let store = fixture.store();
    let mut writers = of_acme(law, &*store, 4).await?;
    let other = law.ok("submitting for another workspace", Writer::submit("web", &*store).await)?;
    for writer in &mut writers[..2] {
        writer.fence = Some(law.ok("acquiring", store.acquire(&writer.key, writer.id, 2).await)?);
    }
    let full = Err(StoreError::WorkspaceFull { running: 2 });
    law.same("the third", store.acquire(&writers[2].key, writers[2].id, 2).await, full.clone())?;
    law.ok("acquiring for another workspace", store.acquire(&other.key, other.id, 1).await)?;
    let fence = law.ok("taking it again", store.acquire(&writers[0].key, writers[0].id, 2).await)?;
    writers[0].fence = Some(fence);
    law.ok("ending", writers[0].end(&*store, StatusName::Stopped, None).await)?;
    law.ok("the third, once one has ended", store.acquire(&writers[2].key, writers[2].id, 2).await)?;
    law.ok("giving back", store.release(&writers[2].key, Fence(1)).await)?;
    law.ok("the third again", store.acquire(&writers[2].key, writers[2].id, 2).await)?;
    law.same("the fourth", store.acquire(&writers[3].key, writers[3].id, 2).await, full)
}

/// Nobody overtakes whoever could go on and was accepted before; who waits for its own resource is passed.
///
/// # Errors
/// What was seen instead.
pub async fn the_turns_of_a_workspace_go_by_acceptance(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "the_turns_of_a_workspace_go_by_acceptance",
        "leave room for every elder of the workspace that could go on",
    );
    let store = fixture.store();
    let mut first = of_acme(law, &*store, 1).await?.remove(0);
    let behind = Writer { workspace: acme(), last: Seq(1), ..Writer::new("r0") };
    law.ok("submitting behind it", store.create(behind.submission(WhenBusy::Wait)).await)?;
    let mut writers = Vec::new();
    for name in ["a", "b"] {
        let writer = Writer { workspace: acme(), last: Seq(1), ..Writer::new(name) };
        law.ok("submitting", store.create(writer.submission(WhenBusy::Wait)).await)?;
        writers.push(writer);
    }
    first.fence = Some(law.ok("acquiring", store.acquire(&first.key, first.id, 2).await)?);
    let early = store.acquire(&writers[1].key, writers[1].id, 2).await;
    law.same("overtaking", early, Err(StoreError::WorkspaceFull { running: 1 }))?;
    law.ok(
        "passing one that waits for its resource",
        store.acquire(&writers[0].key, writers[0].id, 2).await,
    )?;
    law.ok("ending", first.end(&*store, StatusName::Stopped, None).await)?;
    let early = store.acquire(&writers[1].key, writers[1].id, 2).await;
    law.same("overtaking the one behind", early, Err(StoreError::WorkspaceFull { running: 1 }))?;
    law.ok("the one behind", store.acquire(&behind.key, behind.id, 2).await).map(drop)
}

/// However many ask at the same time, exactly as many are granted as may run, and they are the eldest.
///
/// # Errors
/// What was seen instead.
pub async fn many_that_ask_at_once_get_what_there_is(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "many_that_ask_at_once_get_what_there_is",
        "count and grant in one transaction, so that two that ask at once don't both get the last place",
    );
    const MAY: u32 = 5;
    let writers = of_acme(law, &*fixture.store(), 60).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for (number, writer) in writers.iter().enumerate() {
        let (store, writer) = (fixture.store(), writer.clone());
        tasks.spawn(async move { (number, store.acquire(&writer.key, writer.id, MAY).await.is_ok()) });
    }
    let answers = tasks.join_all().await;
    let mut granted: Vec<usize> = answers.iter().filter(|(_, ok)| *ok).map(|(number, _)| *number).collect();
    granted.sort_unstable();
    law.same("who was granted", granted, (0..MAY as usize).collect())
}

/// Somebody who is paused, or whom a policy defers, keeps their place and nobody waits for them.
///
/// # Errors
/// What was seen instead.
pub async fn who_is_paused_or_deferred_takes_nobodys_turn(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "who_is_paused_or_deferred_takes_nobodys_turn",
        "reserve room only for who asks for its turn: see Status::asks_for_its_turn",
    );
    let store = fixture.store();
    let mut writers = of_acme(law, &*store, 4).await?;
    writers[0].paused = true;
    law.ok("pausing", writers[0].append(&*store, 1, StatusName::Queued).await)?;
    writers[1].deferred = vec![crate::testkit::frozen()];
    law.ok("deferring", writers[1].append(&*store, 1, StatusName::Queued).await)?;
    let behind = Writer { workspace: acme(), last: Seq(1), ..Writer::new("r1") };
    law.ok("submitting behind the deferred", store.create(behind.submission(WhenBusy::Wait)).await)?;
    writers[2].fence = Some(law.ok("passing both", store.acquire(&writers[2].key, writers[2].id, 1).await)?);
    writers[1].deferred.clear();
    law.ok("admitting", writers[1].append(&*store, 1, StatusName::Queued).await)?;
    law.ok("ending", writers[2].end(&*store, StatusName::Stopped, None).await)?;
    let early = store.acquire(&writers[3].key, writers[3].id, 1).await;
    law.same("overtaking who was admitted", early, Err(StoreError::WorkspaceFull { running: 0 }))?;
    law.ok("who was admitted", store.acquire(&writers[1].key, writers[1].id, 1).await).map(drop)
}

/// The ones that a store calls are exactly those that it would grant to, eldest first.
///
/// # Errors
/// What was seen instead.
pub async fn who_is_called_would_be_granted(fixture: &impl StoreFixture) -> Verdict {
    let law = Law("who_is_called_would_be_granted", "let `turns` and `acquire` follow the same rules");
    let store = fixture.store();
    let writers = of_acme(law, &*store, 5).await?;
    let elder = Writer { workspace: acme(), last: Seq(1), ..Writer::new("r0") };
    law.ok("submitting behind another", store.create(elder.submission(WhenBusy::Wait)).await)?;
    let ids = |writers: &[Writer]| writers.iter().map(|writer| writer.id).collect::<Vec<_>>();
    law.same("all that could go on", store.turns(&acme(), UNLIMITED, 64).await, Ok(ids(&writers)))?;
    law.same("the first two", store.turns(&acme(), UNLIMITED, 2).await, Ok(ids(&writers[..2])))?;
    law.same("with room for three", store.turns(&acme(), 3, 64).await, Ok(ids(&writers[..3])))?;
    for writer in &writers[..2] {
        law.ok("acquiring", store.acquire(&writer.key, writer.id, 3).await)?;
    }
    law.same("with room for one more", store.turns(&acme(), 3, 64).await, Ok(ids(&writers[2..3])))?;
    law.ok("acquiring in turn", store.acquire(&writers[2].key, writers[2].id, 3).await)?;
    law.same("without room", store.turns(&acme(), 3, 64).await, Ok(Vec::new()))
}
