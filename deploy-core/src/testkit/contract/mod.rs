//! What every implementation of a port must do, as tests that anybody can run on their own.
//!
//! Implement a small fixture, name it in one macro, and every law becomes a test of its own that fails
//! with a sentence: which law, what was seen instead, and what to do about it.
//!
//! ```ignore
//! struct MyTarget { /* a target of its own, an executor on it */ }
//!
//! #[async_trait]
//! impl ExecutorFixture for MyTarget { /* the executor, something to deploy, how to look at the target */ }
//!
//! mod my_target {
//!     deploy_core::executor_contract!(super::MyTarget::new().await);
//! }
//! ```
//!
//! | you implement | fixture | macro |
//! |---|---|---|
//! | [`Executor`](crate::port::Executor) | [`ExecutorFixture`] | [`executor_contract!`](crate::executor_contract) |
//! | [`Journal`](crate::port::Journal), [`Lease`](crate::port::Lease), [`Catalogue`](crate::port::Catalogue), [`Logs`](crate::port::Logs) | [`StoreFixture`] | [`store_contract!`](crate::store_contract) |
//!
//! The expression is evaluated once per law, inside a tokio runtime, so it may `.await`; each law gets a
//! target or a store of its own.

mod catalogue_laws;
pub mod executor;
mod executor_laws;
mod journal_laws;
mod keeping_laws;
mod lease_laws;
mod logs_laws;
pub mod store;

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use executor::ExecutorFixture;
pub use store::{StoreFixture, Writer};

/// A law that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The law, by the name of its test.
    pub law: &'static str,
    /// What was seen instead of what it says.
    pub seen: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let law = self.law.replace('_', " ");
        write!(f, "the contract says: {law}.\n  seen: {}\n  what to do: {}", self.seen, self.remedy)
    }
}

/// Whether a law holds.
pub type Verdict = Result<(), Breach>;

/// One law while it is being checked: its name, and the remedy for whoever breaks it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Law(pub(crate) &'static str, pub(crate) &'static str);

impl Law {
    pub(crate) fn breach(self, seen: impl Into<String>) -> Breach {
        Breach { law: self.0, seen: seen.into(), remedy: self.1 }
    }

    /// Breaks unless it holds.
    pub(crate) fn holds(self, law: bool, seen: impl FnOnce() -> String) -> Verdict {
        if law { Ok(()) } else { Err(self.breach(seen())) }
    }

    /// Breaks unless both are equal.
    #[expect(clippy::needless_pass_by_value, reason = "what is compared is mostly made for it")]
    pub(crate) fn same<T: PartialEq + fmt::Debug>(self, what: &str, seen: T, wanted: T) -> Verdict {
        if seen == wanted {
            return Ok(());
        }
        Err(self.breach(format!("{what} is {seen:?}, not {wanted:?}")))
    }

    /// Breaks if it was an error.
    pub(crate) fn ok<T, E: fmt::Debug>(self, what: &str, result: Result<T, E>) -> Result<T, Breach> {
        result.map_err(|error| self.breach(format!("{what} failed: {error:?}")))
    }
}

/// How long one law may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Checks one law in a runtime of its own.
///
/// # Panics
/// With the sentence that says which law is broken.
pub fn check(law: impl Future<Output = Verdict>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be built");
    let verdict = runtime.block_on(async { tokio::time::timeout(PATIENCE, law).await });
    match verdict {
        Ok(Ok(())) => {}
        Ok(Err(breach)) => panic!("{breach}"),
        Err(_) => panic!("the contract says: every call comes back; this one did not within {PATIENCE:?}"),
    }
}

/// Defines the laws of a contract: each as a function, all as a list.
#[doc(hidden)]
#[macro_export]
macro_rules! __define_laws {
    ($fixture:ident; $($module:ident: $($law:ident)*;)*) => {
        $(pub use super::$module::{$($law),*};)*

        /// The names of the laws, in the order of the contract.
        pub const LAWS: &[&str] = &[$($(stringify!($law),)*)*];

        /// Checks one law by its name; `None` when there is no such law.
        pub async fn check(law: &str, fixture: &impl $fixture) -> Option<super::Verdict> {
            match law {
                $($(stringify!($law) => Some($law(fixture).await),)*)*
                _ => None,
            }
        }
    };
}

