//! Damage: it is found, it is named, and it stays where it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Run, Temp};
use deploy_core::id::Seq;
use deploy_core::port::{Catalogue as _, Journal as _, ListQuery, ReleaseChange, StoreError};
use deploy_core::status::StatusName;
use deploy_store_sqlite::{Limits, OpenError, Problem, SqliteStore};

const UNLOCK: &str = "DROP TRIGGER events_never_change; DROP TRIGGER events_never_go;";

async fn corrupt(temp: &Temp, run: &Run) -> String {
    match temp.store.events(run.id, Seq(0), 100).await {
        Err(StoreError::Corrupt { what }) => what,
        other => panic!("{other:?}"),
    }
}

async fn damaged(temp: &Temp) -> BTreeSet<String> {
    let problems = temp.store.check().await.unwrap().problems;
    let ids = problems.into_iter().map(|problem| match problem {
        Problem::Deployment { id, .. } | Problem::Release { id, .. } | Problem::Log { id, .. } => id,
        Problem::File { what } => panic!("{what}"),
    });
    ids.collect()
}

#[tokio::test]
async fn inv_14_stored_events_never_change() {
    let temp = Temp::new();
    Run::submit("web", &temp.store).await;
    for statement in ["UPDATE events SET body = '{}'", "DELETE FROM events"] {
        assert!(temp.sql().execute(statement, []).is_err());
    }
}

#[tokio::test]
async fn inv_14_every_kind_of_tampering_breaks_the_chain_of_that_deployment_only() {
    let tampering = [
        "UPDATE events SET body = replace(body, '2023', '2024') WHERE deployment = 1 AND sequence = 2",
        "UPDATE events SET body = CAST(x'ff00' AS TEXT) WHERE deployment = 1 AND sequence = 3",
        "UPDATE events SET hash = zeroblob(32) WHERE deployment = 1 AND sequence = 4",
        "DELETE FROM events WHERE deployment = 1 AND sequence = 1",
        "DELETE FROM events WHERE deployment = 1 AND sequence = 3",
        "DELETE FROM events WHERE deployment = 1 AND sequence = 5",
        "UPDATE events SET sequence = 99 WHERE deployment = 1 AND sequence = 5",
        "DELETE FROM events WHERE deployment = 1",
    ];
    for statement in tampering {
        let temp = Temp::new();
        let mut victim = Run::submit("web", &temp.store).await;
        victim.append(&temp.store, 4, StatusName::Executing).await.unwrap();
        let mut other = Run::submit("api", &temp.store).await;
        temp.sql().execute_batch(UNLOCK).unwrap();
        assert!(temp.sql().execute(statement, []).unwrap() > 0, "{statement}");
        let what = corrupt(&temp, &victim).await;
        assert!(what.contains("event"), "{statement}: {what}");
        assert_eq!(damaged(&temp).await, [victim.id.to_string()].into(), "{statement}");
        other.append(&temp.store, 1, StatusName::Executing).await.unwrap();
        assert_eq!(temp.store.events(other.id, Seq(0), 9).await.unwrap().len(), 2);
        assert_eq!(temp.store.unfinished().await.unwrap(), [victim.id, other.id]);
    }
}

#[tokio::test]
async fn inv_16_an_event_of_a_newer_version_concerns_its_deployment_only() {
    let temp = Temp::new();
    let mut newer = Run::submit("web", &temp.store).await;
    let mut append = newer.events(1, StatusName::Executing);
    append.events[0].schema = 99;
    temp.store.append(append).await.unwrap();
    newer.last = Seq(2);
    let other = Run::submit("api", &temp.store).await;
    let what = corrupt(&temp, &newer).await;
    assert!(what.contains("schema 99"), "{what}");
    assert_eq!(temp.store.events(other.id, Seq(0), 9).await.unwrap().len(), 1);
    assert_eq!(temp.store.unfinished().await.unwrap(), [newer.id, other.id]);
    newer.end(&temp.store, StatusName::Failed, None).await.expect("it can still be ended");
}

