//! Observing until a health policy is decided.

use std::net::SocketAddr;
use std::time::Duration;

use deploy_core::cancel::Cancel;
use deploy_core::evidence::Fact;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::health::{HealthPolicy, Judge, Verdict};
use deploy_core::id::Digest;
use deploy_core::time::{Span, Timestamp};

use tokio::net::TcpStream;

use crate::exchange::Prober;
use crate::judge::{Judgement, Problem, ProblemKind, expectation, judge};
use crate::observation::{Answer, Observation};
use crate::target::Target;

/// The shortest time between two attempts, whatever a policy says: a probe must not become a load.
const SHORTEST_INTERVAL: Span = Span::from_millis(10);

/// One attempt, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// What was seen.
    pub look: Look,
}

/// One look at a release, whatever it was looked at with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What it is worth.
    pub judgement: Judgement,
    /// What was seen, for people: `status 503 after 12ms`.
    pub seen: String,
    /// The beginning of what was said, if anything was.
    pub said: Option<String>,
    /// Whether anybody answered at all.
    pub heard: bool,
}

/// A way to look at a release, again and again.
pub trait Looks: Send {
    /// Looks once. It must be back within `timeout`.
    fn look(&mut self, timeout: Span) -> impl Future<Output = Look> + Send;

    /// What a good look shows, for people: `status 2xx`.
    fn expects(&self) -> String;
}

impl<L: Looks> Looks for &mut L {
    fn look(&mut self, timeout: Span) -> impl Future<Output = Look> + Send {
        (**self).look(timeout)
    }

    fn expects(&self) -> String {
        (**self).expects()
    }
}

/// A policy was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// How many attempts it took.
    pub attempts: u32,
    /// What shows it.
    pub evidence: Vec<Fact>,
}

/// Asks `target` over HTTP until `policy` is decided, as [`decide`] does.
///
/// The path and the timeout are the policy's; those of `target` don't count.
///
/// # Errors
/// As [`decide`], and [`FailureCode::WrongRelease`] where it is another release that answers.
pub async fn check(
    prober: &Prober,
    target: &Target,
    policy: &HealthPolicy,
    expected_release: Option<&Digest>,
    clock: impl Fn() -> Timestamp + Send,
    cancel: &Cancel,
    on_attempt: impl FnMut(&Attempt) + Send,
) -> Result<Passed, Failure> {
    let asking = Asking { prober, target, policy, expected_release };
    decide(asking, policy, clock, cancel, on_attempt).await
}

/// Looks until `policy` is decided: as many good looks as it asks for, or its deadline.
///
/// `clock` tells the time; `on_attempt` hears of every attempt, in line.
///
/// # Errors
/// [`FailureCode::Unhealthy`] with the last look that tells something as evidence, and
/// [`FailureCode::Cancelled`] when asked to stop.
pub async fn decide(
    mut looks: impl Looks,
    policy: &HealthPolicy,
    clock: impl Fn() -> Timestamp + Send,
    cancel: &Cancel,
    mut on_attempt: impl FnMut(&Attempt) + Send,
) -> Result<Passed, Failure> {
    let started = clock();
    let deadline = started.after(policy.deadline);
    let mut judged = Judge::new(policy, started);
    let mut telling = None;
    loop {
        let left = deadline.since(clock());
        let look = stoppable(cancel, looks.look(policy.timeout.min(left))).await?;
        let now = clock();
        let verdict = judged.observe(look.judgement == Judgement::Good, now);
        let attempt = Attempt { number: judged.attempts(), look };
        on_attempt(&attempt);
        // The deadline cuts the last attempt short. What it did not hear says less than the answer before it.
        if attempt.look.heard || left >= policy.timeout {
            telling = Some(attempt.clone());
        }
        // A pause that would end behind the deadline can't lead to anything: the answer is known now.
        let pause = policy.interval.max(SHORTEST_INTERVAL);
        let too_late = now.after(pause) >= deadline;
        match verdict {
            Verdict::Healthy => return Ok(passed(attempt, now.since(started))),
            Verdict::Undecided if !too_late => {
                stoppable(cancel, tokio::time::sleep(pause.as_duration())).await?;
            }
            Verdict::Undecided | Verdict::Unhealthy => {
                let tried = (attempt.number, now.since(started));
                let expected = format!("{}; {}", looks.expects(), policy.asks_for());
                return Err(failed(telling.unwrap_or(attempt), tried, &expected));
            }
        }
    }
}

