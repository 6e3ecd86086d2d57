//! A simulator of the whole lifecycle: real [`Driver`](crate::driver::Driver)s of one or more control
//! planes, a fake target that refuses a stale owner at the point of effect, a journal whose answers get
//! lost, and a clock that is only a number. One seed is one schedule, the same on every machine.
//!
//! What goes wrong in a schedule, and how often, is drawn from its seed: replies are lost, effects hang
//! or fail, owners die between any two actions (also with a write on its way), freeze and come back
//! with an old fence, writes fail or end without an answer, clocks jump, people pause, resume, stop,
//! supersede, recheck, approve and attest whenever they like. Then the faults stop, and everything must
//! come to its end.
//!
//! After every step the laws are checked. Each is named after its invariant (`inv_21_…`) and judged
//! from what is durable and what the world really holds, never by asking the lifecycle.
//!
//! ```
//! use deploy_core::testkit::sim;
//!
//! for seed in 0..100 {
//!     let summary = sim::run(seed).unwrap_or_else(|broken| panic!("{broken}"));
//!     assert!(summary.steps > 0);
//! }
//! ```

mod chaos;
mod coverage;
mod host;
mod journal_laws;
mod rng;
mod scenario;
mod schedule;
mod state_laws;
mod store;
mod truth;
mod world;

use std::fmt;

pub use coverage::Coverage;
pub use rng::Rng;
use schedule::Schedule;
pub use truth::Law;

/// What a schedule came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Steps of the scheduler.
    pub steps: u32,
    /// Things that went wrong.
    pub faults: u32,
    /// Durable events.
    pub events: u32,
    /// Effects that were refused at the point of effect for their fence.
    pub refused_effects: u32,
    /// Reports that were refused for their fence.
    pub refused_reports: u32,
}

/// A schedule that broke a law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The seed that leads there again.
    pub seed: u64,
    /// The law.
    pub law: Law,
    /// What happened, step by step.
    pub trace: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Law { name, seen } = &self.law;
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "broken: {name}: {seen}")?;
        write!(f, "replay: DEPLOY_SIM_SEED={} cargo test -p deploy-core --test simulation", self.seed)
    }
}

/// Runs the schedule of a seed to its end.
///
/// # Errors
/// The first law that broke, with everything that led there.
pub fn run(seed: u64) -> Result<Summary, Box<Broken>> {
    run_into(seed, None)
}

/// Runs the schedule of a seed and notes what it came across.
///
/// # Errors
/// As [`run`].
pub fn run_covered(seed: u64, coverage: &mut Coverage) -> Result<Summary, Box<Broken>> {
    run_into(seed, Some(coverage))
}

/// Runs the schedule of a seed over two resources, of which only the first meets faults and people, and
/// checks that the second one's trace is the same as without them.
///
/// # Errors
/// As [`run`].
pub fn run_isolated(seed: u64) -> Result<Summary, Box<Broken>> {
    let run = |tracing| {
        let mut schedule = Schedule::new(seed, tracing);
        schedule.isolate();
        let result = schedule.run().and_then(|()| schedule.inv_24_one_resource_does_not_disturb_another());
        (schedule, result)
    };
    match run(false) {
        (schedule, Ok(())) => Ok(schedule.summary()),
        (_, Err(law)) => Err(Box::new(Broken { seed, law, trace: run(true).0.trace.unwrap_or_default() })),
    }
}

/// Runs the schedules of seeds from `first` on until one breaks a law, at most `most` of them.
#[must_use]
pub fn first_broken(first: u64, most: u64) -> Option<Box<Broken>> {
    (first..first + most).find_map(|seed| run(seed).err())
}

fn run_into(seed: u64, coverage: Option<&mut Coverage>) -> Result<Summary, Box<Broken>> {
    let mut schedule = Schedule::new(seed, false);
    match schedule.run() {
        Ok(()) => {
            if let Some(coverage) = coverage {
                schedule.store.rows.iter().for_each(|row| coverage.note(&row.events));
            }
            Ok(schedule.summary())
        }
        Err(_) => Err(Box::new(explain(seed))),
    }
}

/// The same schedule again, this time with a record of it.
fn explain(seed: u64) -> Broken {
    let mut schedule = Schedule::new(seed, true);
    let law = schedule.run().err().unwrap_or(Law {
        name: "the same seed is the same schedule",
        seen: "the second run broke no law".to_owned(),
    });
    Broken { seed, law, trace: schedule.trace.unwrap_or_default() }
}

impl Schedule {
    fn summary(&self) -> Summary {
        Summary {
            steps: self.steps,
            faults: self.faults,
            events: self.store.rows.iter().map(|row| row.events.len() as u32).sum(),
            refused_effects: self.targets.iter().map(|target| target.refused).sum(),
            refused_reports: self.refused_late,
        }
    }
}
