//! The phase enum and the dispatch over it: each arm hands over to that phase's own file.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Blocked, Detecting, Ended, Executing, PhaseName, Planned, Planning, Queued, RollingBack, Run, Verifying,
};
use crate::command::{Report, StopMode};
use crate::effect::EffectKind;
use crate::event::Event;
use crate::id::{DeploymentId, Fence};
use crate::port::Live;
use crate::reject::Rejection;
use crate::spec::{Actor, Spec};
use crate::time::{Span, Timestamp};

/// Where a deployment is, with what it knows there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It waits for the resource.
    Queued(Queued),
    /// The source is being read.
    Detecting(Detecting),
    /// The plan is being drafted.
    Planning(Planning),
    /// The plan says no.
    Blocked(Blocked),
    /// The plan is ready.
    Planned(Planned),
    /// Steps run that no user sees.
    Executing(Executing),
    /// The new release is checked and switched to.
    Verifying(Verifying),
    /// Steps are taken back.
    RollingBack(RollingBack),
    /// It has ended.
    Ended(Ended),
}

/// The name of a phase, for tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhaseKind {
    /// [`Phase::Queued`]
    Queued,
    /// [`Phase::Detecting`]
    Detecting,
    /// [`Phase::Planning`]
    Planning,
    /// [`Phase::Blocked`]
    Blocked,
    /// [`Phase::Planned`]
    Planned,
    /// [`Phase::Executing`]
    Executing,
    /// [`Phase::Verifying`]
    Verifying,
    /// [`Phase::RollingBack`]
    RollingBack,
    /// [`Phase::Ended`]
    Ended,
}

/// A standing request to end early. It only gets more severe.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Request {
    /// Somebody wants it stopped.
    Stop {
        /// Who.
        by: Actor,
        /// How what is running is treated.
        mode: StopMode,
        /// Whether completed steps are taken back.
        undo: bool,
    },
    /// A newer deployment wants the resource; completed steps are taken back.
    Supersede {
        /// Which.
        by: DeploymentId,
    },
}

impl Request {
    /// How what is running is treated.
    pub(crate) const fn mode(&self) -> StopMode {
        match self {
            Self::Stop { mode, .. } => *mode,
            Self::Supersede { .. } => StopMode::Now,
        }
    }

    /// The ending it asks for where nothing is to be taken back.
    pub(crate) fn ending(&self) -> Event {
        match self {
            Self::Stop { .. } => Event::Stopped,
            Self::Supersede { by } => Event::Superseded { by: *by },
        }
    }
}

/// What a phase may know of the deployment around it when it decides.
pub(crate) struct Conditions<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) fence: Option<Fence>,
    pub(crate) held: bool,
    pub(crate) request: Option<&'a Request>,
    pub(crate) at: Timestamp,
}

/// What a phase may know when it folds an event.
pub(crate) struct Folding {
    pub(crate) fence: Option<Fence>,
    pub(crate) live: Option<Arc<Live>>,
    pub(crate) at: Timestamp,
}

/// An event that can't happen in the phase it met.
#[derive(Debug)]
pub(crate) struct Impossible;

/// One piece of work a phase wants: what, which attempt, how long it may take.
pub(crate) type Wanted = (EffectKind, u32, Span);

impl Phase {
    /// Its name, for tables.
    #[must_use]
    pub const fn kind(&self) -> PhaseKind {
        match self {
            Self::Queued(_) => PhaseKind::Queued,
            Self::Detecting(_) => PhaseKind::Detecting,
            Self::Planning(_) => PhaseKind::Planning,
            Self::Blocked(_) => PhaseKind::Blocked,
            Self::Planned(_) => PhaseKind::Planned,
            Self::Executing(_) => PhaseKind::Executing,
            Self::Verifying(_) => PhaseKind::Verifying,
            Self::RollingBack(_) => PhaseKind::RollingBack,
            Self::Ended(_) => PhaseKind::Ended,
        }
    }

