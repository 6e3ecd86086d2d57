//! Freeing what nobody needs any more, behind every ending and after a start.
//!
//! What must be kept is read from all records, and every target looks at all that it holds: one pass serves everybody
//! who ended before it began, however many end at once.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::handle::Inner;
use crate::deployment::Deployment;

/// Who waits for a pass, and who was served by one.
#[derive(Default)]
pub(super) struct Passes {
    asked: AtomicU64,
    /// Up to whom the passes so far have served. Held while one goes on, so there is one at a time.
    served: Mutex<u64>,
}

impl Inner {
    /// Prunes what is beyond the limit of kept releases, then frees its space.
    pub(super) async fn retain(&self, deployment: &Deployment) {
        let Some(run) = deployment.phase().run() else { return };
        let keep = run.plan().outline().policy.keep;
        match self.store.retain(&deployment.spec().resource, keep).await {
            Ok(()) => self.reclaim().await,
            Err(error) => tracing::warn!(%error, "retention could not run"),
        }
    }

    /// Frees what nobody needs, as of now or later: returns when a pass has ended that began after it was called.
    pub(super) async fn reclaim(&self) {
        let mine = self.passes.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut served = self.passes.served.lock().await;
        if *served >= mine {
            return;
        }
        let everybody = self.passes.asked.load(Ordering::SeqCst);
        match self.store.kept().await {
            Ok(keep) => {
                for executor in self.previewer.executors() {
                    if let Err(failure) = executor.reclaim(&keep).await {
                        tracing::warn!(executor = executor.name(), %failure, "space could not be freed");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "leftovers stay until the next clean-up"),
        }
        *served = everybody;
    }
}
