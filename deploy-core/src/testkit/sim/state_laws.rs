//! Laws over states: of a driver that waits, of a deployment at rest, of the store and of the end.

use super::store::{Row, Store, Word};
use super::truth::{Law, holds};
use super::world::Target;
use crate::deployment::Deployment;
use crate::driver::Driver;
use crate::id::StepId;
use crate::lifecycle::Phase;
use crate::status::StatusName;

/// A driver that waits for something waits for something that will come.
pub(super) fn of_a_quiet_driver(driver: &Driver) -> Result<(), Law> {
    let state = driver.deployment();
    if state.is_ended() {
        return Ok(());
    }
    let moves = !driver.is_quiet() || state.deadline().is_some() || !state.effects().is_empty();
    let waits = matches!(state.gate(), crate::deployment::Gate::Held { .. });
    holds(moves || waits, "inv_10_something_moves_or_somebody_is_told", || {
        format!("stuck in {:?}", state.phase())
    })
}

/// An ending, or a plan that says no, says why, what to do, and what really serves.
pub(super) fn of_a_rest(state: &Deployment, target: &mut Target) -> Result<(), Law> {
    let status = state.status();
    let succeeded = status.status == StatusName::Succeeded;
    let told = status.recovery.as_ref().is_some_and(|hint| !hint.hint.is_empty() && !hint.next.is_empty());
    let whole = succeeded || (status.failure.is_some() && told);
    holds(whole, "inv_08_every_rest_says_why_and_what_next", || format!("{:?}", status.status))?;
    let code = status.exit_code;
    let matches = code.is_some_and(|code| (code == 0) == succeeded);
    holds(matches, "inv_07_exit_code_0_is_success", || {
        format!("{:?} with exit code {code:?}", status.status)
    })?;
    let owned = matches!(state.phase(), Phase::Ended(ended) if ended.run().is_some());
    let Some(run) = state.phase().run().filter(|_| owned) else { return Ok(()) };
    target.uncertain &= !succeeded;
    let Ok(live) = run.live_now() else {
        target.uncertain = true;
        return holds(status.live_now.is_none(), "inv_08_what_is_live_now_is_true", || {
            format!("nobody knows, yet {:?} is named", status.live_now)
        });
    };
    if target.uncertain {
        return Ok(());
    }
    let said = live.map(|live| live.digest);
    holds(said == target.route, "inv_08_what_is_live_now_is_true", || {
        format!("{:?} says that {said:?} serves, {:?} does", status.status, target.route)
    })?;
    let named = status.live_now.is_some() == target.route.is_some();
    holds(named, "inv_08_what_is_live_now_is_true", || format!("{:?}", status.live_now))
}

/// What an ending leaves in place is named; a success leaves a release, not a residue.
pub(super) fn inv_27_what_is_left_behind_is_named<'a>(
    state: &Deployment,
    left: impl Iterator<Item = &'a StepId>,
) -> Result<(), Law> {
    let status = state.status();
    if status.status == StatusName::Succeeded || status.status == StatusName::Blocked {
        return Ok(());
    }
    for step in left {
        holds(status.residue.contains(step), "inv_27_what_is_left_behind_is_named", || {
            format!("{:?} leaves {step} in place and names {:?}", status.status, status.residue)
        })?;
    }
    Ok(())
}

pub(super) fn inv_14_numbers_have_no_gap(row: &Row) -> Result<(), Law> {
    let last = row.events.last().map_or(0, |event| event.sequence.0);
    holds(last == row.last().0, "inv_14_numbers_have_no_gap", || {
        format!("event {last} at place {}", row.last())
    })
}

pub(super) fn inv_20_one_owner_per_resource(store: &Store) -> Result<(), Law> {
    let owners = |resource: usize| store.rows.iter().filter(move |row| row.resource == resource && row.holds);
    let crowded = (0..store.leases.len()).find(|resource| owners(*resource).count() > 1);
    holds(crowded.is_none(), "inv_20_one_owner_per_resource", || format!("two on resource {crowded:?}"))
}

pub(super) fn inv_12_the_status_is_that_of_the_last_event(store: &Store) -> Result<(), Law> {
    let behind = store.rows.iter().position(|row| row.status_at != row.last().0);
    holds(behind.is_none(), "inv_12_the_status_is_that_of_the_last_event", || {
        format!("the status of deployment {behind:?} belongs to an earlier event")
    })
}

/// The records, the router and the workloads name the same release.
pub(super) fn inv_02_records_and_router_agree(store: &Store, targets: &[Target]) -> Result<(), Law> {
    for (resource, (live, target)) in store.live.iter().zip(targets).enumerate() {
        let said = live.as_ref().map(|live| &live.digest);
        holds(target.uncertain || said == target.route.as_ref(), "inv_02_records_and_router_agree", || {
            format!("resource {resource}: recorded {said:?}, routed {:?}", target.route)
        })?;
    }
    Ok(())
}

pub(super) fn all_ended(store: &Store) -> bool {
    store.rows.iter().all(|row| row.word == Word::Ended)
}
