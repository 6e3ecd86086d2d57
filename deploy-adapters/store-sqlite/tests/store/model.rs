//! Random histories, compared step by step with a model that is a few maps.

use std::collections::BTreeMap;

use crate::common::{Run, Temp, digest, id_of, key};
use deploy_core::admission::UNLIMITED;
use deploy_core::id::{DeploymentId, Fence, Seq, Version};
use deploy_core::port::{
    Append, Catalogue as _, Create, Created, Journal as _, Lease as _, ListQuery, ReleaseChange,
    ReleaseState, StoreError, WhenBusy,
};
use deploy_core::status::StatusName;
use proptest::prelude::*;

const RESOURCES: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Create { resource: usize, wait: bool, key: Option<(u8, u8)> },
    Append { run: usize, late: bool, fence: Option<u64>, to: StatusName, release: Option<u32> },
    Acquire { run: usize },
    Release { resource: usize, fence: u64 },
    Retain { resource: usize, keep: u32 },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let resource = 0..RESOURCES;
    let to = prop::sample::select(vec![
        StatusName::Executing,
        StatusName::Blocked,
        StatusName::Queued,
        StatusName::Succeeded,
        StatusName::Failed,
    ]);
    let key = prop::option::of((0..3u8, 0..2u8));
    let step = prop_oneof![
        4 => (resource.clone(), any::<bool>(), key).prop_map(|(resource, wait, key)| Step::Create { resource, wait, key }),
        6 => (0..8usize, prop::bool::weighted(0.1), prop::option::of(0..6u64), to, prop::option::of(1..5u32))
            .prop_map(|(run, late, fence, to, release)| Step::Append { run, late, fence, to, release }),
        4 => (0..8usize).prop_map(|run| Step::Acquire { run }),
        2 => (resource.clone(), 0..6u64).prop_map(|(resource, fence)| Step::Release { resource, fence }),
        1 => (resource, 0..4u32).prop_map(|(resource, keep)| Step::Retain { resource, keep }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

fn name(resource: usize) -> String {
    format!("r{resource}")
}

/// A deployment in the model. Its place in the list is the order of acceptance.
#[derive(Debug, Clone)]
struct Known {
    id: DeploymentId,
    resource: usize,
    last: u64,
    status: StatusName,
}

#[derive(Debug, Default)]
struct Model {
    runs: Vec<Known>,
    keys: BTreeMap<u8, (u8, DeploymentId)>,
    epochs: [u64; RESOURCES],
    holders: [Option<usize>; RESOURCES],
    /// Version, state and artifact, per resource.
    releases: [BTreeMap<u32, (ReleaseState, u32)>; RESOURCES],
}

impl Model {
    /// Whoever of a resource is neither ended nor rests in `blocked`.
    fn active(&self, resource: usize) -> impl Iterator<Item = usize> {
        let runs = self.runs.iter().enumerate();
        let active = runs.filter(move |(_, run)| {
            run.resource == resource && !run.status.is_ended() && run.status != StatusName::Blocked
        });
        active.map(|(index, _)| index)
    }

    fn create(
        &mut self,
        id: DeploymentId,
        resource: usize,
        wait: bool,
        key: Option<(u8, u8)>,
    ) -> Result<Created, StoreError> {
        if let Some((known, request)) = key.and_then(|(key, request)| Some((self.keys.get(&key)?, request))) {
            return if known.0 == request { Ok(Created::Known(known.1)) } else { Err(StoreError::KeyReused) };
        }
        let oldest = self.active(resource).next();
        if let Some(oldest) = oldest.filter(|_| !wait) {
            return Err(StoreError::Busy { holder: self.runs[oldest].id });
        }
        if let Some((key, request)) = key {
            self.keys.insert(key, (request, id));
        }
        self.runs.push(Known { id, resource, last: 1, status: StatusName::Queued });
        Ok(Created::New)
    }

    fn append(&mut self, run: usize, append: &Append) -> Result<(), StoreError> {
        let Known { resource, last, .. } = self.runs[run];
        let epoch = self.epochs[resource];
        if append.fence.is_some_and(|fence| fence.0 != epoch || self.holders[resource] != Some(run)) {
            return Err(StoreError::Fenced { current: Fence(epoch) });
        }
        if append.after.0 != last {
            return Err(StoreError::Conflict { actual: Seq(last) });
        }
        if let Some(ReleaseChange::Made(record)) = &append.release {
            self.unseat(resource);
            self.releases[resource].insert(record.version.0, (ReleaseState::Live, record.version.0));
        }
        if let Some(ReleaseChange::Restored(version)) = append.release {
            if !self.releases[resource].contains_key(&version.0) {
                return Err(StoreError::NotFound);
            }
            self.unseat(resource);
            self.releases[resource].insert(version.0, (ReleaseState::Live, version.0));
        }
        self.runs[run].last += append.events.len() as u64;
        self.runs[run].status = append.status.status;
        Ok(())
    }

    fn unseat(&mut self, resource: usize) {
        for (state, _) in self.releases[resource].values_mut() {
            if *state == ReleaseState::Live {
                *state = ReleaseState::Previous;
            }
        }
    }

    fn acquire(&mut self, run: usize) -> Result<Fence, StoreError> {
        let Known { resource, last, status, .. } = self.runs[run];
        if status.is_ended() {
            return Err(StoreError::Conflict { actual: Seq(last) });
        }
        let holder = self.holders[resource];
        if holder != Some(run) {
            let holds = self.active(resource).find(|index| holder == Some(*index));
            if let Some(other) = holds.or_else(|| self.active(resource).find(|index| *index < run)) {
                return Err(StoreError::Busy { holder: self.runs[other].id });
            }
        }
        self.epochs[resource] += 1;
        self.holders[resource] = Some(run);
        Ok(Fence(self.epochs[resource]))
    }

    fn release(&mut self, resource: usize, fence: u64) {
        if self.epochs[resource] == fence {
            self.holders[resource] = None;
        }
    }

    fn retain(&mut self, resource: usize, keep: u32) {
        let releases = &mut self.releases[resource];
        let mut left = keep as usize;
        left =
            left.saturating_sub(releases.values().filter(|(state, _)| *state == ReleaseState::Live).count());
        for (state, _) in releases.values_mut().rev() {
            if *state == ReleaseState::Previous {
                match left.checked_sub(1) {
                    Some(rest) => left = rest,
                    None => *state = ReleaseState::Pruned,
                }
            }
        }
    }
}

/// The append a step asks for.
fn append_of(model: &Model, run: usize, step: &Step) -> Append {
    let Step::Append { late, fence, to, release, .. } = step else { panic!("{step:?}") };
    let known = &model.runs[run];
    let mut writer = Run::with_id(&name(known.resource), known.id);
    writer.last = Seq(if *late { known.last + 1 } else { known.last });
    writer.fence = fence.map(Fence);
    let release = release.map(|version| {
        // An odd one restores; an even one makes the next that there is not.
        let next = model.releases[known.resource].keys().last().map_or(1, |last| last + 1);
        if version % 2 == 1 {
            return ReleaseChange::Restored(Version(version));
        }
        ReleaseChange::Made(writer.release(next, &format!("{}-{next}", name(known.resource))))
    });
    Append { release, ..writer.events(2, *to) }
}

async fn apply(temp: Temp, model: &mut Model, number: usize, step: &Step) -> Temp {
    let picked = |run: usize| (!model.runs.is_empty()).then(|| run % model.runs.len());
    match step {
        Step::Create { resource, wait, key } => {
            let run = Run::with_id(&name(*resource), id_of(number as u128 + 1));
            let busy = if *wait { WhenBusy::Wait } else { WhenBusy::Refuse };
            let idempotency = key.map(|(key, request)| (key.to_string(), digest(&request.to_string())));
            let answer = temp.store.create(Create { idempotency, ..run.submission(busy) }).await;
            assert_eq!(answer, model.create(run.id, *resource, *wait, *key));
        }
        Step::Append { run, .. } => {
            let Some(run) = picked(*run) else { return temp };
            let append = append_of(model, run, step);
            assert_eq!(temp.store.append(append.clone()).await, model.append(run, &append));
        }
        Step::Acquire { run } => {
            let Some(run) = picked(*run) else { return temp };
            let known = model.runs[run].clone();
            assert_eq!(
                temp.store.acquire(&key(&name(known.resource)), known.id, UNLIMITED).await,
                model.acquire(run)
            );
        }
        Step::Release { resource, fence } => {
            temp.store.release(&key(&name(*resource)), Fence(*fence)).await.unwrap();
            model.release(*resource, *fence);
        }
        Step::Retain { resource, keep } => {
            temp.store.retain(&key(&name(*resource)), *keep).await.unwrap();
            model.retain(*resource, *keep);
        }
        Step::Reopen => return temp.reopened().await,
    }
    temp
}

/// Everything the store shows is what the model holds.
async fn compare(temp: &Temp, model: &Model) {
    let all = temp.store.list(&ListQuery { limit: 200, ..ListQuery::default() }).await.unwrap();
    let shown: Vec<_> =
        all.iter().rev().map(|status| (status.id, status.sequence.0, status.status)).collect();
    let known: Vec<_> = model.runs.iter().map(|run| (run.id, run.last, run.status)).collect();
    assert_eq!(shown, known);
    let unfinished: Vec<_> =
        model.runs.iter().filter(|run| !run.status.is_ended()).map(|run| run.id).collect();
    assert_eq!(temp.store.unfinished().await.unwrap(), unfinished);
    for run in &model.runs {
        assert_eq!(temp.store.events(run.id, Seq(0), usize::MAX).await.unwrap().len() as u64, run.last);
    }
    for resource in 0..RESOURCES {
        let releases = temp.store.releases(&key(&name(resource))).await.unwrap();
        let shown: Vec<_> = releases.iter().rev().map(|record| (record.version.0, record.state)).collect();
        let known: Vec<_> =
            model.releases[resource].iter().map(|(version, (state, _))| (*version, *state)).collect();
        assert_eq!(shown, known);
    }
    assert!(temp.store.check().await.unwrap().is_sound());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut temp, mut model) = (Temp::new(), Model::default());
            for (number, step) in steps.iter().enumerate() {
                temp = apply(temp, &mut model, number, step).await;
            }
            compare(&temp, &model).await;
        });
    }
}
