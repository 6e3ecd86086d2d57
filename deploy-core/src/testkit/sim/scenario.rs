//! What a schedule begins with: plans, specifications, and how often which fault strikes.

use std::sync::{Arc, OnceLock};

use super::rng::Rng;
use crate::id::{Digest, ResourceKey};
use crate::lifecycle::PhaseName;
use crate::plan::{Draft, Plan, Step, StepKind, Undo};
use crate::spec::{Approval, Spec};
use crate::testkit::samples;

/// The most deployments of one schedule.
pub(super) const DEPLOYMENTS: usize = 4;
/// The resources a schedule may deploy to.
pub(super) const RESOURCES: usize = 2;

/// A plan, with the ways it may be asked for.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) plan: Arc<Plan>,
    pub(super) specs: [[Arc<Spec>; 2]; RESOURCES],
}

/// Everything that is the same in every schedule, made once.
#[derive(Debug)]
pub(super) struct Stock {
    pub(super) shapes: Vec<Shape>,
    pub(super) blocked: Draft,
    /// The artifact of each deployment; the last one is what served before.
    pub(super) digests: Vec<Digest>,
}

pub(super) fn stock() -> &'static Stock {
    static STOCK: OnceLock<Stock> = OnceLock::new();
    STOCK.get_or_init(|| Stock {
        shapes: shapes(),
        blocked: Draft::Blocked(samples::blocked()),
        digests: (0..DEPLOYMENTS)
            .map(|n| samples::digest(&format!("made by {n}")))
            .chain([samples::digest("v1")])
            .collect(),
    })
}

fn act(id: &str) -> Step {
    samples::step(id, PhaseName::Execute, StepKind::Act)
}

fn check(id: &str) -> Step {
    samples::step(id, PhaseName::Verify, StepKind::Check)
}

fn switch(needs_check: bool) -> Step {
    samples::step("switch", PhaseName::Verify, StepKind::Switch { needs_check })
}

fn irreversible(step: Step) -> Step {
    Step { undo: Undo::Irreversible { why: "nobody can take it back".to_owned() }, ..step }
}

fn beside(step: Step) -> Step {
    Step { beside: true, ..step }
}

/// The plans of the schedules: what targets come up with, and what they could.
fn shapes() -> Vec<Shape> {
    let tail = || vec![check("check"), switch(true), check("confirm")];
    let with_tail = |mut steps: Vec<Step>| {
        steps.extend(tail());
        steps
    };
    let restoring = Step { undo: Undo::NotNeeded, ..act("artifact") };
    let mut repeatable = with_tail(vec![act("build"), act("publish")]);
    repeatable.iter_mut().for_each(|step| step.repeatable = true);
    let site = || with_tail(vec![act("publish")]);
    let all = [
        (site(), true),
        (repeatable, true),
        (with_tail(vec![act("build"), act("publish")]), true),
        (with_tail(vec![restoring]), true),
        (with_tail(vec![irreversible(act("migrate")), act("publish")]), true),
        (vec![act("upload"), switch(false), check("confirm")], true),
        (vec![act("upload"), irreversible(switch(false)), check("confirm")], true),
        (site(), false),
        (with_tail(vec![act("build"), beside(act("assets")), beside(act("docs")), act("publish")]), true),
    ];
    all.into_iter().map(|(steps, automatic_rollback)| shape(steps, automatic_rollback)).collect()
}

fn shape(steps: Vec<Step>, automatic_rollback: bool) -> Shape {
    let wanted = |resource: usize, approval| {
        let mut spec = samples::spec(approval);
        let name = ["web", "api"][resource];
        spec.resource = name.parse::<ResourceKey>().expect("a resource");
        spec.profile.rollback.automatic = Some(automatic_rollback);
        Arc::new(spec)
    };
    let specs = [0, 1]
        .map(|resource| [Approval::Automatic, Approval::Required].map(|approval| wanted(resource, approval)));
    let plan = samples::plan_for(&specs[0][0], steps);
    Shape { plan, specs }
}

/// How often what goes wrong, in a thousand; of each step of the schedule, or of each effect.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rates {
    /// An effect fails and says so.
    pub(super) fail: u32,
    /// The reply of an effect is lost, whether or not it took effect.
    pub(super) lose: u32,
    /// An effect hangs until it is cancelled.
    pub(super) hang: u32,
    /// Reading back says that nobody knows.
    pub(super) unknown: u32,
    /// Taking back fails.
    pub(super) undo: u32,
    /// The candidate is not healthy.
    pub(super) sick: u32,
    /// A plan says no.
    pub(super) block: u32,
    /// A write fails, or its answer is lost.
    pub(super) store: u32,
    /// A control plane is killed between two actions.
    pub(super) crash: u32,
    /// A control plane freezes, and goes on later as if nothing had happened.
    pub(super) freeze: u32,
    /// Another control plane takes over although the owner lives.
    pub(super) takeover: u32,
    /// Somebody wants something.
    pub(super) command: u32,
    /// The clock of a control plane jumps.
    pub(super) clock: u32,
    /// A report comes again, or late.
    pub(super) late: u32,
    /// A timer fires while work still runs.
    pub(super) early: u32,
}

impl Rates {
    /// Each kind of fault is left out of about half of the schedules: what only shows while another
    /// fault is absent is found too (swarm testing, Groce et al., 2012).
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let mut rate = |some: &[u32]| if rng.chance(500) { 0 } else { rng.one(some) };
        Self {
            fail: rate(&[40, 120, 300]),
            lose: rate(&[40, 120, 300]),
            hang: rate(&[30, 100]),
            unknown: rate(&[200, 600, 950]),
            undo: rate(&[150, 400, 900]),
            sick: rate(&[150, 400]),
            block: rate(&[100, 300]),
            store: rate(&[40, 150]),
            crash: rate(&[10, 30]),
            freeze: rate(&[20, 50]),
            takeover: rate(&[20, 60]),
            command: rate(&[30, 120]),
            clock: rate(&[20, 60]),
            late: rate(&[50, 200]),
            early: rate(&[20, 80]),
        }
    }
}

/// What one seed stands for.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) rates: Rates,
    /// Control planes that share the store.
    pub(super) nodes: usize,
    pub(super) resources: usize,
    /// Deployments that are submitted, some of them later.
    pub(super) deployments: usize,
    /// Whether something serves before the first of them.
    pub(super) served: bool,
    /// Steps until the faults stop.
    pub(super) chaos: u32,
}

impl Scenario {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let rates = Rates::draw(rng);
        let large = rng.chance(250);
        Self {
            rates,
            nodes: rng.one(&[1, 1, 2, 3]),
            resources: if large { 1 + rng.below(RESOURCES) } else { 1 },
            deployments: if large { 2 + rng.below(DEPLOYMENTS - 1) } else { 1 },
            served: rng.chance(700),
            chaos: if large { 60 } else { 30 },
        }
    }
}
