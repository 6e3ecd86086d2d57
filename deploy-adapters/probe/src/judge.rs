//! Whether one observation is good. Pure: the same observation always gets the same judgement.

use deploy_core::health::HealthPolicy;
use deploy_core::id::Digest;

use crate::observation::{Answer, Observation};

/// What an observation is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It is what the policy asks for.
    Good,
    /// It is not.
    Bad(Problem),
}

/// Why an observation is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem.
    pub kind: ProblemKind,
    /// What was found, and what was expected.
    pub message: String,
}

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// There was no answer.
    NoAnswer,
    /// The status is not the one that was expected.
    Status,
    /// The body is empty, or does not contain the expected text.
    Body,
    /// The first byte of the answer came too late.
    Slow,
    /// A command that was run beside the release did not end with 0.
    Command,
    /// Another release answered, or something that does not say which release it is.
    WrongRelease,
}

/// Judges an observation by a policy. With `expected_release`, only that release can be good.
#[must_use]
pub fn judge(
    observation: &Observation,
    policy: &HealthPolicy,
    expected_release: Option<&Digest>,
) -> Judgement {
    let problem = match &observation.outcome {
        Err(error) => Some(Problem { kind: ProblemKind::NoAnswer, message: error.to_string() }),
        // Who answers comes first: the status of somebody else says nothing about the new release. One who does not
        // say who it is may be an intermediary with an error of its own, so that comes last.
        Ok(answer) => other_release(answer, expected_release)
            .or_else(|| status(answer, policy))
            .or_else(|| body(answer, policy))
            .or_else(|| slow(answer, policy))
            .or_else(|| no_release(answer, expected_release)),
    };
    problem.map_or(Judgement::Good, Judgement::Bad)
}

fn other_release(answer: &Answer, expected: Option<&Digest>) -> Option<Problem> {
    let (expected, actual) = (expected?, answer.release.as_deref()?);
    let message = format!("release {actual} answered instead of {expected}");
    (actual != expected.as_str()).then_some(Problem { kind: ProblemKind::WrongRelease, message })
}

fn no_release(answer: &Answer, expected: Option<&Digest>) -> Option<Problem> {
    let expected = expected.filter(|_| answer.release.is_none())?;
    let message = format!("the answer does not say which release it is from; expected {expected}");
    Some(Problem { kind: ProblemKind::WrongRelease, message })
}

fn status(answer: &Answer, policy: &HealthPolicy) -> Option<Problem> {
    let good = match policy.expected_status {
        Some(expected) => answer.status == expected,
        None if policy.check.is_http() => (200..300).contains(&answer.status),
        // Its own way of asking said that it is well; what it says over HTTP only has to come from it.
        None => answer.status < 500,
    };
    let to = match &answer.location {
        Some(location) => format!(" to {location:?}, which is not followed"),
        None => String::new(),
    };
    let message = format!("status {}{to}; expected {}", answer.status, expected_status(policy));
    (!good).then_some(Problem { kind: ProblemKind::Status, message })
}

fn body(answer: &Answer, policy: &HealthPolicy) -> Option<Problem> {
    let problem = |message: String| Some(Problem { kind: ProblemKind::Body, message });
    match &policy.expected_body {
        Some(text) if !contains(&answer.body, text.as_bytes()) => {
            let read = answer.body.len();
            let searched =
                if answer.truncated { format!("the first {read} bytes of ") } else { String::new() };
            problem(format!("{searched}the body does not contain {text:?}"))
        }
        Some(_) => None,
        None if !policy.check.is_http() => None,
        None if answer.body.is_empty() && has_body(answer.status) => problem("the body is empty".to_owned()),
        None => None,
    }
}

fn slow(answer: &Answer, policy: &HealthPolicy) -> Option<Problem> {
    let limit = policy.first_byte?;
    let message =
        format!("the first byte came after {}ms; at most {limit} is allowed", answer.first_byte.as_millis());
    (answer.first_byte > limit.as_duration()).then_some(Problem { kind: ProblemKind::Slow, message })
}

