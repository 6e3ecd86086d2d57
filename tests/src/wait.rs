//! Waiting with a bound and a clear message.

use std::time::{Duration, Instant};

/// Between two looks.
pub const LOOK: Duration = Duration::from_millis(10);

/// Waits until `look` finds something.
///
/// # Panics
/// After `limit`, saying what was waited for.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} in vain: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Waits until a complaint is gone: `look` says what is still wrong.
///
/// # Panics
/// After `limit`, with the last complaint.
pub fn until_fine(limit: Duration, mut look: impl FnMut() -> Result<(), String>) {
    let started = Instant::now();
    while let Err(wrong) = look() {
        assert!(started.elapsed() < limit, "after {limit:?} still: {wrong}");
        std::thread::sleep(LOOK);
    }
}