#[tokio::test]
async fn a_damaged_status_hides_no_other() {
    let temp = Temp::new();
    let (victim, other) = (Run::submit("web", &temp.store).await, Run::submit("api", &temp.store).await);
    let tamper = "UPDATE deployments SET status = replace(status, 'queued', 'succeeded') WHERE id = 1";
    assert_eq!(temp.sql().execute(tamper, []).unwrap(), 1);
    assert!(matches!(temp.store.status(victim.id).await, Err(StoreError::Corrupt { .. })));
    let listed = temp.store.list(&ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
    assert_eq!(listed.iter().map(|status| status.id).collect::<Vec<_>>(), [other.id]);
    assert_eq!(damaged(&temp).await, [victim.id.to_string()].into());
}

#[tokio::test]
async fn inv_34_while_a_release_cannot_be_read_nothing_may_be_removed() {
    let temp = Temp::new();
    let mut run = Run::submit("web", &temp.store).await;
    let record = run.release(1, "one");
    let id = record.id.to_string();
    run.end(&temp.store, StatusName::Succeeded, Some(ReleaseChange::Made(record))).await.unwrap();
    assert_eq!(temp.sql().execute("UPDATE releases SET record = replace(record, 'a', 'b')", []).unwrap(), 1);
    assert!(matches!(temp.store.retain(&run.key, 5).await, Err(StoreError::Corrupt { .. })));
    assert!(matches!(temp.store.kept().await, Err(StoreError::Corrupt { .. })));
    assert_eq!(damaged(&temp).await, [id].into());
}

#[tokio::test]
async fn inv_39_a_report_is_bounded() {
    let limits = Limits { problems: 3, ..Limits::default() };
    let temp = Temp::with(limits);
    for _ in 0..10 {
        Run::submit(&crate::common::fresh_name(), &temp.store).await;
    }
    temp.sql().execute("UPDATE deployments SET status = '{}'", []).unwrap();
    assert_eq!(temp.store.check().await.unwrap().problems.len(), 3);
}

/// What can be read of a store, by what it belongs to.
async fn everything(store: &SqliteStore, runs: &[Run]) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    for run in runs {
        if let Ok(events) = store.events(run.id, Seq(0), 100).await {
            seen.insert(format!("events of {}", run.id), format!("{events:?}"));
        }
        if let Ok(status) = store.status(run.id).await {
            seen.insert(format!("status of {}", run.id), format!("{status:?}"));
        }
    }
    if let Ok(kept) = store.kept().await {
        seen.insert("kept".to_owned(), format!("{:?}", kept.digests));
    }
    seen
}

/// Opens a damaged file. Whatever can still be read is what was written, or the check is not content.
async fn survives(bytes: &[u8], runs: &[Run], before: &BTreeMap<String, String>) -> bool {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store.db"), bytes).unwrap();
    let limits = Limits { reserve_bytes: 1 << 16, ..Limits::default() };
    let Ok(store) = SqliteStore::open(dir.path(), limits) else { return false };
    let after = everything(&store, runs).await;
    let sound = store.check().await.is_ok_and(|report| report.is_sound());
    for (what, value) in &after {
        let same = before.get(what) == Some(value);
        assert!(same || (!sound && what == "kept"), "{what} became {value}");
    }
    assert!(!sound || after.len() == before.len(), "something is missing, and nobody says so");
    store.close().await;
    sound
}

#[tokio::test]
async fn inv_14_no_flipped_bit_and_no_cut_file_goes_for_the_truth() {
    let temp = Temp::new();
    let mut runs = Vec::new();
    for version in 1..=6 {
        let mut run = Run::submit("web", &temp.store).await;
        run.append(&temp.store, 4, StatusName::Executing).await.unwrap();
        let record = run.release(version, &version.to_string());
        run.end(&temp.store, StatusName::Succeeded, Some(ReleaseChange::Made(record))).await.unwrap();
        runs.push(run);
    }
    let before = everything(&temp.store, &runs).await;
    temp.store.close().await;
    let good = std::fs::read(temp.dir.path().join("store.db")).unwrap();
    assert!(survives(&good, &runs, &before).await);
    let (mut flips, mut found) = (0, 0);
    // A step prime to the page's size comes by every kind of place; `STORE_FLIP_STEP` sets a finer one.
    let step = std::env::var("STORE_FLIP_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(509);
    for offset in (0..good.len()).step_by(step) {
        let mut bad = good.clone();
        bad[offset] ^= 1 << (offset % 8);
        flips += 1;
        found += usize::from(!survives(&bad, &runs, &before).await);
    }
    for page in 1..good.len() / 4_096 {
        assert!(!survives(&good[..page * 4_096], &runs, &before).await, "cut at page {page}");
    }
    // The rest hit places that hold nothing.
    assert!(found > flips / 8, "{found} of {flips} were found");
}

#[tokio::test]
async fn a_store_that_was_emptied_is_not_taken_for_a_new_one() {
    let temp = Temp::new();
    Run::submit("web", &temp.store).await;
    temp.store.close().await;
    std::fs::write(temp.dir.path().join("store.db"), []).unwrap();
    let refused = OpenError::Emptied { dir: temp.dir.path().to_owned() };
    assert_eq!(SqliteStore::open(temp.dir.path(), Limits::default()).unwrap_err(), refused);
}
