//! Laws of the journal: positions, fences, idempotency keys, and what is not finished.

use super::store::{StoreFixture, Writer, new_id};
use super::{Law, Verdict};
use crate::admission::UNLIMITED;
use crate::id::{DeploymentId, Fence, Seq};
use crate::port::{Append, Create, Created, StoreError, WhenBusy};
use crate::status::StatusName;
use crate::testkit::digest;

/// Events and status are read back as they were written, also after a restart.
///
/// # Errors
/// What was seen instead.
pub async fn what_was_acknowledged_is_read_back_as_it_was(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "what_was_acknowledged_is_read_back_as_it_was",
        "acknowledge an append only when events and status are stored together, whole and durable",
    );
    let store = fixture.store();
    let writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let append = writer.events(3, StatusName::Executing);
    law.ok("appending", store.append(append.clone()).await)?;
    drop(store);
    let reopened = fixture.reopened().await;
    let store = reopened.unwrap_or_else(|| fixture.store());
    let events = law.ok("reading", store.events(writer.id, Seq(1), usize::MAX).await)?;
    law.same("what was read back", events, append.events)?;
    let status = law.ok("reading the status", store.status(writer.id).await)?;
    law.holds(status == append.status, || format!("the status is that of event {}", status.sequence))
}

/// The events of a deployment are numbered from 1 without a gap, however they are paged.
///
/// # Errors
/// What was seen instead.
pub async fn numbers_have_no_gap_and_pages_join(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "numbers_have_no_gap_and_pages_join",
        "order events by their number, and cut a page at its limit",
    );
    let store = fixture.store();
    let mut writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    for count in [1, 5, 2] {
        law.ok("appending", writer.append(&*store, count, StatusName::Executing).await)?;
    }
    let (mut seen, mut after) = (Vec::new(), Seq(0));
    loop {
        let page = law.ok("reading a page", store.events(writer.id, after, 4).await)?;
        law.holds(page.len() <= 4, || format!("a page of at most 4 events holds {}", page.len()))?;
        let Some(last) = page.last() else { break };
        after = last.sequence;
        seen.extend(page.iter().map(|event| event.sequence.0));
    }
    law.same("the numbers", seen, (1..=9).collect())
}

/// Events with a gap, of another deployment, with a status of another event, or none at all: nothing of
/// such an append is kept.
///
/// # Errors
/// What was seen instead.
pub async fn an_append_that_does_not_fit_is_refused_whole(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "an_append_that_does_not_fit_is_refused_whole",
        "check numbers, deployment and status of the whole append before anything is written; say Corrupt",
    );
    let store = fixture.store();
    let mut writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let mut gap = writer.events(3, StatusName::Executing);
    gap.events.remove(1);
    let mut stranger = writer.events(1, StatusName::Executing);
    stranger.events[0].deployment = new_id();
    let mut behind = writer.events(2, StatusName::Executing);
    behind.status.sequence = Seq(2);
    let empty = Append { events: Vec::new(), ..writer.events(1, StatusName::Executing) };
    let wrong =
        [("a gap", gap), ("another's event", stranger), ("an old status", behind), ("nothing", empty)];
    for (what, append) in wrong {
        let answer = store.append(append).await;
        let refused = matches!(answer, Err(StoreError::Corrupt { .. }));
        law.holds(refused, || format!("an append with {what} is answered {answer:?}"))?;
    }
    law.ok("appending what fits", writer.append(&*store, 1, StatusName::Executing).await)?;
    let events = law.ok("reading", store.events(writer.id, Seq(0), 10).await)?;
    law.same("the number of events", events.len(), 2)
}

