//! A journal and its leases, with the rules of the ports and none of their cost.

use crate::id::{Fence, Seq};
use crate::planted::{self, Bug};
use crate::port::{Live, StoreError};
use crate::wire::Envelope;

/// What readers see of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Moving,
    Blocked,
    Ended,
}

/// One write, as a control plane asks for it.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) after: Seq,
    pub(super) fence: Option<Fence>,
    pub(super) events: Vec<Envelope>,
    pub(super) word: Word,
    /// Whether the deployment owns its resource behind these events.
    pub(super) holds: bool,
    /// What the records say serves then, if that changes.
    pub(super) live: Option<Live>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) resource: usize,
    pub(super) events: Vec<Envelope>,
    /// The event that the status readers see belongs to.
    pub(super) status_at: u64,
    pub(super) word: Word,
    pub(super) holds: bool,
}

impl Row {
    pub(super) const fn last(&self) -> Seq {
        Seq(self.events.len() as u64)
    }
}

#[derive(Debug, Default, Clone)]
pub(super) struct Lease {
    pub(super) epoch: u64,
    pub(super) holder: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) rows: Vec<Row>,
    pub(super) leases: Vec<Lease>,
    /// What the records say serves, per resource.
    pub(super) live: Vec<Option<Live>>,
}

impl Store {
    pub(super) fn create(&mut self, resource: usize, accepted: Envelope) {
        let events = vec![accepted];
        self.rows.push(Row { resource, events, status_at: 1, word: Word::Moving, holds: false });
    }

    /// Appends in one transaction; `torn` stands for a crash inside a store that needs two.
    pub(super) fn append(&mut self, index: usize, write: &Write, torn: bool) -> Result<(), StoreError> {
        let row = &mut self.rows[index];
        let lease = &self.leases[row.resource];
        if let Some(fence) = write.fence
            && (fence.0 != lease.epoch || lease.holder != Some(index))
        {
            return Err(StoreError::Fenced { current: Fence(lease.epoch) });
        }
        if row.last() != write.after {
            return Err(StoreError::Conflict { actual: row.last() });
        }
        row.events.extend(write.events.iter().cloned());
        row.word = write.word;
        row.holds = write.holds;
        if !(torn && planted::is(Bug::StatusInAnotherTransaction)) {
            row.status_at = row.last().0;
        }
        if let Some(live) = &write.live {
            self.live[row.resource] = Some(live.clone());
        }
        Ok(())
    }

    fn active(&self, index: usize) -> bool {
        self.rows[index].word == Word::Moving
    }

    /// Whether nobody active holds the resource now.
    pub(super) fn is_unheld(&self, by: usize) -> bool {
        let holder = self.leases[self.rows[by].resource].holder;
        !holder.is_some_and(|holder| holder != by && self.active(holder))
    }

    /// Whether the resource is free for this deployment: nobody active holds it, and it is its turn.
    pub(super) fn is_free_for(&self, by: usize) -> bool {
        let resource = self.rows[by].resource;
        let elder = || (0..by).any(|other| self.rows[other].resource == resource && self.active(other));
        self.leases[resource].holder == Some(by) || (self.is_unheld(by) && !elder())
    }

    pub(super) fn acquire(&mut self, by: usize, saw_it_free: bool) -> Option<Fence> {
        let free = self.is_free_for(by) || (saw_it_free && planted::is(Bug::LeaseChecksThenActs));
        if self.rows[by].word == Word::Ended || !free {
            return None;
        }
        let lease = &mut self.leases[self.rows[by].resource];
        lease.epoch += 1;
        lease.holder = Some(by);
        Some(Fence(lease.epoch))
    }

    pub(super) fn release(&mut self, resource: usize, fence: Fence) {
        let lease = &mut self.leases[resource];
        if lease.epoch == fence.0 {
            lease.holder = None;
        }
    }
}
