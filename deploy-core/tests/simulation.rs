//! The lifecycle under everything that can go wrong: see `deploy_core::testkit::sim`.
//!
//! | variable | means |
//! |---|---|
//! | `DEPLOY_SIM_SCHEDULES` | how many schedules; 1,000,000 when absent |
//! | `DEPLOY_SIM_FIRST` | the first seed; 0 when absent |
//! | `DEPLOY_SIM_SEED` | only this seed, with its trace |

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, not the pure part")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use deploy_core::testkit::sim::{self, Broken, Coverage, Summary};

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.replace('_', "").parse().unwrap())
}

/// What a campaign came to.
#[derive(Default)]
struct Campaign {
    schedules: u64,
    steps: u64,
    faults: u64,
    events: u64,
    refused_effects: u64,
    refused_reports: u64,
    coverage: Coverage,
    broken: Option<Box<Broken>>,
}

impl Campaign {
    fn add(&mut self, summary: Summary) {
        self.schedules += 1;
        self.steps += u64::from(summary.steps);
        self.faults += u64::from(summary.faults);
        self.events += u64::from(summary.events);
        self.refused_effects += u64::from(summary.refused_effects);
        self.refused_reports += u64::from(summary.refused_reports);
    }

    fn merge(mut self, other: Self) -> Self {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.faults += other.faults;
        self.events += other.events;
        self.refused_effects += other.refused_effects;
        self.refused_reports += other.refused_reports;
        self.coverage.merge(&other.coverage);
        self.broken = self.broken.or(other.broken);
        self
    }
}

/// One thread's share: seeds are handed out in lots, until none are left or one is broken.
fn share(next: &AtomicU64, end: u64) -> Campaign {
    const LOT: u64 = 256;
    let mut campaign = Campaign::default();
    loop {
        let first = next.fetch_add(LOT, Ordering::Relaxed);
        if first >= end {
            return campaign;
        }
        for seed in first..(first + LOT).min(end) {
            // Looking at every schedule would cost more than it finds.
            let result =
                if seed % 8 == 0 { sim::run_covered(seed, &mut campaign.coverage) } else { sim::run(seed) };
            match result {
                Ok(summary) => campaign.add(summary),
                Err(broken) => {
                    next.store(end, Ordering::Relaxed);
                    campaign.broken = Some(broken);
                    return campaign;
                }
            }
        }
    }
}

fn campaign(first: u64, schedules: u64) -> Campaign {
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|_| scope.spawn(|| share(&next, first + schedules))).collect();
        shares.into_iter().map(|share| share.join().unwrap()).fold(Campaign::default(), Campaign::merge)
    })
}

#[test]
fn the_laws_hold_in_every_schedule() {
    if let Some(seed) = variable("DEPLOY_SIM_SEED") {
        println!("{:?}", sim::run(seed).unwrap_or_else(|broken| panic!("{broken}")));
        return;
    }
    let schedules = variable("DEPLOY_SIM_SCHEDULES").unwrap_or(1_000_000);
    let first = variable("DEPLOY_SIM_FIRST").unwrap_or(0);
    let began = Instant::now();
    let campaign = campaign(first, schedules);
    if let Some(broken) = campaign.broken {
        panic!("\n{broken}");
    }
    let took = began.elapsed().as_secs_f64();
    let mean = |sum: u64| sum as f64 / campaign.schedules as f64;
    println!(
        "{schedules} schedules from seed {first} in {took:.1} s: {:.0} per second; per schedule {:.1} steps, \
         {:.1} events, {:.1} faults; {} effects and {} reports refused for their fence",
        schedules as f64 / took,
        mean(campaign.steps),
        mean(campaign.events),
        mean(campaign.faults),
        campaign.refused_effects,
        campaign.refused_reports,
    );
    assert_eq!(campaign.schedules, schedules);
    assert!(mean(campaign.faults) > 3.0, "too little goes wrong to prove anything");
    assert!(campaign.refused_effects > 0 && campaign.refused_reports > 0, "no stale owner ever came back");
    if schedules < 500_000 {
        return;
    }
    assert_eq!(campaign.coverage.missing_edges(), [], "edges of the lifecycle that no schedule takes");
    assert_eq!(campaign.coverage.missing_endings(), [], "endings that no schedule comes to");
}

#[test]
fn a_seed_is_the_same_schedule_every_time() {
    for seed in 0..200 {
        assert_eq!(sim::run(seed).unwrap(), sim::run(seed).unwrap());
    }
}

#[test]
fn inv_24_faults_of_one_resource_leave_no_trace_in_another() {
    for seed in 0..5_000 {
        let summary = sim::run_isolated(seed).unwrap_or_else(|broken| panic!("{broken}"));
        assert!(summary.events > 15);
    }
}
