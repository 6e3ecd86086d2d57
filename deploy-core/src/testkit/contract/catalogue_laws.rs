//! Laws of the catalogue: resources, lists, releases and what retention keeps.

use super::store::{StoreFixture, Writer, at, new_id, resource_id};
use super::{Breach, Law, Verdict};
use crate::engine::Store;
use crate::history::{HistoryQuery, RunRecord};
use crate::id::{DeploymentId, ResourceId, ResourceKey, Seq, Version};
use crate::lifecycle::PhaseName;
use crate::port::{ListQuery, ReleaseChange, ReleaseState, StoreError, WhenBusy};
use crate::spec::{Actor, Trigger};
use crate::status::{PhaseTiming, Status, StatusName};
use crate::testkit::samples::digest;
use ReleaseState::{Failed, Live, Previous, Pruned};

fn key(name: &str) -> ResourceKey {
    name.parse().expect("a resource")
}

/// The first candidate becomes the id; no later one changes it.
///
/// # Errors
/// What was seen instead.
pub async fn a_resource_gets_one_id_and_keeps_it(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "a_resource_gets_one_id_and_keeps_it",
        "insert the candidate only where there is no id yet, in one transaction",
    );
    let store = fixture.store();
    let (web, candidate) = (key("web"), resource_id(&key("web")));
    let record = law.ok("the first look", store.resource(&web, candidate).await)?;
    law.same("the id and the key", (record.id, &record.key), (candidate, &web))?;
    let other = ResourceId::new(uuid::Uuid::now_v7());
    let again = law.ok("the second look", store.resource(&web, other).await)?;
    law.same("the id for another candidate", again.id, candidate)?;
    law.same("the resource of the id", store.resource_by_id(candidate).await, Ok(record))?;
    law.same("the resource of no id", store.resource_by_id(other).await, Err(StoreError::NotFound))
}

async fn listed(law: Law, store: &dyn Store, query: &ListQuery) -> Result<Vec<DeploymentId>, Breach> {
    let found = law.ok("listing", store.list(query).await)?;
    Ok(found.into_iter().map(|status| status.id).collect())
}

/// Newest first by acceptance; filters combine; a cursor goes on behind what it names.
///
/// # Errors
/// What was seen instead.
pub async fn lists_are_newest_first_with_filters_and_a_cursor(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "lists_are_newest_first_with_filters_and_a_cursor",
        "order by acceptance, filter, then cut at the limit; an unknown cursor is NotFound",
    );
    let store = fixture.store();
    let mut ids = Vec::new();
    for name in ["web", "web@staging", "api", "web"] {
        ids.push(law.ok("submitting", Writer::submit(name, &*store).await)?);
    }
    law.ok("ending", ids[0].end(&*store, StatusName::Failed, None).await)?;
    let id = |n: usize| ids[n].id;
    let all = ListQuery { limit: 100, ..ListQuery::default() };
    let web = ListQuery { resource: Some("web".to_owned()), ..all.clone() };
    let production = ListQuery { environment: Some("production".to_owned()), ..web.clone() };
    let failed = ListQuery { status: Some("failed".to_owned()), ..web.clone() };
    let page = ListQuery { before: Some(id(3)), limit: 1, ..web.clone() };
    let wanted = [
        ("all", all.clone(), vec![id(3), id(2), id(1), id(0)]),
        ("one resource", web, vec![id(3), id(1), id(0)]),
        ("one environment", production, vec![id(3), id(0)]),
        ("one status", failed, vec![id(0)]),
        ("one page", page, vec![id(1)]),
    ];
    for (what, query, expected) in wanted {
        law.same(what, listed(law, &*store, &query).await?, expected)?;
    }
    let lost = ListQuery { before: Some(new_id()), ..all };
    law.same("a list behind nobody", store.list(&lost).await.map(drop), Err(StoreError::NotFound))
}

