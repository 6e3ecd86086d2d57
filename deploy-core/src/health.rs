//! When something counts as healthy: a policy, and the fold that turns observations into a verdict.
//!
//! The verdict is a pure function of the sequence of observations: the same answers at the same
//! times always give the same verdict, so neither luck nor the prober decides.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::browser::BrowserPolicy;
use crate::planted::{self, Bug};
use crate::time::{Span, Timestamp};

/// How a release is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HealthCheck {
    /// A request over HTTP: the path, with the status and the body that are expected.
    #[default]
    Http,
    /// A connection that is accepted.
    Tcp,
    /// A command that is run beside the release and ends with 0.
    Command {
        /// The command, as it was written.
        command: String,
    },
    /// The command that the image itself names for it.
    Image,
}

impl HealthCheck {
    /// Whether it is a request over HTTP.
    #[must_use]
    pub fn is_http(&self) -> bool {
        *self == Self::Http
    }

    /// What is asked, for people: "GET /health must answer 200".
    #[must_use]
    pub fn asks(&self, policy: &HealthPolicy) -> String {
        match self {
            Self::Http => {
                let good = policy.expected_status.map_or("2xx".to_owned(), |status| status.to_string());
                format!("GET {} must answer {good}", policy.path)
            }
            Self::Tcp => "a connection must be accepted".to_owned(),
            Self::Command { command } => format!("`{command}` must end with 0"),
            Self::Image => "the image's own health check must end with 0".to_owned(),
        }
    }
}

/// The health policy of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthPolicy {
    /// How it is asked.
    #[serde(skip_serializing_if = "HealthCheck::is_http", default)]
    pub check: HealthCheck,
    /// The path that is asked for.
    pub path: String,
    /// The time between two attempts.
    pub interval: Span,
    /// How long one attempt may take.
    pub timeout: Span,
    /// How many good answers make it healthy; at least 1. In a row, unless `out_of` says otherwise.
    pub healthy_after: u32,
    /// Of how many answers, the last ones, that many must be good. In a row when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub out_of: Option<u32>,
    /// How long it must have stayed so before it counts; at once when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stable_for: Option<Span>,
    /// How long it may take until it is healthy.
    pub deadline: Span,
    /// The status that counts as good; any 2xx when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_status: Option<u16>,
    /// A text the body must contain.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_body: Option<String>,
    /// How long the first byte of a good answer may take; only measured when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_byte: Option<Span>,
    /// How a browser looks at it once it answers; none looks when absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub browser: Option<BrowserPolicy>,
}

impl HealthPolicy {
    /// What it asks for, for people: "2 good answers in a row, within 10s".
    #[must_use]
    pub fn asks_for(&self) -> String {
        let count = match (self.healthy_after.max(1), self.out_of) {
            (1, _) => "1 good answer".to_owned(),
            (needed, Some(out_of)) if out_of > needed => format!("{needed} good answers out of {out_of}"),
            (needed, _) => format!("{needed} good answers in a row"),
        };
        let stable = self.stable_for.map_or(String::new(), |span| format!(", stable for {span}"));
        format!("{count}{stable}, within {}", self.deadline)
    }
}

impl Default for HealthPolicy {
    /// `/` answers with 2xx, twice in a row, within ten seconds.
    fn default() -> Self {
        Self {
            check: HealthCheck::Http,
            path: "/".to_owned(),
            interval: Span::from_millis(10),
            timeout: Span::from_secs(5),
            healthy_after: 2,
            out_of: None,
            stable_for: None,
            deadline: Span::from_secs(10),
            expected_status: None,
            expected_body: None,
            first_byte: None,
            browser: None,
        }
    }
}

/// What the fold says after an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not enough good answers yet, or not for long enough, and there is time left.
    Undecided,
    /// Healthy.
    Healthy,
    /// The deadline passed first.
    Unhealthy,
}

/// Counts good answers against a policy: k of the last n, and so for a while.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Judge {
    needed: usize,
    out_of: usize,
    stable_for: Span,
    deadline: Timestamp,
    last: VecDeque<bool>,
    /// Since when enough of the last answers were good.
    enough_since: Option<Timestamp>,
    attempts: u32,
}

