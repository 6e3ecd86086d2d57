//! The catalogue: resources, lists, releases, retention.

use crate::common::{Run, Temp, digest, key, new_id, resource_id};
use deploy_core::id::{ResourceId, Version};
use deploy_core::port::{
    Append, Catalogue as _, Journal as _, ListQuery, ReleaseChange, ReleaseState, StoreError,
};
use deploy_core::status::StatusName;
use deploy_store_sqlite::SqliteStore;
use uuid::Uuid;

#[tokio::test]
async fn a_resource_gets_one_id_and_keeps_it() {
    let temp = Temp::new();
    let (web, candidate) = (key("web"), resource_id(&key("web")));
    let record = temp.store.resource(&web, candidate).await.unwrap();
    assert_eq!((record.id, &record.key), (candidate, &web));
    let other = ResourceId::new(Uuid::now_v7());
    assert_eq!(temp.store.resource(&web, other).await.unwrap().id, candidate);
    assert_eq!(temp.store.resource_by_id(candidate).await.unwrap(), record);
    assert_eq!(temp.store.resource_by_id(other).await, Err(StoreError::NotFound));
    let taken = temp.store.resource(&key("web@staging"), candidate).await;
    assert!(matches!(taken, Err(StoreError::Corrupt { .. })));
}

async fn listed(store: &SqliteStore, query: ListQuery) -> Vec<deploy_core::id::DeploymentId> {
    let query = ListQuery { limit: if query.limit == 0 { 100 } else { query.limit }, ..query };
    store.list(&query).await.unwrap().into_iter().map(|status| status.id).collect()
}

#[tokio::test]
async fn lists_are_newest_first_with_filters_and_a_cursor() {
    let temp = Temp::new();
    let mut ids = Vec::new();
    for name in ["web", "web@staging", "api", "web"] {
        ids.push(Run::submit(name, &temp.store).await);
    }
    ids[0].end(&temp.store, StatusName::Failed, None).await.unwrap();
    let id = |n: usize| ids[n].id;
    let all = ListQuery::default();
    assert_eq!(listed(&temp.store, all.clone()).await, [id(3), id(2), id(1), id(0)]);
    let web = ListQuery { resource: Some("web".to_owned()), ..all.clone() };
    assert_eq!(listed(&temp.store, web.clone()).await, [id(3), id(1), id(0)]);
    let production = ListQuery { environment: Some("production".to_owned()), ..web.clone() };
    assert_eq!(listed(&temp.store, production).await, [id(3), id(0)]);
    let failed = ListQuery { status: Some("failed".to_owned()), ..web.clone() };
    assert_eq!(listed(&temp.store, failed).await, [id(0)]);
    let page = ListQuery { before: Some(id(3)), limit: 1, ..web };
    assert_eq!(listed(&temp.store, page).await, [id(1)]);
    let lost = ListQuery { before: Some(new_id()), limit: 1, ..all };
    assert_eq!(temp.store.list(&lost).await, Err(StoreError::NotFound));
}

#[tokio::test]
async fn inv_39_a_list_is_bounded() {
    let temp = Temp::new();
    for _ in 0..205 {
        Run::submit(&crate::common::fresh_name(), &temp.store).await;
    }
    assert_eq!(listed(&temp.store, ListQuery { limit: usize::MAX, ..ListQuery::default() }).await.len(), 200);
}

/// Makes releases of the given numbers, one deployment each.
async fn make(store: &SqliteStore, name: &str, versions: impl IntoIterator<Item = u32>) {
    for version in versions {
        let mut run = Run::submit(name, store).await;
        let record = run.release(version, &format!("{name}{version}"));
        run.end(store, StatusName::Succeeded, Some(ReleaseChange::Made(record))).await.unwrap();
    }
}

async fn states(store: &SqliteStore, name: &str) -> Vec<(u32, ReleaseState)> {
    let releases = store.releases(&key(name)).await.unwrap();
    releases.into_iter().map(|record| (record.version.0, record.state)).collect()
}

use ReleaseState::{Failed, Live, Previous, Pruned};

