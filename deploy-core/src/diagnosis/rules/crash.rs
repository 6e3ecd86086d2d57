//! What is known only to have ended: the last resort.

use super::From::Run;
use super::{LOG, Rule, rule};

pub(super) const RULES: &[Rule] = &[rule(
    "crashed",
    Run,
    &[
        "Traceback (most recent call last)",
        "' panicked at ",
        ") panicked at ",
        "TypeError: ",
        "ReferenceError: ",
        "RangeError: ",
        "Exception in thread \"",
        "goroutine 1 [running]",
    ],
    "The program ended by an error that nothing in it caught; its stack trace is in the log.",
    "look at the first line of the stack trace that is in your own code",
)
.run(LOG)];
