//! Which edges of the lifecycle and which endings were come across.

use std::collections::BTreeSet;

use crate::deployment::Deployment;
use crate::event::EventKind;
use crate::lifecycle::{EDGES, PhaseKind};
use crate::status::StatusName;
use crate::wire::Envelope;

/// Which edges of the lifecycle and which endings were come across.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    edges: BTreeSet<(PhaseKind, EventKind, PhaseKind)>,
    endings: BTreeSet<StatusName>,
}

impl Coverage {
    /// Notes a whole history.
    pub fn note(&mut self, history: &[Envelope]) {
        let Some((first, rest)) = history.split_first() else { return };
        let Ok(mut state) = Deployment::replay([first]) else { return };
        for envelope in rest {
            let from = state.phase().kind();
            let Ok(next) = state.evolve(envelope) else { return };
            state = next;
            self.edges.insert((from, envelope.event.kind(), state.phase().kind()));
        }
        if state.is_ended() {
            self.endings.insert(state.status().status);
        }
    }

    /// Adds what another one came across.
    pub fn merge(&mut self, other: &Self) {
        self.edges.extend(&other.edges);
        self.endings.extend(&other.endings);
    }

    /// The edges of [`EDGES`] that nothing took.
    #[must_use]
    pub fn missing_edges(&self) -> Vec<(PhaseKind, EventKind, PhaseKind)> {
        EDGES.iter().filter(|edge| !self.edges.contains(edge)).copied().collect()
    }

    /// The endings that nothing came to.
    #[must_use]
    pub fn missing_endings(&self) -> Vec<StatusName> {
        StatusName::ALL.into_iter().filter(|name| name.is_ended() && !self.endings.contains(name)).collect()
    }
}
