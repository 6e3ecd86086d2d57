//! A control plane that drives one deployment, as [`crate::engine`] does it: one input at a time, then
//! everything it leads to. It dies between any two actions.

use super::store::{Word, Write};
use crate::deployment::Deployment;
use crate::driver::Driver;
use crate::effect::Effect;
use crate::id::{Fence, ReleaseId, Seq};
use crate::lifecycle::Phase;
use crate::port::{Live, ReleaseChange};
use crate::wire::Envelope;

/// One process of the control plane.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) up: bool,
    pub(super) frozen: bool,
    /// How far its clock is off, in milliseconds.
    pub(super) skew: i64,
}

/// One deployment in the hands of one process.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) number: u32,
    pub(super) node: usize,
    pub(super) deployment: usize,
    pub(super) driver: Driver,
    /// The fence whose lease is still to be given back.
    pub(super) lease: Option<Fence>,
    pub(super) writing: Option<Write>,
}

/// Work on its way. It outlives whoever asked for it.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) host: u32,
    pub(super) deployment: usize,
    pub(super) effect: Effect,
    /// The state it was asked for in.
    pub(super) asked_in: Deployment,
    pub(super) cancelled: bool,
    pub(super) hangs: bool,
    pub(super) saw_it_free: bool,
    pub(super) answer: Option<super::schedule::Answer>,
}

impl Host {
    /// The write that makes these events durable, as the engine asks for it.
    pub(super) fn write(&mut self, after: Seq, events: Vec<Envelope>) -> Write {
        let deployment = self.driver.deployment();
        // The last events give the fence up, yet are written under it.
        self.lease = deployment.fence().or(self.lease);
        Write {
            after,
            fence: self.lease,
            events,
            word: word(deployment.phase()),
            holds: deployment.holds_resource(),
            live: new_live(deployment),
        }
    }
}

const fn word(phase: &Phase) -> Word {
    match phase {
        Phase::Blocked(_) => Word::Blocked,
        Phase::Ended(_) => Word::Ended,
        Phase::Queued(_)
        | Phase::Detecting(_)
        | Phase::Planning(_)
        | Phase::Planned(_)
        | Phase::Executing(_)
        | Phase::Verifying(_)
        | Phase::RollingBack(_) => Word::Moving,
    }
}

/// What the records call live behind an ending.
fn new_live(deployment: &Deployment) -> Option<Live> {
    let run = deployment.phase().run()?;
    match deployment.release_change(ReleaseId::new(uuid::Uuid::nil()))? {
        ReleaseChange::Made(made) => {
            let access = &run.plan().outline().access;
            Some(Live {
                release: made.version,
                digest: made.digest,
                host: access.host.clone(),
                url: made.url,
                verified: made.verified,
            })
        }
        ReleaseChange::Restored(_) | ReleaseChange::Failed(_) => None,
    }
}