/// Two writers at one position: one is written, the other is told of it.
///
/// # Errors
/// What was seen instead.
pub async fn of_two_writers_at_one_position_exactly_one_wins(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "of_two_writers_at_one_position_exactly_one_wins",
        "compare the position and write in one transaction",
    );
    let store = fixture.store();
    let mut writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    for _ in 0..20 {
        let append = writer.events(1, StatusName::Executing);
        let (one, two) = tokio::join!(store.append(append.clone()), store.append(append));
        let actual = writer.last.next();
        let conflict = Err(StoreError::Conflict { actual });
        let fair = (one == Ok(()) && two == conflict) || (two == Ok(()) && one == conflict);
        law.holds(fair, || format!("at event {actual} the two are answered {one:?} and {two:?}"))?;
        writer.last = actual;
    }
    Ok(())
}

/// This is how a writer whose answer was lost finds out that it had written.
///
/// # Errors
/// What was seen instead.
pub async fn the_same_append_again_is_a_conflict_that_names_the_last_event(
    fixture: &impl StoreFixture,
) -> Verdict {
    let law = Law(
        "the_same_append_again_is_a_conflict_that_names_the_last_event",
        "answer Conflict with the number of the last event, and write nothing",
    );
    let store = fixture.store();
    let writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let append = writer.events(2, StatusName::Executing);
    law.ok("appending", store.append(append.clone()).await)?;
    let conflict = Err(StoreError::Conflict { actual: Seq(3) });
    law.same("the answer", store.append(append.clone()).await, conflict.clone())?;
    let events = law.ok("reading", store.events(writer.id, Seq(1), 10).await)?;
    law.same("what is stored", events, append.events)?;
    let again = store.create(writer.submission(WhenBusy::Wait)).await.map(drop);
    law.same("submitting the same deployment again", again, conflict)
}

/// Only the fence that was given out last writes, and only until it is given back.
///
/// # Errors
/// What was seen instead.
pub async fn a_fenced_out_writer_appends_nothing(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "a_fenced_out_writer_appends_nothing",
        "compare the fence with the lease inside the transaction that writes; say Fenced with the valid one",
    );
    let store = fixture.store();
    let mut writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let old = law.ok("acquiring", store.acquire(&writer.key, writer.id, UNLIMITED).await)?;
    let new = law.ok("acquiring again", store.acquire(&writer.key, writer.id, UNLIMITED).await)?;
    let fenced = Err(StoreError::Fenced { current: new });
    for stale in [old, Fence(new.0 + 1)] {
        writer.fence = Some(stale);
        let answer = writer.append(&*store, 1, StatusName::Executing).await;
        law.same(&format!("an append under {stale:?}"), answer, fenced.clone())?;
    }
    writer.fence = Some(new);
    law.ok("appending under the valid fence", writer.append(&*store, 1, StatusName::Executing).await)?;
    law.ok("releasing", store.release(&writer.key, new).await)?;
    let answer = writer.append(&*store, 1, StatusName::Executing).await;
    law.same("an append under a fence that was given back", answer, fenced)
}

/// A fence is worth something only in the hands of the deployment that holds the resource.
///
/// # Errors
/// What was seen instead.
pub async fn the_right_fence_in_the_wrong_hands_appends_nothing(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "the_right_fence_in_the_wrong_hands_appends_nothing",
        "compare the holder of the lease with the deployment that writes, not the number alone",
    );
    let store = fixture.store();
    let owner = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let mut waiting = law.ok("submitting another", Writer::submit("web", &*store).await)?;
    let fence = law.ok("acquiring", store.acquire(&owner.key, owner.id, UNLIMITED).await)?;
    waiting.fence = Some(fence);
    let answer = waiting.append(&*store, 1, StatusName::Executing).await;
    law.same("the answer", answer, Err(StoreError::Fenced { current: fence }))
}

/// A key comes before everything else: it answers even where a new submission would be refused, and
/// also after a restart.
///
/// # Errors
/// What was seen instead.
pub async fn the_same_key_and_request_is_the_same_deployment(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "the_same_key_and_request_is_the_same_deployment",
        "store the key with the submission in one transaction, and look it up before anything else",
    );
    let store = fixture.store();
    let (first, second) = (Writer::new("web"), Writer::new("web"));
    law.same("the first answer", store.create(first.submission_under("k", "a")).await, Ok(Created::New))?;
    let known = Ok(Created::Known(first.id));
    law.same("the second answer", store.create(second.submission_under("k", "a")).await, known.clone())?;
    drop(store);
    let store = fixture.reopened().await.unwrap_or_else(|| fixture.store());
    let refusing = Create { busy: WhenBusy::Refuse, ..second.submission_under("k", "a") };
    law.same("the answer where the resource is busy", store.create(refusing).await, known)?;
    law.same("the unfinished", store.unfinished().await, Ok(vec![first.id]))
}

