//! The sans-IO driver of one deployment: it turns inputs into actions, in an order that is safe.
//!
//! The contract: after every [`Driver::handle`] and every completion, call [`Driver::poll`] until it
//! says `None`; only then wait. What it guarantees:
//!
//! - nothing starts before the events that say so are durable (write before act);
//! - nothing is shown before it is durable (what a client saw survives any crash);
//! - the work that runs is exactly the work the state wants: started when wanted, cancelled when not;
//! - work on a step does not start while older work on the same step has not ended.

use std::collections::BTreeMap;

use crate::command::Input;
use crate::deployment::Deployment;
use crate::effect::Effect;
use crate::id::Seq;
use crate::planted::{self, Bug};
use crate::reject::Rejection;
use crate::time::Timestamp;
use crate::wire::Envelope;

/// One thing to do, from [`Driver::poll`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write these events after that one; then call [`Driver::persisted`].
    Persist {
        /// The last durable event.
        after: Seq,
        /// What to write.
        events: Vec<Envelope>,
    },
    /// The state is durable up to here: show it.
    Publish,
    /// Start this work; when it ends call [`Driver::settled`], and handle its report.
    Start(Effect),
    /// Ask this work to stop; it still ends with [`Driver::settled`].
    Cancel(Effect),
}

/// Drives one deployment.
#[derive(Debug)]
pub struct Driver {
    deployment: Deployment,
    unwritten: Vec<Envelope>,
    writing: bool,
    durable: Seq,
    published: Seq,
    /// Work that runs, and whether it was asked to stop.
    running: BTreeMap<Effect, bool>,
}

impl Driver {
    /// Drives a deployment whose whole history is durable and of which nothing is running.
    #[must_use]
    pub const fn new(deployment: Deployment) -> Self {
        let durable = deployment.seq();
        Self {
            deployment,
            unwritten: Vec::new(),
            writing: false,
            durable,
            published: Seq(0),
            running: BTreeMap::new(),
        }
    }

    /// The state, which may be ahead of what is durable.
    #[must_use]
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Takes one input.
    ///
    /// # Errors
    /// [`Rejection`]: the state forbids it and is untouched.
    pub fn handle(&mut self, input: &Input) -> Result<(), Rejection> {
        let events = self.deployment.decide(input)?;
        for event in &events {
            let next = self.deployment.clone().evolve(event);
            self.deployment = next.expect("what is decided can be folded: model_test.rs");
        }
        self.unwritten.extend(events);
        Ok(())
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        if self.writing {
            return None;
        }
        if planted::is(Bug::EffectBeforeIntent)
            && let Some(action) = self.poll_work()
        {
            return Some(action);
        }
        if !self.unwritten.is_empty() && planted::is(Bug::ShownBeforeDurable) {
            let last = self.unwritten.last().map_or(self.durable, |envelope| envelope.sequence);
            if self.published < last {
                self.published = last;
                return Some(Action::Publish);
            }
        }
        if !self.unwritten.is_empty() {
            self.writing = true;
            let events = std::mem::take(&mut self.unwritten);
            return Some(Action::Persist { after: self.durable, events });
        }
        if self.published < self.durable {
            self.published = self.durable;
            return Some(Action::Publish);
        }
        self.poll_work()
    }

    fn poll_work(&mut self) -> Option<Action> {
        let wanted = self.deployment.effects();
        let cancels = !planted::is(Bug::CancelForgotten);
        let unwanted =
            self.running.iter_mut().find(|(effect, asked)| cancels && !**asked && !wanted.contains(effect));
        if let Some((effect, asked)) = unwanted {
            *asked = true;
            return Some(Action::Cancel(effect.clone()));
        }
        let effect = wanted
            .into_iter()
            .find(|effect| !self.running.contains_key(effect) && !self.is_occupied(effect))?;
        self.running.insert(effect.clone(), false);
        Some(Action::Start(effect))
    }

    /// Whether older work on the same thing has not ended yet.
    fn is_occupied(&self, effect: &Effect) -> bool {
        !planted::is(Bug::WorkOverlaps)
            && self.running.keys().any(|running| running.kind.step() == effect.kind.step())
    }

    /// The events of the last [`Action::Persist`] are durable up to here.
    pub fn persisted(&mut self, upto: Seq) {
        self.durable = upto;
        self.writing = false;
    }

    /// Work has ended, in whatever way. Returns whether it was still wanted: the report of work that
    /// was cancelled says nothing that reading back would not say better.
    pub fn settled(&mut self, effect: &Effect) -> bool {
        self.running.remove(effect).is_some_and(|asked_to_stop| !asked_to_stop)
    }

    /// When the state wants a tick.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deployment.deadline()
    }

    /// Whether nothing is left to do, ever: it has ended, all is durable and shown, and all work has
    /// ended too.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.deployment.is_ended() && self.is_quiet()
    }

    /// Whether nothing is running or waiting to be written or shown.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.unwritten.is_empty()
            && !self.writing
            && self.running.is_empty()
            && self.published == self.durable
    }
}