/// Runs the contract of an executor: one test per law. The expression makes an
/// [`ExecutorFixture`](crate::testkit::contract::ExecutorFixture) and may `.await`.
#[macro_export]
macro_rules! executor_contract {
    ($fixture:expr) => {
        $crate::__executor_laws!(__laws_as_tests, executor, $fixture);
    };
}

/// Runs the contract of a store: one test per law. The expression makes a
/// [`StoreFixture`](crate::testkit::contract::StoreFixture) and may `.await`.
#[macro_export]
macro_rules! store_contract {
    ($fixture:expr) => {
        $crate::__store_laws!(__laws_as_tests, store, $fixture);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __laws_as_tests {
    ($contract:ident, $fixture:expr; $($module:ident: $($law:ident)*;)*) => {
        $($(
            #[test]
            fn $law() {
                $crate::testkit::contract::check(async {
                    let fixture = $fixture;
                    $crate::testkit::contract::$contract::$law(&fixture).await
                });
            }
        )*)*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __executor_laws {
    ($then:ident, $($argument:tt)*) => {
        $crate::$then! { $($argument)*;
            executor_laws:
            compiling_is_pure_and_deterministic
            planning_changes_nothing
            reading_back_before_finds_nothing
            performing_twice_under_one_key_is_one_effect
            reading_back_after_finds_the_same_output
            what_is_checked_and_routed_is_what_was_made
            before_the_switch_what_serves_stays
            the_switch_makes_exactly_the_new_release_live
            the_switch_leaves_the_old_artifact_usable
            undoing_the_switch_brings_back_what_served
            undoing_twice_is_fine
            undoing_what_was_never_done_changes_nothing
            a_lower_fence_is_refused_at_the_point_of_effect
            cancelled_work_ends
            retention_keeps_what_it_is_told_to_keep
            finishing_twice_is_fine_and_leaves_the_release
            what_is_not_ours_is_never_touched
            a_step_that_is_not_ours_is_refused
            log_lines_say_where_they_belong
            secrets_stay_secret;
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_laws {
    ($then:ident, $($argument:tt)*) => {
        $crate::$then! { $($argument)*;
            journal_laws:
            what_was_acknowledged_is_read_back_as_it_was
            numbers_have_no_gap_and_pages_join
            an_append_that_does_not_fit_is_refused_whole
            of_two_writers_at_one_position_exactly_one_wins
            the_same_append_again_is_a_conflict_that_names_the_last_event
            a_fenced_out_writer_appends_nothing
            the_right_fence_in_the_wrong_hands_appends_nothing
            the_same_key_and_request_is_the_same_deployment
            a_key_used_for_another_request_is_refused
            of_many_at_once_under_one_key_one_is_new
            of_many_submissions_at_once_exactly_one_is_new
            a_blocked_deployment_is_in_nobodys_way
            the_unfinished_are_listed_oldest_first
            a_workspace_takes_no_more_that_wait_than_it_may
            what_is_not_there_is_not_found;
            lease_laws:
            fences_strictly_grow
            one_owner_at_a_time_first_come_first_served
            the_turn_goes_by_acceptance_not_by_id
            a_holder_that_rests_is_in_nobodys_way
            giving_back_late_frees_nothing
            an_elder_that_comes_back_from_blocked_waits
            an_ended_deployment_takes_nothing
            a_deployment_takes_only_its_own_resource
            a_workspace_runs_no_more_at_once_than_it_may
            the_turns_of_a_workspace_go_by_acceptance
            many_that_ask_at_once_get_what_there_is
            who_is_paused_or_deferred_takes_nobodys_turn
            who_is_called_would_be_granted;
            catalogue_laws:
            a_resource_gets_one_id_and_keeps_it
            lists_are_newest_first_with_filters_and_a_cursor
            the_line_of_a_workspace_is_its_unfinished_oldest_first
            history_says_what_the_statuses_say
            at_most_one_release_is_live
            restoring_what_is_not_there_changes_nothing
            a_failed_release_changes_nothing_and_gives_its_number_back
            retention_keeps_the_live_and_the_newest_of_every_resource
            retention_keeps_what_an_unfinished_deployment_uses;
            logs_laws:
            lines_are_numbered_per_deployment
            lines_are_filtered_and_paged
            a_long_line_is_cut_visibly
            lines_of_nobody_disturb_nobody;
            keeping_laws:
            archived_lines_are_read_and_found_like_before
            removed_lines_leave_a_notice_and_every_event
            logs_of_what_runs_are_left_alone
            a_search_is_bounded_and_says_so;
        }
    };
}
