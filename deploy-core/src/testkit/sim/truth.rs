//! A broken law, and the one way to say so.

/// A law that does not hold: its name, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Law {
    /// The law, named after its invariant.
    pub name: &'static str,
    /// What was seen instead.
    pub seen: String,
}

/// Says which law is broken unless it holds.
pub(super) fn holds(law: bool, name: &'static str, seen: impl FnOnce() -> String) -> Result<(), Law> {
    if law { Ok(()) } else { Err(Law { name, seen: seen() }) }
}