/// A key stands for one request.
///
/// # Errors
/// What was seen instead.
pub async fn a_key_used_for_another_request_is_refused(fixture: &impl StoreFixture) -> Verdict {
    let law =
        Law("a_key_used_for_another_request_is_refused", "keep the digest of the request beside the key");
    let store = fixture.store();
    let (first, second) = (Writer::new("web"), Writer::new("web"));
    law.ok("submitting", store.create(first.submission_under("k", "a")).await)?;
    let answer = store.create(second.submission_under("k", "b")).await;
    law.same("the answer", answer, Err(StoreError::KeyReused))?;
    law.same("the unfinished", store.unfinished().await, Ok(vec![first.id]))
}

/// Whoever asks at the same time under one key gets the same deployment.
///
/// # Errors
/// What was seen instead.
pub async fn of_many_at_once_under_one_key_one_is_new(fixture: &impl StoreFixture) -> Verdict {
    let law =
        Law("of_many_at_once_under_one_key_one_is_new", "look the key up in the transaction that writes it");
    let answers = at_once(fixture, |writer| writer.submission_under("k", "a")).await;
    let new = answers.iter().filter(|(_, answer)| *answer == Ok(Created::New)).count();
    law.same("the number of new deployments", new, 1)?;
    let there = law.ok("reading", fixture.store().unfinished().await)?;
    law.same("the number of deployments", there.len(), 1)?;
    let same = |answer: &Result<Created, StoreError>| {
        *answer == Ok(Created::New) || *answer == Ok(Created::Known(there[0]))
    };
    let other = answers.iter().find(|(_, answer)| !same(answer));
    law.holds(other.is_none(), || format!("one is answered {other:?}"))
}

/// Of many submissions that will not wait, one is taken and the others are told who is in the way.
///
/// # Errors
/// What was seen instead.
pub async fn of_many_submissions_at_once_exactly_one_is_new(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "of_many_submissions_at_once_exactly_one_is_new",
        "look for an unfinished deployment in the transaction that writes the submission",
    );
    let answers = at_once(fixture, |writer| writer.submission(WhenBusy::Refuse)).await;
    let new: Vec<DeploymentId> =
        answers.iter().filter(|(_, answer)| *answer == Ok(Created::New)).map(|(id, _)| *id).collect();
    law.same("the number of new deployments", new.len(), 1)?;
    let busy = Err(StoreError::Busy { holder: new[0] });
    let other = answers.iter().find(|(id, answer)| *id != new[0] && *answer != busy);
    law.holds(other.is_none(), || format!("one is answered {other:?}"))
}

async fn at_once(
    fixture: &impl StoreFixture,
    submission: impl Fn(&Writer) -> Create,
) -> Vec<(DeploymentId, Result<Created, StoreError>)> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let writer = Writer::new("web");
        let (store, create) = (fixture.store(), submission(&writer));
        tasks.spawn(async move { (writer.id, store.create(create).await) });
    }
    tasks.join_all().await
}

/// A plan that says no holds nothing: others may come in the meantime.
///
/// # Errors
/// What was seen instead.
pub async fn a_blocked_deployment_is_in_nobodys_way(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "a_blocked_deployment_is_in_nobodys_way",
        "leave out what rests in `blocked` when looking for who is busy",
    );
    let store = fixture.store();
    let mut writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let refused = store.create(Writer::new("web").submission(WhenBusy::Refuse)).await;
    law.same("the answer before", refused, Err(StoreError::Busy { holder: writer.id }))?;
    law.ok("appending", writer.append(&*store, 1, StatusName::Blocked).await)?;
    let taken = store.create(Writer::new("web").submission(WhenBusy::Refuse)).await;
    law.same("the answer behind a blocked one", taken, Ok(Created::New))?;
    law.same("the number of unfinished", store.unfinished().await.map(|all| all.len()), Ok(2))
}