/// Filters by who asked, why and when; and the narrow records say what the statuses say.
///
/// # Errors
/// What was seen instead.
pub async fn history_says_what_the_statuses_say(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "history_says_what_the_statuses_say",
        "write the record in the transaction that writes the status; filter like the list does",
    );
    let store = fixture.store();
    for (n, name) in ["web", "api", "web@staging", "web", "web"].into_iter().enumerate() {
        run(law, &*store, name, n).await?;
    }
    drop(store);
    let store = fixture.reopened().await.unwrap_or_else(|| fixture.store());
    let (since, until) = (Some(at(10_000)), Some(at(30_000)));
    let all = ListQuery { limit: 100, ..ListQuery::default() };
    let name = |text: &str| Some(text.to_owned());
    let queries = [
        ("all", all.clone(), 5),
        ("one resource", ListQuery { resource: name("web"), ..all.clone() }, 4),
        ("one environment", ListQuery { environment: name("staging"), ..all.clone() }, 1),
        ("since", ListQuery { since, ..all.clone() }, 4),
        ("until", ListQuery { until, ..all.clone() }, 3),
        ("a window", ListQuery { since, until, ..all.clone() }, 2),
        ("the newest", ListQuery { limit: 2, ..all.clone() }, 2),
    ];
    for (what, list, count) in queries {
        let ListQuery { resource, environment, since, until, limit, .. } = list.clone();
        let query = HistoryQuery { resource, environment, since, until, limit };
        let statuses = law.ok("listing", store.list(&list).await)?;
        let wanted: Vec<RunRecord> = statuses.iter().rev().map(RunRecord::of).collect();
        law.same(&format!("the number of {what}"), wanted.len(), count)?;
        law.same(what, law.ok("reading", store.history(&query).await)?, wanted)?;
    }
    let of = [
        ("one trigger", ListQuery { trigger: name("rollback"), ..all.clone() }, 2),
        ("one actor", ListQuery { actor: name("ann"), ..all.clone() }, 3),
        ("both", ListQuery { trigger: name("rollback"), actor: name("ann"), ..all.clone() }, 0),
    ];
    for (what, query, count) in of {
        law.same(what, listed(law, &*store, &query).await?.len(), count)?;
    }
    Ok(())
}

/// A run accepted `n` times ten seconds after the first; every other one is a rollback that bob asked for,
/// and the last is not finished.
async fn run(law: Law, store: &dyn Store, name: &str, n: usize) -> Verdict {
    let millis = 10_000 * i64::try_from(n).unwrap_or_default();
    let mut writer = Writer::new(name);
    let mut create = writer.submission(WhenBusy::Wait);
    let dressed = |status: &mut Status| {
        status.created_at = at(millis);
        status.actor = Actor(if n.is_multiple_of(2) { "ann" } else { "bob" }.to_owned());
        status.trigger = if n.is_multiple_of(2) { Trigger::Create } else { Trigger::Rollback };
    };
    dressed(&mut create.append.status);
    law.ok("submitting", store.create(create).await)?;
    writer.last = Seq(1);
    if n == 4 {
        return Ok(());
    }
    let mut end = writer.events(1, StatusName::Succeeded);
    dressed(&mut end.status);
    let phase = |phase, from: i64, to: i64| PhaseTiming {
        phase,
        started_at: at(millis + from),
        ended_at: Some(at(millis + to)),
    };
    end.status.ended_at = Some(at(millis + 900));
    end.status.phases = vec![
        phase(PhaseName::Detect, 0, 100),
        phase(PhaseName::Execute, 100, 700),
        phase(PhaseName::Detect, 700, 750),
        phase(PhaseName::Verify, 750, 900),
    ];
    law.ok("ending", store.append(end).await)
}

/// Makes releases of these numbers, one deployment each.
async fn make(law: Law, store: &dyn Store, name: &str, versions: &[u32]) -> Verdict {
    for version in versions {
        let mut writer = law.ok("submitting", Writer::submit(name, store).await)?;
        let record = writer.release(*version, &format!("{name}{version}"));
        let made = Some(ReleaseChange::Made(record));
        law.ok("making a release", writer.end(store, StatusName::Succeeded, made).await)?;
    }
    Ok(())
}

async fn states(law: Law, store: &dyn Store, name: &str) -> Result<Vec<(u32, ReleaseState)>, Breach> {
    let releases = law.ok("reading releases", store.releases(&key(name)).await)?;
    Ok(releases.into_iter().map(|record| (record.version.0, record.state)).collect())
}

