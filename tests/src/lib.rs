//! What crosses crates: crash tests, traffic under switches, black-box runs.
