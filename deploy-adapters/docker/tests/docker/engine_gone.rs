//! An engine that is killed, frozen or restarted: an engine of the test's own, so that no other test feels it.
