//! The glyph, the word and the colour's name of every state. The word always stands beside the colour.

use deploy_core::port::ReleaseState;
use deploy_core::status::{Status, StatusName, StepStatusName};
use maud::{Markup, html};

/// How a state looks: its glyph, its word, and the class that gives it a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    glyph: &'static str,
    pub(super) word: &'static str,
    class: &'static str,
}

const fn look(glyph: &'static str, word: &'static str, class: &'static str) -> Look {
    Look { glyph, word, class }
}

impl Look {
    /// The glyph and the word.
    pub(super) fn badge(self) -> Markup {
        html! { span class={ "state " (self.class) } { span.glyph aria-hidden="true" { (self.glyph) } " " (self.word) } }
    }

    /// The class alone.
    pub(super) const fn class(self) -> &'static str {
        self.class
    }
}

/// A status word.
pub(super) const fn status(name: StatusName) -> Look {
    match name {
        StatusName::Queued => look("○", "Queued", "pending"),
        StatusName::Detecting => look("◔", "Detecting", "running"),
        StatusName::Planning => look("◔", "Planning", "running"),
        StatusName::Blocked => look("⊘", "Blocked", "failed"),
        StatusName::Planned => look("◇", "Waiting for approval", "paused"),
        StatusName::Executing => look("◔", "Running", "running"),
        StatusName::Verifying => look("◔", "Verifying", "running"),
        StatusName::RollingBack => look("◔", "Rolling back", "running"),
        StatusName::Succeeded => look("✔", "Completed", "completed"),
        StatusName::Failed => look("✖", "Failed", "failed"),
        StatusName::RolledBack => look("↩", "Rolled back", "failed"),
        StatusName::Stopped => look("■", "Stopped", "stopped"),
        StatusName::Superseded => look("⇥", "Superseded", "stopped"),
    }
}

/// Where a deployment is.
pub(super) const fn deployment(of: &Status) -> Look {
    if of.paused { look("‖", "Paused", "paused") } else { status(of.status) }
}

/// Where a step is.
pub(super) const fn step(state: StepStatusName, undone: bool) -> Look {
    if undone {
        return look("↩", "Taken back", "stopped");
    }
    match state {
        StepStatusName::Pending => look("○", "Pending", "pending"),
        StepStatusName::Running => look("◔", "Running", "running"),
        StepStatusName::Completed => look("✔", "Completed", "completed"),
        StepStatusName::Failed => look("✖", "Failed", "failed"),
        StepStatusName::Skipped => look("–", "Skipped", "skipped"),
    }
}

/// What a release is good for.
pub(super) const fn release(state: ReleaseState) -> Look {
    match state {
        ReleaseState::Live => look("●", "Live", "completed"),
        ReleaseState::Previous => look("○", "Previous", "pending"),
        ReleaseState::Failed => look("✖", "Failed", "failed"),
        ReleaseState::Pruned => look("–", "Pruned", "skipped"),
    }
}