/// Statuses that never come with a body.
fn has_body(status: u16) -> bool {
    !matches!(status, 204 | 205 | 304)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

fn expected_status(policy: &HealthPolicy) -> String {
    let usual = if policy.check.is_http() { "2xx" } else { "below 500" };
    policy.expected_status.map_or(usual.to_owned(), |status| status.to_string())
}

/// What a policy asks for, for people.
pub(crate) fn expectation(policy: &HealthPolicy, expected_release: Option<&Digest>) -> String {
    let mut text = format!("status {}", expected_status(policy));
    match &policy.expected_body {
        Some(body) => text.push_str(&format!(", a body with {body:?}")),
        None if policy.check.is_http() => text.push_str(", a body that is not empty"),
        None => {}
    }
    if let Some(limit) = policy.first_byte {
        text.push_str(&format!(", its first byte within {limit}"));
    }
    if let Some(release) = expected_release {
        text.push_str(&format!(", from release {release}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use deploy_core::time::Span;

    use super::*;
    use crate::observation::ProbeError;

    fn policy() -> HealthPolicy {
        HealthPolicy {
            path: "/".to_owned(),
            interval: Span::from_millis(10),
            timeout: Span::from_secs(1),
            healthy_after: 1,
            deadline: Span::from_secs(1),
            ..HealthPolicy::default()
        }
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() }
    }

    fn kind(answer: Answer, policy: &HealthPolicy, release: Option<&Digest>) -> Option<ProblemKind> {
        let observation = Observation { outcome: Ok(answer), elapsed: Duration::ZERO };
        match judge(&observation, policy, release) {
            Judgement::Good => None,
            Judgement::Bad(problem) => Some(problem.kind),
        }
    }

    #[test]
    fn any_success_with_a_body_is_good_without_wishes() {
        for (status, body, expected) in [
            (200, "x", None),
            (204, "", None),
            (299, "x", None),
            (200, "", Some(ProblemKind::Body)),
            (301, "x", Some(ProblemKind::Status)),
            (404, "x", Some(ProblemKind::Status)),
            (101, "x", Some(ProblemKind::Status)),
        ] {
            assert_eq!(kind(answer(status, body), &policy(), None), expected, "{status} {body:?}");
        }
    }

    #[test]
    fn an_expected_status_or_text_is_exactly_that() {
        let policy =
            HealthPolicy { expected_status: Some(404), expected_body: Some("é ok".into()), ..policy() };
        assert_eq!(kind(answer(404, "all is é ok here"), &policy, None), None);
        assert_eq!(kind(answer(404, "all is well"), &policy, None), Some(ProblemKind::Body));
        assert_eq!(kind(answer(404, ""), &policy, None), Some(ProblemKind::Body));
        assert_eq!(kind(answer(200, "é ok"), &policy, None), Some(ProblemKind::Status));
    }

    #[test]
    fn only_the_expected_release_is_good() {
        let (new, old) = (Digest::of(b"new"), Digest::of(b"old"));
        let from = |release: Option<&Digest>, status| Answer {
            release: release.map(|digest| digest.as_str().to_owned()),
            ..answer(status, "x")
        };
        assert_eq!(kind(from(Some(&new), 200), &policy(), Some(&new)), None);
        assert_eq!(kind(from(Some(&old), 200), &policy(), Some(&new)), Some(ProblemKind::WrongRelease));
        assert_eq!(kind(from(Some(&old), 500), &policy(), Some(&new)), Some(ProblemKind::WrongRelease));
        assert_eq!(kind(from(Some(&new), 500), &policy(), Some(&new)), Some(ProblemKind::Status));
        assert_eq!(kind(from(None, 502), &policy(), Some(&new)), Some(ProblemKind::Status));
        assert_eq!(kind(from(None, 200), &policy(), Some(&new)), Some(ProblemKind::WrongRelease));
        assert_eq!(kind(from(Some(&old), 200), &policy(), None), None);
    }

    #[test]
    fn no_answer_says_why() {
        let error = ProbeError::Refused { address: "127.0.0.1:1".to_owned() };
        let observation = Observation { outcome: Err(error), elapsed: Duration::ZERO };
        let Judgement::Bad(problem) = judge(&observation, &policy(), None) else {
            panic!("no answer is not good")
        };
        assert_eq!(problem.kind, ProblemKind::NoAnswer);
        assert_eq!(problem.message, "nobody listens on 127.0.0.1:1");
    }
}
