//! Attempts at work that changes nothing: claiming, inspecting, drafting.

use super::PhaseName;
use super::phase::Wanted;
use crate::effect::EffectKind;
use crate::event::{Cause, Event};
use crate::failure::{Failure, FailureClass};
use crate::plan::Retry;
use crate::time::{Span, Timestamp};

/// How often preparation is tried: 5 times, after 0.5, 1, 2 and 4 seconds.
const RETRY: Retry = Retry { attempts: 5, backoff: Span::from_millis(500) };
/// How long one attempt may take.
const TIMEOUT: Span = Span::from_secs(120);
/// A claim waits for its turn as long as it takes; this only bounds one attempt of waiting.
const CLAIM_TIMEOUT: Span = Span::from_secs(7 * 24 * 3600);

/// The current attempt, or the wait before the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    number: u32,
    until: Option<Timestamp>,
}

impl Attempt {
    pub(super) const FIRST: Self = Self { number: 1, until: None };

    pub(super) const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// A failed attempt is tried again if that can help, or ends the deployment.
    pub(super) fn failed(&self, failure: &Failure, phase: PhaseName, at: Timestamp) -> Event {
        let again = match failure.class() {
            FailureClass::Transient | FailureClass::InDoubt => self.number < RETRY.attempts,
            FailureClass::Permanent => false,
        };
        if again {
            let until = at.after(RETRY.wait(self.number));
            Event::PreparationRetried { failure: failure.clone(), until }
        } else {
            Event::Failed { cause: Cause { phase, step: None, failure: failure.clone() } }
        }
    }

    pub(super) fn tick(&self, at: Timestamp) -> Vec<Event> {
        let due = self.until.is_some_and(|until| until <= at);
        if due { vec![Event::PreparationDue] } else { Vec::new() }
    }

    pub(super) fn wanted(&self, kind: EffectKind) -> Vec<Wanted> {
        let timeout = if kind == EffectKind::Claim { CLAIM_TIMEOUT } else { TIMEOUT };
        if self.until.is_none() { vec![(kind, self.number, timeout)] } else { Vec::new() }
    }

    pub(super) const fn waiting(&self, until: Timestamp) -> Self {
        Self { number: self.number, until: Some(until) }
    }

    pub(super) const fn next(&self) -> Self {
        Self { number: self.number + 1, until: None }
    }
}