async fn restore(store: &dyn Store, name: &str, version: u32) -> Result<(), StoreError> {
    let mut writer = Writer::submit(name, store).await?;
    let restored = Some(ReleaseChange::Restored(Version(version)));
    let result = writer.end(store, StatusName::Succeeded, restored).await;
    if result.is_err() {
        writer.end(store, StatusName::Failed, None).await?;
    }
    result
}

/// Making or restoring a release takes the place of the one that was live.
///
/// # Errors
/// What was seen instead.
pub async fn at_most_one_release_is_live(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "at_most_one_release_is_live",
        "turn the live release into `previous` in the transaction that makes another one live",
    );
    let store = fixture.store();
    make(law, &*store, "web", &[1, 2, 3]).await?;
    let made = states(law, &*store, "web").await?;
    law.same("the releases", made, vec![(3, Live), (2, Previous), (1, Previous)])?;
    law.ok("restoring v1", restore(&*store, "web", 1).await)?;
    let restored = states(law, &*store, "web").await?;
    law.same("the releases behind restoring v1", restored, vec![(3, Previous), (2, Previous), (1, Live)])
}

/// An append whose release can't be restored is refused whole.
///
/// # Errors
/// What was seen instead.
pub async fn restoring_what_is_not_there_changes_nothing(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "restoring_what_is_not_there_changes_nothing",
        "answer NotFound and keep neither events nor releases of that append",
    );
    let store = fixture.store();
    make(law, &*store, "web", &[1, 2]).await?;
    let mut lost = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let restored = Some(ReleaseChange::Restored(Version(9)));
    let answer = lost.end(&*store, StatusName::Succeeded, restored).await;
    law.same("the answer", answer, Err(StoreError::NotFound))?;
    law.same("the releases", states(law, &*store, "web").await?, vec![(2, Live), (1, Previous)])?;
    let events = law.ok("reading", store.events(lost.id, lost.last, 10).await)?;
    law.same("the events of the append", events, Vec::new())
}

/// What did not pass is recorded and takes nothing's place, its number included.
///
/// # Errors
/// What was seen instead.
pub async fn a_failed_release_changes_nothing_and_gives_its_number_back(
    fixture: &impl StoreFixture,
) -> Verdict {
    let law = Law(
        "a_failed_release_changes_nothing_and_gives_its_number_back",
        "a number is taken only by a release that passed; two of those under one number are refused as Corrupt",
    );
    let store = fixture.store();
    make(law, &*store, "web", &[1]).await?;
    for _ in 0..2 {
        let mut writer = law.ok("submitting", Writer::submit("web", &*store).await)?;
        let record = writer.release(2, "broken");
        let failed = Some(ReleaseChange::Failed(record));
        law.ok("recording", writer.end(&*store, StatusName::Failed, failed).await)?;
    }
    make(law, &*store, "web", &[2]).await?;
    let wanted = vec![(2, Live), (2, Failed), (2, Failed), (1, Previous)];
    law.same("the releases", states(law, &*store, "web").await?, wanted)?;
    let mut twice = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let made = Some(ReleaseChange::Made(twice.release(2, "again")));
    let answer = twice.end(&*store, StatusName::Succeeded, made).await;
    let refused = matches!(answer, Err(StoreError::Corrupt { .. }));
    law.holds(refused, || format!("a second v2 is answered {answer:?}"))
}

/// Retention prunes the oldest beyond the number, never the live one, and nothing of another resource.
///
/// # Errors
/// What was seen instead.
pub async fn retention_keeps_the_live_and_the_newest_of_every_resource(
    fixture: &impl StoreFixture,
) -> Verdict {
    let law = Law(
        "retention_keeps_the_live_and_the_newest_of_every_resource",
        "count the live release first, then the newest; answer with the artifacts of all resources",
    );
    let store = fixture.store();
    make(law, &*store, "web", &[1, 2, 3, 4, 5]).await?;
    make(law, &*store, "web@staging", &[1, 2]).await?;
    law.ok("restoring", restore(&*store, "web", 1).await)?;
    law.ok("retaining", store.retain(&key("web"), 3).await)?;
    let keep = law.ok("asking what is kept", store.kept().await)?;
    let kept = vec![(5, Previous), (4, Previous), (3, Pruned), (2, Pruned), (1, Live)];
    law.same("the releases", states(law, &*store, "web").await?, kept)?;
    let mut found = keep.digests.clone();
    found.sort();
    found.dedup();
    let mut wanted = ["web1", "web4", "web5", "web@staging1", "web@staging2"].map(digest).to_vec();
    wanted.sort();
    law.same("what is kept", found, wanted)?;
    law.same("the unfinished that are kept", keep.deployments, Vec::new())?;
    law.ok("retaining none", store.retain(&key("web"), 0).await)?;
    let left = states(law, &*store, "web").await?;
    let usable: Vec<_> = left.iter().filter(|(_, state)| *state != Pruned).collect();
    law.same("what is left of web", usable, vec![&(1, Live)])?;
    let staging = states(law, &*store, "web@staging").await?;
    law.same("the other environment", staging, vec![(2, Live), (1, Previous)])
}

