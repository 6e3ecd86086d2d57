//! A request to stop, as a value: cooperative, so that what stops can still say how far it got.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A shared flag that can be awaited. Once set it stays set.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    /// Who waits, by a number of their own: whoever stops waiting takes the entry along, so that a flag
    /// that outlives many waits holds nothing of them.
    waiting: BTreeMap<u64, Waker>,
    next: u64,
}

impl Cancel {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it and wakes everyone who waits.
    pub fn cancel(&self) {
        let waiting = {
            let mut state = self.lock();
            state.cancelled = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Resolves when it is set.
    #[must_use]
    pub fn cancelled(&self) -> Cancelled {
        let mut state = self.lock();
        state.next += 1;
        Cancelled { cancel: self.clone(), key: state.next }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves when its [`Cancel`] is set.
#[derive(Debug)]
pub struct Cancelled {
    cancel: Cancel,
    key: u64,
}

impl Future for Cancelled {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.cancel.lock();
        if state.cancelled {
            return Poll::Ready(());
        }
        state.waiting.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.cancel.lock().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_39_a_flag_holds_nothing_of_those_who_no_longer_wait() {
        let cancel = Cancel::new();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            let mut wait = Box::pin(cancel.cancelled());
            assert!(wait.as_mut().poll(&mut cx).is_pending());
            assert!(wait.as_mut().poll(&mut cx).is_pending(), "polled twice, kept once");
            assert_eq!(cancel.lock().waiting.len(), 1);
        }
        assert!(cancel.lock().waiting.is_empty());
    }
}