    /// The phase as users know it; an ending keeps the one it happened in.
    #[must_use]
    pub fn name(&self) -> PhaseName {
        match self {
            Self::Queued(_) | Self::Detecting(_) => PhaseName::Detect,
            Self::Planning(_) | Self::Planned(_) => PhaseName::Plan,
            Self::Blocked(blocked) => blocked.phase(),
            Self::Executing(_) => PhaseName::Execute,
            Self::Verifying(_) => PhaseName::Verify,
            Self::RollingBack(_) => PhaseName::Rollback,
            Self::Ended(ended) => ended.phase(),
        }
    }

    /// The run, once a plan is being carried out or was.
    #[must_use]
    pub const fn run(&self) -> Option<&Run> {
        match self {
            Self::Queued(_)
            | Self::Detecting(_)
            | Self::Planning(_)
            | Self::Blocked(_)
            | Self::Planned(_) => None,
            Self::Executing(executing) => Some(executing.run()),
            Self::Verifying(verifying) => Some(verifying.run()),
            Self::RollingBack(rolling_back) => Some(rolling_back.run()),
            Self::Ended(ended) => ended.run(),
        }
    }

    /// Whether the deployment owns its resource in this phase.
    #[must_use]
    pub const fn holds_resource(&self) -> bool {
        match self {
            Self::Queued(_) | Self::Blocked(_) | Self::Ended(_) => false,
            Self::Detecting(_)
            | Self::Planning(_)
            | Self::Planned(_)
            | Self::Executing(_)
            | Self::Verifying(_)
            | Self::RollingBack(_) => true,
        }
    }

    /// What a report leads to.
    pub(crate) fn report(&self, report: &Report, c: &Conditions<'_>) -> Result<Vec<Event>, Rejection> {
        match self {
            Self::Queued(queued) => queued.report(report, c),
            Self::Detecting(detecting) => detecting.report(report, c),
            Self::Planning(planning) => planning.report(report, c),
            Self::Blocked(_) | Self::Planned(_) => Err(Rejection::NotRunning),
            Self::Executing(executing) => executing.run().report(report, c),
            Self::Verifying(verifying) => verifying.run().report(report, c),
            Self::RollingBack(rolling_back) => rolling_back.report(report, c),
            Self::Ended(ended) => Err(ended.rejection()),
        }
    }

    /// What happens by itself now, one event at a time until nothing does.
    pub(crate) fn follow_up(&self, c: &Conditions<'_>) -> Option<Event> {
        match self {
            Self::Queued(_) | Self::Detecting(_) | Self::Planning(_) | Self::Blocked(_) => {
                c.request.map(Request::ending)
            }
            Self::Planned(planned) => c.request.map(Request::ending).or_else(|| planned.follow_up(c)),
            Self::Executing(executing) => executing.run().forward(PhaseName::Execute, c),
            Self::Verifying(verifying) => verifying.run().forward(PhaseName::Verify, c),
            Self::RollingBack(rolling_back) => rolling_back.follow_up(c),
            Self::Ended(_) => None,
        }
    }

    /// What is due by now.
    pub(crate) fn tick(&self, c: &Conditions<'_>) -> Vec<Event> {
        match self {
            Self::Queued(queued) => queued.attempt().tick(c.at),
            Self::Detecting(detecting) => detecting.attempt().tick(c.at),
            Self::Planning(planning) => planning.attempt().tick(c.at),
            Self::Blocked(blocked) => blocked.tick(c.at),
            Self::Planned(planned) => planned.tick(c),
            Self::Executing(executing) => executing.run().tick(c),
            Self::Verifying(verifying) => verifying.run().tick(c),
            Self::RollingBack(rolling_back) => rolling_back.run().tick_undo(c.at),
            Self::Ended(_) => Vec::new(),
        }
    }