/// The artifact an unfinished deployment made, and the release it wants to go back to, stay.
///
/// # Errors
/// What was seen instead.
pub async fn retention_keeps_what_an_unfinished_deployment_uses(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "retention_keeps_what_an_unfinished_deployment_uses",
        "add the digests in unfinished statuses, and releases their sources name, to what is kept",
    );
    let store = fixture.store();
    make(law, &*store, "web", &[1, 2, 3, 4]).await?;
    let mut by_digest = law.ok("submitting", Writer::submit("api", &*store).await)?;
    by_digest.digest = Some(digest("web1"));
    law.ok("appending", by_digest.append(&*store, 1, StatusName::Executing).await)?;
    let back = law.ok("submitting", Writer::submit("web", &*store).await)?;
    let mut wants = back.events(1, StatusName::Planning);
    wants.status.source_summary.kind = "release".to_owned();
    wants.status.source_summary.locator = "v2".to_owned();
    law.ok("appending", store.append(wants).await)?;
    let mut builds = law.ok("submitting", Writer::submit("api", &*store).await)?;
    builds.digest = Some(digest("new"));
    law.ok("appending", builds.append(&*store, 1, StatusName::Executing).await)?;
    law.ok("retaining", store.retain(&key("web"), 1).await)?;
    let keep = law.ok("asking what is kept", store.kept().await)?;
    let kept = vec![(4, Live), (3, Pruned), (2, Previous), (1, Previous)];
    law.same("the releases", states(law, &*store, "web").await?, kept)?;
    law.same("the unfinished", keep.deployments, vec![by_digest.id, back.id, builds.id])?;
    let missing =
        ["new", "web1", "web2", "web4"].into_iter().find(|name| !keep.digests.contains(&digest(name)));
    law.holds(missing.is_none(), || format!("the artifact {missing:?} is not kept"))
}

/// The line holds what is not finished and does not rest, of this workspace alone, in the order of acceptance.
///
/// # Errors
/// What was seen instead.
pub async fn the_line_of_a_workspace_is_its_unfinished_oldest_first(fixture: &impl StoreFixture) -> Verdict {
    let law = Law(
        "the_line_of_a_workspace_is_its_unfinished_oldest_first",
        "order by the store's own numbering of submissions; leave out what has ended or is blocked",
    );
    let store = fixture.store();
    let mut writers = Vec::new();
    for (name, workspace) in [("a", "acme"), ("b", "acme"), ("c", "other"), ("d", "acme"), ("e", "acme")] {
        let workspace = workspace.parse().expect("a name");
        let writer = Writer { workspace, last: Seq(1), ..Writer::new(name) };
        law.ok("submitting", store.create(writer.submission(WhenBusy::Wait)).await)?;
        writers.push(writer);
    }
    law.ok("ending", writers[1].end(&*store, StatusName::Stopped, None).await)?;
    law.ok("blocking", writers[3].append(&*store, 1, StatusName::Blocked).await)?;
    law.ok("running", writers[4].append(&*store, 1, StatusName::Executing).await)?;
    let acme = "acme".parse().expect("a name");
    let ids = |line: Vec<Status>| line.iter().map(|status| status.id).collect::<Vec<_>>();
    law.same("the line", store.queue(&acme, 9).await.map(ids), Ok(vec![writers[0].id, writers[4].id]))?;
    law.same("its first", store.queue(&acme, 1).await.map(ids), Ok(vec![writers[0].id]))
}
