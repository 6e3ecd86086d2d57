//! The statuses that were written last, as they go over the wire: a poll that finds its answer here
//! asks the store nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::http::HeaderValue;
use deploy_core::id::{DeploymentId, Seq};
use deploy_core::status::Status;

use crate::etag::tag;

/// Statuses in each of the two generations.
const GENERATION: usize = 1_024;

/// A status as it goes over the wire.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) sequence: Seq,
    /// Its entity tag.
    pub(crate) tag: HeaderValue,
    pub(crate) json: Bytes,
    pub(crate) status: Arc<Status>,
}

impl Written {
    pub(crate) fn new(status: Status) -> Self {
        let json = serde_json::to_vec(&status).expect("every key is a string").into();
        let sequence = status.sequence;
        Self { sequence, tag: tag(sequence), json, status: Arc::new(status) }
    }
}

/// Bounded: when the young generation is full it becomes the old one, and what was old is forgotten.
#[derive(Default)]
pub(crate) struct Statuses {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<DeploymentId, Written>,
    old: HashMap<DeploymentId, Written>,
}

impl Statuses {
    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was written last, unless it is not known for certain.
    pub(crate) fn get(&self, id: DeploymentId) -> Option<Written> {
        let generations = self.generations();
        generations.young.get(&id).or_else(|| generations.old.get(&id)).cloned()
    }

    /// Keeps a status that is durable and the newest.
    pub(crate) fn keep(&self, written: Written) {
        let mut generations = self.generations();
        if generations.young.len() >= GENERATION {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(written.status.id, written);
    }

    /// Forgets a status that is about to change: whoever asks meanwhile asks the store.
    pub(super) fn forget(&self, id: DeploymentId) {
        let mut generations = self.generations();
        generations.old.remove(&id);
        generations.young.remove(&id);
    }
}