/// Looking over HTTP.
struct Asking<'a> {
    prober: &'a Prober,
    target: &'a Target,
    policy: &'a HealthPolicy,
    expected_release: Option<&'a Digest>,
}

impl Looks for Asking<'_> {
    async fn look(&mut self, timeout: Span) -> Look {
        let target = Target { path: self.policy.path.clone(), timeout, ..self.target.clone() };
        let observation = self.prober.observe(&target, self.policy).await;
        let said = observation.outcome.as_ref().ok().filter(|answer| !answer.body.is_empty());
        Look {
            judgement: judge(&observation, self.policy, self.expected_release),
            seen: answered(&observation),
            said: said.map(Answer::body_head),
            heard: observation.outcome.is_ok(),
        }
    }

    fn expects(&self) -> String {
        expectation(self.policy, self.expected_release)
    }
}

/// Looking by connecting: whoever accepts is well.
#[derive(Debug, Clone, Copy)]
pub struct Connecting(pub SocketAddr);

impl Looks for Connecting {
    async fn look(&mut self, timeout: Span) -> Look {
        let asked = tokio::time::timeout(timeout.as_duration(), TcpStream::connect(self.0)).await;
        let problem = match asked {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("no connection to {}: {error}", self.0)),
            Err(_) => Some(format!("no connection to {} within {timeout}", self.0)),
        };
        let bad = |message| Judgement::Bad(Problem { kind: ProblemKind::NoAnswer, message });
        Look {
            heard: problem.is_none(),
            seen: problem.clone().unwrap_or_else(|| "the connection was accepted".to_owned()),
            judgement: problem.map_or(Judgement::Good, bad),
            said: None,
        }
    }

    fn expects(&self) -> String {
        "an accepted connection".to_owned()
    }
}

/// Waits for something, or for the request to stop.
async fn stoppable<T>(cancel: &Cancel, work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            Err(Failure::new(FailureCode::Cancelled, "the health check was stopped on request"))
        }
        done = work => Ok(done),
    }
}

fn passed(attempt: Attempt, took: Span) -> Passed {
    let evidence = vec![
        Fact::new("attempts", format!("{} in {took}", attempt.number)),
        Fact::new("answer", attempt.look.seen),
    ];
    Passed { attempts: attempt.number, evidence }
}

fn failed(attempt: Attempt, (attempts, took): (u32, Span), expected: &str) -> Failure {
    let (code, message) = match attempt.look.judgement {
        Judgement::Bad(Problem { kind: ProblemKind::WrongRelease, message }) => {
            (FailureCode::WrongRelease, message)
        }
        Judgement::Bad(Problem {
            kind:
                ProblemKind::NoAnswer
                | ProblemKind::Status
                | ProblemKind::Body
                | ProblemKind::Slow
                | ProblemKind::Command,
            message,
        }) => (FailureCode::Unhealthy, message),
        Judgement::Good => {
            (FailureCode::Unhealthy, "too few good answers in a row before the deadline".to_owned())
        }
    };
    let failure = Failure::new(code, message)
        .because("expected", expected)
        .because("attempts", format!("{attempts} in {took}"))
        .because("answer", attempt.look.seen);
    match attempt.look.said {
        Some(said) => failure.because("body", said),
        None => failure,
    }
}

pub(crate) fn answered(observation: &Observation) -> String {
    let took = round(observation.elapsed);
    match &observation.outcome {
        Ok(answer) => match &answer.release {
            Some(release) => format!("status {} from release {release} after {took}", answer.status),
            None => format!("status {} after {took}", answer.status),
        },
        Err(error) => format!("{error}, after {took}"),
    }
}

fn round(elapsed: Duration) -> Span {
    Span::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}
