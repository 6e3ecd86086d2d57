//! Requests of a paused route, waiting.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::routes::Pause;

/// One pause of one route.
#[derive(Debug)]
pub(crate) struct Hold {
    pause: Pause,
    held: AtomicUsize,
    over: watch::Sender<bool>,
}

/// A request that is held.
struct Held<'a>(&'a Hold);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hold {
    pub(crate) fn new(pause: Pause) -> Self {
        Self { pause, held: AtomicUsize::new(0), over: watch::Sender::new(false) }
    }

    /// Lets all held requests go; they look for their route anew.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Waits for the end of the pause. False if it was not over in time, or if too many are waiting already.
    pub(crate) async fn wait(&self, waited: Duration) -> bool {
        let held = Held(self);
        if self.held.fetch_add(1, Ordering::Relaxed) >= self.pause.requests {
            return false;
        }
        let left = Duration::from_millis(self.pause.hold_ms).saturating_sub(waited);
        let mut over = self.over.subscribe();
        let ended = tokio::time::timeout(left, over.wait_for(|over| *over)).await;
        drop(held);
        ended.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn inv_39_a_pause_holds_so_many_for_so_long_and_no_more() {
        let hold = Arc::new(Hold::new(Pause { hold_ms: 1000, requests: 2 }));
        let started = Instant::now();
        let waiting = |waited| {
            let hold = Arc::clone(&hold);
            tokio::spawn(async move { hold.wait(Duration::from_millis(waited)).await })
        };
        let (late, early) = (waiting(600), waiting(0));
        tokio::task::yield_now().await;
        assert!(!hold.wait(Duration::ZERO).await, "two are held already");
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert!(!late.await.unwrap());
        assert_eq!(started.elapsed().as_millis(), 400, "what it has waited before counts");
        hold.end();
        assert!(early.await.unwrap());
        assert!(hold.wait(Duration::ZERO).await, "a pause that is over holds nobody");
    }
}