#[tokio::test]
async fn inv_02_at_most_one_release_is_live() {
    let temp = Temp::new();
    make(&temp.store, "web", 1..=3).await;
    assert_eq!(states(&temp.store, "web").await, [(3, Live), (2, Previous), (1, Previous)]);
    let mut back = Run::submit("web", &temp.store).await;
    back.end(&temp.store, StatusName::Succeeded, Some(ReleaseChange::Restored(Version(1)))).await.unwrap();
    assert_eq!(states(&temp.store, "web").await, [(3, Previous), (2, Previous), (1, Live)]);
    let mut lost = Run::submit("web", &temp.store).await;
    let refused =
        lost.end(&temp.store, StatusName::Succeeded, Some(ReleaseChange::Restored(Version(9)))).await;
    assert_eq!(refused, Err(StoreError::NotFound));
    assert_eq!(
        states(&temp.store, "web").await,
        [(3, Previous), (2, Previous), (1, Live)],
        "nothing of it was kept"
    );
    assert_eq!(temp.store.events(lost.id, lost.last, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_failed_release_changes_nothing_and_gives_its_number_back() {
    let temp = Temp::new();
    make(&temp.store, "web", [1]).await;
    for _ in 0..2 {
        let mut run = Run::submit("web", &temp.store).await;
        let record = run.release(2, "broken");
        run.end(&temp.store, StatusName::Failed, Some(ReleaseChange::Failed(record))).await.unwrap();
    }
    make(&temp.store, "web", [2]).await;
    assert_eq!(states(&temp.store, "web").await, [(2, Live), (2, Failed), (2, Failed), (1, Previous)]);
    let mut twice = Run::submit("web", &temp.store).await;
    let record = twice.release(2, "again");
    let refused = twice.end(&temp.store, StatusName::Succeeded, Some(ReleaseChange::Made(record))).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })));
    assert_eq!(states(&temp.store, "web").await[0], (2, Live));
}

#[tokio::test]
async fn inv_34_retention_keeps_the_live_release_and_the_newest_of_every_resource() {
    let temp = Temp::new();
    make(&temp.store, "web", 1..=5).await;
    make(&temp.store, "web@staging", 1..=2).await;
    let mut back = Run::submit("web", &temp.store).await;
    back.end(&temp.store, StatusName::Succeeded, Some(ReleaseChange::Restored(Version(1)))).await.unwrap();
    let keep = temp.store.retain(&key("web"), 3).await.unwrap();
    let kept = [(5, Previous), (4, Previous), (3, Pruned), (2, Pruned), (1, Live)];
    assert_eq!(states(&temp.store, "web").await, kept);
    let mut expected: Vec<_> =
        ["web1", "web4", "web5", "web@staging1", "web@staging2"].map(digest).into_iter().collect();
    expected.sort();
    assert_eq!(keep.digests, expected);
    assert_eq!(keep.deployments, []);
    assert_eq!(temp.store.kept().await.unwrap(), keep);
    temp.store.retain(&key("web"), 0).await.unwrap();
    assert_eq!(states(&temp.store, "web").await.iter().filter(|(_, state)| *state != Pruned).count(), 1);
    assert_eq!(temp.store.retain(&key("nobody"), 3).await.unwrap().digests.len(), 3);
}

#[tokio::test]
async fn inv_34_what_an_unfinished_deployment_uses_is_kept() {
    let temp = Temp::new();
    make(&temp.store, "web", 1..=4).await;
    // One names the artifact of v1, one wants to go back to v2, a third one builds something new.
    let mut by_digest = Run::submit("api", &temp.store).await;
    by_digest.digest = Some(digest("web1"));
    by_digest.append(&temp.store, 1, StatusName::Executing).await.unwrap();
    let back = Run::submit("web", &temp.store).await;
    let mut wants = back.events(1, StatusName::Planning);
    wants.status.source_summary.kind = "release".to_owned();
    wants.status.source_summary.locator = "v2".to_owned();
    temp.store.append(Append { after: back.last, ..wants }).await.unwrap();
    let mut builds = Run::submit("api", &temp.store).await;
    builds.digest = Some(digest("new"));
    builds.append(&temp.store, 1, StatusName::Executing).await.unwrap();
    let keep = temp.store.retain(&key("web"), 1).await.unwrap();
    let kept = [(4, Live), (3, Pruned), (2, Previous), (1, Previous)];
    assert_eq!(states(&temp.store, "web").await, kept);
    assert_eq!(keep.deployments, [by_digest.id, back.id, builds.id]);
    for artifact in ["new", "web1", "web2", "web4"] {
        assert!(keep.digests.contains(&digest(artifact)), "{artifact}");
    }
}