/// What has no ending is taken up again, oldest first; what has one is not.
///
/// # Errors
/// What was seen instead.
pub async fn the_unfinished_are_listed_oldest_first(fixture: &impl StoreFixture) -> Verdict {
    let law =
        Law("the_unfinished_are_listed_oldest_first", "list by the order of acceptance, never by id or time");
    let store = fixture.store();
    let late = Writer::with_id("web", DeploymentId::new(uuid::Uuid::max()));
    let early = Writer::with_id("api", DeploymentId::new(uuid::Uuid::from_u128(1)));
    for writer in [&late, &early] {
        law.ok("submitting", store.create(writer.submission(WhenBusy::Wait)).await)?;
    }
    let mut ended = law.ok("submitting", Writer::submit("db", &*store).await)?;
    law.ok("ending", ended.end(&*store, StatusName::Stopped, None).await)?;
    law.same("the unfinished", store.unfinished().await, Ok(vec![late.id, early.id]))
}

/// Whoever waits is counted in the transaction that lets one more wait; who runs is not counted. A key that
/// is known is answered all the same.
///
/// # Errors
/// What was seen instead.
pub async fn a_workspace_takes_no_more_that_wait_than_it_may(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "a_workspace_takes_no_more_that_wait_than_it_may",
        "count the queued deployments of the workspace before one is added; say Limit",
    );
    let store = fixture.store();
    let submit = |create: Create| store.create(Create { waiting_max: 2, ..create });
    let mut first = Writer { last: Seq(1), ..Writer::new("a") };
    law.ok("submitting", submit(first.submission_under("k", "a")).await)?;
    law.ok("running", first.append(&*store, 1, StatusName::Executing).await)?;
    for name in ["b", "c"] {
        law.ok("submitting", submit(Writer::new(name).submission(WhenBusy::Wait)).await)?;
    }
    let refused = submit(Writer::new("d").submission(WhenBusy::Wait)).await;
    law.holds(matches!(refused, Err(StoreError::Limit { .. })), || format!("one too many: {refused:?}"))?;
    let known = submit(Writer::new("a").submission_under("k", "a")).await;
    law.same("the answer to a known key", known, Ok(Created::Known(first.id)))?;
    law.same("what is known", store.known("k", &digest("a")).await, Ok(Some(first.id)))?;
    law.same("another request", store.known("k", &digest("b")).await, Err(StoreError::KeyReused))?;
    law.same("what is not known", store.known("l", &digest("a")).await, Ok(None))?;
    let other = Writer { workspace: "other".parse().expect("a name"), ..Writer::new("d") };
    law.ok("submitting for another workspace", submit(other.submission(WhenBusy::Wait)).await).map(drop)
}

/// Nobody knows what was never submitted, and giving back what was never held is fine.
///
/// # Errors
/// What was seen instead.
pub async fn what_is_not_there_is_not_found(fixture: &impl StoreFixture) -> Verdict {
    let law = Law("what_is_not_there_is_not_found", "answer NotFound for a deployment without a record");
    let (store, writer) = (fixture.store(), Writer::new("web"));
    let missing = || Err(StoreError::NotFound);
    law.same("reading events", store.events(writer.id, Seq(0), 1).await.map(drop), missing())?;
    law.same("appending", store.append(writer.events(1, StatusName::Queued)).await, missing())?;
    law.same("reading the status", store.status(writer.id).await.map(drop), missing())?;
    law.same("acquiring", store.acquire(&writer.key, writer.id, UNLIMITED).await.map(drop), missing())?;
    law.same("giving back", store.release(&writer.key, Fence(1)).await, Ok(()))
}