    /// The work it wants running now. A function of the state alone.
    pub(crate) fn wanted(&self, held: bool) -> Vec<Wanted> {
        match self {
            // Claiming changes the world, so it is held; reading is not.
            Self::Queued(queued) if !held => queued.attempt().wanted(EffectKind::Claim),
            Self::Queued(_) | Self::Blocked(_) | Self::Planned(_) | Self::Ended(_) => Vec::new(),
            Self::Detecting(detecting) => detecting.attempt().wanted(EffectKind::Inspect),
            Self::Planning(planning) => planning.attempt().wanted(EffectKind::Draft),
            Self::Executing(executing) => executing.run().wanted(),
            Self::Verifying(verifying) => verifying.run().wanted(),
            Self::RollingBack(rolling_back) => rolling_back.run().wanted_undo(),
        }
    }

    /// When it wants a tick.
    pub(crate) fn deadline(&self, held: bool, asked_to_end: bool) -> Option<Timestamp> {
        match self {
            Self::Queued(queued) => queued.attempt().until(),
            Self::Detecting(detecting) => detecting.attempt().until(),
            Self::Planning(planning) => planning.attempt().until(),
            Self::Blocked(blocked) => Some(blocked.expires_at()),
            Self::Planned(planned) => (!held).then(|| planned.expires_at()),
            Self::Executing(executing) => executing.run().deadline(held, asked_to_end),
            Self::Verifying(verifying) => verifying.run().deadline(held, asked_to_end),
            Self::RollingBack(rolling_back) => rolling_back.run().undo_deadline(held),
            Self::Ended(_) => None,
        }
    }

    /// Folds an event. Dispatches on the phase first, so that a new event has to be considered in
    /// every phase's own file.
    pub(crate) fn evolve(self, event: &Event, f: &Folding) -> Result<Self, Impossible> {
        match self {
            Self::Queued(queued) => queued.evolve(event, f),
            Self::Detecting(detecting) => detecting.evolve(event, f),
            Self::Planning(planning) => planning.evolve(event, f),
            Self::Blocked(blocked) => blocked.evolve(event, f),
            Self::Planned(planned) => planned.evolve(event, f),
            Self::Executing(executing) => executing.evolve(event, f),
            Self::Verifying(verifying) => verifying.evolve(event, f),
            Self::RollingBack(rolling_back) => rolling_back.evolve(event, f),
            Self::Ended(_) => Err(Impossible),
        }
    }

    /// What a new owner may no longer take for granted.
    pub(crate) fn recovered(self) -> Self {
        match self {
            Self::Executing(executing) => Self::Executing(executing.map(Run::recovered)),
            Self::Verifying(verifying) => Self::Verifying(verifying.map(Run::recovered)),
            Self::Queued(_)
            | Self::Detecting(_)
            | Self::Planning(_)
            | Self::Blocked(_)
            | Self::Planned(_)
            | Self::RollingBack(_)
            | Self::Ended(_) => self,
        }
    }

    /// Gives a run back the time it was held for.
    pub(crate) fn resumed(self, held_for: Span) -> Self {
        match self {
            Self::Executing(executing) => Self::Executing(executing.map(|run| run.later_by(held_for))),
            Self::Verifying(verifying) => Self::Verifying(verifying.map(|run| run.later_by(held_for))),
            Self::Queued(_)
            | Self::Detecting(_)
            | Self::Planning(_)
            | Self::Blocked(_)
            | Self::Planned(_)
            | Self::RollingBack(_)
            | Self::Ended(_) => self,
        }
    }
}

impl PhaseKind {
    /// Its name in Rust, for messages and diagrams.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Detecting => "Detecting",
            Self::Planning => "Planning",
            Self::Blocked => "Blocked",
            Self::Planned => "Planned",
            Self::Executing => "Executing",
            Self::Verifying => "Verifying",
            Self::RollingBack => "RollingBack",
            Self::Ended => "Ended",
        }
    }
}
