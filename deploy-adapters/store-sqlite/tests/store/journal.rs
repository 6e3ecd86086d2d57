//! The journal: two handles, commits shared with others, limits. Its rules are in the contract.

use std::time::Duration;

use crate::common::{Run, Temp, at, digest, fresh_name};
use deploy_core::id::Seq;
use deploy_core::port::{Append, Create, Created, Journal as _, StoreError, WhenBusy};
use deploy_core::status::StatusName;
use deploy_store_sqlite::{Limits, SqliteStore};

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

fn with_key(run: &Run, key: &str, request: &str) -> Create {
    Create { idempotency: Some((key.to_owned(), digest(request))), ..run.submission(WhenBusy::Wait) }
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
