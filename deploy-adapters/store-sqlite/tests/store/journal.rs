//! The journal: positions, fences, idempotency keys, limits.

use std::time::Duration;

use crate::common::{Run, Temp, at, digest, fresh_name, new_id};
use deploy_core::id::{Fence, Seq};
use deploy_core::port::{
    Append, Catalogue as _, Create, Created, Journal as _, Lease as _, StoreError, WhenBusy,
};
use deploy_core::status::StatusName;
use deploy_store_sqlite::{Limits, SqliteStore};

#[tokio::test]
async fn inv_12_what_was_acknowledged_is_read_back_as_it_was() {
    let temp = Temp::new();
    let mut run = Run::submit("web", &temp.store).await;
    let append = run.events(3, StatusName::Executing);
    temp.store.append(append.clone()).await.unwrap();
    run.last = Seq(4);
    let temp = temp.reopened().await;
    assert_eq!(temp.store.events(run.id, Seq(1), usize::MAX).await.unwrap(), append.events);
    assert_eq!(temp.store.status(run.id).await.unwrap(), append.status);
    assert_eq!(temp.store.unfinished().await.unwrap(), [run.id]);
}

#[tokio::test]
async fn inv_14_numbers_have_no_gap_and_pages_join() {
    let temp = Temp::new();
    let mut run = Run::submit("web", &temp.store).await;
    for count in [1, 5, 2] {
        run.append(&temp.store, count, StatusName::Executing).await.unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), Seq(0));
    loop {
        let page = temp.store.events(run.id, after, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.sequence;
        seen.extend(page.iter().map(|event| event.sequence.0));
    }
    assert_eq!(seen, (1..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn inv_14_an_append_with_a_gap_or_of_another_deployment_is_refused_whole() {
    let temp = Temp::new();
    let mut run = Run::submit("web", &temp.store).await;
    let mut gap = run.events(3, StatusName::Executing);
    gap.events.remove(1);
    let mut stranger = run.events(1, StatusName::Executing);
    stranger.events[0].deployment = new_id();
    let mut behind = run.events(2, StatusName::Executing);
    behind.status.sequence = Seq(2);
    let empty = Append { events: Vec::new(), ..run.events(1, StatusName::Executing) };
    for append in [gap, stranger, behind, empty] {
        assert!(matches!(temp.store.append(append).await, Err(StoreError::Corrupt { .. })));
    }
    run.append(&temp.store, 1, StatusName::Executing).await.unwrap();
    assert_eq!(temp.store.events(run.id, Seq(0), 10).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_17_of_two_writers_at_one_position_exactly_one_wins() {
    let temp = Temp::new();
    let other = SqliteStore::open(temp.dir.path(), Limits::default()).unwrap();
    let mut run = Run::submit("web", &temp.store).await;
    for _ in 0..20 {
        let append = run.events(1, StatusName::Executing);
        let (one, two) = tokio::join!(temp.store.append(append.clone()), other.append(append));
        let actual = run.last.next();
        let conflict = Err(StoreError::Conflict { actual });
        assert!((one == Ok(()) && two == conflict) || (two == Ok(()) && one == conflict), "{one:?} {two:?}");
        run.last = actual;
    }
}

#[tokio::test]
async fn inv_17_the_same_append_again_is_a_conflict_that_names_the_last_event() {
    let temp = Temp::new();
    let run = Run::submit("web", &temp.store).await;
    let append = run.events(2, StatusName::Executing);
    temp.store.append(append.clone()).await.unwrap();
    assert_eq!(temp.store.append(append.clone()).await, Err(StoreError::Conflict { actual: Seq(3) }));
    assert_eq!(temp.store.events(run.id, Seq(1), 10).await.unwrap(), append.events);
    let again = temp.store.create(run.submission(WhenBusy::Wait)).await;
    assert_eq!(again, Err(StoreError::Conflict { actual: Seq(3) }));
}

#[tokio::test]
async fn inv_17_one_refused_write_spoils_no_other_in_its_commit() {
    let temp = Temp::new();
    let (mut good, bad) = (Run::submit("good", &temp.store).await, Run::submit("bad", &temp.store).await);
    for _ in 0..10 {
        let early = Append { after: Seq(7), ..bad.events(1, StatusName::Executing) };
        let mut early = Append { events: early.events, ..early };
        early.events[0].sequence = Seq(8);
        early.status.sequence = Seq(8);
        let (refused, taken) =
            tokio::join!(temp.store.append(early), temp.store.append(good.events(1, StatusName::Executing)));
        assert_eq!(refused, Err(StoreError::Conflict { actual: Seq(1) }));
        assert_eq!(taken, Ok(()));
        good.last = good.last.next();
    }
}

#[tokio::test]
async fn inv_22_a_fenced_out_writer_appends_nothing() {
    let temp = Temp::new();
    let mut run = Run::submit("web", &temp.store).await;
    let old = temp.store.acquire(&run.key, run.id).await.unwrap();
    let new = temp.store.acquire(&run.key, run.id).await.unwrap();
    let fenced = Err(StoreError::Fenced { current: new });
    run.fence = Some(old);
    assert_eq!(run.append(&temp.store, 1, StatusName::Executing).await, fenced);
    run.fence = Some(Fence(new.0 + 1));
    assert_eq!(run.append(&temp.store, 1, StatusName::Executing).await, fenced);
    run.fence = Some(new);
    run.append(&temp.store, 1, StatusName::Executing).await.unwrap();
    temp.store.release(&run.key, new).await.unwrap();
    assert_eq!(run.append(&temp.store, 1, StatusName::Executing).await, fenced);
}

#[tokio::test]
async fn inv_22_the_right_fence_in_the_wrong_hands_appends_nothing() {
    let temp = Temp::new();
    let owner = Run::submit("web", &temp.store).await;
    let mut waiting = Run::submit("web", &temp.store).await;
    let fence = temp.store.acquire(&owner.key, owner.id).await.unwrap();
    waiting.fence = Some(fence);
    let refused = waiting.append(&temp.store, 1, StatusName::Executing).await;
    assert_eq!(refused, Err(StoreError::Fenced { current: fence }));
}

fn with_key(run: &Run, key: &str, request: &str) -> Create {
    Create { idempotency: Some((key.to_owned(), digest(request))), ..run.submission(WhenBusy::Wait) }
}

#[tokio::test]
async fn inv_19_the_same_key_and_request_is_the_same_run_also_after_a_restart() {
    let temp = Temp::new();
    let (first, second) = (Run::new("web"), Run::new("web"));
    assert_eq!(temp.store.create(with_key(&first, "k", "a")).await, Ok(Created::New));
    assert_eq!(temp.store.create(with_key(&second, "k", "a")).await, Ok(Created::Known(first.id)));
    let temp = temp.reopened().await;
    // A key comes before everything else: it answers even where a new submission would be refused.
    let refuse = Create { busy: WhenBusy::Refuse, ..with_key(&second, "k", "a") };
    assert_eq!(temp.store.create(refuse).await, Ok(Created::Known(first.id)));
    assert_eq!(temp.store.create(with_key(&second, "k", "b")).await, Err(StoreError::KeyReused));
    assert_eq!(temp.store.unfinished().await.unwrap(), [first.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_19_of_many_at_once_under_one_key_one_is_new() {
    let temp = Temp::new();
    let runs: Vec<_> = (0..50).map(|_| Run::new("web")).collect();
    let tasks = runs.iter().map(|run| {
        let (store, create) = (temp.store.clone(), with_key(run, "k", "a"));
        tokio::spawn(async move { store.create(create).await.unwrap() })
    });
    let mut answers = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        answers.push(task.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| **answer == Created::New).count(), 1);
    let there = temp.store.unfinished().await.unwrap();
    assert_eq!(there.len(), 1);
    assert!(
        answers.iter().all(|answer| matches!(answer, Created::New) || *answer == Created::Known(there[0]))
    );
}

fn later(mut create: Create, hours: i64) -> Create {
    create.append.events[0].at = at(hours * 3_600_000);
    create
}

#[tokio::test]
async fn inv_18_a_clock_that_jumps_ahead_forgets_no_key() {
    let temp = Temp::new();
    let run = Run::new("web");
    temp.store.create(with_key(&run, "k", "a")).await.unwrap();
    temp.store.create(later(with_key(&Run::new("web"), "other", "a"), 24 * 365)).await.unwrap();
    let again = temp.store.create(with_key(&Run::new("web"), "k", "a")).await;
    assert_eq!(again, Ok(Created::Known(run.id)));
}

#[tokio::test]
async fn inv_19_a_key_is_remembered_for_a_day_however_many_come_after_it() {
    let temp = Temp::with(Limits { keys_kept: 0, ..Limits::default() });
    let run = Run::new("web");
    temp.store.create(with_key(&run, "k", "a")).await.unwrap();
    for n in 0..30 {
        let create = with_key(&Run::new(&fresh_name()), &format!("other {n}"), "a");
        temp.store.create(later(create, 24)).await.unwrap();
    }
    let again = temp.store.create(with_key(&Run::new("web"), "k", "a")).await;
    assert_eq!(again, Ok(Created::Known(run.id)));
}

#[tokio::test]
async fn inv_39_keys_that_are_old_and_far_behind_are_forgotten() {
    let temp = Temp::with(Limits { keys_kept: 2, key_age: Duration::from_hours(24), ..Limits::default() });
    for (n, hours) in [(0, 0), (1, 0), (2, 23), (3, 25), (4, 50)] {
        let create = with_key(&Run::new(&fresh_name()), &format!("k{n}"), "a");
        temp.store.create(later(create, hours)).await.unwrap();
    }
    let keys: Vec<String> = {
        let sql = temp.sql();
        let mut select = sql.prepare("SELECT key FROM idempotency ORDER BY key").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    // k3 is older than a day at hour 50, but among the newest two.
    assert_eq!(keys, ["k3", "k4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_20_of_200_submissions_at_once_exactly_one_is_new() {
    let temp = Temp::new();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let store = temp.store.clone();
            tokio::spawn(async move { store.create(Run::new("web").submission(WhenBusy::Refuse)).await })
        })
        .collect();
    let (mut new, mut busy) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(Created::New) => new += 1,
            Err(StoreError::Busy { .. }) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new, busy), (1, 199));
}

#[tokio::test]
async fn inv_20_a_blocked_deployment_is_in_nobodys_way() {
    let temp = Temp::new();
    let mut run = Run::submit("web", &temp.store).await;
    let refused = temp.store.create(Run::new("web").submission(WhenBusy::Refuse)).await;
    assert_eq!(refused, Err(StoreError::Busy { holder: run.id }));
    run.append(&temp.store, 1, StatusName::Blocked).await.unwrap();
    let taken = temp.store.create(Run::new("web").submission(WhenBusy::Refuse)).await;
    assert_eq!(taken, Ok(Created::New));
    assert_eq!(temp.store.unfinished().await.unwrap().len(), 2);
}

#[tokio::test]
async fn inv_39_a_queue_has_an_end() {
    let temp = Temp::with(Limits { unfinished_per_resource: 3, ..Limits::default() });
    let mut first = Run::submit("web", &temp.store).await;
    Run::submit("web", &temp.store).await;
    Run::submit("web", &temp.store).await;
    let full = temp.store.create(Run::new("web").submission(WhenBusy::Wait)).await;
    assert!(matches!(full, Err(StoreError::Limit { .. })));
    Run::submit("other", &temp.store).await;
    first.end(&temp.store, StatusName::Stopped, None).await.unwrap();
    Run::submit("web", &temp.store).await;
}

#[tokio::test]
async fn inv_39_events_and_records_have_limits_but_an_ending_is_always_taken() {
    let limits =
        Limits { events_per_deployment: 4, events_per_append: 3, record_bytes: 4_096, ..Limits::default() };
    let temp = Temp::with(limits);
    let mut run = Run::submit("web", &temp.store).await;
    let limit = |result| matches!(result, Err(StoreError::Limit { .. }));
    assert!(limit(run.append(&temp.store, 4, StatusName::Executing).await));
    run.append(&temp.store, 3, StatusName::Executing).await.unwrap();
    assert!(limit(run.append(&temp.store, 1, StatusName::Executing).await));
    let mut large = run.events(1, StatusName::Failed);
    large.status.recovery_hint = Some("x".repeat(5_000));
    assert!(limit(temp.store.append(large).await));
    run.end(&temp.store, StatusName::Failed, None).await.unwrap();
    let key = Create {
        idempotency: Some(("k".repeat(257), digest("a"))),
        ..Run::new("b").submission(WhenBusy::Wait)
    };
    assert!(limit(temp.store.create(key).await.map(drop)));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let temp = Temp::new();
    let run = Run::new("web");
    assert_eq!(temp.store.events(run.id, Seq(0), 1).await, Err(StoreError::NotFound));
    assert_eq!(temp.store.append(run.events(1, StatusName::Queued)).await, Err(StoreError::NotFound));
    assert_eq!(temp.store.status(run.id).await, Err(StoreError::NotFound));
    assert_eq!(temp.store.acquire(&run.key, run.id).await, Err(StoreError::NotFound));
    assert_eq!(temp.store.release(&run.key, Fence(1)).await, Ok(()));
}