impl Judge {
    /// A judge that starts now.
    #[must_use]
    pub fn new(policy: &HealthPolicy, now: Timestamp) -> Self {
        let needed = if planted::is(Bug::OneGoodAnswerIsHealthy) { 1 } else { policy.healthy_after.max(1) };
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            needed: count(needed),
            out_of: count(policy.out_of.unwrap_or(needed).max(needed)),
            stable_for: policy.stable_for.unwrap_or(Span::ZERO),
            deadline: now.after(policy.deadline),
            last: VecDeque::new(),
            enough_since: None,
            attempts: 0,
        }
    }

    /// Takes one observation, made at `at`, and says where that leaves us.
    ///
    /// Only a good answer makes it healthy, and one after the deadline can no longer help.
    pub fn observe(&mut self, good: bool, at: Timestamp) -> Verdict {
        self.attempts = self.attempts.saturating_add(1);
        self.last.push_back(good);
        if self.last.len() > self.out_of {
            self.last.pop_front();
        }
        let enough = self.last.iter().filter(|good| **good).count() >= self.needed;
        self.enough_since = enough.then(|| self.enough_since.unwrap_or(at));
        let stable = self.enough_since.is_some_and(|since| at.since(since) >= self.stable_for);
        if good && stable && at <= self.deadline {
            Verdict::Healthy
        } else if at >= self.deadline {
            Verdict::Unhealthy
        } else {
            Verdict::Undecided
        }
    }

    /// How many observations were made.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(policy: &HealthPolicy, answers: &[(bool, u64)]) -> (Verdict, usize) {
        let mut judge = Judge::new(policy, Timestamp::EPOCH);
        for (index, (good, at)) in answers.iter().enumerate() {
            let verdict = judge.observe(*good, Timestamp::EPOCH.after(Span::from_millis(*at)));
            if verdict != Verdict::Undecided {
                return (verdict, index);
            }
        }
        (Verdict::Undecided, answers.len())
    }

    /// The definition, without keeping anything: at which answer it is healthy.
    fn healthy_at(policy: &HealthPolicy, answers: &[(bool, u64)]) -> Option<usize> {
        let needed = policy.healthy_after.max(1) as usize;
        let window = (policy.out_of.unwrap_or(0) as usize).max(needed);
        let enough = |upto: usize| {
            let last = &answers[(upto + 1).saturating_sub(window)..=upto];
            last.iter().filter(|(good, _)| *good).count() >= needed
        };
        (0..answers.len()).find(|&index| {
            let since = (0..=index).rev().take_while(|&earlier| enough(earlier)).last();
            let stable = policy.stable_for.map_or(0, Span::as_millis);
            let long = since.is_some_and(|since| answers[index].1 - answers[since].1 >= stable);
            answers[index].0 && long && answers[index].1 <= policy.deadline.as_millis()
        })
    }

    proptest! {
        #[test]
        fn inv_03_healthy_is_k_of_the_last_n_and_stable_within_the_deadline(
            healthy_after in 0_u32..5,
            out_of in proptest::option::of(0_u32..7),
            stable_for in proptest::option::of(0_u64..40),
            steps in proptest::collection::vec((any::<bool>(), 0_u64..12), 0..25),
        ) {
            let policy = HealthPolicy {
                healthy_after,
                out_of,
                stable_for: stable_for.map(Span::from_millis),
                deadline: Span::from_millis(100),
                ..HealthPolicy::default()
            };
            let mut now = 0;
            let answers: Vec<(bool, u64)> = steps.into_iter().map(|(good, wait)| { now += wait; (good, now) }).collect();
            let expected = healthy_at(&policy, &answers);
            let late = answers.iter().position(|(_, at)| *at >= 100);
            match verdict(&policy, &answers) {
                (Verdict::Healthy, index) => prop_assert_eq!(Some(index), expected),
                (Verdict::Unhealthy, index) => {
                    prop_assert_eq!(Some(index), late);
                    prop_assert!(expected.is_none_or(|expected| expected > index));
                }
                (Verdict::Undecided, _) => prop_assert!(expected.is_none() && late.is_none()),
            }
        }
    }
}
