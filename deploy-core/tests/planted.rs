//! The teeth of the simulator: every bug that is planted on purpose breaks a law before long.
//!
//! `cargo test -p deploy-core --features planted-bugs --test planted -- --nocapture`

use std::sync::atomic::{AtomicUsize, Ordering};

use deploy_core::planted::{Bug, plant};
use deploy_core::testkit::sim;

/// More schedules than any bug needs; a campaign of a push runs ten times as many.
const MOST: u64 = 100_000;

/// How each bug was found, side by side on as many threads as there are.
fn hunt() -> Vec<(Bug, Option<(u64, &'static str)>)> {
    let next = AtomicUsize::new(0);
    let share = || {
        let mut found = Vec::new();
        while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            plant(Some(*bug));
            let broken = sim::first_broken(0, MOST);
            found.push((*bug, broken.map(|broken| (broken.seed + 1, broken.law.name))));
        }
        plant(None);
        found
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut found: Vec<_> = std::thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap_or_default()).collect()
    });
    found.sort();
    found
}

#[test]
fn every_planted_bug_is_found() {
    assert_eq!(sim::first_broken(0, 1_000), None, "a law breaks without any bug planted");
    let found = hunt();
    for (bug, how) in &found {
        match how {
            Some((schedules, law)) => println!("{bug:?}: after {schedules} schedules by {law}"),
            None => println!("{bug:?}: NOT FOUND in {MOST} schedules"),
        }
    }
    let missed: Vec<_> = found.iter().filter(|(_, how)| how.is_none()).map(|(bug, _)| bug).collect();
    assert!(missed.is_empty(), "nothing finds {missed:?}");
    assert_eq!(found.len(), Bug::ALL.len());
}
