//! Whether a failure behind the switch is one that the engine answers by going back, where the target
//! replaces what serves by itself. Pure: what was observed in, a verdict with a stable word out.
//!
//! There are two rules. An app that a browser looked at goes back only when three things hold together;
//! an app without a browser step goes back when it does not answer as its health policy says.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// How long an app that a browser looks at may take to warm up, counted from the start of the deployment.
pub const WARM_UP: Span = Span::from_secs(30);

/// What a failed check of the public address observed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Observed {
    /// The status of the answer; absent when nobody answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// Whether the answer was all that the health policy asks for.
    pub healthy: bool,
    /// Errors on the console and exceptions; absent when no browser looked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub console_errors: Option<u32>,
    /// The time since the deployment's first effect that users could see.
    pub elapsed: Span,
}

/// What the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The status is 200: whatever the console says, users get an answer.
    StatusOk,
    /// No error on the console: the page works for whom it was made.
    NoConsoleErrors,
    /// It may still be warming up.
    WithinWarmUp,
    /// It answers as it should.
    Healthy,
    /// There is no release before it that ever passed verification.
    NoVerifiedRelease,
    /// It goes back.
    Trigger,
}

impl Verdict {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StatusOk => "status_ok",
            Self::NoConsoleErrors => "no_console_errs",
            Self::WithinWarmUp => "within_warmup",
            Self::Healthy => "healthy",
            Self::NoVerifiedRelease => "no_prev_image",
            Self::Trigger => "trigger",
        }
    }
}

/// What to do about a failure. `verified_before` says whether a release that passed verification served before;
/// without an observation it is known that the rollout itself failed.
#[must_use]
pub fn verdict(observed: Option<&Observed>, verified_before: bool) -> Verdict {
    if !verified_before {
        return Verdict::NoVerifiedRelease;
    }
    match observed {
        None => Verdict::Trigger,
        Some(Observed { console_errors: Some(errors), status, elapsed, .. }) => {
            with_a_browser(*status, *errors, *elapsed)
        }
        Some(Observed { console_errors: None, healthy, .. }) => {
            if *healthy {
                Verdict::Healthy
            } else {
                Verdict::Trigger
            }
        }
    }
}

/// The strict rule: another status than 200, and errors on the console, and past the time for warming up.
const fn with_a_browser(status: Option<u16>, console_errors: u32, elapsed: Span) -> Verdict {
    if matches!(status, Some(200)) {
        Verdict::StatusOk
    } else if console_errors == 0 {
        Verdict::NoConsoleErrors
    } else if elapsed.as_millis() <= WARM_UP.as_millis() {
        Verdict::WithinWarmUp
    } else {
        Verdict::Trigger
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn browser(status: Option<u16>, errors: u32, millis: u64) -> Observed {
        let elapsed = Span::from_millis(millis);
        Observed { status, healthy: false, console_errors: Some(errors), elapsed }
    }

    #[test]
    fn the_strict_rule_needs_all_three() {
        for (status, errors, millis, expected) in [
            (Some(500), 2, 45_000, Verdict::Trigger),
            (Some(502), 1, 31_000, Verdict::Trigger),
            (None, 1, 30_001, Verdict::Trigger),
            (Some(201), 1, 45_000, Verdict::Trigger),
            (Some(200), 9, 90_000, Verdict::StatusOk),
            (Some(500), 0, 90_000, Verdict::NoConsoleErrors),
            (Some(500), 1, 30_000, Verdict::WithinWarmUp),
            (Some(500), 1, 0, Verdict::WithinWarmUp),
            (Some(200), 0, 0, Verdict::StatusOk),
            (Some(500), 0, 0, Verdict::NoConsoleErrors),
        ] {
            let observed = browser(status, errors, millis);
            assert_eq!(verdict(Some(&observed), true), expected, "{status:?} {errors} {millis}");
        }
    }

    #[test]
    fn without_a_browser_the_health_policy_decides() {
        for (healthy, expected) in [(true, Verdict::Healthy), (false, Verdict::Trigger)] {
            for status in [None, Some(200), Some(404), Some(500)] {
                let observed = Observed { status, healthy, console_errors: None, elapsed: Span::ZERO };
                assert_eq!(verdict(Some(&observed), true), expected, "{healthy} {status:?}");
            }
        }
        assert_eq!(verdict(None, true), Verdict::Trigger);
    }

    proptest! {
        #[test]
        fn inv_33_nothing_goes_back_to_what_was_never_verified(
            status in proptest::option::of(100_u16..600), errors in proptest::option::of(0_u32..9),
            millis in 0_u64..100_000, healthy: bool, looked: bool,
        ) {
            let observed =
                Observed { status, healthy, console_errors: errors, elapsed: Span::from_millis(millis) };
            let observed = looked.then_some(&observed);
            prop_assert_eq!(verdict(observed, false), Verdict::NoVerifiedRelease);
        }

        #[test]
        fn the_strict_rule_is_the_conjunction(
            status in proptest::option::of(prop_oneof![Just(200_u16), 100_u16..600]),
            errors in 0_u32..3, millis in 29_990_u64..30_010,
        ) {
            let goes_back = status != Some(200) && errors > 0 && millis > 30_000;
            let found = verdict(Some(&browser(status, errors, millis)), true);
            prop_assert_eq!(found == Verdict::Trigger, goes_back);
        }
    }
}
