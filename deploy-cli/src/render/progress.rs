//! Progress: one line per step. On a terminal the running step's line is drawn over; elsewhere each
//! transition is one plain line with a time, and carries the same facts.

use std::collections::BTreeMap;
use std::io::Write as _;

use deploy_core::id::StepId;
use deploy_core::queue::{Place, WaitsFor};
use deploy_core::status::{Status, StatusName, StepStatus, StepStatusName};

use super::status::{clock, step_line, waiting};
use crate::output::{is_live, tell};

pub(crate) struct Progress {
    live: bool,
    open_line: bool,
    waits: String,
    status: Option<StatusName>,
    steps: BTreeMap<StepId, (StepStatusName, bool, u32)>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { live: is_live(), open_line: false, waits: String::new(), status: None, steps: BTreeMap::new() }
    }

    /// Shows what changed since the last time.
    pub(crate) fn show(&mut self, status: &Status) {
        if self.status.is_none() {
            self.line(status, &format!("{} {}@{}", status.id, status.resource, status.environment));
        }
        if self.status != Some(status.status) && status.status == StatusName::RollingBack {
            self.line(status, "! taking back what was done");
        }
        self.status = Some(status.status);
        for step in &status.steps {
            self.step(status, step);
        }
    }

    /// Shows why it waits and where it is in the line, if that is new.
    pub(crate) fn waits(&mut self, status: &Status, place: &Place) {
        if place.waits_for == WaitsFor::Nothing {
            return;
        }
        let text = format!("○ queued{}", waiting(place));
        if text != self.waits {
            self.line(status, &text);
            self.waits = text;
        }
    }

    fn step(&mut self, status: &Status, step: &StepStatus) {
        let now = (step.state, step.undone, step.attempts);
        let before = self.steps.insert(step.id.clone(), now);
        let unchanged = before == Some(now) || (before.is_none() && step.state == StepStatusName::Pending);
        if unchanged || step.state == StepStatusName::Pending {
            return;
        }
        if self.live && step.state == StepStatusName::Running {
            let _ = write!(std::io::stderr(), "\r\x1b[2K  {}", step_line(step));
            let _ = std::io::stderr().flush();
            self.open_line = true;
        } else {
            self.line(status, &step_line(step));
        }
    }

    fn line(&mut self, status: &Status, text: &str) {
        if self.open_line {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
            self.open_line = false;
        }
        if self.live {
            tell(&format!("  {text}"));
        } else {
            tell(&format!("{} {text}", clock(status.updated_at)));
        }
    }
}
