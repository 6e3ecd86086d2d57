//! Given a history, when something comes in, then these events: the decider in one sentence.
//!
//! ```
//! use deploy_core::command::{Command, Input};
//! use deploy_core::event::Event;
//! use deploy_core::spec::{Actor, Approval};
//! use deploy_core::testkit::{self, given};
//! use deploy_core::time::Timestamp;
//!
//! let by = Actor("anna".to_owned());
//! let pause = Input::Command { command: Command::Pause, by: by.clone(), at: Timestamp::EPOCH };
//! given(&testkit::accepted(testkit::spec(Approval::Automatic)))
//!     .when(&pause)
//!     .then(&[Event::Paused { by }])
//!     .when(&pause)
//!     .then_refused("already_paused");
//! ```

use std::fmt::Write as _;
use std::sync::Arc;

use crate::command::Input;
use crate::deployment::Deployment;
use crate::event::Event;
use crate::id::{DeploymentId, ResourceId};
use crate::reject::Rejection;
use crate::spec::Spec;
use crate::time::Timestamp;
use crate::wire::Envelope;

/// A history of one event: this was submitted.
#[must_use]
pub fn accepted(spec: Spec) -> Vec<Envelope> {
    let id = DeploymentId::new(uuid::Uuid::nil());
    let resource = ResourceId::new(uuid::Uuid::nil());
    vec![Deployment::accept(id, resource, Arc::new(spec), Timestamp::EPOCH)]
}

/// Given this history.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn given(history: &[Envelope]) -> Given {
    let state = Deployment::replay(history).unwrap_or_else(|error| panic!("no history: {error}"));
    Given { state }
}

/// A state that a history led to.
#[derive(Debug, Clone)]
pub struct Given {
    state: Deployment,
}

impl Given {
    /// The state.
    #[must_use]
    pub const fn state(&self) -> &Deployment {
        &self.state
    }

    /// When this comes in.
    pub fn when(self, input: &Input) -> When {
        let decided = self.state.decide(input);
        When { state: self.state, decided, input: format!("{input:?}") }
    }
}

/// What an input led to.
#[derive(Debug, Clone)]
#[must_use = "say what is expected: `then` or `then_refused`"]
pub struct When {
    state: Deployment,
    decided: Result<Vec<Envelope>, Rejection>,
    input: String,
}

impl When {
    /// Then exactly these events were decided, in this order. Goes on from the state they lead to.
    ///
    /// # Panics
    /// With the difference, line by line.
    pub fn then(self, expected: &[Event]) -> Given {
        let decided = self.decided.unwrap_or_else(|rejection| {
            panic!("{} was refused: {rejection} ({})", self.input, rejection.code())
        });
        let events: Vec<&Event> = decided.iter().map(|envelope| &envelope.event).collect();
        let wanted: Vec<&Event> = expected.iter().collect();
        assert!(events == wanted, "{} led to other events:\n{}", self.input, difference(&wanted, &events));
        let state = decided.iter().try_fold(self.state, Deployment::evolve);
        Given { state: state.unwrap_or_else(|error| panic!("what was decided does not fold: {error}")) }
    }

    /// Then it was refused with this code, and nothing changed.
    ///
    /// # Panics
    /// When it was not, or with another code.
    pub fn then_refused(self, code: &str) -> Given {
        match self.decided {
            Err(rejection) => assert_eq!(rejection.code(), code, "{} was refused otherwise", self.input),
            Ok(events) => panic!("{} was not refused but led to {events:?}", self.input),
        }
        Given { state: self.state }
    }
}

/// What is the same, what is missing (`-`) and what is there instead (`+`).
fn difference(wanted: &[&Event], decided: &[&Event]) -> String {
    let same = wanted.iter().zip(decided).take_while(|(a, b)| a == b).count();
    let rest = |events: &[&Event]| events.len().saturating_sub(same);
    let end = wanted.iter().rev().zip(decided.iter().rev()).take_while(|(a, b)| a == b).count();
    let end = end.min(rest(wanted)).min(rest(decided));
    let mut text = String::new();
    let mut lines = |sign: char, events: &[&Event]| {
        for event in events {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {sign} {event:?}");
        }
    };
    lines(' ', &wanted[..same]);
    lines('-', &wanted[same..wanted.len() - end]);
    lines('+', &decided[same..decided.len() - end]);
    lines(' ', &wanted[wanted.len() - end..]);
    text
}

#[cfg(test)]
mod tests {
    use super::difference;
    use crate::event::Event;

    #[test]
    fn a_difference_shows_what_is_missing_and_what_is_there_instead() {
        let (stopped, due, succeeded) = (Event::Stopped, Event::PreparationDue, Event::Succeeded);
        let text = difference(&[&due, &stopped], &[&due, &succeeded, &stopped]);
        assert_eq!(text, "    PreparationDue\n  + Succeeded\n    Stopped\n");
    }
}
