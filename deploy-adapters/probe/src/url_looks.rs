//! Asking a URL again and again. Its name is resolved, and its addresses are judged, before every connection: an
//! answer that changes meanwhile opens nothing that was not allowed.

use std::time::{Duration, Instant};

use deploy_core::health::HealthPolicy;
use deploy_core::time::Span;

use crate::address::AddressPolicy;
use crate::check::{Look, Looks, answered};
use crate::exchange::Prober;
use crate::judge::{Judgement, Problem, ProblemKind, expectation, judge};
use crate::observation::Observation;
use crate::target::Target;
use crate::url::{Resolve, resolve_and_check};

/// Where programs say that they are well, in the order in which they are asked. What stands together must answer
/// together.
pub const CASCADE: [&[&str]; 5] =
    [&["/"], &["/healthz"], &["/health"], &["/livez", "/readyz"], &["/_health"]];

/// How long one of the paths behind the first may take.
const SHORT: Duration = Duration::from_secs(2);

/// Which paths are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paths {
    /// This one.
    One(String),
    /// Those of [`CASCADE`]: the first that answers with success is the one.
    Cascade,
}

/// The last good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The path.
    pub path: String,
    /// The status.
    pub status: u16,
    /// How long the first byte took.
    pub first_byte: Duration,
}

/// Asking a URL.
pub struct AskingUrl<'a, R> {
    prober: &'a Prober,
    url: &'a str,
    paths: Paths,
    addresses: &'a AddressPolicy,
    resolver: &'a R,
    policy: &'a HealthPolicy,
    /// The place in the cascade that answered last.
    found: Option<usize>,
    good: Option<Answered>,
    status: Option<u16>,
}

impl<'a, R: Resolve + Sync> AskingUrl<'a, R> {
    /// Asks `paths` below `url`, whose own path does not count.
    #[must_use]
    pub fn new(
        prober: &'a Prober,
        (url, paths): (&'a str, Paths),
        (addresses, resolver): (&'a AddressPolicy, &'a R),
        policy: &'a HealthPolicy,
    ) -> Self {
        Self { prober, url, paths, addresses, resolver, policy, found: None, good: None, status: None }
    }

    /// The last good answer.
    #[must_use]
    pub const fn answered(&self) -> Option<&Answered> {
        self.good.as_ref()
    }

    /// The status of the last answer; absent when nobody answered.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    async fn ask(
        &self,
        target: &Target,
        path: &str,
        timeout: Duration,
    ) -> (Look, Option<Answered>, Option<u16>) {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(1);
        let target = Target { path: path.to_owned(), timeout: Span::from_millis(millis), ..target.clone() };
        let observation = self.prober.observe(&target, self.policy).await;
        let judgement = judge(&observation, self.policy, None);
        let answer = observation.outcome.as_ref().ok();
        let good = answer.filter(|_| judgement == Judgement::Good).map(|answer| Answered {
            path: path.to_owned(),
            status: answer.status,
            first_byte: answer.first_byte,
        });
        let status = answer.map(|answer| answer.status);
        (look(path, &observation, judgement), good, status)
    }

    /// One place of the cascade: every path that stands there must be good.
    async fn ask_all(
        &self,
        target: &Target,
        paths: &[&str],
        timeout: Duration,
    ) -> (Look, Option<Answered>, Option<u16>) {
        let started = Instant::now();
        let mut last = self.ask(target, paths[0], timeout).await;
        for path in &paths[1..] {
            if last.1.is_none() {
                break;
            }
            last = self.ask(target, path, timeout.saturating_sub(started.elapsed())).await;
        }
        last
    }

    async fn cascade(
        &self,
        target: &Target,
        timeout: Duration,
    ) -> (Look, Option<Answered>, Option<u16>, Option<usize>) {
        let started = Instant::now();
        if let Some(found) = self.found {
            let (look, good, status) = self.ask_all(target, CASCADE[found], timeout).await;
            let again = good.is_some().then_some(found);
            return (look, good, status, again);
        }
        let (first, good, status) = self.ask_all(target, CASCADE[0], timeout / 2).await;
        if good.is_some() || !first.heard {
            let found = good.is_some().then_some(0);
            return (first, good, status, found);
        }
        for (place, paths) in CASCADE.iter().enumerate().skip(1) {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            let (look, good, status) = self.ask_all(target, paths, left.min(SHORT)).await;
            if good.is_some() {
                return (look, good, status, Some(place));
            }
        }
        // What `/` said tells people more than a row of 404.
        (first, None, status, None)
    }
}

fn look(path: &str, observation: &Observation, judgement: Judgement) -> Look {
    let said = observation.outcome.as_ref().ok().filter(|answer| !answer.body.is_empty());
    Look {
        judgement,
        seen: format!("{path}: {}", answered(observation)),
        said: said.map(crate::Answer::body_head),
        heard: observation.outcome.is_ok(),
    }
}

impl<R: Resolve + Sync> Looks for AskingUrl<'_, R> {
    async fn look(&mut self, timeout: Span) -> Look {
        let target = match resolve_and_check(self.url, self.addresses, self.resolver, timeout).await {
            Ok(target) => target,
            Err(error) => {
                self.status = None;
                let message = error.to_string();
                let problem = Problem { kind: ProblemKind::NoAnswer, message: message.clone() };
                return Look { judgement: Judgement::Bad(problem), seen: message, said: None, heard: false };
            }
        };
        let (look, good, status) = match &self.paths {
            Paths::One(path) => self.ask(&target, path, timeout.as_duration()).await,
            Paths::Cascade => {
                let (look, good, status, found) = self.cascade(&target, timeout.as_duration()).await;
                self.found = found;
                (look, good, status)
            }
        };
        self.status = status;
        if good.is_some() {
            self.good = good;
        }
        look
    }

    fn expects(&self) -> String {
        let expected = expectation(self.policy, None);
        match &self.paths {
            Paths::One(_) => expected,
            Paths::Cascade => {
                format!("{expected}, at one of {}", CASCADE.map(|paths| paths.join(" and ")).join(", "))
            }
        }
    }
}
