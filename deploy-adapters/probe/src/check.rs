//! Observing until a health policy is decided.

use std::time::Duration;

use deploy_core::cancel::Cancel;
use deploy_core::evidence::Fact;
use deploy_core::failure::{Failure, FailureCode};
use deploy_core::health::{HealthPolicy, Judge, Verdict};
use deploy_core::id::Digest;
use deploy_core::time::{Span, Timestamp};

use crate::exchange::Prober;
use crate::judge::{Judgement, Problem, ProblemKind, expectation, judge};
use crate::observation::Observation;
use crate::target::Target;

/// The shortest time between two attempts, whatever a policy says: a probe must not become a load.
const SHORTEST_INTERVAL: Span = Span::from_millis(10);

/// One attempt, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// What was seen.
    pub observation: Observation,
    /// What it is worth.
    pub judgement: Judgement,
}

/// A policy was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// How many attempts it took.
    pub attempts: u32,
    /// What shows it.
    pub evidence: Vec<Fact>,
}

/// Observes `target` until `policy` is decided: as many good answers in a row as it asks for, or its deadline.
///
/// The path and the timeout are the policy's; those of `target` don't count. `clock` tells the time; `on_attempt`
/// hears of every attempt, in line.
///
/// # Errors
/// [`FailureCode::Unhealthy`] or [`FailureCode::WrongRelease`] with the last observation that tells something as evidence, and
/// [`FailureCode::Cancelled`] when asked to stop.
pub async fn check(
    prober: &Prober,
    target: &Target,
    policy: &HealthPolicy,
    expected_release: Option<&Digest>,
    clock: impl Fn() -> Timestamp,
    cancel: &Cancel,
    mut on_attempt: impl FnMut(&Attempt),
) -> Result<Passed, Failure> {
    let started = clock();
    let deadline = started.after(policy.deadline);
    let mut judged = Judge::new(policy, started);
    let mut telling = None;
    loop {
        let left = deadline.since(clock());
        let target =
            Target { path: policy.path.clone(), timeout: policy.timeout.min(left), ..target.clone() };
        let observation = stoppable(cancel, prober.observe(&target, policy)).await?;
        let judgement = judge(&observation, policy, expected_release);
        let now = clock();
        let verdict = judged.observe(judgement == Judgement::Good, now);
        let attempt = Attempt { number: judged.attempts(), observation, judgement };
        on_attempt(&attempt);
        // The deadline cuts the last attempt short. What it did not hear says less than the answer before it.
        if attempt.observation.outcome.is_ok() || left >= policy.timeout {
            telling = Some(attempt.clone());
        }
        // A pause that would end behind the deadline can't lead to anything: the answer is known now.
        let pause = policy.interval.max(SHORTEST_INTERVAL);
        let too_late = now.after(pause) >= deadline;
        match verdict {
            Verdict::Healthy => return Ok(passed(&attempt, now.since(started))),
            Verdict::Undecided if !too_late => {
                stoppable(cancel, tokio::time::sleep(pause.as_duration())).await?;
            }
            Verdict::Undecided | Verdict::Unhealthy => {
                let tried = (attempt.number, now.since(started));
                let telling = telling.unwrap_or(attempt);
                return Err(failed(&telling, tried, &expectation(policy, expected_release)));
            }
        }
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

fn passed(attempt: &Attempt, took: Span) -> Passed {
    let evidence = vec![
        Fact::new("attempts", format!("{} in {took}", attempt.number)),
        Fact::new("answer", answered(&attempt.observation)),
    ];
    Passed { attempts: attempt.number, evidence }
}

fn failed(attempt: &Attempt, (attempts, took): (u32, Span), expected: &str) -> Failure {
    let (code, message) = match &attempt.judgement {
        Judgement::Bad(Problem { kind: ProblemKind::WrongRelease, message }) => {
            (FailureCode::WrongRelease, message.clone())
        }
        Judgement::Bad(Problem {
            kind: ProblemKind::NoAnswer | ProblemKind::Status | ProblemKind::Body,
            message,
        }) => (FailureCode::Unhealthy, message.clone()),
        Judgement::Good => {
            (FailureCode::Unhealthy, "too few good answers in a row before the deadline".to_owned())
        }
    };
    let failure = Failure::new(code, message)
        .because("expected", expected)
        .because("attempts", format!("{attempts} in {took}"))
        .because("answer", answered(&attempt.observation));
    match &attempt.observation.outcome {
        Ok(answer) if !answer.body.is_empty() => failure.because("body", answer.body_head()),
        Ok(_) | Err(_) => failure,
    }
}

fn answered(observation: &Observation) -> String {
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
