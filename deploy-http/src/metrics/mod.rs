//! What is measured, and the statuses that were written last. Both are filled by [`Observed`], which
//! stands between the engine and its store and sees every event at the moment it is durable.

mod edge;
mod observed;
mod statuses;
mod table;

pub use edge::EdgeCounters;
pub use observed::Observed;

use std::sync::{Arc, OnceLock};

use deploy_core::status::Status;

use statuses::Statuses;
use table::Table;

pub(crate) use statuses::Written;

/// The instruments of one control plane. Cheap to clone; all clones are the same instruments.
#[derive(Clone, Default)]
pub struct Instruments {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    table: Table,
    statuses: Statuses,
    listener: OnceLock<Listener>,
}

/// Somebody who hears of endings.
type Listener = Box<dyn Fn(&Status) + Send + Sync>;

impl Instruments {
    /// A store whose every write and read goes through these instruments.
    #[must_use]
    pub fn observe<S>(&self, store: S) -> Observed<S> {
        Observed::new(store, self.clone())
    }

    /// Has somebody hear of every deployment that ends, once that is durable. It is called in line, so it must be
    /// quick. The first who listens counts.
    pub fn on_end(&self, hear: impl Fn(&Status) + Send + Sync + 'static) {
        let _ = self.shared.listener.set(Box::new(hear));
    }

    fn ended(&self, status: &Status) {
        if let Some(listener) = self.shared.listener.get() {
            listener(status);
        }
    }

    /// Takes over what the edge has counted since it started.
    pub fn edge(&self, counters: &EdgeCounters) {
        self.shared.table.edge(counters);
    }

    /// Everything in the text format of `OpenMetrics`.
    pub(crate) fn text(&self) -> String {
        self.shared.table.text()
    }

    /// Counts a follower of a kind of stream until the result is dropped.
    pub(crate) fn following(&self, kind: &'static str) -> Following {
        self.shared.table.followers(kind).inc();
        Following { instruments: self.clone(), kind }
    }

    fn table(&self) -> &Table {
        &self.shared.table
    }

    pub(crate) fn statuses(&self) -> &Statuses {
        &self.shared.statuses
    }
}

/// A follower that is counted.
pub(crate) struct Following {
    instruments: Instruments,
    kind: &'static str,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.instruments.shared.table.followers(self.kind).dec();
    }
}
